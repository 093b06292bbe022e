package main

import (
	"strings"
	"testing"
	"unicode"
)

// A target has one spelling; what could be understood in two ways is refused.
func TestTarget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		protocol *protocol
		text     string
		want     string // empty: refused
	}{
		{smb, "//files.example.com/data", "//files.example.com/data"},
		{smb, "//Files.EXAMPLE.com/Data$", "//files.example.com/Data$"},
		{smb, "//files.example.com:445/data", "//files.example.com/data"},
		{smb, "//files.example.com:1445/data", "//files.example.com:1445/data"},
		{smb, "//192.0.2.1/共有", "//192.0.2.1/共有"},
		{smb, "//[2001:DB8::1]/data", "//[2001:db8::1]/data"},
		{smb, "//[2001:db8:0:0::1]:1445/data", "//[2001:db8::1]:1445/data"},
		{smb, "//[::ffff:192.0.2.1]/data", "//192.0.2.1/data"},
		{smb, "//[fe80::1%eth0]/data", "//[fe80::1%eth0]/data"},
		{nfs, "nfs.example.com:/srv/export", "nfs.example.com:/srv/export"},
		{nfs, "nfs.example.com:2049:/srv/a:b", "nfs.example.com:2049:/srv/a:b"},
		{nfs, "nfs.example.com:/srv/a:b", "nfs.example.com:/srv/a:b"},
		{nfs, "[2001:db8::1]:/", "[2001:db8::1]:/"},
		{nfs, "[2001:db8::1]:2049:/srv", "[2001:db8::1]:2049:/srv"},

		{smb, "", ""},
		{smb, "files.example.com/data", ""},
		{smb, `\\files.example.com\data`, ""},
		{smb, "smb://files.example.com/data", ""},
		{smb, "///data", ""},
		{smb, "//files.example.com", ""},
		{smb, "//files.example.com/", ""},
		{smb, "//files.example.com/data/", ""},
		{smb, "//files.example.com/data/below", ""},
		{smb, `//files.example.com/data\below`, ""},
		{smb, "//files.example.com/..", ""},
		{smb, "//files.example.com./data", ""},
		{smb, "//.files.example.com/data", ""},
		{smb, "//files..example.com/data", ""},
		{smb, "//user@files.example.com/data", ""},
		{smb, "//files.example.com:445@198.51.100.1/data", ""},
		{smb, "//files.example.com@198.51.100.1:445/data", ""},
		{smb, "//files.example.com#@198.51.100.1/data", ""},
		{smb, "//files.example.com%2f198.51.100.1/data", ""},
		{smb, "//files.example.com:0445/data", ""},
		{smb, "//files.example.com:+445/data", ""},
		{smb, "//files.example.com:0/data", ""},
		{smb, "//files.example.com:65536/data", ""},
		{smb, "//files.example.com:/data", ""},
		{smb, "//files.example.com:445:446/data", ""},
		{smb, "//2001:db8::1/data", ""},
		{smb, "//[2001:db8::1/data", ""},
		{smb, "//[2001:db8::1]445/data", ""},
		{smb, "//[2001:db8::1].example.com/data", ""},
		{smb, "//[[2001:db8::1]]/data", ""},
		{smb, "//[files.example.com]/data", ""},
		{smb, "//[192.0.2.1]/data", ""},
		{smb, "//[192.0.2.0/24]/data", ""},
		{smb, "//127.1/data", ""},
		{smb, "//2130706433/data", ""},
		{smb, "//0x7f.1/data", ""},
		{smb, "//0177.0.0.1/data", ""},
		{smb, "//192.0.2.1./data", ""},
		{smb, "//fｉles.example.com/data", ""},  // a wide letter
		{smb, "//files.example.com。/data", ""}, // the dot of ideographs
		{smb, "//*/data", ""},
		{smb, "//*.example.com/data", ""},
		{smb, "//files.example.com/da\u202eta", ""},
		{smb, "//files.example.com/da\u200bta", ""},
		{smb, "//files.example.com/da\x00ta", ""},
		{smb, "//files.example.com/da\nta", ""},
		{smb, "//files.example.com/\x8b\xa4", ""},
		{smb, "//files.example.com/" + strings.Repeat("x", 256), ""},
		{smb, "nfs.example.com:/srv", ""},
		{nfs, "//files.example.com/data", ""},
		{nfs, "nfs.example.com/srv", ""},
		{nfs, "nfs.example.com:srv", ""},
		{nfs, "nfs.example.com:", ""},
		{nfs, ":/srv", ""},
		{nfs, "nfs.example.com::/srv", ""},
		{nfs, "nfs.example.com:/srv/../etc", ""},
		{nfs, "nfs.example.com:/srv/..", ""},
		{nfs, "nfs.example.com:/./srv", ""},
		{nfs, "nfs.example.com:/srv/", ""},
		{nfs, "nfs.example.com://srv", ""},
		{nfs, "nfs.example.com:2049:srv", ""},
		{nfs, "user@nfs.example.com:/srv", ""},
	} {
		got, err := parseTarget(c.protocol, c.text)
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%q is %q", c.text, got)
		case c.want != "" && (err != nil || got.String() != c.want):
			t.Errorf("%q is %q, %v", c.text, got, err)
		}
	}
}

// A pattern allows what it names, and cannot be tricked into more.
func TestPattern(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		protocol  *protocol
		pattern   string
		yes, no   string // targets, by blanks
		malformed bool
	}{
		{protocol: smb, pattern: "//files.example.com/data",
			yes: "//files.example.com/data //FILES.example.com:445/DATA",
			no: "//files.example.com/data2 //files.example.com/dat //files.example.com:1445/data " +
				"//xfiles.example.com/data //files.example.com.evil.test/data //example.com/data " +
				"//192.0.2.1/data"},
		{protocol: smb, pattern: "//k/k", yes: "//k/K", no: "//k/\u212a"}, // the Kelvin sign
		{protocol: smb, pattern: "//*.example.com/*",
			yes: "//files.example.com/data //a.b.example.com/x",
			no:  "//example.com/data //evilexample.com/data //example.com.evil.test/data //files.example.com:1/x"},
		{protocol: smb, pattern: "//192.0.2.1/d*a",
			yes: "//192.0.2.1/data //192.0.2.1/da //[::ffff:192.0.2.1]/data",
			no:  "//192.0.2.1/d //192.0.2.1/datab //192.0.2.10/data"},
		{protocol: smb, pattern: "//[192.0.2.0/24]:*/data",
			yes: "//192.0.2.200/data //192.0.2.1:1445/data //[::ffff:192.0.2.9]/data",
			no:  "//192.0.3.1/data //files.example.com/data //[2001:db8::1]/data"},
		{protocol: smb, pattern: "//[2001:db8::/32]/data", yes: "//[2001:db8:1::1]/data",
			no: "//[2001:db9::1]/data //[fe80::1%eth0]/data //192.0.2.1/data"},
		{protocol: smb, pattern: "//[2001:db8::1]/data", yes: "//[2001:DB8:0::1]/data",
			no: "//[2001:db8::1]:1445/data //[2001:db8::2]/data"},
		{protocol: smb, pattern: "//*/data", yes: "//a/data //192.0.2.1/data //[::1]/data",
			no: "//a/b //a:1/data"},
		{protocol: smb, pattern: "//*:*/*", yes: "//a/b //[::1]:9/x"},
		{protocol: smb, pattern: "//a/ab*bc", yes: "//a/abbc //a/abxbc", no: "//a/abc"},
		{protocol: nfs, pattern: "nfs.example.com:/srv/export",
			yes: "nfs.example.com:/srv/export",
			no: "nfs.example.com:/srv/export/x nfs.example.com:/srv nfs.example.com:/srv/Export " +
				"nfs.example.com:2049:/srv/export"},
		{protocol: nfs, pattern: "nfs.example.com:/srv/*",
			yes: "nfs.example.com:/srv/a nfs.example.com:/srv/a:b",
			no:  "nfs.example.com:/srv nfs.example.com:/srv/a/b nfs.example.com:/srvx/a"},
		{protocol: nfs, pattern: "nfs.example.com:2049:/srv/*/x/**",
			yes: "nfs.example.com:2049:/srv/a/x/b nfs.example.com:2049:/srv/a/x/b/c",
			no:  "nfs.example.com:/srv/a/x/b nfs.example.com:2049:/srv/a/x nfs.example.com:2049:/srv/a/b/x/c"},
		{protocol: nfs, pattern: "[198.51.100.0/24]:/**", yes: "198.51.100.7:/a 198.51.100.7:/a/b",
			no: "198.51.100.7:/ 198.51.101.7:/a"},
		{protocol: nfs, pattern: "nfs.example.com:/", yes: "nfs.example.com:/", no: "nfs.example.com:/a"},

		{protocol: smb, pattern: "//fi*les/data", malformed: true},
		{protocol: smb, pattern: "//*.192.0.2.1/data", malformed: true},
		{protocol: smb, pattern: "//*./data", malformed: true},
		{protocol: smb, pattern: "//192.0.2.0/24/data", malformed: true},
		{protocol: smb, pattern: "//[192.0.2.1/24]/data", malformed: true},
		{protocol: smb, pattern: "//[192.0.2.0/33]/data", malformed: true},
		{protocol: smb, pattern: "//[::ffff:192.0.2.0/120]/data", malformed: true},
		{protocol: smb, pattern: "//files/data/**", malformed: true},
		{protocol: smb, pattern: "//files:0/data", malformed: true},
		{protocol: smb, pattern: "*", malformed: true},
		{protocol: smb, pattern: "nfs.example.com:/srv", malformed: true},
		{protocol: nfs, pattern: "nfs.example.com:/srv/../etc/**", malformed: true},
		{protocol: nfs, pattern: "nfs.example.com:/srv/**/x", malformed: true},
		{protocol: nfs, pattern: "//files.example.com/data", malformed: true},
	} {
		p, err := parsePattern(c.protocol, c.pattern)
		if (err != nil) != c.malformed {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for want, targets := range map[bool]string{true: c.yes, false: c.no} {
			for _, text := range strings.Fields(targets) {
				if got, err := parseTarget(c.protocol, text); err != nil || p.matches(got) != want {
					t.Errorf("%s matches %s: %v, %v", c.pattern, text, !want, err)
				}
			}
		}
	}
}

// Whatever a request names, a target that is accepted is made of plain
// characters, is its own spelling, and says to the probe what it says to the
// patterns.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"//a/b", "//a:1/b", "//[::1]/b", "a:/b", "a:1:/b", "[::1]:/b", "//a@b/c",
		"//[::1%eth0]:1/x", "//*.x/y", "a:/..", "//[::ffff:1.2.3.4]/x", "//1.2.3.4:445/\u212a"} {
		f.Add(s, "//*.x/**")
	}
	f.Fuzz(func(t *testing.T, text, words string) {
		for _, p := range []*protocol{smb, nfs} {
			got, err := parseTarget(p, text)
			if err != nil {
				continue
			}
			again, err := parseTarget(p, got.String())
			if err != nil || again != got {
				t.Errorf("%q is %q is %q, %v", text, got, again, err)
			}
			if strings.ContainsAny(got.host, "/@*\\ \"'<>#?") || strings.ContainsFunc(got.String(),
				func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q is %q", text, got)
			}
			if pat, err := parsePattern(p, got.String()); !strings.Contains(got.String(), "*") &&
				(err != nil || !pat.matches(got)) {
				t.Errorf("%q does not match itself (%v)", got, err)
			}
			pat, err := parsePattern(p, words)
			if err == nil && !strings.Contains(words, "*") && !strings.Contains(words, "/") &&
				pat.matches(got) {
				t.Errorf("%q matches %q", words, got)
			}
		}
	})
}

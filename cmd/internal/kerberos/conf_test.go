package kerberos

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func writeConf(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// What administrators have in krb5.conf: comments, sections and blocks that
// mean nothing here, files that are included, and nonsense.
func TestConf(t *testing.T) {
	dir := t.TempDir()
	parts := filepath.Join(dir, "parts")
	if err := os.Mkdir(parts, 0o755); err != nil {
		t.Fatal(err)
	}
	writeConf(t, parts, "one.conf", "[realms]\nONE = {\n kdc = one.test\n}\n")
	writeConf(t, parts, "two", "[realms]\nTWO = {\n kdc = two.test:1088\n}\n[domain_realm]\n.two.test = TWO\n")
	writeConf(t, parts, "three.rpmsave", "[realms]\nTHREE = {\n kdc = three.test\n}\n")
	writeConf(t, parts, ".hidden.conf", "[realms]\nHIDDEN = {\n kdc = hidden.test\n}\n")
	loop := filepath.Join(dir, "krb5.conf")
	c := readConf(writeConf(t, dir, "krb5.conf", `# a comment
includedir	`+parts+`
include `+filepath.Join(dir, "none.conf")+`
module /usr/lib/x.so:residual
[logging]
 default = FILE:/var/log/krb5libs.log
[libdefaults]
	default_realm = LAB.TEST
	default_realm = SECOND
	dns_lookup_kdc = no
	udp_preference_limit
	enctypes = { nonsense
	default_realm = INNER
	}
[realms]
LAB.TEST = {
	kdc = a.lab.test
	kdc = [2001:db8::1]:88
	kdc = 2001:db8::2*
	kdc = https://proxy/KdcProxy
	admin_server = a.lab.test
	v4_instance_convert = {
		kdc = wrong.test
	}
	auth_to_local = RULE:[1:$1@$0](.*@LAB\.TEST)s/@.*//
}
ATHENA = { kdc = same-line }
}}}
[domain_realm]
	.lab.test = LAB.TEST
	Files.Lab.Test = OTHER
	lab.test = LAB.TEST
[appdefaults]
 pam = {
  default_realm = WRONG
[ = ] } { =
include `+loop+`
`))
	want := map[string][]string{
		"LAB.TEST": {"a.lab.test:88", "[2001:db8::1]:88", "[2001:db8::2]:88"},
		"ONE":      {"one.test:88"}, "TWO": {"two.test:1088"},
	}
	if c.realm != "LAB.TEST" || !c.noDNS || len(c.kdcs) != len(want) {
		t.Errorf("%+v", c)
	}
	for realm, hosts := range want {
		if got := c.kdcs[realm]; !slices.Equal(got, hosts) {
			t.Errorf("%s: %q", realm, got)
		}
	}
	for host, realm := range map[string]string{"x.lab.test": "LAB.TEST", "files.lab.test": "OTHER",
		"lab.test": "LAB.TEST", "a.b.LAB.TEST": "LAB.TEST", "host.two.test": "TWO", "elsewhere": "", "test": ""} {
		if got := c.realmOf(host); got != realm {
			t.Errorf("the realm of %s is %q", host, got)
		}
	}
	notes := strings.Join(c.notes, "\n")
	for _, note := range []string{"none.conf: no such file or directory: it is not read",
		`[realms] LAB.TEST: "https://proxy/KdcProxy" has no port from 1 to 65535`, "too many files are included"} {
		if !strings.Contains(notes, note) {
			t.Errorf("no note %q in\n%.1000s", note, notes)
		}
	}
	if absent := readConf(filepath.Join(dir, "absent")); len(absent.notes) != 0 || absent.realm != "" {
		t.Errorf("%+v", absent)
	}
	if c := readConf(dir); len(c.notes) != 1 {
		t.Errorf("a directory in its place: %q", c.notes)
	}
}

// An order of KDCs begins with the one that answered last.
func TestOrder(t *testing.T) {
	for first, want := range map[string]string{
		"": "[a b c]", "a": "[a b c]", "c": "[c a b]", "gone": "[a b c]",
	} {
		if got := fmt.Sprint((&order{first}).sort([]string{"a", "b", "c"})); got != want {
			t.Errorf("after %q: %s", first, got)
		}
	}
}

// Whatever stands in a krb5.conf, reading it ends, and what it yields can be
// asked.
func FuzzConf(f *testing.F) {
	f.Add("[libdefaults]\ndefault_realm = R\n[realms]\nR = {\nkdc = h:1\n}\n")
	f.Add("include x\nincludedir /proc\n[a]\nb={c={d=}}\n}")
	f.Add("[domain_realm]\n.=R\n..a=\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := confReader{conf: conf{kdcs: map[string][]string{}, domains: map[string]string{}}, files: maxInclude}
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(strings.TrimSpace(line), "includedir") {
				r.line(strings.TrimSpace(line))
			}
		}
		for _, hosts := range r.kdcs {
			for _, h := range hosts {
				if again, err := hostPort(h); err != nil || again != h {
					t.Errorf("%q: %q, %v", h, again, err)
				}
			}
		}
		r.realmOf(text)
		r.realmOf("a.b.c")
	})
}

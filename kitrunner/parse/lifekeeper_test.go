package parse

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestAddresses(t *testing.T) {
	ip := netip.MustParseAddr
	for _, c := range []struct {
		name, output string
		want         []Address
		understood   bool
	}{
		{"on one line", strings.ToLower(nicGUID) + " 192.0.2.1 255.255.255.0\r\n",
			[]Address{{nicGUID, ip("192.0.2.1"), ""}}, true},
		{"below its adapter",
			nicGUID + "\r\n  192.0.2.1 255.255.255.0\r\n  192.0.2.2 255.255.255.0\r\n",
			[]Address{{nicGUID, ip("192.0.2.1"), ""}, {nicGUID, ip("192.0.2.2"), ""}}, true},
		{"without braces, with a device path", `\DEVICE\TCPIP_` + strings.Trim(nicGUID, "{}") +
			"=192.0.2.1\n", []Address{{nicGUID, ip("192.0.2.1"), ""}}, true},
		{"with a context", nicGUID + " 192.0.2.1 Context=0x2a\n" + backupGUID +
			" 192.0.2.2 context: 7\n",
			[]Address{{nicGUID, ip("192.0.2.1"), "0x2a"}, {backupGUID, ip("192.0.2.2"), "7"}},
			true},
		{"two on a line, with masks",
			nicGUID + " 192.0.2.1 255.255.255.0 192.0.2.2 255.255.255.0\n",
			[]Address{{nicGUID, ip("192.0.2.1"), ""}, {nicGUID, ip("192.0.2.2"), ""}}, true},
		{"two on a line, without", nicGUID + ": 192.0.2.1, 192.0.2.2\n",
			[]Address{{nicGUID, ip("192.0.2.1"), ""}, {nicGUID, ip("192.0.2.2"), ""}}, true},
		{"two on a line, each before its context",
			nicGUID + " 192.0.2.1 Context=1 192.0.2.2 255.0.0.0 Context=2\n",
			[]Address{{nicGUID, ip("192.0.2.1"), "1"}, {nicGUID, ip("192.0.2.2"), "2"}}, true},
		{"two on a line, and contexts of which nobody knows whose they are",
			nicGUID + " Context=1 192.0.2.1 Context=2 192.0.2.2\n",
			[]Address{{nicGUID, ip("192.0.2.1"), ""}, {nicGUID, ip("192.0.2.2"), ""}}, true},
		{"a context before its address", nicGUID + " Context=1 192.0.2.1\n",
			[]Address{{nicGUID, ip("192.0.2.1"), "1"}}, true},
		{"a number that is not called a context", nicGUID + " 192.0.2.1 24 99\n",
			[]Address{{nicGUID, ip("192.0.2.1"), ""}}, true},
		{"a context on another line", nicGUID + " 192.0.2.1\n Context=5\n192.0.2.2\n",
			[]Address{{nicGUID, ip("192.0.2.1"), ""}, {nicGUID, ip("192.0.2.2"), ""}}, true},
		{"an adapter without an address", nicGUID + "\n", nil, true},
		{"an address without an adapter", "192.0.2.1\n", nil, false},
		{"each above its adapter", "192.0.2.1\n" + nicGUID + "\n192.0.2.2\n" + backupGUID + "\n",
			nil, false},
		{"a version that is no address", "ips_ipchange 8.4.0.1142\n" + nicGUID + " 192.0.2.1\n",
			[]Address{{nicGUID, ip("192.0.2.1"), ""}}, true},
		{"nothing", "", nil, false},
	} {
		got, understood := Addresses(c.output)
		if d := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" ||
			understood != c.understood {
			t.Errorf("%s: understood %v, -want +got\n%s", c.name, understood, d)
		}
	}
}

func TestMentions(t *testing.T) {
	for text, want := range map[string]bool{
		"x_192.0.2.1_": true, "(192.0.2.1)": true, "": false, "192.0.2.10": false,
		"1192.0.2.1": false, "192.0.2.1.5": false,
	} {
		if Mentions(text, netip.MustParseAddr("192.0.2.1")) != want {
			t.Errorf("%q", text)
		}
	}
}

func TestInstanceState(t *testing.T) {
	for _, c := range []struct{ name, output, want string }{
		{"separated by ^A", instance, "OSU"},
		{"separated by blanks", "NODE2 filesys volume Vol.E E: ISP restored", "ISP"},
		{"another tag", "NODE2 filesys volume Vol.EF E: ISP restored", ""},
		{"no state", "NODE2 Vol.E", ""},
		{"two states", "NODE2 Vol.E ISP\nNODE3 Vol.E OSU", ""},
		{"a state before the tag", "OSU Vol.E ISP", "ISP"},
		{"nothing", "", ""},
	} {
		if got, understood := InstanceState(c.output, "Vol.E"); got != c.want ||
			understood != (c.want != "") {
			t.Errorf("%s: %q, %v", c.name, got, understood)
		}
	}
}

func TestNamesDrive(t *testing.T) {
	for output, want := range map[string]bool{
		"D:\r\nE:\r\n": true, "Volume e: is locked": true, `E:\`: true, "(E:)": true,
		"": false, "DE:": false, "E": false, "E :": false, "locked: ": false, "ボリューム E: ロック": true,
	} {
		if NamesDrive(output, "E") != want {
			t.Errorf("%q", output)
		}
	}
}

func TestEquivalencies(t *testing.T) {
	for _, c := range []struct {
		name, output, want string // want is "error" for one that is not understood
	}{
		{"REJOIN 1", "BENHOGAN2008 LK1-BENHOGAN2K8 GPLAYER2008 LK1-BENHOGAN2K8 SHARED 1 10\r\n" +
			"BENHOGAN2008 Vol.E GPLAYER2008 Vol.E SHARED 1 10\r\n",
			"BENHOGAN2008 LK1-BENHOGAN2K8 GPLAYER2008 LK1-BENHOGAN2K8, BENHOGAN2008 " +
				"Vol.E GPLAYER2008 Vol.E"},
		{"none", "", ""},
		{"blank lines", "\r\n \n", ""},
		{"the other column, other case", "gplayer2008 Vol.E BENHOGAN2008 Vol.X shared",
			"gplayer2008 Vol.E BENHOGAN2008 Vol.X"},
		{"between others", "BENHOGAN2008 Vol.E SNEAD2008 Vol.E SHARED 1 10", ""},
		{"a longer name", "BENHOGAN2008 Vol.E GPLAYER20081 Vol.E SHARED 1 10", ""},
		{"the tag, not the system",
			"BENHOGAN2008 GPLAYER2008 SNEAD2008 GPLAYER2008 SHARED 1 10", ""},
		{"another type", "BENHOGAN2008 Vol.E GPLAYER2008 Vol.E COMPOSITE 1 10", ""},
		{"SOH", "BENHOGAN2008\x01Vol E\x01GPLAYER2008\x01Vol E2\x01SHARED\x011\x0110\r\n",
			"BENHOGAN2008 Vol E GPLAYER2008 Vol E2"},
		{"tabs", "BENHOGAN2008\tVol.E\tGPLAYER2008\tVol.E\tSHARED\t1\t10\n",
			"BENHOGAN2008 Vol.E GPLAYER2008 Vol.E"},
		{"Japanese", "BENHOGAN2008 ボリューム GPLAYER2008 共有　名 SHARED 1 10\r\n",
			"BENHOGAN2008 ボリューム GPLAYER2008 共有　名"},
		{"a blank in a tag between blanks", "BENHOGAN2008 Vol E GPLAYER2008 Vol E SHARED 1 10",
			"error"},
		{"too few fields", "BENHOGAN2008 Vol.E GPLAYER2008 Vol.E", "error"},
		{"a priority that is none", "BENHOGAN2008 Vol.E GPLAYER2008 Vol.E SHARED one 10", "error"},
		{"a blank in a tag, asked with -f;",
			"BENHOGAN2008;Vol E;GPLAYER2008;Vol E 2;SHARED;1;10\r\n" +
				"BENHOGAN2008;共有 F;SNEAD2008;共有 F;SHARED;1;10\r\n",
			"BENHOGAN2008 Vol E GPLAYER2008 Vol E 2"},
		{"a message", "共有イクイバレンシはありません。", "error"},
		{"undecodable", "BENHOGAN2008 Vol.\ufffd GPLAYER2008 Vol.E SHARED 1 10", "error"},
		{"an error between the lines",
			"BENHOGAN2008 Vol.E GPLAYER2008 Vol.E SHARED 1 10\n(null)Process: eqv_list(2728)\n",
			"error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Equivalencies(c.output, "GPLAYER2008")
			var text []string
			for _, e := range got {
				text = append(text, strings.Join([]string{e.System, e.Tag, e.OtherSystem,
					e.OtherTag}, " "))
			}
			wantParsed(t, strings.Join(text, ", "), err, c.want)
			if err == nil && got == nil {
				t.Error("nil stands for not asked")
			}
		})
	}
}

func wantParsed(t *testing.T, got string, err error, want string) {
	t.Helper()
	if err != nil {
		got = "error"
	}
	if got != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

func TestSystems(t *testing.T) {
	for _, c := range []struct{ name, output, want string }{
		{"REJOIN 6 a", "BENHOGAN2008\r\nGPLAYER2008\r\n", "BENHOGAN2008, GPLAYER2008"},
		{"this system in other case", "benhogan2008\n", "benhogan2008"},
		{"empty", "", "error"},
		{"without this system", "GPLAYER2008\n", "error"},
		{"a message", "BENHOGAN2008\n*ERROR* (No. 9) communication failed\n", "error"},
		{"a path", "BENHOGAN2008\nC:\\LK\n", "error"},
		{"an option", "BENHOGAN2008\n-s\n", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Systems(c.output, "BENHOGAN2008")
			wantParsed(t, strings.Join(got, ", "), err, c.want)
		})
	}
}

func TestPaths(t *testing.T) {
	systems := []string{"GPLAYER2008", "SNEAD2008", "BENHOGAN2008"} // this system last
	for _, c := range []struct{ name, output, want string }{
		{"one of three",
			"GPLAYER2008 TCP 10.0.0.1 10.0.0.2 1\r\nSNEAD2008 TCP 10.0.0.1 10.0.0.3 2\r\n",
			"GPLAYER2008: GPLAYER2008 TCP 10.0.0.1 10.0.0.2 1, " +
				"SNEAD2008: SNEAD2008 TCP 10.0.0.1 10.0.0.3 2"},
		{"both ends named", "BENHOGAN2008\x01gplayer2008\x01TCP\x0110.0.0.1/10.0.0.2\n",
			"gplayer2008: BENHOGAN2008 gplayer2008 TCP 10.0.0.1/10.0.0.2"},
		{"a longer name", "GPLAYER20081 TCP x\nSNEAD2008 TCP y", "error"},
		{"none", "", ""},
		{"a heading", "Name Type\nGPLAYER2008 TCP\n", "error"},
		{"a name alone", "GPLAYER2008\n", "error"},
		{"a message", "通信に失敗しました\n", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Paths(c.output, systems)
			var text []string
			for _, p := range got {
				text = append(text, p.System+": "+p.Line)
			}
			wantParsed(t, strings.Join(text, ", "), err, c.want)
		})
	}
}

func TestInstances(t *testing.T) {
	for _, c := range []struct{ name, output, want string }{
		{"asked with -f;", "BENHOGAN2008;filesys;volume;Vol E;E:;x;ISP\r\n", "Vol E"},
		{"blanks", "BENHOGAN2008 filesys volume Vol E E: x ISP\r\n", "error"},
		{"SOH with empty fields", "BENHOGAN2008\x01comm\x01ip\x01IP 1\x0110.0.0.9\x01\x01ISP\x01\n",
			"IP 1"},
		{"none", "", ""},
		{"of another system", "GPLAYER2008 filesys volume Vol.E E: x ISP\n", "error"},
		{"no tag", "BENHOGAN2008\x01comm\x01ip\x01\x0110.0.0.9\n", "error"},
		{"a message", "リソースがありません\n", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Instances(c.output, "BENHOGAN2008")
			wantParsed(t, strings.Join(got, ", "), err, c.want)
		})
	}
}

// A name goes into a command line, a GUID into a registry key that is deleted:
// whatever is printed, nothing else gets through.
func FuzzRejoin(f *testing.F) {
	for _, s := range []string{
		"BENHOGAN2008 Vol.E GPLAYER2008 Vol.E SHARED 1 10\r\n",
		"BENHOGAN2008\x01a\x01GPLAYER2008\x01b\x01SHARED\x011\x012",
		"BENHOGAN2008\r\nGPLAYER2008\r\n", "GPLAYER2008 TCP 10.0.0.1 10.0.0.2\n",
		"BENHOGAN2008;filesys;volume;ボリューム;E:;x;ISP\n",
		"ID = " + jobE +
			"\r\nName = E Vol\r\nMirrorEndPoints = BENHOGAN2008;E;10.200.8.25;GPLAYER2008;E\r\n" +
			";10.200.8.26;A\r\n", "Status = 0\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, output string) {
		clean := func(s string) {
			if s == "" || strings.ContainsAny(s, "\x00\r\n\"\ufffd") {
				t.Errorf("%q got through", s)
			}
		}
		equivalencies, _ := Equivalencies(output, "GPLAYER2008")
		for _, e := range equivalencies {
			clean(e.Tag)
			clean(e.OtherTag)
			if !IsSystem(e.System) || !IsSystem(e.OtherSystem) || !strings.EqualFold(e.System,
				"GPLAYER2008") && !strings.EqualFold(e.OtherSystem, "GPLAYER2008") {
				t.Errorf("%+v got through", e)
			}
		}
		systems, err := Systems(output, "BENHOGAN2008")
		for _, s := range systems {
			clean(s)
		}
		if err == nil && FindName(systems, "BENHOGAN2008") == "" {
			t.Errorf("%q is without this system", systems)
		}
		Paths(output, []string{"GPLAYER2008", "BENHOGAN2008"})
		tags, _ := Instances(output, "BENHOGAN2008")
		for _, tag := range tags {
			clean(tag)
		}
		jobs, err := Jobs(output, "BENHOGAN2008", "E")
		if err != nil {
			return
		}
		for _, j := range jobs {
			if !guidForm.MatchString(j.ID) || len(j.ID) != 36 || !j.has("BENHOGAN2008", "E") {
				t.Errorf("%+v got through", j)
			}
		}
		again, err := Jobs(strings.ReplaceAll(output, "\r", ""), "BENHOGAN2008", "E")
		if diff := cmp.Diff(fmt.Sprint(jobs), fmt.Sprint(again)); err == nil && diff != "" {
			t.Errorf("line ends make a difference: %s", diff)
		}
	})
}

package kitrunner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseEquivalencies(t *testing.T) {
	for _, c := range []struct {
		name, output, want string // want is "error" for one that is not understood
	}{
		{"REJOIN 1", "BENHOGAN2008 LK1-BENHOGAN2K8 GPLAYER2008 LK1-BENHOGAN2K8 SHARED 1 10\r\nBENHOGAN2008 Vol.E GPLAYER2008 Vol.E SHARED 1 10\r\n",
			"BENHOGAN2008 LK1-BENHOGAN2K8 GPLAYER2008 LK1-BENHOGAN2K8, BENHOGAN2008 Vol.E GPLAYER2008 Vol.E"},
		{"none", "", ""},
		{"blank lines", "\r\n \n", ""},
		{"the other column, other case", "gplayer2008 Vol.E BENHOGAN2008 Vol.X shared", "gplayer2008 Vol.E BENHOGAN2008 Vol.X"},
		{"between others", "BENHOGAN2008 Vol.E SNEAD2008 Vol.E SHARED 1 10", ""},
		{"a longer name", "BENHOGAN2008 Vol.E GPLAYER20081 Vol.E SHARED 1 10", ""},
		{"the tag, not the system", "BENHOGAN2008 GPLAYER2008 SNEAD2008 GPLAYER2008 SHARED 1 10", ""},
		{"another type", "BENHOGAN2008 Vol.E GPLAYER2008 Vol.E COMPOSITE 1 10", ""},
		{"SOH", "BENHOGAN2008\x01Vol E\x01GPLAYER2008\x01Vol E2\x01SHARED\x011\x0110\r\n", "BENHOGAN2008 Vol E GPLAYER2008 Vol E2"},
		{"tabs", "BENHOGAN2008\tVol.E\tGPLAYER2008\tVol.E\tSHARED\t1\t10\n", "BENHOGAN2008 Vol.E GPLAYER2008 Vol.E"},
		{"Japanese", "BENHOGAN2008 ボリューム GPLAYER2008 共有　名 SHARED 1 10\r\n", "BENHOGAN2008 ボリューム GPLAYER2008 共有　名"},
		{"a blank in a tag between blanks", "BENHOGAN2008 Vol E GPLAYER2008 Vol E SHARED 1 10", "error"},
		{"too few fields", "BENHOGAN2008 Vol.E GPLAYER2008 Vol.E", "error"},
		{"a priority that is none", "BENHOGAN2008 Vol.E GPLAYER2008 Vol.E SHARED one 10", "error"},
		{"a message", "共有イクイバレンシはありません。", "error"},
		{"undecodable", "BENHOGAN2008 Vol.\ufffd GPLAYER2008 Vol.E SHARED 1 10", "error"},
		{"an error between the lines", "BENHOGAN2008 Vol.E GPLAYER2008 Vol.E SHARED 1 10\n(null)Process: eqv_list(2728)\n", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseEquivalencies(c.output, "GPLAYER2008")
			var text []string
			for _, e := range got {
				text = append(text, strings.Join([]string{e.system, e.tag, e.otherSystem, e.otherTag}, " "))
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

func TestParseSystems(t *testing.T) {
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
			got, err := parseSystems(c.output, "BENHOGAN2008")
			wantParsed(t, strings.Join(got, ", "), err, c.want)
		})
	}
}

func TestParsePaths(t *testing.T) {
	systems := []string{"BENHOGAN2008", "GPLAYER2008", "SNEAD2008"}
	for _, c := range []struct{ name, output, want string }{
		{"one of three", "GPLAYER2008 TCP 10.0.0.1 10.0.0.2 1\r\nSNEAD2008 TCP 10.0.0.1 10.0.0.3 2\r\n", "GPLAYER2008: GPLAYER2008 TCP 10.0.0.1 10.0.0.2 1"},
		{"both ends named", "BENHOGAN2008\x01gplayer2008\x01TCP\x0110.0.0.1/10.0.0.2\n", "gplayer2008: BENHOGAN2008 gplayer2008 TCP 10.0.0.1/10.0.0.2"},
		{"a longer name", "GPLAYER20081 TCP x\nSNEAD2008 TCP y", "error"},
		{"none", "", ""},
		{"a heading", "Name Type\nGPLAYER2008 TCP\n", "error"},
		{"a name alone", "GPLAYER2008\n", "error"},
		{"a message", "通信に失敗しました\n", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parsePaths(c.output, "GPLAYER2008", systems)
			var text []string
			for _, p := range got {
				text = append(text, p.system+": "+p.line)
			}
			wantParsed(t, strings.Join(text, ", "), err, c.want)
		})
	}
}

func TestParseInstances(t *testing.T) {
	for _, c := range []struct{ name, output, want string }{
		{"blanks", "BENHOGAN2008 filesys volume Vol.E E: x ISP\r\n", "Vol.E"},
		{"SOH with empty fields", "BENHOGAN2008\x01comm\x01ip\x01IP 1\x0110.0.0.9\x01\x01ISP\x01\n", "IP 1"},
		{"none", "", ""},
		{"of another system", "GPLAYER2008 filesys volume Vol.E E: x ISP\n", "error"},
		{"no tag", "BENHOGAN2008\x01comm\x01ip\x01\x0110.0.0.9\n", "error"},
		{"a message", "リソースがありません\n", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseInstances(c.output, "BENHOGAN2008")
			wantParsed(t, strings.Join(got, ", "), err, c.want)
		})
	}
}

func TestParseJobs(t *testing.T) {
	const id = "ID = " + jobE + "\r\nName = E Vol\r\nDescription =\r\n"
	const ends = "BENHOGAN2008;E;10.200.8.25;GPLAYER2008;E;10.200.8.26;A"
	for _, c := range []struct{ name, output, want string }{
		{"REJOIN 5, as a console breaks it", id + "MirrorEndPoints = BENHOGAN2008;E;10.200.8.25;GPLAYER2008;E\r\n;10.200.8.26;A\r\n",
			jobE + " BENHOGAN2008:E GPLAYER2008:E"},
		{"no job", "", ""},
		{"no job, with a status", "Status = 0\r\n", ""},
		{"two mirrors", id + "MirrorEndPoints = " + ends + " BENHOGAN2008;e;10.200.8.25;SNEAD2008;E;10.200.8.27;S\n",
			jobE + " BENHOGAN2008:E GPLAYER2008:E BENHOGAN2008:E SNEAD2008:E"},
		{"two mirrors on two lines", id + "MirrorEndPoints = " + ends + "\n" + strings.ReplaceAll(ends, "GPLAYER2008", "SNEAD2008") + "\n",
			jobE + " BENHOGAN2008:E GPLAYER2008:E BENHOGAN2008:E SNEAD2008:E"},
		{"two jobs", id + "MirrorEndPoints = " + ends + "\n\nID = " + jobF + "\nName = other\nMirrorEndPoints = " + ends + "\n",
			jobE + " BENHOGAN2008:E GPLAYER2008:E, " + jobF + " BENHOGAN2008:E GPLAYER2008:E"},
		{"Japanese", "ID = " + jobE + "\nName = Ｅボリューム\nDescription = 営業部の\n共有\nMirrorEndPoints = " + ends,
			jobE + " BENHOGAN2008:E GPLAYER2008:E"},
		{"names with a domain", id + "MirrorEndPoints = BENHOGAN2008.a.example;E;1.2.3.4;GPLAYER2008.a.example;E;1.2.3.5;A",
			jobE + " BENHOGAN2008.a.example:E GPLAYER2008.a.example:E"},
		{"GUID in braces", strings.ReplaceAll(id, jobE, "{"+jobE+"}") + "MirrorEndPoints = " + ends, "error"},
		{"GUID with more", strings.ReplaceAll(id, jobE, jobE+`\..`) + "MirrorEndPoints = " + ends, "error"},
		{"GUID too short", strings.ReplaceAll(id, jobE, jobE[1:]) + "MirrorEndPoints = " + ends, "error"},
		{"empty ID", "ID =\r\n" + "MirrorEndPoints = " + ends, "error"},
		{"no ends", id, "error"},
		{"an ID alone", "ID = " + jobE, "error"},
		{"cut off", id + "MirrorEndPoints = " + ends[:30], "error"},
		{"another volume", id + "MirrorEndPoints = " + strings.ReplaceAll(ends, ";E;", ";F;"), "error"},
		{"other systems", id + "MirrorEndPoints = " + strings.ReplaceAll(ends, "BENHOGAN2008", "SNEAD2008"), "error"},
		{"two lists of ends", id + "MirrorEndPoints = " + ends + "\nMirrorEndPoints = " + ends, "error"},
		{"a status that is not 0", "Status = 1722\r\n", "error"},
		{"a message", "指定されたボリュームが見つかりません。\r\n", "error"},
		{"ends without a job", "MirrorEndPoints = " + ends, "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseJobs(c.output, "BENHOGAN2008", "E")
			var text []string
			for _, j := range got {
				s := j.id
				for _, e := range j.ends {
					s += " " + e.system + ":" + e.volume
				}
				text = append(text, s)
			}
			wantParsed(t, strings.Join(text, ", "), err, c.want)
		})
	}
}

// A name goes into a command line, a GUID into a registry key that is deleted:
// whatever is printed, nothing else gets through.
func FuzzRejoinParsers(f *testing.F) {
	for _, s := range []string{
		"BENHOGAN2008 Vol.E GPLAYER2008 Vol.E SHARED 1 10\r\n", "BENHOGAN2008\x01a\x01GPLAYER2008\x01b\x01SHARED\x011\x012",
		"BENHOGAN2008\r\nGPLAYER2008\r\n", "GPLAYER2008 TCP 10.0.0.1 10.0.0.2\n", "BENHOGAN2008 filesys volume ボリューム E: x ISP\n",
		"ID = " + jobE + "\r\nName = E Vol\r\nMirrorEndPoints = BENHOGAN2008;E;10.200.8.25;GPLAYER2008;E\r\n;10.200.8.26;A\r\n", "Status = 0\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, output string) {
		clean := func(s string) {
			if s == "" || strings.ContainsAny(s, "\x00\r\n\"\ufffd") {
				t.Errorf("%q got through", s)
			}
		}
		equivalencies, _ := parseEquivalencies(output, "GPLAYER2008")
		for _, e := range equivalencies {
			clean(e.tag)
			clean(e.otherTag)
			if !isSystem(e.system) || !isSystem(e.otherSystem) || !strings.EqualFold(e.system, "GPLAYER2008") && !strings.EqualFold(e.otherSystem, "GPLAYER2008") {
				t.Errorf("%+v got through", e)
			}
		}
		systems, err := parseSystems(output, "BENHOGAN2008")
		for _, s := range systems {
			clean(s)
		}
		if err == nil && !containsFold(systems, "BENHOGAN2008") {
			t.Errorf("%q is without this system", systems)
		}
		parsePaths(output, "GPLAYER2008", []string{"BENHOGAN2008", "GPLAYER2008"})
		tags, _ := parseInstances(output, "BENHOGAN2008")
		for _, tag := range tags {
			clean(tag)
		}
		jobs, err := parseJobs(output, "BENHOGAN2008", "E")
		if err != nil {
			return
		}
		for _, j := range jobs {
			if !guidForm.MatchString(j.id) || len(j.id) != 36 || !j.has("BENHOGAN2008", "E") {
				t.Errorf("%+v got through", j)
			}
		}
		again, err := parseJobs(strings.ReplaceAll(output, "\r", ""), "BENHOGAN2008", "E")
		if diff := cmp.Diff(fmt.Sprint(jobs), fmt.Sprint(again)); err == nil && diff != "" {
			t.Errorf("line ends make a difference: %s", diff)
		}
	})
}

package parse

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMirrors(t *testing.T) {
	for _, c := range []struct {
		name, output string
		want         []Mirror
		understood   bool
	}{
		{"source", "E: 1 SOURCE 172.17.103.134 1\r\n", []Mirror{{1, "SOURCE", "172.17.103.134", 1}}, true},
		{"target", "E: 2 SOURCE 172.17.103.134 5\r\nStatus = 0\r\n", []Mirror{{2, "SOURCE", "172.17.103.134", 5}},
			true},
		{"two targets", "E: 1 S 10.0.0.1 1\nE: 1 S 10.0.0.2 -1\n", []Mirror{{1, "S", "10.0.0.1", 1},
			{1, "S", "10.0.0.2", -1}}, true},
		{"another volume", "F: 1 S 10.0.0.1 1\n", nil, false},
		{"without a colon, in small letters", "e 1 S 10.0.0.1 4\n", []Mirror{{1, "S", "10.0.0.1", 4}},
			true},
		{"all targets, the last cut off", "E: 1 S 10.0.0.1 1\nE: 1 S 10.0", nil, false},
		{"no state", "E: 2\n", nil, false},
		{"no role", "E: SOURCE S 10.0.0.1 1\n", nil, false},
		{"a state that is none", "E: 1 S 10.0.0.1 9\n", nil, false},
		{"more than is documented", "E: 2 S 10.0.0.1 1 1\n", nil, false},
		{"a sentence that starts with the letter", "E: 2 errors were found, the mirror\n", nil,
			false},
		{"contradicting roles", "E: 1 S 10.0.0.1 1\nE: 2 S 10.0.0.2 1\n", nil, false},
		{"a status alone", "Status = 21\n", nil, false},
		{"garbage", garbage, nil, false},
	} {
		got, understood := Mirrors(c.output, "E")
		if d := cmp.Diff(c.want, got); d != "" || understood != c.understood {
			t.Errorf("%s: understood %v, -want +got\n%s", c.name, understood, d)
		}
	}
}

func TestJobs(t *testing.T) {
	const id = "ID = " + jobE + "\r\nName = E Vol\r\nDescription =\r\n"
	const ends = "BENHOGAN2008;E;10.200.8.25;GPLAYER2008;E;10.200.8.26;A"
	for _, c := range []struct{ name, output, want string }{
		{"REJOIN 5, as a console breaks it",
			id + "MirrorEndPoints = BENHOGAN2008;E;10.200.8.25;GPLAYER2008;E\r\n;10.200.8.26;A\r\n",
			jobE + " BENHOGAN2008:E GPLAYER2008:E"},
		{"no job", "", ""},
		{"no job, with a status", "Status = 0\r\n", ""},
		{"two mirrors", id + "MirrorEndPoints = " + ends +
			" BENHOGAN2008;e;10.200.8.25;SNEAD2008;E;10.200.8.27;S\n",
			jobE + " BENHOGAN2008:E GPLAYER2008:E BENHOGAN2008:E SNEAD2008:E"},
		{"two mirrors on two lines", id + "MirrorEndPoints = " + ends + "\n" +
			strings.ReplaceAll(ends, "GPLAYER2008", "SNEAD2008") + "\n",
			jobE + " BENHOGAN2008:E GPLAYER2008:E BENHOGAN2008:E SNEAD2008:E"},
		{"two jobs", id + "MirrorEndPoints = " + ends + "\n\nID = " + jobF +
			"\nName = other\nMirrorEndPoints = " + ends + "\n",
			jobE + " BENHOGAN2008:E GPLAYER2008:E, " + jobF + " BENHOGAN2008:E GPLAYER2008:E"},
		{"Japanese",
			"ID = " + jobE + "\nName = Ｅボリューム\nDescription = 営業部の\n共有\nMirrorEndPoints = " + ends,
			jobE + " BENHOGAN2008:E GPLAYER2008:E"},
		{"names with a domain",
			id + "MirrorEndPoints = " +
				"BENHOGAN2008.a.example;E;1.2.3.4;GPLAYER2008.a.example;E;1.2.3.5;A",
			jobE + " BENHOGAN2008.a.example:E GPLAYER2008.a.example:E"},
		{"GUID in braces", strings.ReplaceAll(id, jobE, "{"+jobE+"}") + "MirrorEndPoints = " + ends,
			"error"},
		{"GUID with more", strings.ReplaceAll(id, jobE, jobE+`\..`) + "MirrorEndPoints = " + ends,
			"error"},
		{"GUID too short", strings.ReplaceAll(id, jobE, jobE[1:]) + "MirrorEndPoints = " + ends,
			"error"},
		{"empty ID", "ID =\r\n" + "MirrorEndPoints = " + ends, "error"},
		{"no ends", id, "error"},
		{"an ID alone", "ID = " + jobE, "error"},
		{"cut off", id + "MirrorEndPoints = " + ends[:30], "error"},
		{"another volume", id + "MirrorEndPoints = " + strings.ReplaceAll(ends, ";E;", ";F;"),
			"error"},
		{"other systems", id + "MirrorEndPoints = " + strings.ReplaceAll(ends, "BENHOGAN2008",
			"SNEAD2008"), "error"},
		{"two lists of ends", id + "MirrorEndPoints = " + ends + "\nMirrorEndPoints = " + ends,
			"error"},
		{"a status that is not 0", "Status = 1722\r\n", "error"},
		{"a message", "指定されたボリュームが見つかりません。\r\n", "error"},
		{"ends without a job", "MirrorEndPoints = " + ends, "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Jobs(c.output, "BENHOGAN2008", "E")
			var text []string
			for _, j := range got {
				s := j.ID
				for _, e := range j.Ends {
					s += " " + e.System + ":" + e.Volume
				}
				text = append(text, s)
			}
			wantParsed(t, strings.Join(text, ", "), err, c.want)
		})
	}
}

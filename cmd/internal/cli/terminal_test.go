package cli

import (
	"strings"
	"testing"

	"fsmon/watchreg"
)

// A wide character counts twice, and a combining one not at all.
func TestVisible(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{
		"": 0, "share": 5, "Büro": 4, "共有フォルダ": 12, "ﾌｫﾙﾀﾞ": 5, "e\u0301": 1,
		"한글": 4, "ＡＢ": 4, "📁": 2, "…": 1, "\x1b[1;31m共\x1b[0m": 2,
	} {
		if got := visible(s); got != want {
			t.Errorf("%q takes %d places, want %d", s, got, want)
		}
	}
	for width := range 14 {
		cut := shorten("共有フォルダx", width)
		if n := visible(cut); n > width || width > 1 && n < width-1 {
			t.Errorf("cut to %d: %q takes %d", width, cut, n)
		}
	}
}

// The columns are aligned whatever the script of a share's name, and the table
// fits the terminal.
func TestTableOfWideNames(t *testing.T) {
	t.Parallel()
	entries := zoo()[3:6]
	entries[0].Status.Target = "//127.0.0.1:445/共有フォルダ"
	entries[1].Status.Target = "//127.0.0.1:445/" + strings.Repeat("業務", 60)
	for _, width := range []int{0, 80, 100, 61} {
		lines := strings.Split(string(table(entries, noon, width, false)), "\n")
		column := -1
		for _, line := range lines[:len(entries)+1] {
			before, _, found := strings.Cut(line, "samba")
			if !found {
				before, _, _ = strings.Cut(line, "KIND")
			}
			if n := visible(before); column < 0 {
				column = n
			} else if n != column {
				t.Errorf("width %d: the kind stands at %d, not %d: %q", width, n, column, line)
			}
			if n := visible(line); width > 0 && n > width {
				t.Errorf("width %d: a line of %d: %q", width, n, line)
			}
		}
		state := strings.Index(lines[0], "STATE")
		for i, line := range lines[1 : len(entries)+1] {
			for _, word := range []string{"failing since", "overdue", "healthy since"} {
				before, _, found := strings.Cut(line, "  "+word)
				if at := visible(before) + 2; found && at != visible(lines[0][:state]) {
					t.Errorf("width %d: the state of row %d stands at %d, not %d: %q",
						width, i, at, state, line)
				}
			}
		}
	}
}

// The watches that need attention come first; the others keep their order.
func TestSickFirst(t *testing.T) {
	t.Parallel()
	entries := zoo()
	sickFirst(entries, noon)
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	const want = "dead deadborn failing frozen newer zombie evil healthy odd paused pausing starting unborn"
	if got := strings.Join(ids, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	sickFirst([]watchreg.Entry{}, noon)
}

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"fsmon/watchreg"
)

var (
	noon   = time.Date(2026, 11, 21, 12, 0, 0, 0, time.Local)
	before = func(d time.Duration) time.Time { return noon.Add(-d) }
)

// zoo is one watch of every sort.
func zoo() []watchreg.Entry {
	st := func(state watchreg.State, change func(*watchreg.Status)) *watchreg.Status {
		s := &watchreg.Status{
			Command: "clp_x", Version: "1", PID: 42, Kind: "samba", Target: "//127.0.0.1:445/share",
			State: state, Since: before(time.Hour),
			LastProbe: before(12 * time.Second), LastSuccess: before(12 * time.Second),
			Interval: 30, Retries: 5, Timeout: 60,
		}
		change(s)
		return s
	}
	none := func(*watchreg.Status) {}
	return []watchreg.Entry{
		{ID: "dead", Status: st(watchreg.Healthy, none)},
		{ID: "deadborn"},
		{ID: "evil", Live: true, Status: st("st\x1b[2J\n", func(s *watchreg.Status) {
			s.Target,
				s.Kind = "\x1b[2J//\n", "\a"
		})},
		{ID: "failing", Live: true, Status: st(watchreg.Failing,
			func(s *watchreg.Status) { s.Failures, s.LastError = 2, "connect: refused" })},
		{ID: "frozen", Live: true, Status: st(watchreg.Healthy,
			func(s *watchreg.Status) { s.LastProbe = before(2 * time.Hour) })},
		{ID: "healthy", Live: true, Status: st(watchreg.Healthy, none)},
		{ID: "newer", Live: true, Err: errors.New("format 9")},
		{ID: "odd", Live: true, Status: st(watchreg.Healthy,
			func(s *watchreg.Status) { s.Warnings = []string{"guest", "slow"} })},
		{ID: "paused", Live: true, Status: st(watchreg.Paused,
			func(s *watchreg.Status) { s.LastProbe = before(100 * time.Hour) })},
		{ID: "pausing", Live: true, Status: st(watchreg.Paused,
			func(s *watchreg.Status) { s.PausedUntil = noon.Add(24 * time.Hour) })},
		{ID: "starting", Live: true, Status: st(watchreg.Starting,
			func(s *watchreg.Status) { s.Since, s.LastProbe = noon, time.Time{} })},
		{ID: "unborn", Live: true},
		{ID: "zombie", Status: st(watchreg.Ended, none)},
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	const want = `IDENTIFIER  KIND   TARGET                 STATE                          LAST PROBE   FAILED  PID
dead        samba  //127.0.0.1:445/share  not running                    12 s ago     0/6     42
deadborn    -      -                      not running                    -            -       -
evil        ?      ?[2J//?                st?[2J? since 11:00            12 s ago     0/6     42
failing     samba  //127.0.0.1:445/share  failing since 11:00            12 s ago     2/6     42
frozen      samba  //127.0.0.1:445/share  overdue                        2 h ago      0/6     42
healthy     samba  //127.0.0.1:445/share  healthy since 11:00            12 s ago     0/6     42
newer       -      -                      running, unreadable            -            -       -
odd         samba  //127.0.0.1:445/share  healthy since 11:00            12 s ago     0/6     42
paused      samba  //127.0.0.1:445/share  paused since 11:00             4 d 4 h ago  0/6     42
pausing     samba  //127.0.0.1:445/share  paused until 2026-11-22 12:00  12 s ago     0/6     42
starting    samba  //127.0.0.1:445/share  starting since 12:00           -            0/6     42
unborn      -      -                      starting                       -            -       -
zombie      samba  //127.0.0.1:445/share  not running                    12 s ago     0/6     42
dead: its process 42 is gone without a word (killed, crashed, or its registry hung); it was healthy
  at 2026-11-21 11:00:00 (-del removes what is left, a new start takes it over)
deadborn: its process is gone, and so is what it watched (-del removes what is left of it)
failing: connect: refused
frozen: 1 h without the end of a probe: the watch's process may be frozen, or this machine starved
newer: format 9
odd: guest; slow
zombie: its process 42 ended at 2026-11-21 11:00:00, and could not clear the registry (-del removes
  what is left, a new start takes it over)
`
	got := string(table(zoo(), noon, 0, false))
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if empty := string(table(nil, noon, 0, true)); empty != "no watches\n" {
		t.Errorf("%q", empty)
	}
}

// No line of the table is wider than the terminal, whatever the width and the
// watches are.
func TestTableFits(t *testing.T) {
	t.Parallel()
	entries := zoo()
	entries[0].ID = strings.Repeat("i", 255)
	entries[5].Status.Target = "//" + strings.Repeat("ü", 250)
	colour := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for width := 1; width < 700; width += 1 + width/40 {
		for _, paint := range []palette{false, true} {
			out := table(entries, noon, width, paint)
			if bytes.ContainsRune(out, '\x1b') && !bool(paint) {
				t.Fatalf("width %d: colours", width)
			}
			lines := strings.Split(colour.ReplaceAllString(string(out), ""), "\n")
			for _, line := range lines[:len(entries)+1] {
				if n := utf8.RuneCountInString(line); n > width {
					t.Fatalf("width %d: %d characters: %q", width, n, line)
				}
			}
			if width >= 110 && !strings.Contains(lines[6], "healthy since 11:00") {
				t.Errorf("width %d: the target leaves no room: %q", width, lines[6])
			}
		}
	}
}

// An ordinary terminal shows every column of ordinary watches, with long names
// too.
func TestTableOn80Columns(t *testing.T) {
	t.Parallel()
	all := zoo()
	all[5].ID, all[5].Status.PID = strings.Repeat("i", 255), 4194304
	all[5].Status.Target = "//" + strings.Repeat("ü", 250)
	out := string(table([]watchreg.Entry{all[3], all[5], all[7]}, noon, 80, false))
	for _, want := range []string{" PID\n", " 42\n", " 4194304\n", "…  samba  "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
}

// What is redrawn fits the terminal: no line wraps, and nothing scrolls.
func TestRedraw(t *testing.T) {
	t.Parallel()
	text := table(zoo(), noon, 80, false)
	for height := range 40 {
		var out bytes.Buffer
		redraw(&out, text, 80, height)
		got := out.String()
		if !strings.HasPrefix(got, "\x1b[H") || !strings.HasSuffix(got, "\x1b[K\n\x1b[J") {
			t.Fatalf("%q", got)
		}
		n := strings.Count(got, "\n")
		if height > 1 && n > height-1 {
			t.Errorf("%d lines on a terminal of %d", n, height)
		}
		all := strings.Count(string(text), "\n")
		if n < all != strings.Contains(got, fmt.Sprintf("… %d more lines", all-n+1)) {
			t.Errorf("height %d: %d of %d lines:\n%s", height, n, all, got)
		}
	}
	var out bytes.Buffer
	redraw(&out, []byte("a: "+strings.Repeat("x", 100)+"\n"), 20, 5)
	if want := "\x1b[Ha: " + strings.Repeat("x", 16) + "…\x1b[K\n\x1b[J"; out.String() != want {
		t.Errorf("%q", out.String())
	}
}

func TestDisplay(t *testing.T) {
	t.Parallel()
	for i, want := range map[int]string{
		0: `pid           42
identifier    dead
watches       //127.0.0.1:445/share (clp_x 1)
state         not running: its process 42 is gone without a word (killed, crashed, or its registry hung); it was healthy at 2026-11-21 11:00:00 (-del removes what is left, a new start takes it over)
last probe    2026-11-21 11:59:48, 12 s ago, 0.0 ms, healthy
last success  2026-11-21 11:59:48, 12 s ago
failures      0 in a row; 6 make the verdict
settings      -i 30 -c 5 -r 60
`,
		1: "identifier    deadborn\nstate         not running: its process is gone, and so is what it " +
			"watched (-del removes what is left of it)\n",
		4: `pid           42
identifier    frozen
watches       //127.0.0.1:445/share (clp_x 1)
state         healthy since 2026-11-21 11:00:00
overdue       1 h without the end of a probe: the watch's process may be frozen, or this machine starved
last probe    2026-11-21 10:00:00, 2 h ago, 0.0 ms, healthy
last success  2026-11-21 11:59:48, 12 s ago
failures      0 in a row; 6 make the verdict
settings      -i 30 -c 5 -r 60
`,
		11: "identifier    unborn\nstate         starting\n",
		13: "identifier    planted\nstate         unreadable: bad ?[2J\n",
	} {
		var out strings.Builder
		planted := watchreg.Entry{ID: "planted", Err: errors.New("bad \x1b[2J")}
		display(&out, append(zoo(), planted)[i], noon, false)
		if out.String() != want {
			t.Errorf("got\n%s\nwant\n%s", out.String(), want)
		}
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 1999 * time.Millisecond: "1 s", 59 * time.Second: "59 s",
		time.Minute: "1 min", 3599 * time.Second: "59 min",
		time.Hour: "1 h", 90 * time.Minute: "1 h 30 min", 24 * time.Hour: "1 d", 100 * time.Hour: "4 d 4 h",
	} {
		if got := ago(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

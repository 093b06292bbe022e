package kitrunner

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The process is killed at every command in turn, before the command does its
// work and after. The next run completes, with the same result.
func TestRejoinResumes(t *testing.T) {
	whole := newRejoinLab(t)
	r := whole.rejoin("E", "F")
	r.AllResources = true
	if err := whole.run(r); err != nil {
		t.Fatal(err)
	}
	want, count := whole.fake.state(), whole.fake.n
	if count < 39 {
		t.Fatalf("only %d commands", count)
	}
	for n := 1; n <= count; n++ {
		for _, after := range []bool{false, true} {
			l := newRejoinLab(t)
			l.fake.dieAt, l.fake.after = n, after
			r := l.rejoin("E", "F")
			r.AllResources = true
			if err := l.run(r); !errors.Is(err, errKilled) {
				t.Fatalf("killed at %d: %v", n, err)
			}
			done := 0 // steps that the journal has
			if j, err := openJournal(l.journal(), journal{System: r.System, Gone: r.Gone,
				Volumes: r.Volumes, AllResources: true}); err != nil {
				t.Fatal(err)
			} else {
				done = len(j.Done)
			}
			l.fake.dieAt = 0
			r = l.rejoin("E", "F")
			r.AllResources = true
			if err := l.run(r); err != nil {
				t.Fatalf("killed at command %d (%s), after it: %v: the next run: %v", n,
					l.fake.ran[n-1], after, err)
			}
			if got := l.fake.state(); got != want {
				t.Errorf("killed at command %d, after it: %v: the end is\n%s\nwant\n%s", n,
					after, got, want)
			}
			skipped := 0
			for _, s := range r.Report() {
				if s.Outcome == RejoinBefore {
					skipped++
				}
			}
			if skipped != done {
				t.Errorf("killed at command %d: %d steps in the journal, %d skipped", n,
					done, skipped)
			}
			if _, err := os.Stat(l.journal()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the journal of a completed rejoin still stands: %v", err)
			}
		}
	}
}

// A failure of any command ends the run. Nothing is changed after it, and
// nothing is removed because of a query that did not answer. When the fault is
// gone the next run completes.
func TestRejoinFaults(t *testing.T) {
	whole := newRejoinLab(t)
	r := whole.rejoin("E")
	r.AllResources = true
	if err := whole.run(r); err != nil {
		t.Fatal(err)
	}
	end, count := whole.fake.state(), whole.fake.n
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			for n := 1; n <= count; n++ {
				l := newRejoinLab(t)
				at, changedBefore := Command{}, 0
				l.fake.fault = func(i int, c Command) (Result, bool) {
					if i == n {
						at, changedBefore = c, len(l.fake.changed)
					}
					return fault.res, i == n
				}
				r := l.rejoin("E")
				r.AllResources = true
				err := l.run(r)
				l.fake.fault = nil
				isQuery := at.Timeout == r.Deadlines.Query
				want := 3
				switch {
				case strings.HasPrefix(fault.name, "failing") && !isQuery:
					want = 1 // it ran and said no
				case fault.name == "garbage" && !isQuery && at.Place == LKBin &&
					at.Name != "lcdsync.exe":
					// a removal says nothing on success; the list after it
					// shows that it did none
					want = 1
				case fault.name == "garbage" && at.Name == "reg.exe":
					// its words are Windows' own; the file and the job show
					// that it did nothing
					want = 1
				case fault.name == "garbage" && at.Name == "lcdsync.exe":
					want = 0 // it has no other answer than its exit code
				}
				// Where each removal is tried for every path, the next makes up
				// for one that does nothing.
				if got := rejoinCode(err); got != want && !(at.Name == "net_remove.exe" &&
					got == 0) {
					t.Errorf("command %d, %s: exit code %d (%v), want %d", n, at, got, err, want)
				}
				if isQuery && len(l.fake.changed) > changedBefore {
					t.Errorf("command %d, %s, did not answer, and then %q ran", n, at,
						l.fake.changed[changedBefore:])
				}
				if want != 0 && err != nil {
					if err := l.run(
						func() *Rejoin {
							r := l.rejoin("E")
							r.AllResources = true
							return r
						}()); err != nil {
						t.Errorf("command %d, %s: the next run: %v", n, at, err)
						continue
					}
					if got := l.fake.state(); got != end {
						t.Errorf("command %d, %s: the end is\n%s\nwant\n%s", n, at, got, end)
					}
				}
			}
		})
	}
}

func TestRejoinJournalOfAnother(t *testing.T) {
	l := newRejoinLab(t)
	l.fake.dieAt = 12
	if err := l.run(l.rejoin("E")); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	l.fake.dieAt = 0
	l.fake.ran = nil
	if err := l.run(l.rejoin("E", "F")); rejoinCode(err) != 64 || !errors.Is(err, errOtherJournal) {
		t.Errorf("other volumes: %v", err)
	}
	if err := os.WriteFile(l.journal(), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := l.run(l.rejoin("E")); rejoinCode(err) != 3 {
		t.Errorf("a damaged journal: %v", err)
	}
	if len(l.fake.ran) > 0 {
		t.Errorf("ran %q", l.fake.ran)
	}
}

// Nothing runs if the completed steps could not be recorded.
func TestRejoinJournalCannotBeWritten(t *testing.T) {
	l := newRejoinLab(t)
	r := l.rejoin("E")
	file := filepath.Join(l.dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r.Journal = filepath.Join(file, "rejoin.json")
	if err := l.run(r); err == nil {
		t.Error("no error")
	}
	if len(l.fake.changed) > 0 {
		t.Errorf("changed %q", l.fake.changed)
	}
}

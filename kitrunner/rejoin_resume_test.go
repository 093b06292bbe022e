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
	whole.mustRun(r)
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
			if _, err := l.run(r); !errors.Is(err, errKilled) {
				t.Fatalf("killed at %d: %v", n, err)
			}
			l.fake.dieAt = 0
			changed := len(l.fake.changed)
			r = l.rejoin("E", "F")
			r.AllResources = true
			report, err := l.run(r)
			if err != nil || report.Code != 0 {
				t.Fatalf("killed at command %d (%s), after it: %v: the next run: %d, %v, %s", n,
					l.fake.ran[n-1], after, report.Code, err, l.lastEvent())
			}
			if got := l.fake.state(); got != want {
				t.Errorf("killed at command %d, after it: %v: the end is\n%s\nwant\n%s", n,
					after, got, want)
			}
			if changed+len(l.fake.changed[changed:]) > len(whole.fake.changed)+2 {
				t.Errorf("killed at command %d: done twice: %q", n, l.fake.changed)
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
	r := whole.rejoin("E", "F")
	r.AllResources = true
	whole.mustRun(r)
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
				r := l.rejoin("E", "F")
				r.AllResources = true
				report, err := l.run(r)
				if err != nil {
					t.Fatal(err)
				}
				l.fake.fault = nil
				isQuery := !at.Changes
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
				got := report.Code
				if got != want && !(at.Name == "net_remove.exe" && got == 0) &&
					!(got == 0 && l.ofAnotherVolume(at)) {
					t.Errorf("command %d, %s: exit code %d (%s), want %d", n, at, got,
						l.lastEvent(), want)
				}
				if isQuery && got != 0 && len(l.fake.changed) > changedBefore {
					t.Errorf("command %d, %s, did not answer, and then %q ran", n, at,
						l.fake.changed[changedBefore:])
				}
				if got != 0 {
					r := l.rejoin("E", "F")
					r.AllResources = true
					l.mustRun(r)
					if got := l.fake.state(); got != end {
						t.Errorf("command %d, %s: the end is\n%s\nwant\n%s", n, at, got, end)
					}
				}
			}
		})
	}
}

// ofAnotherVolume tells whether a question is about a volume of which nothing
// is changed: an answer that says no is enough then.
func (l *rejoinLab) ofAnotherVolume(c Command) bool {
	return !c.Changes && c.Name == "EMCMD.exe" && strings.ContainsAny(c.Args[2], "CG")
}

func TestRejoinJournalOfAnother(t *testing.T) {
	l := newRejoinLab(t)
	l.fake.dieAt = 20
	if _, err := l.run(l.rejoin("E", "F")); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	l.fake.dieAt = 0
	l.fake.ran = nil
	other := l.rejoin("E", "F")
	other.AllResources = true
	if _, err := l.run(other); !errors.Is(err, ErrOtherJournal) {
		t.Errorf("other arguments: %v", err)
	}
	if err := os.WriteFile(l.journal(), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := l.run(l.rejoin("E", "F")); err == nil || errors.Is(err, ErrOtherJournal) {
		t.Errorf("a damaged journal: %v", err)
	}
	if len(l.fake.ran) > 0 {
		t.Errorf("ran %q", l.fake.ran)
	}
}

// Nothing runs if the completed steps could not be recorded.
func TestRejoinJournalCannotBeWritten(t *testing.T) {
	l := newRejoinLab(t)
	r := l.rejoin("E", "F")
	file := filepath.Join(l.dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r.Journal = filepath.Join(file, "rejoin.json")
	if _, err := l.run(r); err == nil {
		t.Error("no error")
	}
	if len(l.fake.changed) > 0 {
		t.Errorf("changed %q", l.fake.changed)
	}
}

package kitrunner

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// A resource that appears between the plan and the run is not removed, and a
// mirror that works again is not ended.
func TestRejoinDoesOnlyWhatThePlanShows(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*fakeCluster)
		want    string
		changed int // the equivalencies come first
	}{
		{"an equivalency", func(f *fakeCluster) {
			f.equivalencies = append(f.equivalencies,
				"BENHOGAN2008 New GPLAYER2008 New SHARED 1 10")
		}, "New of BENHOGAN2008 with New of GPLAYER2008 is not in the plan", 0},
		{"a mirror", func(f *fakeCluster) {
			f.mirrors["E"] = "1 BENHOGAN2008 10.1.8.26 3"
		}, "with 10.1.8.26 is not in the plan", 3},
		{"a mirror that works again", func(f *fakeCluster) {
			f.mirrors["E"] = "1 BENHOGAN2008 10.200.8.26 1"
		}, "was not reinstalled", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newRejoinLab(t)
			r := l.surveyed("E", "F")
			c.change(l.fake)
			report, err := r.Run(context.Background())
			if err != nil || report.Code != 1 || !strings.Contains(l.lastEvent(), c.want) {
				t.Errorf("exit code %d, %v\n%s", report.Code, err, l.lastEvent())
			}
			if len(l.fake.changed) != c.changed || l.fake.mirrors["E"] == "" {
				t.Errorf("changed %q", l.fake.changed)
			}
		})
	}
}

func (l *rejoinLab) surveyed(volumes ...string) *Rejoin {
	l.t.Helper()
	r := l.rejoin(volumes...)
	err := r.Check()
	var report Report
	if err == nil {
		report, err = r.Survey(context.Background())
	}
	if err != nil || report.Code != 0 {
		l.t.Fatal(report, err)
	}
	return r
}

// What came back after an earlier run had removed it is removed again: the
// system decides, not the journal. The plan says that it is so.
func TestRejoinRemovesWhatCameBack(t *testing.T) {
	l := newRejoinLab(t)
	before := newFakeCluster(l.dir)
	l.fake.fault = func(_ int, c Command) (Result, bool) {
		return Result{Err: context.DeadlineExceeded}, c.Name == "lcdsync.exe"
	}
	if report, err := l.run(l.rejoin("E", "F")); err != nil || report.Code != 3 {
		t.Fatal(report, err)
	}
	done := l.fake.state()
	l.fake.fault = nil
	for _, back := range []struct {
		name, command string
		change        func()
	}{
		{"the equivalencies", "eqv_remove", func() { l.fake.equivalencies = before.equivalencies }},
		{"the file", "LKDRInfo.E", func() { l.fake.info("E", "x") }},
		{"the job", "reg.exe delete", func() { l.fake.jobs[jobE] = "E Vol, anew" }},
		{"the mirror", "deletelocalmirroronly E", func() {
			l.fake.mirrors["E"] = before.mirrors["E"]
		}},
		{"the switchover flag", "clearswitchover E", func() {
			l.fake.mirrors["E"] = before.mirrors["E"]
			l.fake.cleared["E"] = false
		}},
		{"the system", "sys_remove", func() { l.fake.systems = before.systems }},
		{"the paths", "net_remove", func() { l.fake.paths = before.paths }},
	} {
		t.Run(back.name, func(t *testing.T) {
			back.change()
			r := l.surveyed("E", "F")
			if text, _ := r.Plan(); !strings.Contains(text, back.command) ||
				!strings.Contains(text, "and is to be done again") {
				t.Errorf("the plan is\n%s", text)
			}
			l.fake.fault = func(_ int, c Command) (Result, bool) {
				return Result{Err: context.DeadlineExceeded}, c.Name == "lcdsync.exe"
			}
			if report, err := r.Run(context.Background()); err != nil || report.Code != 3 {
				t.Errorf("exit code %d, %v, %s", report.Code, err, l.lastEvent())
			}
			if got := l.fake.state(); got != done {
				t.Errorf("the end is\n%s\nwant\n%s", got, done)
			}
			l.fake.fault = nil
		})
	}
}

// Without DataKeeper nothing of it is asked.
func TestRejoinWithoutDataKeeper(t *testing.T) {
	l := newRejoinLab(t)
	l.fake.withoutVolumes()
	os.Remove(l.fake.files[2])
	r := l.rejoin()
	r.NoDataKeeper = true
	l.mustRun(r)
	if text := strings.Join(l.fake.ran, "\n"); strings.Contains(text, "EMCMD") {
		t.Error(text)
	}
	// Where it does not run, its silence says nothing.
	l = newRejoinLab(t)
	l.fake.withoutVolumes()
	l.fake.fault = func(_ int, c Command) (Result, bool) {
		return Result{Code: 1722, Output: "Status = 1722\r\n"}, c.Name == "EMCMD.exe"
	}
	if report, err := l.run(l.rejoin()); err != nil || report.Code != 3 ||
		len(l.fake.changed) > 0 {
		t.Errorf("exit code %d, %v\n%s", report.Code, err, l.lastEvent())
	}
}

// Names are compared without regard to case, and removed as they are listed.
func TestRejoinSpellsNamesAsListed(t *testing.T) {
	l := newRejoinLab(t)
	r := l.rejoin("E", "F")
	r.System, r.Gone = "benhogan2008", "gplayer2008"
	l.mustRun(r)
	if len(l.fake.systems) != 2 || len(l.fake.paths) != 1 || len(l.fake.equivalencies) != 1 ||
		len(l.fake.jobs) != 1 {
		t.Error(l.fake.state())
	}
}

// A signal stops a run between two commands, never within one that changes
// something.
func TestRejoinInterrupted(t *testing.T) {
	l := newRejoinLab(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := l.surveyed("E", "F")
	l.fake.fault = func(_ int, c Command) (Result, bool) {
		if c.Name == "eqv_remove.exe" {
			cancel()
			if l.fake.ctx.Err() != nil {
				t.Error("the change under way was cancelled")
			}
		}
		return Result{}, false
	}
	if report, err := r.Run(ctx); err != nil || report.Code != 3 {
		t.Errorf("exit code %d, %v", report.Code, err)
	}
	if len(l.fake.changed) != 1 {
		t.Errorf("changed %q, want the one command that was under way", l.fake.changed)
	}
	l.fake.fault = nil
	l.mustRun(l.rejoin("E", "F"))
}

func TestRejoinShowsStepsAsTheyGo(t *testing.T) {
	l := newRejoinLab(t)
	r := l.surveyed("E", "F")
	var shown []string
	r.Engine.Show = func(n Notice) {
		if n.Kind == StepBegins || n.Kind == CommandBegins {
			shown = append(shown, fmt.Sprintf("%s %d after %d", n.Step, n.Kind,
				len(l.fake.changed)))
		}
	}
	if _, err := r.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := []string{"(1) 0 after 0", "(1) 1 after 0", "(2) 0 after 0", "(2) 1 after 0",
		"(2) 1 after 1", "(2) 1 after 2", "(3) 0 after 3"}
	if !slices.Equal(shown[:len(want)], want) {
		t.Errorf("got %q, want %q", shown[:len(want)], want)
	}
}

package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rejoinLab is the document's example: BENHOGAN2008 cleans up, GPLAYER2008 is
// the gone system.
type rejoinLab struct {
	t    *testing.T
	dir  string
	fake *fakeCluster
}

func newRejoinLab(t *testing.T) *rejoinLab {
	dir := rejoinDir(t)
	return &rejoinLab{t: t, dir: dir, fake: newFakeCluster(dir)}
}

// rejoinDir is a temporary directory whose removal also works under Wine, which
// cannot remove a tree at once.
func rejoinDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "rejoin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var all []string
		filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			all = append(all, path)
			return err
		})
		for _, path := range slices.Backward(all) {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		}
	})
	return dir
}

func (l *rejoinLab) rejoin(volumes ...string) *Rejoin {
	return &Rejoin{System: "BENHOGAN2008", Gone: "GPLAYER2008", Volumes: volumes, Root: l.dir,
		Journal: l.journal(), Runner: l.fake, Deadlines: DefaultDeadlines()}
}

func (l *rejoinLab) journal() string { return filepath.Join(l.dir, "rejoin-gplayer2008.json") }

// run does all that the command does after the confirmation is given.
func (l *rejoinLab) run(r *Rejoin) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(killed); !ok {
				panic(v)
			}
			err = errKilled
		}
	}()
	ctx := context.Background()
	if err := r.Survey(ctx); err != nil {
		return err
	}
	if err := r.Run(ctx); err != nil {
		return err
	}
	_, err = r.Finish()
	return err
}

var errKilled = errors.New("killed")

func rejoinCode(err error) int {
	var e *RejoinError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Code
	}
	return -1
}

// text is a plan or report for a golden file.
func (l *rejoinLab) text(steps []RejoinStep) string {
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%d [%s] %s", s.Number, s.Document, s.Title)
		if s.Outcome != "" {
			fmt.Fprintf(&b, ": %s", s.Outcome)
		}
		if s.Detail != "" {
			fmt.Fprintf(&b, " (%s)", s.Detail)
		}
		b.WriteString("\n")
		for _, c := range s.Commands {
			fmt.Fprintf(&b, "    %s\n", c)
		}
	}
	return l.portable(b.String())
}

var (
	dirPaths = regexp.MustCompile(`DIR[^\s"]*`)
	times    = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
)

func (l *rejoinLab) portable(s string) string {
	s = strings.ReplaceAll(s, l.dir, "DIR")
	s = dirPaths.ReplaceAllStringFunc(s, filepath.ToSlash)
	return times.ReplaceAllString(s, "TIME")
}

func (l *rejoinLab) golden(name, got string) {
	l.t.Helper()
	path := filepath.Join("testdata", "rejoin", name+".txt")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			l.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatal(err)
	}
	if got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		l.t.Errorf("%s differs (UPDATE_GOLDEN=1 writes it anew), got:\n%s", path, got)
	}
}

// transcript is everything that a person sees of a run, and the state after it.
func (l *rejoinLab) transcript(r *Rejoin) string {
	err := l.run(r)
	var b strings.Builder
	if r.agreed != nil {
		fmt.Fprintf(&b, "# done\n%s", l.text(r.Report()))
	}
	fmt.Fprintf(&b, "# exit code %d\n", rejoinCode(err))
	if err != nil {
		fmt.Fprintf(&b, "%s\n", l.portable(err.Error()))
	}
	fmt.Fprintf(&b, "# changed\n%s\n# state\n%s# by hand\n%s\n",
		l.portable(strings.Join(l.fake.changed, "\n")), l.fake.state(),
		strings.Join(r.Checklist(), "\n"))
	return b.String()
}

func TestRejoinPlanRunsNothing(t *testing.T) {
	l := newRejoinLab(t)
	r := l.rejoin("f:", "E")
	r.AllResources = true
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	l.golden("plan", l.text(r.Plan())+"# by hand\n"+strings.Join(r.Checklist(), "\n")+"\n")
	if err := r.Survey(context.Background()); err != nil {
		t.Fatal(err)
	}
	l.golden("plan-surveyed", l.text(r.Plan()))
	if len(l.fake.changed) > 0 {
		t.Errorf("changed %q", l.fake.changed)
	}
	if _, err := os.Stat(l.journal()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a journal was begun without a run: %v", err)
	}
}

func TestRejoinRun(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(*fakeCluster)
		all     bool
		volumes []string
	}{
		{"run", func(*fakeCluster) {}, false, []string{"E", "F"}},
		{"run-all-resources", func(*fakeCluster) {}, true, []string{"E"}},
		{"run-no-volumes", func(*fakeCluster) {}, false, nil},
		{"run-soh", func(f *fakeCluster) { f.separator = "\x01" }, true, []string{"E", "F"}},
		{"run-one-path-at-a-time", func(f *fakeCluster) { f.onePath = true }, false, nil},
		{"run-half-done-by-hand", func(f *fakeCluster) {
			f.equivalencies, f.paths = f.equivalencies[3:], nil
			delete(f.jobs, jobE)
			f.mirrors["E"] = false
			os.Remove(f.files[0])
		}, false, []string{"E", "F"}},
		{"third-system-in-the-job", func(f *fakeCluster) {
			f.endPoints[jobE] = "BENHOGAN2008;E;10.200.8.25;GPLAYER2008;E;10.200.8.26;A\r\n" +
				"BENHOGAN2008;E;10.200.8.25;SNEAD2008;E;10.200.8.27;A"
		}, false, []string{"E"}},
		{"other-volume-in-the-job", func(f *fakeCluster) {
			f.endPoints[jobE] += " BENHOGAN2008;H;10.200.8.25;GPLAYER2008;H;10.200.8.26;A"
		}, false, []string{"E"}},
		{"gone-system-unknown", func(f *fakeCluster) {
			f.equivalencies, f.systems, f.paths = nil, f.systems[:1], nil
		}, false, nil},
		{"guid-malformed", func(f *fakeCluster) {
			f.jobs[`x\..\..`], f.volumes["E"], f.endPoints[`x\..\..`] = "E Vol", `x\..\..`,
				f.endPoints[jobE]
		}, false, []string{"E"}},
		{"this-system-not-listed", func(f *fakeCluster) { f.systems = f.systems[1:] }, false, nil},
		{"export-not-written", func(f *fakeCluster) {
			f.fault = func(_ int, c Command) (Result, bool) {
				return Result{Output: "The operation completed successfully.\r\n"},
					len(c.Args) > 0 && c.Args[0] == "export"
			}
		}, false, []string{"E"}},
		{"export-empty", func(f *fakeCluster) {
			f.fault = func(_ int, c Command) (Result, bool) {
				if len(c.Args) == 0 || c.Args[0] != "export" {
					return Result{}, false
				}
				return Result{Err: os.WriteFile(c.Args[2], nil, 0o600)}, true
			}
		}, false, []string{"E"}},
		{"equivalency-stays", func(f *fakeCluster) {
			f.fault = func(_ int, c Command) (Result, bool) {
				return Result{}, c.Name == "eqv_remove.exe"
			}
		}, false, nil},
		{"mirror-stays", func(f *fakeCluster) {
			f.fault = func(_ int, c Command) (Result, bool) {
				return Result{Code: 5, Output: "Status = 5\r\n"}, slices.Contains(c.Args,
					"deletelocalmirroronly")
			}
		}, false, []string{"E"}},
		{"circular-dependencies", func(f *fakeCluster) {
			f.parents["LK1-BENHOGAN2K8"] = "IP1"
		}, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newRejoinLab(t)
			c.prepare(l.fake)
			r := l.rejoin(c.volumes...)
			r.AllResources = c.all
			l.golden(c.name, l.transcript(r))
		})
	}
}

func TestRejoinRefusesArguments(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*Rejoin)
		want   string
	}{
		{"local system", func(r *Rejoin) { r.Gone = "benhogan2008" }, "error 424"},
		{"this machine", func(r *Rejoin) { r.Gone = strings.ToUpper(host) }, "error 424"},
		{"no system", func(r *Rejoin) { r.System = "" }, "--system"},
		{"no gone system", func(r *Rejoin) { r.Gone = "" }, "--gone"},
		{"a path as the gone system", func(r *Rejoin) { r.Gone = `..\x` }, "--gone"},
		{"an option as the gone system", func(r *Rejoin) { r.Gone = `-s` }, "--gone"},
		{"no drive", func(r *Rejoin) { r.Volumes = []string{`E:\`} }, "--volume"},
		{"a drive twice", func(r *Rejoin) { r.Volumes = []string{"E", "e:"} }, "--volume"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newRejoinLab(t)
			r := l.rejoin("E")
			c.change(r)
			err := l.run(r)
			if rejoinCode(err) != 64 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v with code %d, want %q with 64", err, rejoinCode(err), c.want)
			}
			if len(l.fake.ran) > 0 {
				t.Errorf("ran %q", l.fake.ran)
			}
		})
	}
}

// A resource that appears between the plan and the run is not removed.
func TestRejoinDoesOnlyWhatThePlanShows(t *testing.T) {
	l := newRejoinLab(t)
	r := l.rejoin("E")
	if err := r.Survey(context.Background()); err != nil {
		t.Fatal(err)
	}
	l.fake.equivalencies = append(l.fake.equivalencies,
		"BENHOGAN2008 New GPLAYER2008 New SHARED 1 10")
	err := r.Run(context.Background())
	if rejoinCode(err) != 1 || !strings.Contains(err.Error(), "-t New") {
		t.Errorf("got %v", err)
	}
	if len(l.fake.changed) > 0 {
		t.Errorf("changed %q", l.fake.changed)
	}
	if err := l.rejoin("E").Run(context.Background()); rejoinCode(err) != 64 {
		t.Errorf("a run without a survey: %v", err)
	}
}

// A job that was made again after an earlier run had deleted it is not touched.
func TestRejoinLeavesWhatCameBack(t *testing.T) {
	l := newRejoinLab(t)
	l.fake.fault = func(_ int, c Command) (Result, bool) {
		return Result{Err: context.DeadlineExceeded}, slices.Contains(c.Args,
			"deletelocalmirroronly")
	}
	if err := l.run(l.rejoin("E")); rejoinCode(err) != 3 {
		t.Fatal(err)
	}
	l.fake.fault = nil
	l.fake.jobs[jobE] = "E Vol, anew"
	before := l.fake.state()
	err := l.run(l.rejoin("E"))
	if rejoinCode(err) != 1 || !strings.Contains(err.Error(), "still there") {
		t.Errorf("got %v", err)
	}
	if got := l.fake.state(); got != before {
		t.Errorf("changed\n%s\nto\n%s", before, got)
	}
}

// Names are compared without regard to case, and removed as they are listed.
func TestRejoinSpellsNamesAsListed(t *testing.T) {
	l := newRejoinLab(t)
	r := l.rejoin("E", "F")
	r.System, r.Gone = "benhogan2008", "gplayer2008"
	if err := l.run(r); err != nil {
		t.Fatal(err)
	}
	if len(l.fake.systems) != 2 || len(l.fake.paths) != 1 || len(l.fake.equivalencies) != 1 ||
		len(l.fake.jobs) != 0 {
		t.Error(l.fake.state())
	}
}

// A signal stops a run between two commands, never within one that changes
// something.
func TestRejoinInterrupted(t *testing.T) {
	l := newRejoinLab(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := l.rejoin("E")
	if err := r.Survey(ctx); err != nil {
		t.Fatal(err)
	}
	l.fake.fault = func(_ int, c Command) (Result, bool) {
		if c.Name == "eqv_remove.exe" {
			cancel()
			if l.fake.ctx.Err() != nil {
				t.Error("the change under way was cancelled")
			}
		}
		return Result{}, false
	}
	err := r.Run(ctx)
	if rejoinCode(err) != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(l.fake.changed) != 1 {
		t.Errorf("changed %q, want the one command that was under way", l.fake.changed)
	}
	l.fake.fault = nil
	if err := l.run(l.rejoin("E")); err != nil {
		t.Error(err)
	}
}

func TestRejoinShowsStepsAsTheyGo(t *testing.T) {
	l := newRejoinLab(t)
	r := l.rejoin()
	var shown []string
	r.Show = func(s RejoinStep) {
		shown = append(shown, fmt.Sprintf("%d %q command %d after %d", s.Number, s.Outcome,
			len(s.Commands), len(l.fake.changed)))
	}
	if err := l.run(r); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`1 "" command 0 after 0`, `1 "" command 1 after 0`, `1 "done" command 1 after 0`,
		`2 "" command 0 after 0`, `2 "" command 1 after 0`, `2 "" command 2 after 1`,
		`2 "" command 3 after 2`, `2 "done" command 3 after 3`,
	}
	if !slices.Equal(shown[:len(want)], want) {
		t.Errorf("got %q, want %q", shown[:len(want)], want)
	}
}

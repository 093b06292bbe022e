package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
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
	base := "" // the journal is synced to the disk, in memory that costs nothing
	if _, err := os.Stat("/dev/shm"); err == nil && runtime.GOOS == "linux" {
		base = "/dev/shm"
	}
	dir, err := os.MkdirTemp(base, "rejoin")
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
		Journal: l.journal(), Drives: []string{"C", "E", "F", "G"},
		Engine: &Engine{Runner: l.fake, Log: l.fake, Deadlines: DefaultDeadlines()}}
}

func (l *rejoinLab) journal() string { return filepath.Join(l.dir, "rejoin-gplayer2008.json") }

// run does all that the command does after the confirmation is given. The
// steps are those of the survey and of the clean-up.
func (l *rejoinLab) run(r *Rejoin) (report Report, err error) {
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(killed); !ok {
				panic(v)
			}
			err = errKilled
		}
	}()
	ctx := context.Background()
	if err := r.Check(); err != nil {
		return report, err
	}
	if report, err = r.Survey(ctx); err != nil || report.Code != 0 {
		return report, err
	}
	surveyed := report.Steps
	if report, err = r.Run(ctx); err != nil || report.Code != 0 {
		return report, err
	}
	report.Steps = append(surveyed, report.Steps...)
	_, err = r.Finish()
	return report, err
}

// mustRun runs to the end.
func (l *rejoinLab) mustRun(r *Rejoin) {
	l.t.Helper()
	if report, err := l.run(r); err != nil || report.Code != 0 {
		l.t.Fatalf("exit code %d, %v\n%s", report.Code, err, l.lastEvent())
	}
}

func (l *rejoinLab) lastEvent() string { return strings.Join(l.fake.events, "\n") }

var errKilled = errors.New("killed")

// differences leaves out what is in the base's golden file too: whole steps,
// and lines of the state and the checklist.
func (l *rejoinLab) differences(base, text string) string {
	data, err := os.ReadFile(filepath.Join("testdata", "rejoin", base+".txt"))
	if err != nil {
		l.t.Fatal(err)
	}
	same := func(part string) bool {
		return strings.Contains(strings.ReplaceAll(string(data), "\r\n", "\n"), part)
	}
	var b strings.Builder
	for _, step := range regexp.MustCompile(`(?m)^.*\n(?: .*\n)*`).FindAllString(text, -1) {
		if section := step[0] == '#'; section || !same(step) || inChanged(b.String()) {
			b.WriteString(step)
		}
	}
	return "# what is not as in " + base + ":\n" + b.String()
}

// inChanged tells whether the last section is the list of changes, which stays
// whole.
func inChanged(text string) bool {
	return strings.HasPrefix(text[strings.LastIndex(text, "#")+1:], " changed")
}

// text is a report for a golden file.
func (l *rejoinLab) text(report Report) string {
	var b strings.Builder
	for _, s := range report.Steps {
		fmt.Fprintf(&b, "%s %s %s\n", s.Action, s.Step, s.Text)
		for i, c := range s.Commands {
			fmt.Fprintf(&b, "    %s: exit code %d", c.Command, c.Code)
			if i < len(s.Outcomes) {
				fmt.Fprintf(&b, ": %s", s.Outcomes[i])
			}
			b.WriteString("\n")
		}
		for _, o := range s.Outcomes[min(len(s.Commands), len(s.Outcomes)):] {
			fmt.Fprintf(&b, "    = %s\n", o)
		}
		for _, e := range s.Events {
			fmt.Fprintf(&b, "    event %s %d %s\n", e.Severity, e.Number, e.Text)
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
	report, err := l.run(r)
	var b strings.Builder
	fmt.Fprintf(&b, "%s# exit code %d\n", l.text(report), report.Code)
	if err != nil {
		fmt.Fprintf(&b, "%s\n", l.portable(err.Error()))
	}
	for _, why := range r.Refused {
		fmt.Fprintf(&b, "refused: %s\n", l.portable(why))
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
	text, report := r.Plan()
	l.golden("plan", l.portable(text)+"# by hand\n"+strings.Join(r.Checklist(), "\n")+"\n")
	if report.Outcome != "planned" || len(report.Steps) < 20 {
		t.Errorf("got %+v", report)
	}
	if report, err := r.Survey(context.Background()); err != nil || report.Code != 0 {
		t.Fatal(report, err)
	}
	text, _ = r.Plan()
	l.golden("plan-surveyed", l.portable(text))
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
		{"run-all-resources", func(*fakeCluster) {}, true, []string{"E", "F"}},
		{"run-no-volumes", func(f *fakeCluster) { f.withoutVolumes() }, false, nil},
		{"run-blanks-in-tags", func(f *fakeCluster) {
			f.equivalencies[1] = "BENHOGAN2008 Vol_E GPLAYER2008 共有_E SHARED 1 10"
			f.instances[0] = "BENHOGAN2008 filesys volume Vol_E E: E: ISP"
			f.parents = map[string]string{"Vol_E": "LK1-BENHOGAN2K8", "IP1": "Vol_E"}
		}, true, []string{"E", "F"}},
		{"a-blank-without-separators", func(f *fakeCluster) {
			f.separator = " "
			f.equivalencies[1] = "BENHOGAN2008 Vol_E GPLAYER2008 共有_E SHARED 1 10"
		}, false, []string{"E", "F"}},
		{"not-named", func(*fakeCluster) {}, false, []string{"F"}},
		{"not-named-job", func(f *fakeCluster) {
			f.withoutVolumes()
			f.jobs[jobE], f.volumes["E"] = "E Vol", jobE
		}, false, nil},
		{"not-named-mirror", func(f *fakeCluster) {
			f.withoutVolumes()
			f.mirrors["E"] = "1 BENHOGAN2008 10.200.8.26 4"
		}, false, nil},
		{"not-named-file", func(f *fakeCluster) {
			f.withoutVolumes()
			f.info("E", "g\x00p\x00l\x00a\x00y\x00e\x00r\x002\x000\x000\x008\x00")
		}, false, nil},
		{"not-named-file-without-names", func(f *fakeCluster) {
			f.withoutVolumes()
			f.info("E", "x")
		}, false, nil},
		{"not-named-mirror-with-nobody", func(f *fakeCluster) {
			f.withoutVolumes()
			f.mirrors["E"] = "1 BENHOGAN2008 10.9.9.9 4"
		}, false, nil},
		{"not-named-file-of-another", func(f *fakeCluster) { // it is not ours, and stays
			f.withoutVolumes()
			f.info("E", "SNEAD2008 E")
		}, false, nil},
		{"live-mirror", func(f *fakeCluster) {
			f.mirrors["E"] = "1 BENHOGAN2008 10.200.8.26 1"
			f.mirrors["F"] = "2 GPLAYER2008.lab.example 10.200.8.25 2"
		}, false, []string{"E", "F"}},
		{"third-system-in-the-mirror", func(f *fakeCluster) {
			delete(f.jobs, jobE)
			f.mirrors["E"] += "|1 BENHOGAN2008 10.200.8.27 1"
		}, false, []string{"E", "F"}},
		{"unknown-system-in-the-mirror", func(f *fakeCluster) {
			delete(f.jobs, jobE)
			f.mirrors["E"] = "1 BENHOGAN2008 10.9.9.9 4"
		}, false, []string{"E", "F"}},
		{"command-missing", func(f *fakeCluster) { f.missing = "net_remove.exe" }, false,
			[]string{"E", "F"}},
		{"run-soh", func(f *fakeCluster) { f.separator = "\x01" }, true, []string{"E", "F"}},
		{"run-one-path-at-a-time", func(f *fakeCluster) { f.onePath = true }, false,
			[]string{"E", "F"}},
		{"run-mirror-without-role", func(f *fakeCluster) {
			f.mirrors["C"], f.mirrors["E"] = "0", "0"
		}, false, []string{"E", "F"}},
		{"run-half-done-by-hand", func(f *fakeCluster) {
			f.equivalencies, f.paths = f.equivalencies[3:], nil
			delete(f.jobs, jobE)
			delete(f.mirrors, "E")
			os.Remove(f.files[0])
		}, false, []string{"E", "F"}},
		{"third-system-in-the-job", func(f *fakeCluster) {
			f.endPoints[jobE] = "BENHOGAN2008;E;10.200.8.25;GPLAYER2008;E;10.200.8.26;A\r\n" +
				"BENHOGAN2008;E;10.200.8.25;SNEAD2008;E;10.200.8.27;A"
		}, false, []string{"E", "F"}},
		{"other-volume-in-the-job", func(f *fakeCluster) {
			f.endPoints[jobE] += " BENHOGAN2008;H;10.200.8.25;GPLAYER2008;H;10.200.8.26;A"
		}, false, []string{"E", "F"}},
		{"gone-system-unknown", func(f *fakeCluster) {
			f.withoutVolumes()
			f.equivalencies, f.systems, f.paths = nil, f.systems[:1], nil
		}, false, nil},
		{"guid-malformed", func(f *fakeCluster) {
			f.jobs[`x\..\..`], f.volumes["E"], f.endPoints[`x\..\..`] = "E Vol", `x\..\..`,
				f.endPoints[jobE]
		}, false, []string{"E", "F"}},
		{"this-system-not-listed", func(f *fakeCluster) { f.systems = f.systems[1:] }, false,
			[]string{"E", "F"}},
		{"export-not-written", func(f *fakeCluster) {
			f.fault = func(_ int, c Command) (Result, bool) {
				return Result{Output: "The operation completed successfully.\r\n"},
					len(c.Args) > 0 && c.Args[0] == "export"
			}
		}, false, []string{"E", "F"}},
		{"export-empty", func(f *fakeCluster) {
			f.fault = func(_ int, c Command) (Result, bool) {
				if len(c.Args) == 0 || c.Args[0] != "export" {
					return Result{}, false
				}
				return Result{Err: os.WriteFile(c.Args[2], nil, 0o600)}, true
			}
		}, false, []string{"E", "F"}},
		{"equivalency-stays", func(f *fakeCluster) {
			f.fault = func(_ int, c Command) (Result, bool) {
				return Result{}, c.Name == "eqv_remove.exe"
			}
		}, false, []string{"E", "F"}},
		{"mirror-stays", func(f *fakeCluster) {
			f.fault = func(_ int, c Command) (Result, bool) {
				return Result{Code: 5, Output: "Status = 5\r\n"}, slices.Contains(c.Args,
					"deletelocalmirroronly")
			}
		}, false, []string{"E", "F"}},
		{"circular-dependencies", func(f *fakeCluster) {
			f.parents["LK1-BENHOGAN2K8"] = "IP1"
		}, true, []string{"E", "F"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newRejoinLab(t)
			c.prepare(l.fake)
			r := l.rejoin(c.volumes...)
			r.AllResources = c.all
			text := l.transcript(r)
			if c.name != "run" {
				text = l.differences("run", text)
			}
			l.golden(c.name, text)
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
		{"a step that there is not", func(r *Rejoin) { r.Skip, r.Reason = []string{"9"}, "x" },
			`"9" is not a step that can be skipped (2, 3, 4E, 5E-2, `},
		{"a step that decides", func(r *Rejoin) { r.Skip, r.Reason = []string{"5E-1"}, "x" },
			`"5E-1" is not a step that can be skipped`},
		{"no reason", func(r *Rejoin) { r.Skip = []string{"3"} }, "--reason"},
		{"nothing to skip", func(r *Rejoin) { r.Reason = "x" }, "--skip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newRejoinLab(t)
			r := l.rejoin("E")
			c.change(r)
			if _, err := l.run(r); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if len(l.fake.ran) > 0 {
				t.Errorf("ran %q", l.fake.ran)
			}
		})
	}
}

package kitrunner

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fsmon/kitrunner/winsys"
)

// If the stored adapter cannot be read nothing is judged. If it cannot be
// stored the restore has still succeeded.
func TestStoreFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "ip-tag.nic", "no file"), 0o700); err != nil {
		t.Fatal(err)
	}
	var events logged
	commands := &scripted{t: t, script: ipScript, asked: map[string]int{}}
	e := &Engine{Runner: commands, Log: &events, Deadlines: DefaultDeadlines(), StateDir: dir}
	report := e.Run(t.Context(), &ip, ip.Action("quickCheck"), resources["ip"])
	if report.Code != Undetermined || len(commands.ran) != 0 || len(events) != 1 ||
		events[0].Number != 20001 {
		t.Errorf("events %v, report %+v", events, report)
	}
	r := &run{Engine: e, kit: &ip, known: e.known(resources["ip"])}
	r.begin(ip.Action("restore"), Step{No: "(6)"})
	events = nil
	storeNIC(r)
	if len(events) != 1 || events[0].Number != 20004 {
		t.Errorf("events %v", events)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.nic.*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// A recovery has moved the address even if it could not be checked: the next
// quickCheck looks in the right place.
func TestRecoveryThatIsNotChecked(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ip-tag.nic"), []byte(backupGUID+"\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	lists := ipScript.with(script{"ips_ipchange.exe -l": then(onBackup, timedOut, onPrimary)})
	e := &Engine{Log: new(logged), Deadlines: DefaultDeadlines(), StateDir: dir}
	e.Runner = &scripted{t: t, script: lists, asked: map[string]int{}}
	if report := e.Run(t.Context(), &ip, ip.Action("recover"),
		resources["ip"]); report.Code != Undetermined {
		t.Errorf("recover: exit code %d", report.Code)
	}
	if report := e.Run(t.Context(), &ip, ip.Action("quickCheck"),
		resources["ip"]); report.Code != Success {
		t.Errorf("quickCheck: %+v", report)
	}
}

// A stored adapter that the resource does not have does not count, and neither
// does a damaged file.
func TestStoredFileIsDamaged(t *testing.T) {
	for _, text := range []string{"", "\x00\x00\x00", backupGUID[:20], "{}", thirdGUID + "\n" +
		backupGUID} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "ip-tag.nic"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		e := &Engine{Log: new(logged), Deadlines: DefaultDeadlines(), StateDir: dir}
		e.Runner = &scripted{t: t, script: ipScript, asked: map[string]int{}}
		if report := e.Run(t.Context(), &ip, ip.Action("quickCheck"),
			resources["ip"]); report.Code != Success {
			t.Errorf("%q: %+v", text, report)
		}
	}
}

// A tag may be as long as its option allows, in any script.
func TestStoreOfALongTag(t *testing.T) {
	res := resources["ip"]
	res.Tag = strings.Repeat("営", 255)
	e := &Engine{Log: new(logged), StateDir: t.TempDir()}
	r := &run{Engine: e, kit: &ip, known: e.known(res)}
	useBackup(res, r.vars)
	storeNIC(r)
	vars := e.known(res).vars
	if err := e.loadNIC(res, vars); err != nil || vars["GUID"] != backupGUID {
		t.Errorf("%v, GUID %q, want %s", err, vars["GUID"], backupGUID)
	}
}

// A plan shows the adapter that the run would look at.
func TestPlanOfWhatIsStored(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ip-tag.nic"), []byte(backupGUID+"\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	e := &Engine{Deadlines: DefaultDeadlines(), StateDir: dir}
	plan, _ := e.Plan(&ip, ip.Action("quickCheck"), resources["ip"])
	if !strings.Contains(plan, "cable "+backupGUID) ||
		!strings.Contains(plan, "network adapter Ethernet 2 is disconnected") {
		t.Error(plan)
	}
}

// lockedEngine is an engine whose resource is locked by somebody else, and what
// it shows.
func lockedEngine(t *testing.T, wait time.Duration) (e *Engine, events *logged, shown chan Notice,
	release func() error) {
	t.Helper()
	events, shown = new(logged), make(chan Notice, 100)
	e = &Engine{Log: events, Deadlines: DefaultDeadlines(), StateDir: t.TempDir(), Wait: wait}
	e.Runner = &scripted{t: t, script: lanmanScript, asked: map[string]int{}}
	e.Show = func(n Notice) { shown <- n }
	release, err := winsys.Lock(t.Context(), e.StateDir, "lanman lan-tag")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { release() })
	return e, events, shown, release
}

// An action waits for another one on the same resource, and shows it.
func TestWaitsForTheLock(t *testing.T) {
	e, events, shown, release := lockedEngine(t, time.Minute)
	done := make(chan Report, 1)
	go func() {
		done <- e.Run(t.Context(), &lanman, lanman.Action("quickCheck"), resources["lanman"])
	}()
	for waits := false; !waits; {
		select {
		case n := <-shown:
			waits = n.Kind == Waiting
		case report := <-done:
			t.Fatalf("it did not wait: %+v", report)
		}
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	report := <-done
	if report.Code != Success || len(*events) != 0 || report.Steps[0].Step != "(0)" {
		t.Errorf("events %v, report %+v", *events, report)
	}
}

// If the lock is not released in time the action is not begun. The report and
// the event log say so.
func TestLockIsNotReleased(t *testing.T) {
	e, events, _, _ := lockedEngine(t, time.Millisecond)
	report := e.Run(t.Context(), &lanman, lanman.Action("remove"), resources["lanman"])
	if report.Code != Undetermined || len(e.Runner.(*scripted).ran) != 0 {
		t.Errorf("%+v", report)
	}
	if len(*events) != 1 || (*events)[0].Number != 20001 || !strings.Contains((*events)[0].Text,
		"another action on this resource has not ended") {
		t.Errorf("events %v", *events)
	}
}

// A request to stop ends the waiting.
func TestStopWhileWaiting(t *testing.T) {
	e, _, shown, _ := lockedEngine(t, time.Hour)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for n := range shown {
			if n.Kind == Waiting {
				stop()
				return
			}
		}
	}()
	if report := e.Run(ctx, &lanman, lanman.Action("quickCheck"),
		resources["lanman"]); report.Code != Undetermined {
		t.Errorf("%+v", report)
	}
}

// If the state directory cannot be made, nothing is begun.
func TestNoStateDir(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run := &scripted{t: t, script: lanmanScript, asked: map[string]int{}}
	e := &Engine{Runner: run, Log: new(logged), Deadlines: DefaultDeadlines(),
		StateDir: filepath.Join(file, "dir"), Wait: time.Second}
	report := e.Run(t.Context(), &lanman, lanman.Action("quickCheck"), resources["lanman"])
	if report.Code != Undetermined || len(run.ran) != 0 {
		t.Errorf("%+v", report)
	}
}

package kitrunner

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An administrator can go on without a step, and says why.
func TestRejoinSkips(t *testing.T) {
	l := newRejoinLab(t)
	stays := func(_ int, c Command) (Result, bool) {
		return Result{Code: 5, Output: "Status = 5\r\n"}, slices.Contains(c.Args,
			"deletelocalmirroronly")
	}
	l.fake.fault = stays
	if report, err := l.run(l.rejoin("E", "F")); err != nil || report.Code != 1 {
		t.Fatal(report, err)
	}
	r := l.rejoin("E", "F")
	r.Skip, r.Reason = []string{"5e-4", "(5F-4)"}, "SIOS looks at it"
	report, err := l.run(r)
	l.golden("skipped", l.differences("run", l.text(report)))
	if err != nil || report.Code != 0 || len(l.fake.systems) != 2 || len(l.fake.mirrors) != 3 {
		t.Fatalf("exit code %d, %v\n%s", report.Code, err, l.fake.state())
	}
	if !strings.Contains(l.lastEvent(), "Warning 20054 Clean-up of system BENHOGAN2008 after "+
		"GPLAYER2008 was installed anew: step (5F-4) was skipped on request: SIOS looks at it") {
		t.Error(l.lastEvent())
	}
	kept, err := filepath.Glob(filepath.Join(l.dir, "rejoin-*-*.json"))
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	data, err := os.ReadFile(kept[0])
	if err != nil || strings.Count(string(data), `"skipped": "SIOS looks at it"`) != 2 {
		t.Errorf("%v\n%s", err, data)
	}
	list := strings.Join(r.Checklist(), "\n")
	if !strings.Contains(list, "Step (5E-4) was skipped") {
		t.Error(list)
	}
}

// The journal is the audit trail.
func TestRejoinJournalHasEveryCommand(t *testing.T) {
	l := newRejoinLab(t)
	l.fake.fault = func(_ int, c Command) (Result, bool) {
		switch {
		case c.Name == "sys_remove.exe":
			return Result{Code: 9, Output: "通信に失敗しました。\r\n"}, true
		case c.Name == "net_remove.exe":
			return Result{Err: context.DeadlineExceeded}, true
		}
		return Result{}, false
	}
	if report, err := l.run(l.rejoin("E", "F")); err != nil || report.Code != 1 {
		t.Fatal(report, err)
	}
	j, err := openJournal(l.journal(), journal{System: "BENHOGAN2008", Gone: "GPLAYER2008",
		Volumes: []string{"E", "F"}})
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, c := range j.Commands {
		if !strings.HasPrefix(c.Command, "kitrunner itself: ") { // ours
			commands = append(commands, c.Command)
		}
		if c.Code == nil || c.Step == "" || c.At.IsZero() {
			t.Errorf("%+v", c)
		}
	}
	if !slices.Equal(commands, l.fake.ran) {
		t.Errorf("the journal has %q, but there ran %q", commands, l.fake.ran)
	}
	last := j.Commands[len(j.Commands)-1]
	if *last.Code != 9 || last.Output != "通信に失敗しました。" || last.Step != "rejoin (6b)" {
		t.Errorf("%+v", last)
	}
	if !slices.Equal(j.Addresses, []string{"10.200.8.26"}) {
		t.Errorf("addresses %q", j.Addresses)
	}
}

// A job names the addresses of the gone system. It is deleted before the
// mirror, and the next run must still know whose address it is.
func TestRejoinRemembersAddresses(t *testing.T) {
	l := newRejoinLab(t)
	l.fake.paths = l.fake.paths[1:]
	l.fake.paths[0] = "GPLAYER2008 TTY COM1 COM1 1"
	l.fake.fault = func(_ int, c Command) (Result, bool) {
		return Result{Code: 5, Output: "Status = 5\r\n"}, slices.Contains(c.Args,
			"deletelocalmirroronly")
	}
	if report, err := l.run(l.rejoin("E", "F")); err != nil || report.Code != 1 {
		t.Fatal(report, err)
	}
	l.fake.fault = nil
	delete(l.fake.jobs, jobF)
	l.mustRun(l.rejoin("E", "F"))

	l = newRejoinLab(t) // nobody knows it but the administrator
	delete(l.fake.jobs, jobE)
	l.fake.mirrors["E"] = "1 BENHOGAN2008 10.9.9.9 3"
	r := l.rejoin("E", "F")
	r.GoneAddresses = []string{"10.9.9.9"}
	l.mustRun(r)
}

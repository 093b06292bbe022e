package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// destroys tells whether a command deletes, locks or switches over something.
func destroys(c Command) bool {
	s := short(c)
	for _, part := range []string{"LmServerNameDel", "ips_ipchange.exe -d", "delete shadows",
		" LOCKVOLUME ", " SWITCHOVERVOLUME ", "ins_setst"} {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// onlyAsks tells whether a command changes nothing.
func onlyAsks(c Command) bool { return c.Timeout == DefaultDeadlines().Query }

// mayBeUnknown tells whether an action goes on without the answer, since a
// later step asks for itself.
func mayBeUnknown(c Command) bool {
	s := short(c)
	for _, part := range []string{"cable ", "arp ", "ping.exe", "lcdremexec.exe", "ins_list.exe",
		"flg_test.exe", "EMCMD.exe . getjobinfoforvol"} {
		if strings.HasPrefix(s, part) {
			return true
		}
	}
	return false
}

// isExtra tells whether an action may succeed without the answer; it then
// leaves out what depends on it.
func isExtra(c Command) bool {
	s := short(c)
	return strings.HasPrefix(s, "EMCMD.exe NODE2") || strings.HasPrefix(s, "schtasks.exe") ||
		strings.HasPrefix(s, "mountvol.exe")
}

// Each command in turn, in every scenario, is missing, hangs, fails or prints
// garbage. The outcome is a documented one or "could not determine", and after
// a question without an answer nothing is deleted, locked or switched over.
func TestFaults(t *testing.T) {
	faults := map[string]Result{
		"is missing":     notThere[0],
		"hangs":          timedOut[0],
		"exits with 1":   {Code: 1},
		"exits with 255": {Code: 255, Output: garbage[0].Output},
		"prints garbage": garbage[0],
		"prints nothing": {},
		"was ended early": {Err: context.Canceled,
			Output: "E: 1 NODE1 198.51.100.2 1\r\nSTATE : 4 RUNNING"},
	}
	for _, c := range scenarios() {
		if c.kit == "volume" && c.action == "deepCheck" && c.name != "all is well" {
			continue // the steps of quickCheck
		}
		sound := c.play(t, nil)
		for i := range sound.ran {
			if i > 12 {
				break // the looks of lanman's step (7), all the same
			}
			for fault, res := range faults {
				name := fmt.Sprintf("%s, command %d %s", c.id(), i, fault)
				tr := c.play(t, func(n int) (Result, bool) { return res, n == i })
				if tr.report.Code < 0 || tr.report.Code > 3 {
					t.Errorf("%s: exit code %d", name, tr.report.Code)
				}
				if d := destroyedAfterUnknown(tr); d != "" {
					t.Errorf("%s: after an unanswered question: %s\n%s", name, d, tr.text)
				}
				if last := tr.ran[len(tr.ran)-1]; res.Err != nil && tr.report.Code == Success &&
					i == len(tr.ran)-1 &&
					onlyAsks(last) && !mayBeUnknown(last) && !isExtra(last) {
					t.Errorf("%s: success on a question without an answer\n%s", name, tr.text)
				}
				if t.Failed() {
					return
				}
			}
		}
	}
}

// destroyedAfterUnknown names the first destroying command that followed a
// question without an answer.
func destroyedAfterUnknown(tr transcript) string {
	var unanswered []Command
	for _, s := range tr.said {
		for _, q := range unanswered {
			if destroys(s.command) && !ofOthers(q, s.command) {
				return short(q) + ", then " + short(s.command)
			}
		}
		if s.outcome == unknown && onlyAsks(s.command) && !mayBeUnknown(s.command) {
			unanswered = append(unanswered, s.command)
		}
	}
	return ""
}

// ofOthers tells whether a question is about one peer, and what is destroyed is
// another's.
func ofOthers(question, destroys Command) bool {
	return question.Name == "EMCMD.exe" && question.Args[0] != "." && destroys.Args[0] == "-d" &&
		destroys.Args[1] != question.Args[0]
}

// When it is asked to stop, an action begins nothing more and logs how it
// ended. A command that changes something is not interrupted.
func TestStop(t *testing.T) {
	for _, c := range scenarios() {
		if c.id() == "lanman/remove/the alias is deleted" {
			ctx, stop := context.WithCancel(t.Context())
			var events logged
			ran := 0
			e := &Engine{Log: &events, Deadlines: DefaultDeadlines(),
				Runner: runnerFunc(func(ctx context.Context, cmd Command) Result {
					if ran++; ran == 2 {
						stop() // while nbtstat runs
					}
					return c.script[short(cmd)][0]
				})}
			kit := FindKit(c.kit)
			report := e.Run(ctx, kit, kit.Action(c.action), resources[c.kit])
			if ran != 2 || report.Code != Undetermined {
				t.Errorf("%d commands ran, exit code %d", ran, report.Code)
			}
			if last := events[len(events)-1]; last.Number != 13063 {
				t.Errorf("the last event is %d", last.Number)
			}
			return
		}
	}
	t.Fatal("no such scenario")
}

type runnerFunc func(ctx context.Context, c Command) Result

func (f runnerFunc) Run(ctx context.Context, c Command) Result { return f(ctx, c) }

// A change is not interrupted by a request to stop.
func TestChangesAreLetEnd(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var inside error
	e := &Engine{Log: new(logged), Deadlines: DefaultDeadlines(),
		Runner: runnerFunc(func(ctx context.Context, c Command) Result {
			if strings.HasPrefix(short(c), "LmServerNameDel") {
				stop()
				inside = ctx.Err()
			}
			return lanmanScript[short(c)][0]
		})}
	report := e.Run(ctx, &lanman, lanman.Action("remove"), resources["lanman"])
	if inside != nil || report.Code != Success {
		t.Errorf("inside: %v, exit code %d", inside, report.Code)
	}
}

// An event log that fails stops nothing. The report has its error.
func TestLogFails(t *testing.T) {
	e := &Engine{Log: failingLog{}, Deadlines: DefaultDeadlines(),
		Runner: &scripted{t: t, script: lanmanScript, asked: map[string]int{}}}
	report := e.Run(t.Context(), &lanman, lanman.Action("restore"), resources["lanman"])
	if report.Code != Success || len(report.LogErrors) != 2 ||
		!strings.Contains(report.LogErrors[0], "event 13083: full") {
		t.Errorf("exit code %d, %q", report.Code, report.LogErrors)
	}
}

type failingLog struct{}

func (failingLog) Log(Event) error { return errors.New("full") }

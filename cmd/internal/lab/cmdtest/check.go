package cmdtest

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// Flat is a text without its line breaks.
func Flat(text string) string { return strings.Join(strings.Fields(text), " ") }

// Check runs -check to its end. On a starved machine a probe may end so late
// after its deadline that it is given up before it has said at which step; that
// is repeated.
func (l *Lab) Check(args ...string) *Process {
	l.t.Helper()
	for try := 1; ; try++ {
		p := l.Run(append([]string{"-check"}, args...)...)
		if given := p.Output(); try == 5 || !strings.Contains(given, "the probe: ") && !strings.Contains(given, `"step":"the probe"`) {
			return p
		}
	}
}

// CheckStarved is Check without a file descriptor to spare. How many the Go
// runtime itself needs depends on the machine: with fewer it crashes (exit 2);
// with just as many there is none for a socket.
func (l *Lab) CheckStarved(args ...string) (p *Process) {
	l.t.Helper()
	run := l.Exec
	if run == nil {
		run = exec.Command
	}
	starved := *l
	for n, code := 4, 2; code == 2 && n < 20; n++ {
		starved.Exec = func(name string, args ...string) *exec.Cmd {
			return run("/bin/sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, n), name}, args...)...)
		}
		p = starved.Check(args...)
		code, _ = p.Exit()
	}
	return p
}

// Broken is what -check says of a failed probe.
type Broken struct {
	Target string // as -check names it; empty: any
	Step   string
	Cause  string // its name and code, or how that begins
	Look   string // a part of what to look at
	Alert  string // the message of a watch, "NUMBER TEXT", or how that begins
}

// CheckFails runs a -check that must fail, in its forms for people, for programs
// and for a monitoring system, which must say the same and leave nothing behind.
// It returns them in this order.
func (l *Lab) CheckFails(want Broken, args ...string) (forms []*Process) {
	l.t.Helper()
	p := l.Check(args...)
	p.Exits(1)
	for _, part := range []string{"failed at " + want.Step + ": " + want.Cause, want.Look, "The watch would then send: ERROR " + want.Alert, "ERROR 6 The " + l.command() + " will terminate."} {
		if !strings.Contains(Flat(p.Output()), part) {
			l.t.Errorf("%q is missing:\n%s", part, p.Output())
		}
	}
	if !regexp.MustCompile(`(?m)^  `+want.Step+` .*FAILED`).MatchString(p.Output()) || p.Errors() != "" {
		l.t.Errorf("the rung %q is not marked, or there is more:\n%s%s", want.Step, p.Output(), p.Errors())
	}

	j := l.Check(append(args, "--json")...)
	j.Exits(1)
	var object struct {
		Healthy bool
		Rungs   []struct{ Name string }
		Failed  struct {
			Step, Name, Text, Look string
			Message                int
		}
	}
	if err := json.Unmarshal([]byte(j.Output()), &object); err != nil {
		l.t.Fatalf("%v: %s", err, j.Output())
	}
	f := object.Failed
	if object.Healthy || f.Step != want.Step || !strings.HasPrefix(fmt.Sprintf("%d %s", f.Message, f.Text), want.Alert) ||
		!strings.Contains(f.Look, want.Look) || !strings.HasPrefix(want.Cause, f.Name) && want.Cause != "" {
		l.t.Errorf("%s", j.Output())
	}
	if n := len(object.Rungs); n == 0 || object.Rungs[n-1].Name != want.Step {
		l.t.Errorf("the last rung is not %s: %s", want.Step, j.Output())
	}

	n := l.Check(append(args, "--exit-style", "nagios")...)
	n.Exits(2)
	if !strings.HasPrefix(n.Output(), "FSMON CRITICAL - "+want.Target) || !strings.Contains(n.Output(), " failed at "+want.Step+": "+want.Cause) || strings.Count(n.Output(), "\n") != 1 {
		l.t.Errorf("%q", n.Output())
	}
	l.Nothing()
	return []*Process{p, j, n}
}

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
		said := p.Output()
		if try == 5 || !strings.Contains(said, "the probe: ") &&
			!strings.Contains(said, `"step":"the probe"`) {
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
			limit := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, n)
			return run("/bin/sh", append([]string{"-c", limit, name}, args...)...)
		}
		p = starved.Check(args...)
		code, _ = p.Exit()
	}
	return p
}

// failedCheck is what the commands fails, look, sends and judges are about.
type failedCheck struct {
	args   []string
	forms  []*Process // for people, for programs, for a monitoring system
	people string     // the first form's output, Flat
	object struct {   // the second's
		Step, Name, Text, Look string
		Message                int
	}
	message, text string // of the verdict
}

// fails STEP CAUSE ARG...: -check fails at STEP, and names the CAUSE (or how
// that begins), in its forms for people, for programs and for a monitoring
// system, which leave nothing behind.
func (s *Story) fails(args []string) {
	step, cause := args[0], args[1]
	f := failedCheck{args: args[2:]}
	for _, c := range []struct {
		code int
		form []string
	}{{1, nil}, {1, []string{"--json"}}, {2, []string{"--exit-style", "nagios"}}} {
		p := s.Check(append(c.form, f.args...)...)
		p.Exits(c.code)
		f.forms = append(f.forms, p)
		s.all = append(s.all, p)
	}
	people, programs, nagios := f.forms[0].Output(), f.forms[1].Output(), f.forms[2].Output()
	f.people = Flat(people)
	what := "failed at " + step + ": " + cause
	if !strings.Contains(f.people, what) || f.forms[0].Errors() != "" ||
		!regexp.MustCompile(`(?m)^  `+step+` .*FAILED`).MatchString(people) {
		s.T.Errorf("%q is missing, or the rung is not marked, or there is more:\n%s%s", what,
			people, f.forms[0].Errors())
	}

	var object struct {
		Healthy bool
		Rungs   []struct{ Name string }
		Failed  any
	}
	object.Failed = &f.object
	if err := json.Unmarshal([]byte(programs), &object); err != nil {
		s.T.Fatalf("%v: %s", err, programs)
	}
	if n := len(object.Rungs); object.Healthy || n == 0 || object.Rungs[n-1].Name != step ||
		f.object.Step != step || cause != "" && !strings.HasPrefix(cause, f.object.Name) {
		s.T.Errorf("%s", programs)
	}

	target := regexp.MustCompile(`^FSMON CRITICAL - (\S+) `).FindStringSubmatch(nagios)
	if target == nil || !strings.Contains(nagios, " "+what) || strings.Count(nagios, "\n") != 1 ||
		!strings.HasPrefix(people, target[1]+"\n") {
		s.T.Errorf("%q", nagios)
	}
	s.Nothing()
	s.failed = f
}

// look TEXT: that is what the administrator should look at.
func (s *Story) look(args []string) {
	if f := s.failed; !strings.Contains(f.people, args[0]) ||
		!strings.Contains(f.object.Look, args[0]) {
		s.T.Errorf("%q is missing:\n%s%s", args[0], f.forms[0].Output(), f.forms[1].Output())
	}
}

// mentions TEXT: people are told so, too.
func (s *Story) mentions(args []string) {
	if !strings.Contains(s.failed.people, args[0]) {
		s.T.Errorf("%q is missing:\n%s", args[0], s.failed.forms[0].Output())
	}
}

// omits TEXT: this advice does not belong here.
func (s *Story) omits(args []string) {
	if strings.Contains(s.failed.people, args[0]) {
		s.T.Errorf("%q is no advice here:\n%s", args[0], s.failed.forms[0].Output())
	}
}

// sends MESSAGE TEXT: a watch would send this, and then end.
func (s *Story) sends(args []string) {
	f := &s.failed
	f.message, f.text = args[0], args[1]
	verdict := fmt.Sprintf("%d %s", number(s.T, f.message), f.text)
	end := fmt.Sprintf(" ERROR %d The %s will terminate.", Terminate, s.command())
	if number(s.T, f.message) == RPCFailed {
		end = fmt.Sprintf(" ERROR %d %s", NFSFailed, catalogued(s.T, NFSFailed)) + end
	}
	for _, part := range []string{"The watch would then send: ERROR " + verdict, end} {
		if !strings.Contains(f.people, part) {
			s.T.Errorf("%q is missing:\n%s", part, f.people)
		}
	}
	if got := fmt.Sprintf("%d %s", f.object.Message, f.object.Text); !strings.HasPrefix(got,
		verdict) {
		s.T.Errorf("%s", f.forms[1].Output())
	}
}

// judges DETAIL: a watch with the same options says so, too: of each failed
// probe, and in the detail of the verdict.
func (s *Story) judges(args []string) {
	l := s.lab("judged")
	w := l.Watch(append([]string{"-i", "1", "-c", "1"}, s.failed.args...)...)
	s.all = append(s.all, w)
	w.Exits(1)
	names := "started probe-failed probe-failed " + s.failed.message
	if s.failed.message == "rpc-failed" {
		names += " nfs-failed"
	}
	w.Told(names, "terminate")
	for _, name := range []string{"probe-failed", s.failed.message} {
		m := w.Last(number(s.T, name))
		if !strings.Contains(m.Text+m.Detail, args[0]) {
			s.T.Errorf("%s does not say %q: %+v", name, args[0], m)
		}
	}
	if m := w.Last(number(s.T, s.failed.message)); m.Severity != "ERROR" ||
		m.Text != s.failed.text {
		s.T.Errorf("%+v, want %q", m, s.failed.text)
	}
	l.Gone()
}

package cmdtest

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/proc"
)

// Plain is the number of a line that is not a message: what a command says to
// the person who called it.
const Plain = proc.Plain

// Line is one message on stderr.
type Line = proc.Line

// Process is one run of a program in a test, which fails when something does
// not come within Limit.
type Process struct {
	*proc.Process
	t    testing.TB
	seen map[int]int // how many messages of a number have been waited for
}

// Launch starts cmd and reads its stdout and stderr, unless they are something
// already. The process does not outlive the test, and the test ends when all
// that the process has started has ended too.
func Launch(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	var p *Process
	t.Cleanup(func() {
		if p != nil {
			left(t, p)
		}
	})
	p = launch(t, cmd)
	return p
}

// launch is Launch for a caller that calls left itself.
func launch(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	started, err := proc.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{started, t, map[int]int{}}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(p.Story())
		}
	})
	return p
}

// left fails the test unless all that the processes have started ends.
func left(t testing.TB, all ...*Process) {
	var started []*proc.Process
	for _, p := range all {
		started = append(started, p.Process)
	}
	if err := proc.Left(started...); err != nil {
		t.Error(err)
	}
}

// await waits until done says so and returns false when the process has ended
// without.
func (p *Process) await(what string, done func() bool) bool {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Limit)
	defer cancel()
	err := p.Until(ctx, done)
	if err != nil && !errors.Is(err, proc.ErrEnded) {
		p.t.Fatalf("waited %v for %s of process %d", Limit, what, p.PID)
	}
	return err == nil
}

// Message waits for the next message of this number: each call is for one more.
func (p *Process) Message(number int) Line {
	p.t.Helper()
	var found []Line
	came := p.await("the message "+nameOf[number], func() bool {
		found = slices.DeleteFunc(p.Said(), func(l Line) bool { return l.Number != number })
		return len(found) > p.seen[number]
	})
	if !came {
		p.t.Fatalf("process %d ended without the message %s", p.PID, nameOf[number])
	}
	p.seen[number]++
	return found[p.seen[number]-1]
}

// StopReading closes our end of stderr, as a reader that has gone.
func (p *Process) StopReading() {
	p.t.Helper()
	if err := p.Process.StopReading(); err != nil {
		p.t.Fatal(err)
	}
}

// Exit waits for the end of the process.
func (p *Process) Exit() (code int, at time.Time) {
	p.t.Helper()
	p.await("the end", func() bool { return false })
	return p.Code(), p.Ended()
}

// Exits is Exit for a process that must end with this code.
func (p *Process) Exits(code int) (at time.Time) {
	p.t.Helper()
	got, at := p.Exit()
	if got != code {
		p.t.Errorf("exit code %d, want %d", got, code)
	}
	return at
}

// Last is the latest message of this number.
func (p *Process) Last(number int) Line {
	p.t.Helper()
	for _, l := range slices.Backward(p.Said()) {
		if l.Number == number {
			return l
		}
	}
	p.t.Errorf("no message %s", nameOf[number])
	return Line{}
}

// Output is stdout of the process, which it waits for the end of.
func (p *Process) Output() string {
	p.t.Helper()
	p.Exit()
	return p.Process.Output()
}

// Signal sends a signal to the process, which must be alive. It waits for the
// effect of SIGSTOP.
func (p *Process) Signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		p.t.Fatalf("%v to process %d: %v", sig, p.PID, err)
	}
	if sig == syscall.SIGSTOP {
		Eventually(p.t, "the process to stop", func() bool { return proc.Stopped(p.PID) })
	}
}

// Eventually polls until done, for a state that nothing announces.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(Limit); !done(); {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("waited %v for %s", Limit, what)
		}
	}
}

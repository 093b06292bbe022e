package cmdtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Plain is the number of a line that is not a message: what a command says to
// the person who called it.
const Plain = -1

// Line is one message on stderr.
type Line struct {
	At       time.Time // when it was read
	Number   int       // the message's, or Plain
	Severity string
	Text     string
	Detail   string // the further lines of the same message
}

var alertLine = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S+ (?:sambamon|nfsmon) (INFO|WARN|ERROR) (\d+) (.*)$`)

// Process is one run of a program.
type Process struct {
	t   testing.TB
	Cmd *exec.Cmd
	PID int

	stderr *os.File // our end
	began  time.Time

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when something below changes
	lines   []Line
	raw     bytes.Buffer // all of stderr
	stdout  bytes.Buffer // complete when ended
	seen    map[int]int  // how many messages of a number have been waited for
	read    bool         // stderr is at its end
	ended   time.Time
	code    int
}

// Launch starts cmd and reads its stdout and stderr, unless they are something
// already. Whatever happens to the test, the process does not outlive it.
func Launch(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{t: t, Cmd: cmd, stderr: r, changed: make(chan struct{}), seen: map[int]int{}, began: time.Now()}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = w
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		t.Fatal(err)
	}
	p.PID = cmd.Process.Pid
	go p.collect()
	go func() {
		err := cmd.Wait()
		p.change(func() {
			p.ended, p.code = time.Now(), cmd.ProcessState.ExitCode()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				p.code = -2
			}
		})
	}()
	t.Cleanup(func() {
		cmd.Process.Kill() // an error: it has ended
		p.await("its end", func() bool { return !p.ended.IsZero() })
		r.Close()
		p.await("the end of its stderr", func() bool { return p.read })
		if t.Failed() {
			t.Log(p.Story())
		}
	})
	return p
}

// collect reads stderr to its end.
func (p *Process) collect() {
	var rest []byte
	b := make([]byte, 4096)
	for {
		n, err := p.stderr.Read(b)
		now := time.Now()
		p.change(func() {
			p.raw.Write(b[:n])
			rest = append(rest, b[:n]...)
			for {
				text, after, whole := bytes.Cut(rest, []byte("\n"))
				if !whole {
					break
				}
				p.add(now, string(text))
				rest = after
			}
			p.read = err != nil
		})
		if err != nil {
			return
		}
	}
}

func (p *Process) add(at time.Time, text string) {
	m := alertLine.FindStringSubmatch(text)
	if m == nil {
		p.lines = append(p.lines, Line{At: at, Number: Plain, Text: text})
		return
	}
	number, _ := strconv.Atoi(m[2])
	if more, ok := strings.CutPrefix(m[3], "... "); ok && len(p.lines) > 0 {
		if last := &p.lines[len(p.lines)-1]; last.Number == number {
			last.Detail += more
			return
		}
	}
	p.lines = append(p.lines, Line{at, number, m[1], m[3], ""})
}

func (p *Process) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// await waits until done, which is called with p.mu held, says so.
func (p *Process) await(what string, done func() bool) {
	p.t.Helper()
	timeout := time.After(Limit)
	for {
		p.mu.Lock()
		ok, changed := done(), p.changed
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			p.t.Fatalf("waited %v for %s of process %d", Limit, what, p.PID)
		}
	}
}

// Message waits for the next message of this number: each call is for one more.
func (p *Process) Message(number int) Line {
	p.t.Helper()
	var found Line
	p.await(fmt.Sprintf("message %d", number), func() bool {
		nth := 0
		for _, l := range p.lines {
			if l.Number != number {
				continue
			}
			if nth++; nth > p.seen[number] {
				found, p.seen[number] = l, nth
				return true
			}
		}
		return p.read
	})
	if found.At.IsZero() {
		p.t.Fatalf("process %d ended without message %d", p.PID, number)
	}
	return found
}

// StopReading closes our end of stderr, as a reader that has gone.
func (p *Process) StopReading() {
	p.t.Helper()
	if err := p.stderr.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// Exit waits for the end of the process.
func (p *Process) Exit() (code int, at time.Time) {
	p.t.Helper()
	p.await("the end", func() bool { return !p.ended.IsZero() && p.read })
	return p.code, p.ended
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

// Alive reports whether the process has not ended.
func (p *Process) Alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended.IsZero()
}

// Said is the lines so far.
func (p *Process) Said() []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// Want fails the test unless exactly these messages and plain lines have come
// so far, 103 aside: on a busy machine it may come at any time.
func (p *Process) Want(numbers ...int) {
	p.t.Helper()
	var got []int
	for _, l := range p.Said() {
		if l.Number != 103 {
			got = append(got, l.Number)
		}
	}
	if !slices.Equal(got, numbers) {
		p.t.Errorf("messages %v, want %v", got, numbers)
	}
}

// Last is the latest message of this number.
func (p *Process) Last(number int) Line {
	p.t.Helper()
	for _, l := range slices.Backward(p.Said()) {
		if l.Number == number {
			return l
		}
	}
	p.t.Errorf("no message %d", number)
	return Line{}
}

// Errors is all of stderr so far.
func (p *Process) Errors() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.raw.String()
}

// Output is stdout of a process that has ended.
func (p *Process) Output() string {
	p.Exit()
	return p.stdout.String()
}

// Began is when the process was started.
func (p *Process) Began() time.Time { return p.began }

// Signal sends a signal to the process, which must be alive.
func (p *Process) Signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.Cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("%v to process %d: %v", sig, p.PID, err)
	}
}

// Story is what the process said, with seconds since its start.
func (p *Process) Story() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "process %d: %q\n", p.PID, p.Cmd.Args[1:])
	for _, l := range p.lines {
		fmt.Fprintf(&b, "%8.3f %3d %s\n", l.At.Sub(p.began).Seconds(), l.Number, l.Text)
		if l.Detail != "" {
			fmt.Fprintf(&b, "%12s ... %s\n", "", l.Detail)
		}
	}
	if !p.ended.IsZero() {
		fmt.Fprintf(&b, "%8.3f exit %d\n", p.ended.Sub(p.began).Seconds(), p.code)
	}
	return b.String()
}

// Eventually polls for a state that nothing announces.
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

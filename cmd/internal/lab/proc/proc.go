// Package proc runs processes for the lab: tests, soaks, the benchmark and the
// demo. A process that it starts reads as a watch does on stderr, one message a
// line. It dies with this program and is a session of its own, so that all it
// has started can be waited for. Package proc also has directories that are
// removed even if this program is killed, and readers of /proc.
package proc

import (
	"bytes"
	"context"
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
	"time"
)

// Patience bounds every wait that is not expected to take long. A busy machine
// may need a large part of it.
const Patience = time.Minute

// ErrEnded says that what was waited for cannot come any more.
var ErrEnded = errors.New("the process has ended")

// Plain is the number of a line that is not a message of a watch: what a
// command says to the person who called it.
const Plain = -1

// Line is one message on stderr.
type Line struct {
	At       time.Time // when it was read
	Number   int       // the message's, or Plain
	Severity string    // INFO, WARN or ERROR; "" if Plain
	Text     string
	Detail   string // the further lines ("... ") of the same message
}

// A message as FSM manual 8.1 has it, with the time before it.
var message = regexp.MustCompile(
	`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S+ (?:sambamon|nfsmon) (INFO|WARN|ERROR) (\d+) (.*)$`)

// Process is one run of a program. Its methods may be called at any time and
// from any goroutine.
type Process struct {
	Cmd *exec.Cmd
	PID int

	began time.Time
	pipes []pipe // stderr first, if it is read

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when something below changes
	lines   []Line
	stderr  bytes.Buffer
	stdout  bytes.Buffer
	reading int // pipes that are not at their end
	sent    map[os.Signal]time.Time
	ended   time.Time
}

// Start starts cmd in a session of its own and reads its stdout and stderr,
// unless they go somewhere already. The process is killed when the thread that
// started it ends, with this program at the latest.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{Cmd: cmd, changed: make(chan struct{}), sent: map[os.Signal]time.Time{},
		began: time.Now()}
	var theirs []*os.File
	var err error
	pipeInto := func(add func([]byte)) (w *os.File) {
		r, w, pipeErr := os.Pipe()
		if err = errors.Join(err, pipeErr); pipeErr == nil {
			p.pipes, theirs = append(p.pipes, pipe{r, add}), append(theirs, w)
		}
		return w
	}
	if cmd.Stderr == nil {
		cmd.Stderr = pipeInto(p.addMessages())
	}
	if cmd.Stdout == nil {
		cmd.Stdout = pipeInto(func(b []byte) { p.stdout.Write(b) })
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setpgid = true, false // a session is a group, too
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err == nil {
		err = cmd.Start()
	}
	for _, w := range theirs {
		w.Close()
	}
	if err != nil {
		p.closePipes()
		return nil, err
	}
	p.PID, p.reading = cmd.Process.Pid, len(p.pipes)
	for _, from := range p.pipes {
		go p.read(from)
	}
	go func() {
		cmd.Wait() // how it ended is in ProcessState
		p.change(func() { p.ended = time.Now() })
	}()
	return p, nil
}

// pipe is our end of a pipe, and what takes what comes through it, with p.mu
// held.
type pipe struct {
	*os.File
	add func([]byte)
}

func (p *Process) closePipes() {
	for _, from := range p.pipes {
		from.Close() // an error: it is closed already
	}
}

func (p *Process) read(from pipe) {
	b := make([]byte, 4096)
	for {
		n, err := from.Read(b)
		p.change(func() {
			from.add(b[:n])
			if err != nil {
				p.reading--
			}
		})
		if err != nil {
			from.Close()
			return
		}
	}
}

// addMessages returns what takes stderr apart.
func (p *Process) addMessages() func([]byte) {
	var rest []byte
	return func(b []byte) {
		p.stderr.Write(b)
		rest = append(rest, b...)
		for {
			text, after, whole := bytes.Cut(rest, []byte("\n"))
			if !whole {
				return
			}
			p.add(string(text))
			rest = after
		}
	}
}

func (p *Process) add(text string) {
	m := message.FindStringSubmatch(text)
	if m == nil {
		p.lines = append(p.lines, Line{At: time.Now(), Number: Plain, Text: text})
		return
	}
	number, _ := strconv.Atoi(m[2])
	if more, ok := strings.CutPrefix(m[3], "... "); ok && len(p.lines) > 0 {
		if last := &p.lines[len(p.lines)-1]; last.Number == number {
			last.Detail += more
			return
		}
	}
	p.lines = append(p.lines, Line{time.Now(), number, m[1], m[3], ""})
}

func (p *Process) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// Until waits until done, which is asked again after every change of the
// process, says so. It returns ErrEnded when that can no longer happen, and the
// cause of ctx's end.
func (p *Process) Until(ctx context.Context, done func() bool) error {
	for {
		p.mu.Lock()
		changed, over := p.changed, !p.ended.IsZero() && p.reading == 0
		p.mu.Unlock()
		switch {
		case done():
			return nil
		case over:
			return ErrEnded
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Message waits for a message of this number that comes after the first skip of
// them.
func (p *Process) Message(ctx context.Context, number, skip int) (found Line, err error) {
	err = p.Until(ctx, func() bool {
		left := skip
		for _, l := range p.Said() {
			if l.Number != number {
				continue
			}
			if left--; left < 0 {
				found = l
				return true
			}
		}
		return false
	})
	return found, err
}

// Wait waits for the end of the process and of what it says. When ctx ends
// before, the process is killed with its process group.
func (p *Process) Wait(ctx context.Context) (err error) {
	if err = p.Until(ctx, func() bool { return false }); err == ErrEnded {
		return nil
	}
	p.KillGroup()
	return errors.Join(err, p.reap())
}

// KillGroup kills the process and those of its group, which may be what it has
// left behind. It is called soon after the end of the process, if at all: its
// number may be used again.
func (p *Process) KillGroup() {
	p.note(syscall.SIGKILL)
	syscall.Kill(-p.PID, syscall.SIGKILL) // an error: all of them have ended
}

// End ends the process as a service manager does: with SIGTERM and, after
// Patience, with SIGKILL, which is an error. Then it waits for the processes
// that it has started.
func (p *Process) End() (err error) {
	if p.Alive() {
		p.Signal(syscall.SIGTERM) // an error: it has just ended
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if p.Until(ctx, func() bool { return !p.Alive() }) != nil {
			err = fmt.Errorf("it did not end within %v of SIGTERM and was killed: %s", Patience,
				p.Story())
		}
	}
	return errors.Join(err, p.Kill(), Left(p))
}

// Kill kills the process and waits for its end, but not for that of the
// processes that it has started.
func (p *Process) Kill() error {
	p.Signal(syscall.SIGKILL) // an error: it has ended
	return p.reap()
}

// reap waits for the end of a process that was killed.
func (p *Process) reap() error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	err := p.Until(ctx, func() bool { return !p.Alive() })
	p.closePipes() // also if one of its children has them still
	if err == nil {
		err = p.Until(ctx, func() bool { return false })
	}
	if err != nil && err != ErrEnded {
		return fmt.Errorf("process %d, which was killed, does not end: %w", p.PID, err)
	}
	return nil
}

// StopReading closes our end of stderr, as a reader that has gone.
func (p *Process) StopReading() error { return p.pipes[0].Close() }

// Signal sends a signal to the process, which must be alive.
func (p *Process) Signal(sig syscall.Signal) error {
	p.note(sig)
	return p.Cmd.Process.Signal(sig)
}

func (p *Process) note(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sent[sig].IsZero() && p.ended.IsZero() {
		p.sent[sig] = time.Now()
	}
}

// Sent is when the signal was first sent, or the zero time.
func (p *Process) Sent(sig syscall.Signal) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent[sig]
}

// Began is when the process was started.
func (p *Process) Began() time.Time { return p.began }

// Ended is when the process ended, or the zero time.
func (p *Process) Ended() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// Alive reports whether the process has not ended.
func (p *Process) Alive() bool { return p.Ended().IsZero() }

// Code is the exit code of a process that has ended; -1: a signal ended it.
func (p *Process) Code() int {
	if p.Alive() {
		return -1
	}
	return p.Cmd.ProcessState.ExitCode()
}

// Said is the lines so far.
func (p *Process) Said() []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// Count is how many messages of this number have come.
func (p *Process) Count(number int) (n int) {
	for _, l := range p.Said() {
		if l.Number == number {
			n++
		}
	}
	return n
}

// Errors is all of stderr so far.
func (p *Process) Errors() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// Output is all of stdout so far.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String()
}

// Story is what the process said, with seconds since its start.
func (p *Process) Story() string {
	var b strings.Builder
	fmt.Fprintf(&b, "process %d: %q\n", p.PID, p.Cmd.Args[1:])
	for _, l := range p.Said() {
		fmt.Fprintf(&b, "%8.3f %3d %s\n", l.At.Sub(p.began).Seconds(), l.Number, l.Text)
		if l.Detail != "" {
			fmt.Fprintf(&b, "%12s ... %s\n", "", l.Detail)
		}
	}
	if at := p.Ended(); !at.IsZero() {
		fmt.Fprintf(&b, "%8.3f %v\n", at.Sub(p.began).Seconds(), p.Cmd.ProcessState)
	}
	return b.String()
}

// Package winsys holds what the kit runner needs of the operating system:
// running commands with their children, the event log, code pages, locks, and
// the calls that replace LifeKeeper's helper commands. It is for Windows; other
// systems have what they can, and errors.ErrUnsupported for the rest.
package winsys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// maxOutput is how much of a command's output is kept, in bytes. No documented
// command prints nearly as much.
const maxOutput = 1 << 20

// ErrOutputTooLong means that a command printed more than 1 MiB: something that
// is not in the part that was kept may be in the part that was not.
var ErrOutputTooLong = errors.New("more than 1 MiB of output")

// Run executes the program at path and returns its exit code and its output,
// stdout and stderr together, decoded to UTF-8. The program gets its own
// argument list, an empty standard input and the directory of its file as
// working directory, so that it does not stand on a volume that is to be
// locked. When it has ended, or the timeout is over or ctx done, every process
// that it started is ended.
//
// The error wraps context.DeadlineExceeded if the program was ended at the
// timeout, context.Canceled if ctx was cancelled, and ErrOutputTooLong. A
// program that crashed has an error too, not an exit code. The output may be of
// use even then.
func Run(ctx context.Context, path string, args []string, timeout time.Duration) (
	code int, output string, err error) {
	return runner{2 * time.Second, 2 * time.Second, pause}.run(ctx, path, args, timeout)
}

type runner struct {
	drain time.Duration         // for the output of processes that outlive the program
	grace time.Duration         // for the program's end, once it was terminated
	pause func(context.Context) // before a start is tried again
}

// starts is how often a start is tried that fails for want of something which
// may be there a moment later. Nothing of the program has run then.
const starts = 3

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(500 * time.Millisecond):
	}
}

func (r runner) run(ctx context.Context, path string, args []string, timeout time.Duration) (
	code int, output string, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := Ended(ctx, timeout); err != nil {
		return 0, "", err
	}
	out := new(capped)
	cmd, t, err := r.start(path, args, out)
	for try := 1; try < starts && slices.ContainsFunc(transient, func(want error) bool {
		return errors.Is(err, want)
	}); try++ {
		r.pause(ctx)
		if err := Ended(ctx, timeout); err != nil {
			return 0, "", err
		}
		cmd, t, err = r.start(path, args, out)
	}
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		err = Reworded("it cannot be started: "+pe.Err.Error(), err)
	}
	if err != nil {
		return 0, "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
		err = exitError(cmd, err)
		t.end() // the program has answered, whatever else it left running
	case <-ctx.Done():
		err = errors.Join(Ended(ctx, timeout), t.end())
		// A process in a driver's request ends when the driver lets it, if
		// ever.
		select {
		case <-ended:
		case <-time.After(r.grace):
			err = fmt.Errorf("%w (process %d does not end)", err, cmd.Process.Pid)
		}
		b, _ := out.bytes()
		return 0, decode(b), err
	}
	b, whole := out.bytes()
	if err == nil && !whole {
		err = ErrOutputTooLong
	}
	if err != nil {
		return 0, decode(b), err
	}
	return codeOf(cmd.ProcessState), decode(b), nil
}

func (r runner) start(path string, args []string, out io.Writer) (*exec.Cmd, *tree, error) {
	cmd := exec.Command(path, args...)
	cmd.Dir = filepath.Dir(path)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = r.drain
	t, err := startTree(cmd)
	return cmd, t, err
}

// Reworded is err with a text of its own, for people who do not know Go.
func Reworded(text string, err error) error { return reworded{text, err} }

type reworded struct {
	text string
	err  error
}

func (r reworded) Error() string { return r.text }
func (r reworded) Unwrap() error { return r.err }

// Ended is ctx's error, reworded, or nil. limit is the time that it had, if that
// is known.
func Ended(ctx context.Context, limit time.Duration) error {
	err := ctx.Err()
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, context.DeadlineExceeded):
		return Reworded("it was asked to stop", err)
	case limit > 0:
		return Reworded(fmt.Sprintf("no answer within %g s", limit.Seconds()), err)
	}
	return Reworded("no answer in time", err)
}

// exitError tells what is wrong with a program's end, apart from its exit code.
// It is no error that other processes still hold its output open: what the
// program itself wrote has been read.
func exitError(cmd *exec.Cmd, err error) error {
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) || errors.Is(err, exec.ErrWaitDelay) {
		return crash(cmd.ProcessState)
	}
	return err
}

// capped keeps the first maxOutput bytes and discards the rest, so that the
// writer never blocks.
type capped struct {
	mu   sync.Mutex // a program that does not end may write while the output is read
	b    []byte
	more bool
}

func (c *capped) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(p), maxOutput-len(c.b))
	c.b = append(c.b, p[:n]...)
	c.more = c.more || n < len(p)
	return len(p), nil
}

func (c *capped) bytes() (b []byte, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b[:len(c.b):len(c.b)], !c.more
}

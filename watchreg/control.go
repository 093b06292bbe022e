package watchreg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Verb is what a watch can be told to do, as it is written on the control line.
type Verb string

// The verbs.
const (
	Stop     Verb = "stop"
	Pause    Verb = "pause"
	Continue Verb = "continue"
	Drill    Verb = "drill" // behave as if the server had just been judged failed
)

const (
	maxPause = 604800 * time.Second // a week
	maxLine  = 256                  // bytes of a control line, newline included
)

// Control is one request to a watch.
type Control struct {
	Verb Verb
	// For belongs to Pause: whole seconds, 1 to 604800; 0 pauses until
	// continued.
	For time.Duration
}

// line is the control line without its newline: "stop", "pause", "pause 3600",
// "continue", "drill".
func (c Control) line() (string, error) {
	switch {
	case c.Verb != Stop && c.Verb != Pause && c.Verb != Continue && c.Verb != Drill:
		return "", fmt.Errorf("no such verb: %q", c.Verb)
	case c.For == 0:
		return string(c.Verb), nil
	case c.Verb != Pause:
		return "", fmt.Errorf("%s takes no time", c.Verb)
	case c.For < time.Second || c.For > maxPause || c.For%time.Second != 0:
		return "", fmt.Errorf("a pause takes whole seconds from 1 to %d, not %v",
			maxPause/time.Second, c.For)
	}
	return fmt.Sprintf("%s %d", c.Verb, c.For/time.Second), nil
}

// parseControl reads a control line without its newline.
func parseControl(line string) (Control, error) {
	verb, seconds, timed := strings.Cut(line, " ")
	c := Control{Verb: Verb(verb)}
	if timed {
		n, err := strconv.ParseUint(seconds, 10, 32)
		if err != nil || n == 0 {
			return Control{}, fmt.Errorf("control line %q: not a number of seconds", line)
		}
		c.For = time.Duration(n) * time.Second
	}
	if _, err := c.line(); err != nil {
		return Control{}, err
	}
	return c, nil
}

// Controls delivers the requests to the watch, in the order in which they were
// written. It is closed after Release. Other lines are dropped.
func (c *Claim) Controls() <-chan Control { return c.controls }

func (c *Claim) read() {
	defer close(c.ended)
	defer close(c.controls)
	// The lock must live as long as this goroutine, even if the program has
	// lost its Claim: the garbage collector closes a lock that nobody refers
	// to.
	defer runtime.KeepAlive(c)

	in := bufio.NewReaderSize(c.control, maxLine)
	tooLong := false
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			tooLong = true
			continue
		}
		if err != nil {
			return
		}
		control, err := parseControl(string(line[:len(line)-1]))
		if err != nil || tooLong {
			tooLong = false
			continue
		}
		select {
		case c.controls <- control:
		case <-c.done:
			return
		}
	}
}

// Send writes a control line to a live watch. It waits for a watch that is just
// starting, and for one whose FIFO is full because it is frozen, until ctx
// ends; so ctx needs a deadline. nil means that the line was delivered, not
// that it was obeyed.
//
// Errors: ErrUnknown, ErrNotRunning for a dead watch, *UnsafeError,
// fs.ErrPermission for another user's watch, or the error of ctx.
func (r *Registry) Send(ctx context.Context, id string, c Control) error {
	line, err := c.line()
	if err != nil {
		return err
	}
	for {
		err := r.trySend(id, line+"\n")
		if !errors.Is(err, errBusy) {
			return err
		}
		if err := wait(ctx); err != nil {
			return fmt.Errorf("watch %q did not take the line %q: %w", id, line, err)
		}
	}
}

func (r *Registry) trySend(id, line string) error {
	dir, err := r.entryDir(id)
	if err != nil {
		return err
	}
	fd, err := openControl(dir)
	if errors.Is(err, errNoReader) {
		held, err := lockHeld(dir)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("%q: %w", id, ErrUnknown)
		case err != nil:
			return err
		case held:
			return errBusy
		}
		return fmt.Errorf("%q: %w", id, ErrNotRunning)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// Below PIPE_BUF the kernel writes all of it or nothing.
	switch _, err := unix.Write(fd, []byte(line)); err {
	case nil:
		return nil
	// full; interrupted; the reader has gone since: look again
	case unix.EAGAIN, unix.EINTR, unix.EPIPE:
		return errBusy
	default:
		return &os.PathError{Op: "write", Path: filepath.Join(dir, controlName), Err: err}
	}
}

// WaitGone returns when the watch that is live at the time of the call has
// ended: its Release is complete or its process has died, and its lock is free.
// It does not wait for a successor under the same identifier. It returns nil at
// once if no watch is live. Errors: that of ctx, *UnsafeError or
// fs.ErrPermission.
func (r *Registry) WaitGone(ctx context.Context, id string) error {
	dir, err := r.entryDir(id)
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	fd, err := openSettled(ctx, dir)
	if err == nil && fd >= 0 {
		err = waitNoReader(ctx, fd)
		unix.Close(fd)
		if err == nil {
			// A dying process closes its descriptors in any order.
			if fd, err = openSettled(ctx, dir); fd >= 0 {
				unix.Close(fd)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("wait for the end of watch %q: %w", id, err)
	}
	return nil
}

// openSettled opens the FIFO of a live watch. It waits for a watch that is just
// starting or ending. The descriptor is -1 if no watch is live.
func openSettled(ctx context.Context, dir string) (int, error) {
	for {
		fd, err := openControl(dir)
		if !errors.Is(err, errNoReader) {
			return fd, err
		}
		held, err := lockHeld(dir)
		if errors.Is(err, os.ErrNotExist) {
			return -1, nil
		}
		if err != nil || !held {
			return -1, err
		}
		if err := wait(ctx); err != nil {
			return -1, err
		}
	}
}

// waitNoReader waits until nobody reads the FIFO behind fd. That stays one
// watch's FIFO, even if its path is a successor's by then.
func waitNoReader(ctx context.Context, fd int) error {
	for {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		if _, err := unix.Poll(fds, 0); err != nil && err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
		if fds[0].Revents&unix.POLLERR != 0 {
			return nil
		}
		if err := wait(ctx); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pollInterval):
		return nil
	}
}

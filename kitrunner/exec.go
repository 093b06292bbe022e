package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// maxOutput is how much of a command's output is kept, in bytes. No documented command comes near to it.
const maxOutput = 1 << 20

// ErrOutputTooLong is a Result's error for more than 1 MiB of output: what is missing
// from the part that was kept may stand in the part that was not.
var ErrOutputTooLong = errors.New("more than 1 MiB of output")

// Dirs are the directories of the places, each an absolute path. A place without one has no commands.
type Dirs map[Place]string

// path returns the file of a command, once it is known to be there.
func (d Dirs) path(c Command) (string, error) {
	if d[c.Place] == "" {
		return "", fmt.Errorf("its directory is not set: %w", fs.ErrNotExist)
	}
	path := filepath.Join(d[c.Place], filepath.FromSlash(c.Name))
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	return path, nil
}

// NewRunner returns a Runner that executes the commands in dirs. A command gets its own
// argument list, an empty standard input and the directory it lies in as working
// directory, so that none stands on a volume that is to be locked. Whatever a command
// started is ended when the command has ended, with it at the latest at its deadline.
//
// Run's error, in Result.Err, wraps fs.ErrNotExist if the command is not installed,
// context.DeadlineExceeded if it was ended at its deadline, context.Canceled if ctx was
// cancelled, and ErrOutputTooLong. A command that crashed has an error too, not an exit code.
func NewRunner(dirs Dirs) Runner {
	return &runner{dirs: dirs, drain: 2 * time.Second, grace: 2 * time.Second}
}

type runner struct {
	dirs  Dirs
	drain time.Duration // for output after a command's end, from what it has left behind
	grace time.Duration // for the end of a command that was ended
}

func (r *runner) Run(ctx context.Context, c Command) Result {
	began := time.Now()
	code, output, err := r.run(ctx, c)
	if err != nil {
		err = fmt.Errorf("%s: %w", c.Name, err)
	}
	return Result{Code: code, Output: decode(output), Took: time.Since(began), Err: err}
}

func (r *runner) run(ctx context.Context, c Command) (code int, output []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	path, err := r.dirs.path(c)
	if err != nil {
		return 0, nil, err
	}
	out := new(capped)
	cmd := exec.Command(path, c.Args...)
	cmd.Dir = filepath.Dir(path)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = r.drain
	t, err := startTree(cmd)
	if err != nil {
		return 0, nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
		err = exitError(cmd, err)
		t.end() // the command has answered, whatever it left behind
	case <-ctx.Done():
		err = errors.Join(r.timedOut(ctx, c), t.end())
		// A process inside a driver's request ends when the driver lets it, if ever.
		select {
		case <-ended:
		case <-time.After(r.grace):
			err = fmt.Errorf("%w (process %d does not end)", err, cmd.Process.Pid)
		}
		b, _ := out.bytes()
		return 0, b, err
	}
	b, whole := out.bytes()
	if err == nil && !whole {
		err = ErrOutputTooLong
	}
	if err != nil {
		return 0, b, err
	}
	return codeOf(cmd.ProcessState), b, nil
}

func (r *runner) timedOut(ctx context.Context, c Command) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no end within %v: %w", c.Timeout, ctx.Err())
	}
	return ctx.Err()
}

// exitError tells what is wrong with a command's end, apart from its exit code. Output
// that others hold open after its end is not: what the command itself wrote has been read.
func exitError(cmd *exec.Cmd, err error) error {
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) || errors.Is(err, exec.ErrWaitDelay) {
		return crash(cmd.ProcessState)
	}
	return err
}

// capped keeps the first maxOutput bytes written to it and discards the rest, so that the writer never blocks.
type capped struct {
	mu   sync.Mutex // a command that does not end may still write while the result is read
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

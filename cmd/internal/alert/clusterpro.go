package alert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/errand"
)

type clusterpro struct {
	path    string
	timeout time.Duration // for each call
}

// Clusterpro shows alerts in the CLUSTERPRO alert view (FSM manual 6.1) with
// the clplogcmd at path. It returns nil if that is not an executable file. Each
// line is one call, whose process group is killed after 2 seconds. The detail
// of an alert is left out. A call that is still running when the watch exits
// may go on, since the last messages matter most.
//
// An errand calls it: who starts a program stands still, with all goroutines of
// its processor, until the kernel has read that from its disk.
func Clusterpro(path string) Sink {
	info, err := os.Stat(path) // may be a link into the product's own directory
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return nil
	}
	return &clusterpro{path: path, timeout: 2 * time.Second}
}

func (c *clusterpro) Name() string { return "clplogcmd" }

func (c *clusterpro) Close() error { return nil }

func (c *clusterpro) Deliver(a Alert) error {
	level := a.Severity.String()
	if a.Severity == Error {
		level = "ERR"
	}
	a.Detail = ""
	call := viewCall{Path: c.path, Timeout: c.timeout}
	for _, line := range lines("", a) {
		call.Args = []string{"-m", line, "-i", strconv.Itoa(a.Number), "-l", level, "--alert"}
		if _, err := viewErrand.Run(context.Background(), call); err != nil {
			return err
		}
	}
	return nil
}

// viewCall is one call of clplogcmd.
type viewCall struct {
	Path    string
	Args    []string
	Timeout time.Duration
}

var viewErrand = errand.Handle("view", func(c viewCall, reply func(struct{}, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	reply(struct{}{}, c.run(ctx))
})

func (c viewCall) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	// The watch's environment may hold a password, and the socket of its
	// service manager.
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.Dir = "/" // not a directory that may be on the failed server
	// A group of its own, so that all of it can be killed.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		if errors.Is(err, unix.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	err := cmd.Start()
	if err == nil {
		errand.ResetOOMScore(cmd.Process.Pid) // of a child of the watch itself
		err = cmd.Wait()
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return fmt.Errorf("%s: %w", c.Path, err)
}

//go:build unix

package winsys

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// tree is a process group. A process that leaves the group leaves the tree; no
// command for Windows does.
type tree struct{ group int }

// transient are the errors of a start that may succeed a moment later.
var transient = []error{syscall.EAGAIN, syscall.ENOMEM, syscall.ETXTBSY}

func startTree(cmd *exec.Cmd) (*tree, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &tree{cmd.Process.Pid}, nil
}

// end ends the processes that are left. It is no error if none is.
func (t *tree) end() error {
	if err := syscall.Kill(-t.group, syscall.SIGKILL); err != nil &&
		!errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

func codeOf(p *os.ProcessState) int { return p.ExitCode() }

// crash returns an error if a process was ended by a signal.
func crash(p *os.ProcessState) error {
	if status, ok := p.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Errorf("ended by signal %d (%v)", status.Signal(), status.Signal())
	}
	return nil
}

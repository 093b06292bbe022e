package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/proc"
)

const (
	probeTime = 10 * time.Second // bound of one probe of a healthy server, of the other tools' too
	leftTime  = 2 * time.Second  // how long what a tool has left behind may keep its output
	tailSize  = 1 << 10          // bytes, of what a process has said
)

// tail is the end of a process's output.
type tail struct{ said []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.said = append(t.said, p...)
	t.said = t.said[max(0, len(t.said)-tailSize):]
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.said)) }

// explain adds a process's last output to the error with which it ended.
func explain(path string, tail any, err error) error {
	said := fmt.Sprint(tail)
	if said != "" {
		said = " (it said: " + said + ")"
	}
	return fmt.Errorf("%s: %w%s", filepath.Base(path), err, said)
}

// run runs a tool once and returns its cost.
func run(ctx context.Context, line []string) (cost, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	said := new(tail)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Stdout, cmd.Stderr = said, said // plugins give their reason on stdout
	cmd.WaitDelay = leftTime
	p, err := proc.Start(cmd)
	if err != nil {
		return cost{}, err
	}
	if err = p.Wait(ctx); err == nil && p.Code() != 0 {
		err = errors.New(cmd.ProcessState.String())
	}
	if err != nil {
		return cost{}, explain(line[0], said, err)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return cost{p.Ended().Sub(p.Began()).Seconds(), cpu.Seconds()}, nil
}

// orphanScript starts a process and prints its number. The process becomes the
// tool when it reads a line.
const orphanScript = `{ read -r line <&3 && exec "$@" 3<&- 4>&-; } </dev/null >&4 2>&1 & echo $!`

// peakOf runs a tool once and returns the most memory that its largest process,
// it or a child it has waited for, has had resident, in kB (ru_maxrss,
// getrusage(2)).
//
// A process begins its life with the peak of the process that executed it, and
// this one is larger than most tools. So it is a small shell that starts the
// tool; when the shell has ended, this process inherits the tool
// (PR_SET_CHILD_SUBREAPER) and lets it begin.
func peakOf(ctx context.Context, line []string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer w.Close()
	defer r.Close()
	fd, err := unix.MemfdCreate("said", unix.MFD_CLOEXEC)
	if err != nil {
		return 0, fmt.Errorf("make a file for what a tool says: %w", err)
	}
	said := os.NewFile(uintptr(fd), "said")
	defer said.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", orphanScript, "sh"}, line...)...)
	cmd.ExtraFiles = []*os.File{r, said}
	shell, err := proc.Start(cmd)
	if err == nil {
		err = shell.Wait(ctx)
	}
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(shell.Output()))
	if err != nil {
		return 0, explain(cmd.Path, shell.Errors(), err)
	}
	// The tool is in the shell's group and has not been waited for, so the
	// group's ID is its own.
	defer context.AfterFunc(ctx, shell.KillGroup)()
	if _, err := fmt.Fprintln(w); err != nil {
		return 0, err
	}
	var (
		state syscall.WaitStatus
		usage syscall.Rusage
	)
	for {
		_, err = syscall.Wait4(pid, &state, 0, &usage)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("wait for %s: %w", filepath.Base(line[0]), err)
	case state.Signaled():
		err = fmt.Errorf("signal: %s", state.Signal()) // as package os/exec says these two
	case state.ExitStatus() != 0:
		err = fmt.Errorf("exit status %d", state.ExitStatus())
	default:
		return int(usage.Maxrss), nil
	}
	what := new(tail)
	_, readErr := said.Seek(0, io.SeekStart)
	if readErr == nil {
		_, readErr = io.Copy(what, said)
	}
	return 0, errors.Join(explain(line[0], what, err), readErr)
}

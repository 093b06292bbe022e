package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	probeTime = 10 * time.Second // bound of one probe of a healthy server, of the other tools' too
	endTime   = 2 * time.Second  // bound of the end of a process that was asked to end
)

// process is a program that ends with this one, however this one ends, and not
// by itself when somebody at a terminal presses ^C. Its stderr is kept for explain.
func process(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endTime
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	cmd.Stderr = new(bytes.Buffer)
	return cmd
}

// tool is a process whose end nobody needs to wait for: it and all it has started
// are killed when ctx ends. (showmount waits for minutes through a SIGTERM.)
func tool(ctx context.Context, line []string) *exec.Cmd {
	cmd := process(ctx, line[0], line[1:]...)
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	return cmd
}

// killGroup kills what is left of the process group that a process leads or has led.
func killGroup(pid int) error {
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// explain adds what a process that has ended said to the error it ended with.
func explain(cmd *exec.Cmd, err error) error {
	said := strings.TrimSpace(fmt.Sprint(cmd.Stderr))
	if said != "" {
		said = " (it said: " + said + ")"
	}
	return fmt.Errorf("%s: %w%s", filepath.Base(cmd.Path), err, said)
}

// run runs a tool once and says what it cost.
func run(ctx context.Context, line []string) (cost, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := tool(ctx, line)
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, explain(cmd, err)
	}
	wall := time.Since(began)
	return cost{wall.Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()}, nil
}

// orphanScript leaves a process behind that becomes a tool when it reads a line.
const orphanScript = `{ read -r line <&3 && exec "$@" 3<&-; } </dev/null >/dev/null 2>&1 & echo $!`

// peakOf runs a tool once and returns the most memory that it, or any of its own
// children, has had resident, in kB (ru_maxrss, getrusage(2)).
//
// A process begins its life with the peak of the process that executed it, and
// this one is larger than most tools. So it is a small shell that starts the tool;
// when the shell has ended, this process inherits the tool (PR_SET_CHILD_SUBREAPER)
// and lets it begin.
func peakOf(ctx context.Context, line []string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer w.Close()
	cmd := process(ctx, "/bin/sh", append([]string{"-c", orphanScript, "sh"}, line...)...)
	cmd.ExtraFiles = []*os.File{r}
	out, err := cmd.Output()
	r.Close()
	if err != nil {
		return 0, explain(cmd, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, func() { syscall.Kill(pid, syscall.SIGKILL) })() // it has not been waited for, so the ID is its own
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
	case !state.Exited() || state.ExitStatus() != 0:
		return 0, fmt.Errorf("%s: exit code %d, signal %d", filepath.Base(line[0]), state.ExitStatus(), state.Signal())
	}
	return int(usage.Maxrss), nil
}

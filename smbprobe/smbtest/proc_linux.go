package smbtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// canStart returns an error if this process cannot run a private smbd.
func canStart() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("a private smbd needs root: %w", os.ErrPermission)
	}
	return nil
}

func newSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func freeze(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
func thaw(p *os.Process) error   { return p.Signal(syscall.SIGCONT) }

// killSession sends SIGKILL to the process group of a session's leader. It is
// no error if no process is left.
func killSession(leader int) error {
	if err := syscall.Kill(-leader, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// processState returns the state letter of /proc/PID/stat (proc(5)).
func processState(pid int) (byte, error) {
	state, _, err := stat(pid)
	return state, err
}

// sessionMembers returns the PIDs of a session's living processes. Zombies do
// not count: whoever inherits them may reap them late.
func sessionMembers(sid int) ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		state, session, err := stat(pid) // an error means that it has just ended
		if err == nil && session == sid && state != 'Z' && state != 'X' {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func stat(pid int) (state byte, session int, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// The name in parentheses may hold any bytes. After it come state, ppid,
	// pgrp and session.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 4 {
		return 0, 0, fmt.Errorf("/proc/%d/stat: %q", pid, b)
	}
	session, err = strconv.Atoi(string(f[3]))
	return f[0][0], session, err
}

// reaper is a shell that outlives this process for a moment. It reads PIDs of
// smbds from a pipe. However this process ends, the kernel then closes the
// pipe: the reaper kills the session of the last smbd and removes the
// directory. A parent-death signal would end smbd, but not its processes for
// connections, and the directory would stay.
type reaper struct {
	pipe *os.File
	cmd  *exec.Cmd
}

const reaperScript = `
while read -r pid; do smbd=$pid; done
test -z "$smbd" || kill -s KILL -- "-$smbd"
try=0
until rm -rf -- "$1" || test $try -ge 600; do try=$((try + 1)); sleep 0.1; done`

func startReaper(dir string) (*reaper, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", reaperScript, "sh", dir)
	cmd.Stdin = r
	// A signal to this process's group or terminal must not end the reaper.
	cmd.SysProcAttr = newSession()
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, err
	}
	return &reaper{w, cmd}, nil
}

// forget tells the reaper that smbd has ended. Another process may get its PID,
// and the reaper must not kill that.
func (r *reaper) forget() error {
	_, err := r.pipe.WriteString("\n")
	return err
}

func (r *reaper) end() error {
	return errors.Join(r.pipe.Close(), r.cmd.Wait())
}

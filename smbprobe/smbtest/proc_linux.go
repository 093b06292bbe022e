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

// canStart tells why a private smbd cannot be run by this process, if so.
func canStart() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("a private smbd needs root: %w", os.ErrPermission)
	}
	return nil
}

func newSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func freeze(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
func thaw(p *os.Process) error   { return p.Signal(syscall.SIGCONT) }

// killSession sends SIGKILL to the process group that the leader of a session has led all its life. None left is no error.
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

// sessionMembers returns the living processes of a session. Zombies do not count: whoever inherits them may be slow to reap.
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
		state, session, err := stat(pid)
		if err == nil && session == sid && state != 'Z' && state != 'X' { // an error: it has just ended
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
	// The name in parentheses may hold anything; after it come state, ppid, pgrp, session.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 4 {
		return 0, 0, fmt.Errorf("/proc/%d/stat: %q", pid, b)
	}
	session, err = strconv.Atoi(string(f[3]))
	return f[0][0], session, err
}

// reaper is a shell that outlives this process for a moment. It reads PIDs of smbds from a pipe; at end of
// file, which the kernel brings about however this process ended, it kills the session of the last one and removes
// the directory. A parent-death signal would end smbd, but neither its processes for connections nor the directory.
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
	cmd.SysProcAttr = newSession() // the end of this process's group or terminal must not be its end
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, err
	}
	return &reaper{w, cmd}, nil
}

// forget makes the reaper kill nobody, once smbd has ended: the PID may become somebody else's.
func (r *reaper) forget() error {
	_, err := r.pipe.WriteString("\n")
	return err
}

func (r *reaper) end() error {
	return errors.Join(r.pipe.Close(), r.cmd.Wait())
}

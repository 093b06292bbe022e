package observe

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// What there is to see on the machine that serves. /proc is read directly:
// github.com/prometheus/procfs costs a watch 170 kB of private memory for life,
// measured, although it would only be used once, at its end. The command line of a
// process is not read: that can hang for as long as the process does, and may
// hold secrets.

// serverNames are the processes of a file server, besides whoever listens.
var serverNames = []string{"smbd", "nmbd", "winbindd", "samba-dcerpcd", "rpcd_classic", "ctdbd", "ganesha.nfsd",
	"nfsd", "lockd", "rpc.mountd", "rpc.statd", "rpc.idmapd", "nfsdcld", "rpcbind"}

const (
	maxTasks = 400     // tasks described in one file
	maxRows  = 2000    // sockets described
	tableCap = 4 << 20 // bytes of one socket table
)

// machine is the collectors for a server on this machine that listens on port.
func machine(proc string, port uint16) []collector {
	return []collector{
		{"blocked.txt", func(ctx context.Context, out io.Writer) error { return blocked(ctx, proc, out) }},
		{"server.txt", func(ctx context.Context, out io.Writer) error { return servers(ctx, proc, port, out) }},
		{"sockets.txt", func(ctx context.Context, out io.Writer) error { return sockets(proc, port, out) }},
		{"nfsd.txt", copies(proc, "net/rpc/nfsd", "fs/nfsd/threads", "fs/nfsd/pool_stats")},
		{"mounts.txt", copies(proc, "self/mountinfo")},
		{"load.txt", copies(proc, "loadavg", "pressure/cpu", "pressure/io", "pressure/memory", "meminfo", "vmstat")},
	}
}

// copies is a collector that copies files of /proc. One that does not exist is
// no lack: not every kernel has it.
func copies(proc string, names ...string) func(context.Context, io.Writer) error {
	return func(_ context.Context, out io.Writer) error {
		var failed error
		for _, name := range names {
			b, err := readSome(filepath.Join(proc, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			failed = cmp.Or(failed, err)
			fmt.Fprintf(out, "== /proc/%s\n%s", name, b)
		}
		return failed
	}
}

// task is one thread, from proc_pid_stat(5).
type task struct {
	pid, tid int
	dir      string
	comm     string
	state    byte
	ppid     int
}

// pids lists the processes.
func pids(proc string) ([]int, error) {
	d, err := os.Open(proc)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, err
}

// tasks lists the threads of a process; none when it has ended meanwhile.
func tasks(proc string, pid int) []task {
	dir := filepath.Join(proc, strconv.Itoa(pid), "task")
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var all []task
	for _, name := range names {
		t := task{pid: pid, dir: filepath.Join(dir, name)}
		t.tid, _ = strconv.Atoi(name)
		b, err := readSome(filepath.Join(t.dir, "stat"))
		open, shut := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')') // the name may hold anything
		if err != nil || open < 0 || shut < open {
			continue
		}
		rest := strings.Fields(string(b[shut+1:]))
		if len(rest) < 2 {
			continue
		}
		t.comm, t.state = string(b[open+1:shut]), rest[0][0]
		t.ppid, _ = strconv.Atoi(rest[1])
		all = append(all, t)
	}
	return all
}

// describe writes what a thread is and where in the kernel it waits.
func (t task) describe(out io.Writer) {
	wait, _ := readSome(filepath.Join(t.dir, "wchan"))
	fmt.Fprintf(out, "\nprocess %d thread %d (%s) state %c parent %d waits in %s\n", t.pid, t.tid, oneLine(t.comm, 64), t.state, t.ppid, wait)
	if b, err := readSome(filepath.Join(t.dir, "status")); err == nil {
		for line := range strings.Lines(string(b)) {
			switch name, _, _ := strings.Cut(line, ":"); name {
			case "Uid", "VmRSS", "Threads", "SigPnd", "ShdPnd", "SigBlk", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
				io.WriteString(out, "  "+line)
			}
		}
	}
	if b, err := readSome(filepath.Join(t.dir, "stack")); err != nil {
		fmt.Fprintf(out, "  no kernel stack: %v\n", err)
	} else {
		for line := range strings.Lines(string(b)) {
			io.WriteString(out, "  "+line)
		}
	}
}

// blocked describes every thread in uninterruptible sleep: what hangs on a disk
// or on a file server.
func blocked(ctx context.Context, proc string, out io.Writer) error {
	all, err := pids(proc)
	if err != nil {
		return err
	}
	found, looked := 0, 0
	for _, pid := range all {
		if ctx.Err() != nil {
			return fmt.Errorf("%d processes were not looked at: %w", len(all)-looked, ctx.Err())
		}
		looked++
		for _, t := range tasks(proc, pid) {
			if t.state != 'D' {
				continue
			}
			if found++; found > maxTasks {
				return fmt.Errorf("there are more than %d", maxTasks)
			}
			t.describe(out)
		}
	}
	fmt.Fprintf(out, "\n%d threads in uninterruptible sleep (state D), of %d processes.\n", found, len(all))
	return nil
}

// servers describes the threads of whoever listens on the port, and of the
// server's other processes.
func servers(ctx context.Context, proc string, port uint16, out io.Writer) error {
	listening := map[string]bool{} // by "socket:[inode]"
	failed := eachSocket(proc, func(s socket) {
		if s.state == "LISTEN" && s.local.Port() == port {
			listening["socket:["+s.inode+"]"] = true
		}
	})
	all, err := pids(proc)
	if err != nil {
		return err
	}
	var listeners, others []int
	for _, pid := range all {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		listens, err := holds(filepath.Join(proc, strconv.Itoa(pid), "fd"), listening)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = cmp.Or(failed, fmt.Errorf("whether process %d listens is not known: %w", pid, err))
		}
		comm, _ := readSome(filepath.Join(proc, strconv.Itoa(pid), "comm"))
		if listens {
			listeners = append(listeners, pid)
		} else if slices.Contains(serverNames, strings.TrimSpace(string(comm))) {
			others = append(others, pid)
		}
	}
	fmt.Fprintf(out, "%d sockets listen on port %d; processes that hold them: %v; other processes of file servers: %v\n", len(listening), port, listeners, others)
	described := 0
	for _, pid := range slices.Concat(listeners, others) {
		for _, t := range tasks(proc, pid) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if described++; described > maxTasks {
				return fmt.Errorf("there are more than %d threads", maxTasks)
			}
			t.describe(out)
		}
	}
	return failed
}

// holds reports whether a descriptor in the directory is one of the given.
func holds(dir string, wanted map[string]bool) (bool, error) {
	if len(wanted) == 0 {
		return false, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	for _, name := range names {
		if link, err := os.Readlink(filepath.Join(dir, name)); err == nil && wanted[link] {
			return true, nil
		}
	}
	return false, err
}

// socket is one row of /proc/net/tcp (proc_pid_net(5)).
type socket struct {
	local, remote netip.AddrPort
	state         string
	send, recv    uint64 // bytes not acknowledged; bytes not read, or connections not accepted
	timer         string
	retransmits   uint64
	uid, inode    string
}

// tcpStates are numbered from 1 (the kernel's include/net/tcp_states.h).
var tcpStates = []string{"", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
	"LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"}

// eachSocket decodes the tables of both IP versions.
func eachSocket(proc string, do func(socket)) error {
	for _, name := range []string{"net/tcp", "net/tcp6"} {
		f, err := os.Open(filepath.Join(proc, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		b, err := io.ReadAll(io.LimitReader(f, tableCap))
		f.Close()
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			if s, ok := parseSocket(line); ok {
				do(s)
			}
		}
		if len(b) == tableCap {
			return fmt.Errorf("/proc/%s is longer than %d bytes", name, tableCap)
		}
	}
	return nil
}

// parseSocket reads one row; false for the heading.
func parseSocket(line string) (s socket, ok bool) {
	f := strings.Fields(line)
	if len(f) < 10 {
		return s, false
	}
	var local, remote bool
	s.local, local = parseEndpoint(f[1])
	s.remote, remote = parseEndpoint(f[2])
	state, err := strconv.ParseUint(f[3], 16, 8)
	if !local || !remote || err != nil {
		return s, false
	}
	if s.state = f[3]; state < uint64(len(tcpStates)) {
		s.state = tcpStates[state]
	}
	send, recv, _ := strings.Cut(f[4], ":")
	s.send, _ = strconv.ParseUint(send, 16, 64)
	s.recv, _ = strconv.ParseUint(recv, 16, 64)
	s.timer = f[5]
	s.retransmits, _ = strconv.ParseUint(f[6], 16, 64)
	s.uid, s.inode = f[7], f[9]
	return s, true
}

// parseEndpoint reads ADDRESS:PORT in hexadecimal. The address stands there in
// words of 32 bits, each as this machine has it in memory.
func parseEndpoint(text string) (netip.AddrPort, bool) {
	address, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(address)
	p, errPort := strconv.ParseUint(port, 16, 16)
	if err != nil || errPort != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.NativeEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), ok
}

// sockets lists the connections of the port with their queues.
func sockets(proc string, port uint16, out io.Writer) error {
	fmt.Fprintf(out, "%-12s %-40s %-40s %10s %10s  %-11s %7s %7s %s\n",
		"state", "local", "remote", "unacked", "unread", "timer", "resent", "uid", "inode")
	rows := 0
	err := eachSocket(proc, func(s socket) {
		if s.local.Port() != port && s.remote.Port() != port {
			return
		}
		if rows++; rows <= maxRows {
			fmt.Fprintf(out, "%-12s %-40s %-40s %10d %10d  %-11s %7d %7s %s\n",
				s.state, s.local, s.remote, s.send, s.recv, s.timer, s.retransmits, s.uid, s.inode)
		}
	})
	fmt.Fprintf(out, "\n%d sockets of port %d. Of a listening one, \"unread\" is the connections that wait to be accepted.\n", rows, port)
	if rows > maxRows {
		err = cmp.Or(err, fmt.Errorf("only %d are listed", maxRows))
	}
	return err
}

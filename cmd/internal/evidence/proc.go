package evidence

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"fsmon/cmd/internal/alert"
)

// What there is to see on the server's machine. /proc is read by hand, not with
// github.com/prometheus/procfs: the errand that reads it is the same program as
// the watch, so every watch would pay for the import, with 172 kB of private
// memory (measured) as long as it runs.
//
// The command line of a process is not read: it may hold secrets, and reading
// it hangs while the process does.

// serverNames are the processes of a file server, besides those that listen.
var serverNames = []string{"smbd", "nmbd", "winbindd", "samba-dcerpcd", "rpcd_classic", "ctdbd",
	"ganesha.nfsd", "nfsd", "lockd", "rpc.mountd", "rpc.statd", "rpc.idmapd", "nfsdcld", "rpcbind"}

const (
	maxProcesses = 2000 // processes listed in one file
	maxKinds     = 200  // threads described in one file, each for all others like it
)

// machine returns the collectors for a server on this machine that listens on
// port.
func machine(proc string, port uint16) []collector {
	// It takes a millisecond, as long as all else on a small machine.
	tables := sync.OnceValues(func() ([]socket, error) { return allSockets(proc) })
	listening := listeners(proc, port, tables)
	return []collector{
		{"blocked.txt", func(ctx context.Context, out io.Writer) error {
			return blocked(ctx, proc, out)
		}},
		{"server.txt", func(ctx context.Context, out io.Writer) error {
			return servers(ctx, proc, port, listening, out)
		}},
		{"sockets.txt", func(ctx context.Context, out io.Writer) error {
			return sockets(port, tables, out)
		}},
		{"nfsd.txt", copies(proc, "net/rpc/nfsd", "fs/nfsd/threads", "fs/nfsd/pool_stats")},
		{"mounts.txt", func(ctx context.Context, out io.Writer) error {
			return mounts(ctx, proc, listening, out)
		}},
		{"load.txt", copies(proc, "loadavg", "pressure/cpu", "pressure/io", "pressure/memory",
			"meminfo", "vmstat")},
	}
}

// copies returns a collector that copies files of /proc. A file may be missing,
// since not every kernel has all of them.
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

// thread is one thread, from proc_pid_stat(5).
type thread struct {
	pid, tid int
	dir      string
	comm     string
	state    byte
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

// threads lists the threads of a process; none if it has ended meanwhile.
func threads(proc string, pid int) []thread {
	dir := filepath.Join(proc, strconv.Itoa(pid), "task")
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var all []thread
	for _, name := range names {
		t := thread{pid: pid, dir: filepath.Join(dir, name)}
		t.tid, _ = strconv.Atoi(name)
		b, err := readSome(filepath.Join(t.dir, "stat"))
		// The name may hold anything, parentheses too.
		open, shut := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
		if err != nil || open < 0 || shut < open || len(b) < shut+3 {
			continue
		}
		t.comm, t.state = string(b[open+1:shut]), b[shut+2]
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b thread) int { return cmp.Compare(a.tid, b.tid) })
	return all
}

// threadPage describes threads. A server has hundreds that wait for work at the
// same place: the first of a kind is described, the others are only counted.
type threadPage struct {
	out       io.Writer
	kinds     map[string]thread // by what is said of them
	processes int
	hidden    error // why a kernel stack may not be read
}

// end says what could not be seen.
func (p *threadPage) end() {
	if p.hidden != nil {
		fmt.Fprintf(p.out, "\nKernel stacks cannot be read here (%v): that takes CAP_SYS_ADMIN, which "+
			"the systemd units leave out. fsmon(7), EVIDENCE AND METRICS, has a drop-in that allows it.\n",
			p.hidden)
	}
}

// process describes those threads of a process that are wanted (nil: all), and
// returns how many there are.
func (p *threadPage) process(proc string, pid int, wanted func(thread) bool) (int, error) {
	all := threads(proc, pid)
	if wanted != nil {
		all = slices.DeleteFunc(all, func(t thread) bool { return !wanted(t) })
	}
	if len(all) == 0 {
		return 0, nil
	}
	if p.processes++; p.processes > maxProcesses {
		return len(all), fmt.Errorf("there are more than %d processes", maxProcesses)
	}
	fmt.Fprintf(p.out, "process %d: %s\n", pid,
		facts(filepath.Join(proc, strconv.Itoa(pid), "status")))
	like := map[thread]int{}
	var order []thread
	for _, t := range all {
		says, err := t.says()
		if errors.Is(err, fs.ErrPermission) {
			p.hidden = errors.Unwrap(err)
		}
		first, known := p.kinds[says]
		switch {
		case known:
			if like[first]++; like[first] == 1 {
				order = append(order, first)
			}
		case len(p.kinds) == maxKinds:
			return len(all), fmt.Errorf("there are more than %d kinds of threads", maxKinds)
		default:
			p.kinds[says] = t
			fmt.Fprintf(p.out, "  thread %d %s", t.tid, says)
		}
	}
	for _, first := range order {
		fmt.Fprintf(p.out, "  %d like thread %d of process %d\n", like[first], first.tid, first.pid)
	}
	return len(all), nil
}

// facts describes a process in one line.
func facts(status string) string {
	b, err := readSome(status)
	if err != nil {
		return "ended, or not to be read"
	}
	var all []string
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		// ShdPnd shows pending signals, such as a SIGKILL.
		case "Name", "State", "PPid", "Uid", "VmRSS", "Threads", "ShdPnd":
			all = append(all, name+" "+alert.OneLine(strings.Join(strings.Fields(value), " "), 64))
		}
	}
	return strings.Join(all, ", ")
}

// says returns a thread's name, and where in the kernel it waits. The error is
// why it has no kernel stack.
func (t thread) says() (string, error) {
	var b strings.Builder
	wait, _ := readSome(filepath.Join(t.dir, "wchan"))
	fmt.Fprintf(&b, "(%s) state %c waits in %s\n", alert.OneLine(t.comm, 64), t.state, wait)
	stack, err := readSome(filepath.Join(t.dir, "stack"))
	if err != nil && !errors.Is(err, fs.ErrPermission) { // that is the same for all of them
		fmt.Fprintf(&b, "    no kernel stack: %v\n", errors.Unwrap(err))
	}
	for line := range strings.Lines(string(stack)) {
		b.WriteString("    " + line)
	}
	return b.String(), err
}

// blocked describes every thread in uninterruptible sleep: those that hang on a
// disk or on a file server.
func blocked(ctx context.Context, proc string, out io.Writer) error {
	all, err := pids(proc)
	if err != nil {
		return err
	}
	p := threadPage{out: out, kinds: map[string]thread{}}
	found := 0
	for i, pid := range all {
		if ctx.Err() != nil {
			return fmt.Errorf("%d processes were not looked at: %w", len(all)-i, ctx.Err())
		}
		n, err := p.process(proc, pid, func(t thread) bool { return t.state == 'D' })
		if err != nil {
			return err
		}
		found += n
	}
	fmt.Fprintf(out, "\n%d threads in uninterruptible sleep (state D), of %d processes.\n",
		found, len(all))
	p.end()
	return nil
}

// serving is who listens on the server's port.
type serving struct {
	sockets int
	holders []int // the processes that hold them; the kernel's own server has none
	err     error // why that may not be all
}

// listeners returns a function that looks for them, once for all its callers.
func listeners(
	proc string, port uint16, tables func() ([]socket, error),
) func(context.Context) serving {
	var once sync.Once
	var f serving
	return func(ctx context.Context) serving {
		once.Do(func() { f = look(ctx, proc, port, tables) })
		return f
	}
}

func look(
	ctx context.Context, proc string, port uint16, tables func() ([]socket, error),
) (f serving) {
	listening := map[string]bool{} // by "socket:[inode]"
	known, err := tables()
	for _, s := range known {
		if s.state == "LISTEN" && s.local.Port() == port {
			listening["socket:["+s.inode+"]"] = true
		}
	}
	f.err, f.sockets = err, len(listening)
	all, err := pids(proc)
	f.err = cmp.Or(f.err, err)
	for _, pid := range all {
		if f.err = cmp.Or(f.err, ctx.Err()); ctx.Err() != nil {
			return f
		}
		listens, err := holds(filepath.Join(proc, strconv.Itoa(pid), "fd"), listening)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			unknown := fmt.Errorf("whether process %d listens is not known: %w", pid, err)
			f.err = cmp.Or(f.err, unknown)
		}
		if listens {
			f.holders = append(f.holders, pid)
		}
	}
	return f
}

// servers describes the threads of the processes that listen on the port, and
// of the server's other processes.
func servers(
	ctx context.Context, proc string, port uint16, listening func(context.Context) serving,
	out io.Writer,
) error {
	f := listening(ctx)
	all, err := pids(proc)
	if err != nil {
		return err
	}
	var others []int
	for _, pid := range all {
		comm, _ := readSome(filepath.Join(proc, strconv.Itoa(pid), "comm"))
		if !slices.Contains(f.holders, pid) &&
			slices.Contains(serverNames, strings.TrimSpace(string(comm))) {
			others = append(others, pid)
		}
	}
	fmt.Fprintf(out, "%d sockets listen on port %d; processes that hold them: %v; "+
		"other processes of file servers: %v\n", f.sockets, port, f.holders, others)
	p := threadPage{out: out, kinds: map[string]thread{}}
	defer p.end()
	for _, pid := range slices.Concat(f.holders, others) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := p.process(proc, pid, nil); err != nil {
			return err
		}
	}
	return f.err
}

// holds reports whether a descriptor in dir is one of those that are wanted.
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

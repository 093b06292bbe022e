// Command bench prints what the watches cost, next to the tools of today on the
// same private servers: smbclient, and rpcinfo. It takes the directory of the
// built commands, asserts nothing, and leaves nothing behind. It must run as
// root, since the NFS server is in a network of its own.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"fsmon/nfsprobe/nfstest"
)

// A parent-death signal comes when the thread that started the process ends, so
// everything is started from the main one.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) > 2 && os.Args[1] == prober {
		os.Exit(probeOnRequest(os.Args[2:]))
	}
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "bench: error: one argument is needed (the directory of clp_sambamon and clp_nfsmon)")
		os.Exit(2)
	}
	nfstest.Isolate()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := bench(ctx, os.Args[1]); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintf(os.Stderr, "bench: error: %v\n", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, bin string) error {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	fmt.Printf("%d cores, %s; private servers on loopback\n", runtime.NumCPU(), kernel())
	for _, measure := range []func(ctx context.Context, bin string) (figures, error){measureSamba, measureNFS} {
		f, err := measure(ctx, bin)
		if err != nil {
			return err
		}
		f.print()
	}
	fmt.Print(`
Ours is a probe as a watch makes it, without the start of a process; its CPU is all that its process
used from one probe to the next, with the collection and release of memory after it, which its wall
time does not have. The others (smbclient -c exit, rpcinfo -t, which makes a single NULL call) are
measured from before their start to their end. Both take turns. Memory is read between two probes,
the program file written back to disk before. 1 MB is 1024 kB.
`)
	return nil
}

// figures are what was measured of one command.
type figures struct {
	command, tool string
	probes        []comparison
	wall, cpu     float64 // targets, as parts of the tool's; 0: none
	memory        memory
}

// Targets for a settled watch. A megabyte is 1024 kB, and a kB 1024 bytes as /proc has it.
const (
	residentTarget = 5 << 10 // kB; FSM's promise for the command
	dirtyTarget    = 2 << 10 // kB
)

func (f figures) print() {
	fmt.Println()
	row := func(what, ours, theirs, ratio, target, reached string) {
		fmt.Println(strings.TrimRight(fmt.Sprintf("%-34s %10s %10s %8s   %-11s %s", what, ours, theirs, ratio, target, reached), " "))
	}
	row(fmt.Sprintf("%s, median of %d", f.command, rounds), "ours", f.tool, "ratio", "target", "reached")
	for _, p := range f.probes {
		for _, c := range []struct {
			what         string
			ours, theirs float64
			target       float64
		}{
			{"wall time", p.ours.wall, p.theirs.wall, f.wall},
			{"client CPU", p.ours.cpu, p.theirs.cpu, f.cpu},
		} {
			ratio, target, reached := c.ours/c.theirs, "", ""
			if c.target > 0 {
				target, reached = fmt.Sprintf("<= %.2fx", c.target), yes(ratio <= c.target)
			}
			row(p.who+", "+c.what, milliseconds(c.ours), milliseconds(c.theirs), fmt.Sprintf("%.3fx", ratio), target, reached)
		}
	}

	const size = "%-34s %10s %31s %s\n"
	fmt.Println()
	fmt.Printf(size, fmt.Sprintf("settled, after %d probes", settled), "kB", "target     ", "reached")
	kB := func(what string, n, target int) {
		if target == 0 {
			fmt.Printf("%-34s %10d\n", what, n)
			return
		}
		fmt.Printf(size, what, fmt.Sprint(n), fmt.Sprintf("<= %-8d", target), yes(n <= target))
	}
	kB("resident (VmRSS)", f.memory.alone.resident, residentTarget)
	kB("  of it the program file's pages", f.memory.alone.file, 0)
	kB("private dirty", f.memory.alone.dirty, dirtyTarget)
	kB("proportional (Pss)", f.memory.alone.proportional, 0)
	kB(fmt.Sprintf("proportional, one of %d watches", watches), f.memory.proportional, 0)
}

func milliseconds(s float64) string { return fmt.Sprintf("%.2f ms", s*1000) }

func yes(reached bool) string {
	if reached {
		return "yes"
	}
	return "no"
}

// kernel names the kernel without what a distribution or a host adds to its version.
func kernel() string {
	var u syscall.Utsname
	if err := syscall.Uname(&u); err != nil {
		return runtime.GOOS
	}
	version, _, _ := strings.Cut(text(u.Release[:]), "-")
	return text(u.Sysname[:]) + " " + version
}

// text is a C string. Its characters are signed on some machines.
func text[C int8 | uint8](s []C) string {
	var b []byte
	for _, c := range s {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}

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

// explain adds what a process that has ended said to the error it ended with.
func explain(cmd *exec.Cmd, err error) error {
	said := strings.TrimSpace(fmt.Sprint(cmd.Stderr))
	if said != "" {
		said = " (it said: " + said + ")"
	}
	return fmt.Errorf("%s: %w%s", filepath.Base(cmd.Path), err, said)
}

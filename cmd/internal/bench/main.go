// Command bench prints what a watch costs, next to smbclient on the same
// private Samba. It takes the path of clp_sambamon, asserts nothing, and leaves
// nothing behind.
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

	"fsmon/smbprobe/smbtest"
)

// A parent-death signal comes when the thread that started the process ends, so
// everything is started from the main one.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) > 2 && os.Args[1] == prober {
		os.Exit(probeOnRequest(os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "bench: error: one argument is needed (the path of clp_sambamon)")
		os.Exit(2)
	}
	if err := bench(ctx, os.Args[1]); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted")
		}
		fmt.Fprintf(os.Stderr, "bench: error: %v\n", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, command string) (err error) {
	if command, err = filepath.Abs(command); err != nil {
		return err
	}
	if err := writeBack(command); err != nil {
		return err
	}
	samba, err := smbtest.StartSamba(ctx, smbtest.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, samba.Close()) }()

	probes, err := compareProbes(ctx, samba)
	if err != nil {
		return err
	}
	memory, err := settledWatch(ctx, command, samba)
	if err != nil {
		return err
	}
	print(probes, memory)
	return nil
}

// Targets of the project. A megabyte is 1024 kB, and a kB 1024 bytes as /proc has it.
const (
	wallTarget     = 0.35    // of smbclient's
	cpuTarget      = 0.1     // of smbclient's
	residentTarget = 5 << 10 // kB; FSM's promise for the command
	dirtyTarget    = 2 << 10 // kB
)

func print(probes []comparison, m memory) {
	fmt.Printf("%d cores, %s; a private smbd on loopback\n\n", runtime.NumCPU(), kernel())

	const cost = "%-34s %10s %10s %8s   %-11s %s\n"
	fmt.Printf(cost, fmt.Sprintf("one probe, median of %d", rounds), "ours", "smbclient", "ratio", "target", "reached")
	for _, p := range probes {
		for _, c := range []struct {
			what            string
			ours, smbclient float64
			target          float64
		}{
			{"wall time", p.ours.wall, p.smbclient.wall, wallTarget},
			{"client CPU", p.ours.cpu, p.smbclient.cpu, cpuTarget},
		} {
			ratio := c.ours / c.smbclient
			fmt.Printf(cost, p.who+", "+c.what, milliseconds(c.ours), milliseconds(c.smbclient),
				fmt.Sprintf("%.3fx", ratio), fmt.Sprintf("<= %.2fx", c.target), yes(ratio <= c.target))
		}
	}

	const size = "%-34s %10s %31s %s\n"
	fmt.Println()
	fmt.Printf(size, fmt.Sprintf("a settled watch, after %d probes", settled), "kB", "target     ", "reached")
	row := func(what string, kB, target int) {
		if target == 0 {
			fmt.Printf("%-34s %10d\n", what, kB)
			return
		}
		fmt.Printf(size, what, fmt.Sprint(kB), fmt.Sprintf("<= %-8d", target), yes(kB <= target))
	}
	row("resident (VmRSS)", m.alone.resident, residentTarget)
	row("  of it the program file's pages", m.alone.file, 0)
	row("private dirty", m.alone.dirty, dirtyTarget)
	row("proportional (Pss)", m.alone.proportional, 0)
	row(fmt.Sprintf("proportional, one of %d watches", watches), m.proportional, 0)

	fmt.Print(`
Ours is a probe as a watch makes it, without the start of a process; its CPU is all that its process
used from one probe to the next, with the collection and release of memory after it, which its wall
time does not have. smbclient -c exit is measured from before its start to its end. Both take turns.
Memory is read between two probes, the program file written back to disk before. 1 MB is 1024 kB.
`)
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

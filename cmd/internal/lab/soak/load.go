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
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"fsmon/cmd/internal/lab/proc"
)

// loadArg makes this program one of the processes that keep a machine busy. Its
// further arguments are the kind, for how many seconds, and a file or a size.
const loadArg = "-load"

// loadMain is such a process. It ends by itself when its time is up.
func loadMain(args []string) int {
	if len(args) != 3 {
		return 2
	}
	seconds, err := strconv.Atoi(args[1])
	if err != nil {
		return 2
	}
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	switch args[0] {
	case "busy":
		for n := 0; n%1024 != 0 || time.Now().Before(end); n++ {
		}
	case "write":
		err = writeUntil(end, args[2])
	case "read":
		err = readUntil(end, args[2])
	case "fill":
		var leave int
		if leave, err = strconv.Atoi(args[2]); err == nil {
			err = fillUntil(end, leave)
		}
	default:
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// writeUntil writes and syncs a file of at most 16 MB again and again.
func writeUntil(end time.Time, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for n := int64(0); time.Now().Before(end); n++ {
		if _, err := f.WriteAt(block, n%16<<20); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// readUntil reads a file again and again, so that the kernel needs memory for
// it. A file of holes takes no room on the disk.
func readUntil(end time.Time, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for b := make([]byte, 1<<20); time.Now().Before(end); {
		_, err := f.Read(b)
		if err == io.EOF {
			_, err = f.Seek(0, io.SeekStart)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fillUntil takes memory until leave MB are available on this machine, and
// frees some when fewer than half of that are. If the kernel runs out of memory
// nevertheless, it kills this process first.
func fillUntil(end time.Time, leave int) error {
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return err
	}
	const chunk = 32 // MB
	var taken [][]byte
	for time.Now().Before(end) {
		available, err := availableMB()
		if err != nil {
			return err
		}
		switch n := len(taken); {
		case available > leave+chunk:
			b, err := syscall.Mmap(-1, 0, chunk<<20, syscall.PROT_READ|syscall.PROT_WRITE,
				syscall.MAP_PRIVATE|syscall.MAP_ANON)
			if err != nil {
				return err
			}
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			taken = append(taken, b)
		case available < leave/2 && n > 0:
			if err := syscall.Munmap(taken[n-1]); err != nil {
				return err
			}
			taken = taken[:n-1]
		default:
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// overload keeps this machine busy. A fifth of its processes write to the disk,
// a tenth read a file that does not fit into the memory that is left, and the
// others compute. One more takes all memory but leave MB.
type overload struct {
	processes []*proc.Process
	leave     int
}

// startOverload starts an overload that ends after most at the latest. Memory
// is filled first, since that takes minutes on a busy machine.
func startOverload(ctx context.Context, dir string, load, leave int,
	most time.Duration) (*overload, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	large := filepath.Join(dir, "large")
	f, err := os.Create(large)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(int64(min(2*leave, 4096))<<20), f.Close()); err != nil {
		return nil, err
	}
	o := &overload{leave: leave}
	start := func(kind, what string) error {
		cmd := exec.Command(self, loadArg, kind, strconv.Itoa(int(most.Seconds())+1), what)
		cmd.Stderr = os.Stderr
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		p, err := proc.Start(cmd)
		if err == nil {
			o.processes = append(o.processes, p)
		}
		return err
	}
	if err := errors.Join(start("fill", strconv.Itoa(leave)), o.filled(ctx)); err != nil {
		return nil, errors.Join(err, o.end())
	}
	for n := range load {
		switch n % 10 {
		case 0, 5:
			err = errors.Join(err, start("write", filepath.Join(dir, fmt.Sprintf("load%d", n))))
		case 7:
			err = errors.Join(err, start("read", large))
		default:
			err = errors.Join(err, start("busy", ""))
		}
	}
	if err != nil {
		return nil, errors.Join(err, o.end())
	}
	return o, nil
}

// filled waits until the memory is filled.
func (o *overload) filled(ctx context.Context) error {
	for end := time.Now().Add(5 * time.Minute); ; {
		available, err := availableMB()
		if err != nil || available <= o.leave+100 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d MB of memory are still available, not %d", available, o.leave)
		}
		if !wait(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// end ends the overload. It returns an error if a process had ended by itself:
// then the load was less than promised.
func (o *overload) end() (err error) {
	early := 0
	for _, p := range o.processes {
		if p.Code() >= 0 { // not one that the kernel has killed for memory
			early++
		}
		p.Signal(syscall.SIGKILL)
	}
	for _, p := range o.processes {
		err = errors.Join(err, p.Kill())
	}
	if early > 0 {
		err = errors.Join(err, fmt.Errorf("%d processes of the load ended by themselves", early))
	}
	return err
}

// availableMB is MemAvailable of proc_meminfo(5).
func availableMB() (int, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, err
	}
	info, err := fs.Meminfo()
	if err != nil {
		return 0, err
	}
	return int(*info.MemAvailableBytes >> 20), nil
}

// strain is what a machine says of its load.
type strain struct {
	load float64 // average of the last minute (proc_loadavg(5))
	// in all some process has waited for memory; 0 if the kernel has no
	// pressure stall information
	stalled time.Duration
}

func strained() (s strain) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return s
	}
	if load, err := fs.LoadAvg(); err == nil {
		s.load = load.Load1
	}
	if psi, err := fs.PSIStatsForResource("memory"); err == nil && psi.Some != nil {
		s.stalled = time.Duration(psi.Some.Total) * time.Microsecond
	}
	return s
}

// majorFaults is how many pages of a process had to be read from the disk.
func majorFaults(pid int) int {
	one, err := procfs.NewProc(pid)
	if err != nil {
		return 0
	}
	stat, _ := one.Stat() // an error: it has ended, which is told elsewhere
	return int(stat.MajFlt)
}

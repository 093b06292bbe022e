package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"syscall"
	"time"

	"fsmon/nfsprobe"
	"fsmon/smbprobe"
)

const (
	rounds = 50 // probes of each side that count
	warmUp = 5  // probes of each side before those

	probeTime = 10 * time.Second // bound of one probe, of the other tool's too
	endTime   = 2 * time.Second  // bound of the end of a process that was asked to end
)

// cost is what one probe costs, in seconds.
type cost struct{ wall, cpu float64 }

// contest is one of our probes, as the arguments of its worker, and the command
// line of what it is compared with.
type contest struct {
	who          string
	ours, theirs []string
}

// comparison holds the medians of both sides.
type comparison struct {
	who          string
	ours, theirs cost
}

// compare lets our probes and the other tool take turns, so that all see the
// same machine.
func compare(ctx context.Context, contests ...contest) ([]comparison, error) {
	var ours []*worker
	defer func() {
		for _, w := range ours {
			w.end()
		}
	}()
	for _, c := range contests {
		if _, err := exec.LookPath(c.theirs[0]); err != nil {
			return nil, err
		}
		w, err := startWorker(ctx, c.ours)
		if err != nil {
			return nil, err
		}
		ours = append(ours, w)
	}

	mine, theirs := make([][]cost, len(contests)), make([][]cost, len(contests))
	for round := range warmUp + rounds {
		for i, c := range contests {
			a, err := ours[i].probe()
			if err != nil {
				return nil, err
			}
			b, err := run(ctx, c.theirs)
			if err != nil {
				return nil, err
			}
			if round >= warmUp {
				mine[i], theirs[i] = append(mine[i], a), append(theirs[i], b)
			}
		}
	}
	var all []comparison
	for i, c := range contests {
		all = append(all, comparison{c.who, medians(mine[i]), medians(theirs[i])})
	}
	return all, nil
}

func medians(all []cost) cost {
	var wall, cpu []float64
	for _, c := range all {
		wall, cpu = append(wall, c.wall), append(cpu, c.cpu)
	}
	return cost{median(wall), median(cpu)}
}

func median[N int | float64](all []N) N {
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

// run runs the other tool once.
func run(ctx context.Context, line []string) (cost, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := process(ctx, line[0], line[1:]...)
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, explain(cmd, err)
	}
	wall := time.Since(began)
	return cost{wall.Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()}, nil
}

// worker is this program once more, as a process that does nothing but probe
// when it is asked to.
type worker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// prober is the first argument of a worker. What follows is "samba", address,
// port, user and password, or "nfs", directory and version.
const prober = "-prober"

func startWorker(ctx context.Context, args []string) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := process(ctx, self, append([]string{prober}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &worker{cmd, in, bufio.NewScanner(out)}, nil
}

func (w *worker) probe() (cost, error) {
	if _, err := fmt.Fprintln(w.in); err != nil {
		return cost{}, err
	}
	if !w.out.Scan() {
		w.in.Close()
		err := w.cmd.Wait()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return cost{}, explain(w.cmd, fmt.Errorf("our probe failed: %w", err))
	}
	var wall, cpu time.Duration
	_, err := fmt.Sscan(w.out.Text(), (*int64)(&wall), (*int64)(&cpu))
	return cost{wall.Seconds(), cpu.Seconds()}, err
}

// end ends the worker, which is waiting for a request or gone.
func (w *worker) end() {
	w.in.Close()
	if w.cmd.ProcessState == nil {
		w.cmd.Wait()
	}
}

// ourProbe is the probe of a worker's arguments; nil: they are wrong.
func ourProbe(args []string) func(ctx context.Context) error {
	switch {
	case len(args) == 5 && args[0] == "samba":
		port, _ := strconv.Atoi(args[2])
		p := smbprobe.New(smbprobe.Config{Address: args[1], Port: port, Share: "share", User: args[3], Password: args[4]})
		return func(ctx context.Context) error { _, err := p.Probe(ctx); return err }
	case len(args) == 3 && args[0] == "nfs":
		p := nfsprobe.New(nfsprobe.Config{Address: "127.0.0.1", Dir: args[1], Version: args[2]})
		return func(ctx context.Context) error { _, err := p.Probe(ctx); return err }
	}
	return nil
}

// probeOnRequest is the worker: a probe for each line on stdin, answered with
// its wall time and the CPU time since the last one, in nanoseconds.
func probeOnRequest(args []string) int {
	// As cmd/internal/cli tunes a watch.
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(25)

	probe := ourProbe(args)
	if probe == nil {
		fmt.Fprintln(os.Stderr, "bench: error: a worker does not understand its arguments")
		return 2
	}
	var used time.Duration
	for requests := bufio.NewScanner(os.Stdin); requests.Scan(); {
		ctx, cancel := context.WithTimeout(context.Background(), probeTime)
		began := time.Now()
		err := probe(ctx)
		wall := time.Since(began)
		cancel()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		debug.FreeOSMemory()
		now := cpuTime()
		fmt.Println(int64(wall), int64(now-used))
		used = now
	}
	return 0
}

// cpuTime is what this process has used, user and system together.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

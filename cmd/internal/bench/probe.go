package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
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
	rounds = 50 // probes of each way that count
	warmUp = 5  // probes of each way before those
)

// cost is what one probe costs, in seconds.
type cost struct{ wall, cpu float64 }

// measure lets all ways take turns, so that all see the same machine, and fills in
// the medians of their costs.
func measure(ctx context.Context, rows []row) error {
	workers := make([]*worker, len(rows))
	defer func() {
		for _, w := range workers {
			if w != nil {
				w.end()
			}
		}
	}()
	for i, r := range rows {
		if r.worker == nil {
			if _, err := exec.LookPath(r.line[0]); err != nil {
				return fmt.Errorf("%w (make bench installs it)", err)
			}
			continue
		}
		w, err := startWorker(ctx, r.worker)
		if err != nil {
			return err
		}
		workers[i] = w
	}

	costs := make([][]cost, len(rows))
	order := rand.New(rand.NewPCG(1, 2)) // the same in every run of this program
	for round := range warmUp + rounds {
		// Whoever comes first after the tools for the other server finds its own one's memory cold.
		for _, i := range order.Perm(len(rows)) {
			c, err := once(ctx, workers[i], rows[i].line)
			if err != nil {
				return err
			}
			if round >= warmUp {
				costs[i] = append(costs[i], c)
			}
		}
	}
	for i := range rows {
		rows[i].cost = medians(costs[i])
	}
	return nil
}

// once asks once, a worker or else a tool.
func once(ctx context.Context, w *worker, line []string) (cost, error) {
	if w != nil {
		return w.probe()
	}
	return run(ctx, line)
}

// measurePeaks fills in the medians of the tools' peak memory. Measuring it changes
// what a tool costs, so these runs are others.
func measurePeaks(ctx context.Context, rows []row) error {
	for i := range rows {
		r := &rows[i]
		if r.line == nil {
			continue
		}
		var peaks []int
		for range rounds {
			peak, err := peakOf(ctx, r.line)
			if err != nil {
				return err
			}
			peaks = append(peaks, peak)
		}
		r.memory.resident = median(peaks)
	}
	return nil
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

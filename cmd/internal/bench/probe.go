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

	"fsmon/smbprobe"
	"fsmon/smbprobe/smbtest"
)

const (
	rounds = 50 // probes of each side that count
	warmUp = 5  // probes of each side before those

	probeTime = 10 * time.Second // bound of one probe, of smbclient's too
	endTime   = 2 * time.Second  // bound of the end of a process that was asked to end
)

// cost is what one probe costs, in seconds.
type cost struct{ wall, cpu float64 }

// comparison holds the medians of both sides for one login.
type comparison struct {
	who             string
	ours, smbclient cost
}

// compareProbes lets our probe and smbclient take turns, so that both see the
// same machine.
func compareProbes(ctx context.Context, samba *smbtest.Server) ([]comparison, error) {
	path, err := exec.LookPath("smbclient")
	if err != nil {
		return nil, fmt.Errorf("%w (install the package smbclient)", err)
	}
	logins := []struct{ who, user, password string }{
		{"anonymous", "", ""},
		{"a user", "root", "pw"},
	}
	var ours []*worker
	defer func() {
		for _, w := range ours {
			w.end()
		}
	}()
	for _, l := range logins {
		w, err := startWorker(ctx, samba, l.user, l.password)
		if err != nil {
			return nil, err
		}
		ours = append(ours, w)
	}

	mine, theirs := make([][]cost, len(logins)), make([][]cost, len(logins))
	for round := range warmUp + rounds {
		for i, l := range logins {
			a, err := ours[i].probe()
			if err != nil {
				return nil, err
			}
			b, err := smbclient(ctx, path, samba, l.user+"%"+l.password)
			if err != nil {
				return nil, err
			}
			if round >= warmUp {
				mine[i], theirs[i] = append(mine[i], a), append(theirs[i], b)
			}
		}
	}
	var all []comparison
	for i, l := range logins {
		all = append(all, comparison{l.who, medians(mine[i]), medians(theirs[i])})
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

// smbclient runs it once. The user % is anonymous; -N alone would first try the
// caller's name and have it refused.
func smbclient(ctx context.Context, path string, samba *smbtest.Server, user string) (cost, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := process(ctx, path, "//"+samba.Address+"/share", "-p", strconv.Itoa(samba.Port),
		"-N", "-U", user, "--configfile=/dev/null", "-c", "exit")
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

// prober is the first argument of a worker; address, port, user and password follow.
const prober = "-prober"

func startWorker(ctx context.Context, samba *smbtest.Server, user, password string) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := process(ctx, self, prober, samba.Address, strconv.Itoa(samba.Port), user, password)
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

// probeOnRequest is the worker: a probe for each line on stdin, answered with
// its wall time and the CPU time since the last one, in nanoseconds.
func probeOnRequest(args []string) int {
	// As cmd/internal/cli tunes a watch.
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(25)

	var port int
	if len(args) == 4 {
		port, _ = strconv.Atoi(args[1])
	}
	if port == 0 {
		fmt.Fprintln(os.Stderr, "bench: error: a worker needs address, port, user and password")
		return 2
	}
	p := smbprobe.New(smbprobe.Config{Address: args[0], Port: port, Share: "share", User: args[2], Password: args[3]})
	var used time.Duration
	for requests := bufio.NewScanner(os.Stdin); requests.Scan(); {
		ctx, cancel := context.WithTimeout(context.Background(), probeTime)
		began := time.Now()
		_, err := p.Probe(ctx)
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

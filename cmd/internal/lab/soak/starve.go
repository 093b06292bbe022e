package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fsmon/cmd/internal/lab/proc"
)

// starvation overloads a machine with healthy servers and watches of them. No
// watch may judge its server failed. The servers starve too, as in real life.
// Package watch says how the loop treats its own lateness.
type starvation struct {
	duration    time.Duration
	load, leave int // processes; MB of memory
}

// slowest is how long a watch may take from one finished probe to the next at
// the default settings: the interval and the deadline.
const slowest = 90 * time.Second

// settings at which the servers are watched: the defaults, and eager ones.
var settings = []struct {
	name string
	args []string
}{
	{"default", nil},
	{"eager", []string{"-i", "5", "-c", "2", "-r", "5"}},
}

func (s starvation) run(ctx context.Context, bin, dir string) (err error) {
	if s.load < 1 || s.load > 200 || s.leave < 64 || s.duration <= 0 || s.duration > time.Hour {
		return errors.New("a number is out of range")
	}
	fleet, err := startFleet(ctx, bin, dir, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fleet.end()) }()
	for _, name := range commands {
		for _, set := range settings {
			w, err := fleet.start(name, name+"-"+set.name, set.args...)
			if err == nil {
				err = healthy(ctx, w)
			}
			if err != nil {
				return err
			}
		}
	}
	watches := fleet.watches
	load, err := startOverload(ctx, dir, s.load, s.leave, s.duration+10*time.Minute)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, load.end()) }()
	meter := startMeter()
	defer meter.stop()
	began := time.Now()
	before := strained()
	p := pressure{faults: make([]int, len(watches))}
	for n, w := range watches {
		p.faults[n] = majorFaults(w.PID)
	}
	ends, cancel := context.WithDeadline(ctx, began.Add(s.duration))
	defer cancel()
	for done := false; !done; {
		done = !wait(ends, 500*time.Millisecond)
		p.load = max(p.load, strained().load)
		if err := fleet.look(); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.stalled = strained().stalled - before.stalled
	for n, w := range watches {
		p.faults[n] = majorFaults(w.PID) - p.faults[n]
	}
	p.late = meter.worst(began)
	return s.print(watches, time.Since(began), p)
}

// pressure is the load that the watches met.
type pressure struct {
	load    float64       // average of a minute, at most
	late    time.Duration // timers, at worst
	stalled time.Duration // some process waited for memory
	faults  []int         // pages that each watch had to read anew
}

func (s starvation) print(watches []*proc.Watch, took time.Duration, p pressure) error {
	fmt.Printf("%s; %d busy, reading and writing processes and one that leaves %d MB of memory, for %v\n"+
		"load average at most %.1f, timers at worst %v late, "+
		"somebody waited for memory during %.0f %% of the time\n\n",
		proc.Machine(), s.load, s.leave, took.Round(time.Second), p.load,
		p.late.Round(time.Millisecond), 100*p.stalled.Seconds()/took.Seconds())
	fmt.Printf("%-24s %8s %12s %12s %16s %12s  %s\n", "watch", "probes", "slowest", "pages read",
		"failed, counted", "failed, void", "verdict")
	wrong, starved := 0, 0
	for n, w := range watches {
		verdict := "none"
		if !w.Alive() || w.Count(6) > 0 {
			verdict = "FALSE VERDICT"
			wrong++
		} else if w.Probes < int(took/slowest) {
			verdict = "STARVED"
			starved++
		}
		fmt.Printf("%-24s %8d %9.0f ms %12d %16d %12d  %s\n", w.ID, w.Probes,
			float64(w.Slowest.Microseconds())/1000,
			p.faults[n], w.Count(101), w.Count(103), verdict)
	}
	for _, w := range watches {
		if !w.Alive() || w.Count(101) > 0 {
			fmt.Println(w.Story())
		}
	}
	if wrong > 0 || starved > 0 {
		return fmt.Errorf("%d false verdicts, %d watches that hardly probed", wrong, starved)
	}
	return nil
}

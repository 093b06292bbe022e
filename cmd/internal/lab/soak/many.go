package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/watchreg"
)

// crowd runs many watches on one machine and measures all of them together.
type crowd struct {
	watches, interval int
	duration          time.Duration
}

// kinds are the watches of a crowd, and how many of twenty are of each kind.
// Those of Samba ask several servers, since smbd starts a process for each probe.
var kinds = []struct {
	name, command string
	share         int
}{{"SMB", "clp_sambamon", 2}, {"NFS 3", "clp_nfsmon", 9}, {"NFS 4.1", "clp_nfsmon", 9}}

const sambas = 4

// kindOf is the kind of the n-th watch. Any twenty in a row are mixed.
func kindOf(n int) int {
	place := n * 7 % 20
	for k, kind := range kinds {
		if place -= kind.share; place < 0 {
			return k
		}
	}
	panic("the shares are not twenty")
}

// What is wanted of a crowd on a quiet machine.
const (
	wantPss  = 2 << 20 // kB
	wantCPU  = 0.03    // of a core
	wantLate = time.Second
)

// cost is what the watches of one kind use.
type cost struct {
	watches, pss, private int // kB
	cpu                   time.Duration
	// since the start of the last finished probe, of the one that waits longest
	oldest               time.Duration
	probes, failed, void int
}

func (c crowd) run(ctx context.Context, bin, dir string) (err error) {
	if c.watches < 2 || c.watches > 2000 || c.interval < 1 || c.duration <= 0 ||
		c.duration > time.Hour {
		return errors.New("a number is out of range")
	}
	fleet, err := startFleet(ctx, bin, dir, sambas)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fleet.end()) }()
	for n := range c.watches {
		kind := kinds[kindOf(n)]
		if _, err := fleet.startOne(kind.command, fmt.Sprintf("many-%d", n),
			append(fleet.ways[kind.name][n%len(fleet.ways[kind.name])], "-i",
				fmt.Sprint(c.interval))); err != nil {
			return err
		}
		// One after the other, as administrators start them.
		if !wait(ctx, min(50*time.Millisecond,
			time.Duration(c.interval)*time.Second/time.Duration(c.watches))) {
			return ctx.Err()
		}
	}
	watches := fleet.watches
	for _, w := range watches {
		if err := healthy(ctx, w); err != nil {
			return err
		}
	}
	// Measured from between two probes to between two probes.
	if !wait(ctx, 2*time.Second) {
		return ctx.Err()
	}
	before := c.cpuTimes(watches)
	began := time.Now()
	ends, cancel := context.WithDeadline(ctx, began.Add(c.duration))
	defer cancel()
	oldest := make([]time.Duration, len(kinds))
	for done := false; !done; {
		done = !wait(ends, min(time.Second, time.Duration(c.interval)*time.Second/4))
		if err := fleet.look(); err != nil {
			return err
		}
		for n, w := range watches {
			if w.Probes > 0 {
				oldest[kindOf(n)] = max(oldest[kindOf(n)], time.Since(w.Last))
			}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	took := time.Since(began)
	costs := make([]cost, len(kinds))
	for n, cpu := range c.cpuTimes(watches) {
		w := watches[n]
		one := &costs[kindOf(n)]
		memory, err := proc.MemoryOf(w.PID)
		if err != nil {
			return fmt.Errorf("%w: %s", err, w.Story())
		}
		one.watches++
		one.pss += memory.Proportional
		one.private += memory.Dirty
		one.cpu += cpu - before[n]
		one.oldest = oldest[kindOf(n)]
		one.failed += w.Count(101)
		one.void += w.Count(103)
		one.probes += w.Probes
	}
	return c.print(costs, took, proc.Registry(dir), watches)
}

// cpuTimes is what each watch has used so far.
func (c crowd) cpuTimes(watches []*proc.Watch) []time.Duration {
	all := make([]time.Duration, len(watches))
	for n, w := range watches {
		all[n], _ = proc.CPUOf(w.PID) // an error: it has ended, which is a fault anyway
	}
	return all
}

func (c crowd) print(costs []cost, took time.Duration, registry string, watches []*proc.Watch) error {
	fmt.Printf("%s; %d watches at -i %d, measured for %v\n\n", proc.Machine(), c.watches,
		c.interval, took.Round(time.Second))
	fmt.Printf("%-14s %8s %10s %10s %12s %10s %10s %8s %14s %8s %8s\n",
		"", "watches", "Pss MB", "kB each", "private MB", "CPU s", "% of core", "probes",
		"oldest probe", "failed", "void")
	row := func(name string, c cost) {
		fmt.Printf("%-14s %8d %10.1f %10d %12.1f %10.2f %10.2f %8d %14v %8d %8d\n", name, c.watches,
			float64(c.pss)/1024, c.pss/max(c.watches, 1),
			float64(c.private)/1024, c.cpu.Seconds(), 100*c.cpu.Seconds()/took.Seconds(), c.probes,
			c.oldest.Round(10*time.Millisecond), c.failed, c.void)
	}
	var sum cost
	for n, one := range costs {
		row(kinds[n].name, one)
		sum = cost{sum.watches + one.watches, sum.pss + one.pss, sum.private + one.private,
			sum.cpu + one.cpu,
			max(sum.oldest, one.oldest), sum.probes + one.probes, sum.failed + one.failed,
			sum.void + one.void}
	}
	row("all", sum)

	interval := time.Duration(c.interval) * time.Second
	cpu := sum.cpu.Seconds() / took.Seconds()
	fmt.Printf("\n%-40s %10s   %-10s %s\n", "targets", "measured", "target", "reached")
	for _, t := range []struct {
		what, measured, target string
		reached                bool
	}{
		{"failed probes of healthy servers", fmt.Sprint(sum.failed), "0", sum.failed == 0},
		{"oldest probe", fmt.Sprintf("%.2f s", sum.oldest.Seconds()),
			fmt.Sprintf("<= %.0f s", (interval + wantLate).Seconds()),
			sum.oldest <= interval+wantLate},
		{"memory of all (Pss)", fmt.Sprintf("%.2f GB", float64(sum.pss)/(1<<20)),
			fmt.Sprintf("< %d GB", wantPss>>20), sum.pss < wantPss},
		{"CPU of all, of one core", fmt.Sprintf("%.2f %%", 100*cpu),
			fmt.Sprintf("< %.0f %%", 100*wantCPU), cpu < wantCPU},
	} {
		said := "no"
		if t.reached {
			said = "yes"
		}
		fmt.Printf("%-40s %10s   %-10s %s\n", t.what, t.measured, t.target, said)
	}

	// A watch has starved if it made no probe for an interval and half of the
	// deadline.
	limit := interval + 30*time.Second
	var faults []string
	r, err := watchreg.OpenExisting(registry)
	if err != nil {
		return err
	}
	for _, w := range watches {
		e, err := r.Read(w.ID)
		if err != nil || !e.Live || e.Status == nil || e.Status.State != watchreg.Healthy {
			faults = append(faults, fmt.Sprintf("%v: %s", err, w.Story()))
		}
	}
	if sum.oldest > limit {
		faults = append(faults, fmt.Sprintf("a watch was not probed for %v", sum.oldest))
	}
	if sum.failed > 0 {
		faults = append(faults, fmt.Sprintf("%d failed probes of healthy servers", sum.failed))
	}
	for _, f := range faults {
		fmt.Printf("FAULT: %s\n", f)
	}
	if len(faults) > 0 {
		return fmt.Errorf("%d faults", len(faults))
	}
	fmt.Println("\nnone starved")
	return nil
}

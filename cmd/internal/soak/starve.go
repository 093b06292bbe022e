package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"fsmon/watchreg"
)

// starvation overloads the machine on which healthy servers are watched. No
// watch may judge its server failed. The servers starve with the watches, as in
// life; what the loop does about its own lateness is said in cmd/internal/watch.
type starvation struct {
	duration     time.Duration
	load, memory int
}

// settings at which the servers are watched: the defaults, and eager ones.
var settings = []struct {
	name string
	args []string
}{
	{"default", nil},
	{"eager", []string{"-i", "5", "-c", "2", "-r", "5"}},
}

func (s starvation) run(ctx context.Context, bin, dir string) (err error) {
	if s.load < 1 || s.load > 200 || s.memory < 1 || s.duration <= 0 || s.duration > time.Hour {
		return errors.New("a number is out of range")
	}
	servers, err := startServers(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.stop()) }()
	registry := filepath.Join(dir, "registry")
	var watches []*watched
	defer func() {
		for _, w := range watches {
			err = errors.Join(err, w.end())
		}
	}()
	for _, name := range commands {
		for _, set := range settings {
			id := name + "-" + set.name
			args := append([]string{"--no-evidence", "--log-file", filepath.Join(dir, id, "watch.log")}, set.args...)
			w, err := startWatch(bin, registry, name, id, append(args, servers.args[name]...)...)
			if err != nil {
				return err
			}
			watches = append(watches, w)
			first, cancel := context.WithTimeout(ctx, patience)
			healthy := w.until(first, func() bool { return w.counts[2] > 0 })
			cancel()
			if !healthy {
				return fmt.Errorf("not healthy before the load: %s", w.story())
			}
		}
	}
	load, err := startOverload(dir, s.load, s.memory, s.duration+time.Minute)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, load.end()) }()
	meter := startMeter()
	defer meter.stop()
	began := time.Now()
	ends, cancel := context.WithDeadline(ctx, began.Add(s.duration))
	defer cancel()
	seen := map[string]*sighting{}
	most := 0.0
	for done := false; !done; {
		done = !wait(ends, 500*time.Millisecond)
		most = max(most, loadAverage())
		if err := look(registry, watches, seen); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.print(watches, seen, time.Since(began), most, meter.worst(began))
}

// sighting is what the statuses of one watch have shown.
type sighting struct {
	probes  int
	last    time.Time
	slowest float64 // ms
}

// look counts the probes of the watches that are alive.
func look(registry string, watches []*watched, seen map[string]*sighting) error {
	r, err := watchreg.OpenExisting(registry)
	if err != nil {
		return err
	}
	for _, w := range watches {
		e, err := r.Read(w.id)
		if errors.Is(err, watchreg.ErrUnknown) || err == nil && e.Status == nil {
			continue
		}
		if err != nil {
			return err
		}
		s := seen[w.id]
		if s == nil {
			s = new(sighting)
			seen[w.id] = s
		}
		if e.Status.LastProbe.After(s.last) {
			s.last = e.Status.LastProbe
			s.probes++
			s.slowest = max(s.slowest, e.Status.ProbeMS)
		}
	}
	return nil
}

func (s starvation) print(watches []*watched, seen map[string]*sighting, took time.Duration, most float64, late time.Duration) error {
	fmt.Printf("%s; %d busy and writing processes and one that fills memory, %v; load average at most %.1f, timers at worst %v late\n\n",
		machine(), s.load, took.Round(time.Second), most, late.Round(time.Millisecond))
	fmt.Printf("%-24s %8s %12s %16s %12s  %s\n", "watch", "probes", "slowest", "failed, counted", "failed, void", "verdict")
	wrong := 0
	for _, w := range watches {
		got := seen[w.id]
		if got == nil {
			got = new(sighting)
		}
		verdict := "none"
		if !w.alive() || w.count(6) > 0 {
			verdict = "FALSE VERDICT"
			wrong++
		}
		fmt.Printf("%-24s %8d %9.0f ms %16d %12d  %s\n", w.id, got.probes, got.slowest, w.count(101), w.count(103), verdict)
	}
	for _, w := range watches {
		if !w.alive() || w.count(101) > 0 {
			fmt.Println(w.story())
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d false verdicts", wrong)
	}
	return nil
}

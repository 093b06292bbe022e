package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"fsmon/cmd/internal/lab/proc"
)

const (
	settled    = 10                    // probes after which a watch has settled
	sideBySide = 5                     // watches of each way
	looks      = 1 + rounds/sideBySide // looks at each watch, each after another probe
	// between the starts of two watches, so that no two of them probe at once
	apart = 50 * time.Millisecond

	// A watch probes once a second. Between these times after the start of a
	// probe it rests.
	restFrom, restTo = 200 * time.Millisecond, 900 * time.Millisecond
)

// sight sums up the looks at one watch.
type sight struct {
	looks  int
	probes int           // probes it had made at the last look
	cpu    time.Duration // all it had used by then
}

// settle runs several watches of each of our ways side by side, and as many
// floors, all at once, and fills in their costs and memory. What they write goes below dir.
func settle(ctx context.Context, dir string, rows []row) (err error) {
	var all []*proc.Watch
	defer func() {
		for _, w := range all {
			err = errors.Join(err, w.End())
		}
	}()
	rowOf := map[*proc.Watch]*row{}
	floors := map[*row][]*proc.Process{}
	defer func() {
		for _, all := range floors {
			for _, f := range all {
				err = errors.Join(err, f.Kill())
			}
		}
	}()
	for i := range rows {
		r := &rows[i]
		for range sideBySide {
			if r.floor == nil {
				break
			}
			f, err := startFloor(r.floor)
			if err != nil {
				return err
			}
			floors[r] = append(floors[r], f)
			time.Sleep(apart)
		}
		if r.watch == nil {
			continue
		}
		if err := writeBack(r.watch[0]); err != nil {
			return err
		}
		for n := range sideBySide {
			w, err := startWatch(dir, fmt.Sprintf("settled%d-%d", i, n), r.watch, "-i", "1", "-c",
				"2", "-r", "10")
			if err != nil {
				return err
			}
			all = append(all, w)
			rowOf[w] = r
			time.Sleep(apart)
		}
	}

	memories, costs, sights := map[*row][]proc.Memory{}, map[*row][]cost{}, map[*proc.Watch]sight{}
	err = until(ctx, dir, all, func(w *proc.Watch) (bool, error) {
		if w.Failed != "" {
			return false, fmt.Errorf("a probe failed: %s", w.Failed)
		}
		last := sights[w]
		rest := time.Since(w.Last)
		switch {
		case last.looks == looks:
			return true, nil
		case w.Probes < settled, rest < restFrom, rest > restTo, last.probes == w.Probes:
			return false, nil
		}
		r := rowOf[w]
		m, err := proc.MemoryOf(w.PID)
		if err != nil {
			return false, err
		}
		memories[r] = append(memories[r], m)
		cpu, err := proc.CPUOf(w.PID)
		if err != nil {
			return false, err
		}
		if last.looks > 0 {
			costs[r] = append(costs[r],
				cost{w.Took.Seconds(), (cpu - last.cpu).Seconds() / float64(w.Probes-last.probes)})
		}
		sights[w] = sight{last.looks + 1, w.Probes, cpu}
		return false, nil
	})
	for r, all := range memories {
		r.memory = medianMemory(all)
	}
	for r, all := range costs {
		r.cost = medians(all)
	}
	for r, all := range floors {
		var ferr error
		if r.cost, ferr = floorCost(all); err == nil {
			err = ferr
		}
	}
	return err
}

func startFloor(args []string) (*proc.Process, error) {
	cmd := exec.Command("/proc/self/exe", append([]string{floorArg}, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1") // as our commands run
	return proc.Start(cmd)
}

// floorCost is what a probe of floors that have settled costs.
func floorCost(all []*proc.Process) (cost, error) {
	var costs []cost
	for _, f := range all {
		said := strings.Split(f.Output(), "\n")
		for i, line := range said[:len(said)-1] {
			var wall, cpu float64 // ns
			if _, err := fmt.Sscan(line, &wall, &cpu); err != nil {
				return cost{}, fmt.Errorf("%w: %s", err, f.Story())
			}
			if i >= settled {
				costs = append(costs, cost{wall / 1e9, cpu / 1e9})
			}
		}
		if !f.Alive() {
			return cost{}, errors.New("it has ended: " + f.Story())
		}
	}
	if len(costs) == 0 {
		return cost{}, errors.New("no hand-written client has settled")
	}
	return medians(costs), nil
}

// medianMemory is the median of each figure.
func medianMemory(all []proc.Memory) proc.Memory {
	of := func(figure func(proc.Memory) int) int {
		var n []int
		for _, m := range all {
			n = append(n, figure(m))
		}
		return median(n)
	}
	return proc.Memory{
		Peak:         of(func(m proc.Memory) int { return m.Peak }),
		Resident:     of(func(m proc.Memory) int { return m.Resident }),
		File:         of(func(m proc.Memory) int { return m.File }),
		Dirty:        of(func(m proc.Memory) int { return m.Dirty }),
		Proportional: of(func(m proc.Memory) int { return m.Proportional }),
	}
}

// writeBack writes a file to the disk: until then the pages of a program that
// was just built count as private and dirty in the process that maps them.
func writeBack(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

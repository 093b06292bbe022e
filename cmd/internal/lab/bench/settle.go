package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	settled    = 10                    // probes after which a watch has settled
	sideBySide = 5                     // watches of each way
	looks      = 1 + rounds/sideBySide // looks at each watch, each after another probe
	apart      = 50 * time.Millisecond // between the starts of two watches, so that no two probe at once

	// When a watch rests, after the start of its last probe, of which there is one a second.
	restFrom, restTo = 200 * time.Millisecond, 900 * time.Millisecond
)

// memory is that of one process, in kB: of a tool only the most it has had
// resident, of a settled watch the medians of many looks.
type memory struct{ peak, resident, file, dirty, proportional int }

// sight is what looks at one watch have found.
type sight struct {
	looks  int
	probes int           // probes it had made at the last look
	cpu    time.Duration // all it had used by then
}

// settle runs several watches of each of our ways side by side, all of them at
// once, and fills in their costs and memory. What they write goes below dir.
func settle(ctx context.Context, dir string, rows []row) (err error) {
	var all []*watch
	defer func() {
		for _, w := range all {
			err = errors.Join(err, w.end())
		}
	}()
	rowOf := map[*watch]*row{}
	for i := range rows {
		r := &rows[i]
		if r.watch == nil {
			continue
		}
		if err := writeBack(r.watch[0]); err != nil {
			return err
		}
		for n := range sideBySide {
			w, err := startWatch(ctx, dir, fmt.Sprintf("settled%d-%d", i, n), r.watch, "-i", "1", "-c", "2", "-r", "10")
			if err != nil {
				return err
			}
			all = append(all, w)
			rowOf[w] = r
			time.Sleep(apart)
		}
	}

	memories, costs, sights := map[*row][]memory{}, map[*row][]cost{}, map[*watch]sight{}
	err = until(ctx, dir, all, func(w *watch) (bool, error) {
		if w.failed != "" {
			return false, fmt.Errorf("a probe failed: %s", w.failed)
		}
		last := sights[w]
		rest := time.Since(w.last)
		switch {
		case last.looks == looks:
			return true, nil
		case w.probes < settled, rest < restFrom, rest > restTo, last.probes == w.probes:
			return false, nil
		}
		pid, r := w.cmd.Process.Pid, rowOf[w]
		m, err := memoryOf(pid)
		if err != nil {
			return false, err
		}
		memories[r] = append(memories[r], m)
		cpu, err := cpuOf(pid)
		if err != nil {
			return false, err
		}
		if last.looks > 0 {
			costs[r] = append(costs[r], cost{w.took.Seconds(), (cpu - last.cpu).Seconds() / float64(w.probes-last.probes)})
		}
		sights[w] = sight{last.looks + 1, w.probes, cpu}
		return false, nil
	})
	for r, all := range memories {
		r.memory = medianMemory(all)
	}
	for r, all := range costs {
		r.cost = medians(all)
	}
	return err
}

func medianMemory(all []memory) memory {
	of := func(field func(memory) int) int {
		var n []int
		for _, m := range all {
			n = append(n, field(m))
		}
		return median(n)
	}
	return memory{
		peak:         of(func(m memory) int { return m.peak }),
		resident:     of(func(m memory) int { return m.resident }),
		file:         of(func(m memory) int { return m.file }),
		dirty:        of(func(m memory) int { return m.dirty }),
		proportional: of(func(m memory) int { return m.proportional }),
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

// memoryOf reads proc_pid_status(5) and proc_pid_smaps(5).
func memoryOf(pid int) (m memory, err error) {
	proc := fmt.Sprintf("/proc/%d/", pid)
	if err := fields(proc+"status", map[string]*int{"VmHWM": &m.peak, "VmRSS": &m.resident, "RssFile": &m.file}); err != nil {
		return m, err
	}
	return m, fields(proc+"smaps_rollup", map[string]*int{"Pss": &m.proportional, "Private_Dirty": &m.dirty})
}

// cpuOf is what all threads of a process have used so far: the first number of their
// schedstat, in nanoseconds. (The ticks of proc_pid_stat(5) are longer than a probe.)
func cpuOf(pid int) (used time.Duration, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	for _, path := range threads {
		b, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		var ns int64
		if _, err := fmt.Sscan(string(b), &ns); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		used += time.Duration(ns)
	}
	return used, nil
}

// fields reads lines like "VmRSS:      7356 kB".
func fields(path string, into map[string]*int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	found := 0
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		if p := into[name]; p != nil {
			if *p, err = strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB")); err != nil {
				return fmt.Errorf("%s: %s: %w", path, name, err)
			}
			found++
		}
	}
	if found != len(into) {
		return fmt.Errorf("%s: a field is missing", path)
	}
	return nil
}

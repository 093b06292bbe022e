package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	settled    = 10 // probes after which a watch has settled
	sideBySide = 5  // watches of each way
	looks      = 6  // looks at each watch's memory, each after another probe

	// When a watch rests, after the start of its last probe, of which there is one a second.
	restFrom, restTo = 200 * time.Millisecond, 900 * time.Millisecond
)

// memory is that of one process, in kB: of a tool only the most it has had
// resident, of a settled watch the medians of many looks.
type memory struct{ resident, file, dirty, proportional int }

// settle runs several watches of each of our ways side by side, all of them at
// once, and fills in their memory. What they write goes below dir.
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
		}
	}

	seen, lookedAt := map[*row][]memory{}, map[*watch][]int{}
	err = until(ctx, dir, all, func(w *watch) (bool, error) {
		if w.failed != "" {
			return false, fmt.Errorf("a probe failed: %s", w.failed)
		}
		at := lookedAt[w]
		rest := time.Since(w.last)
		switch {
		case len(at) == looks:
			return true, nil
		case w.probes < settled, rest < restFrom, rest > restTo, len(at) > 0 && at[len(at)-1] == w.probes:
			return false, nil
		}
		m, err := memoryOf(w.cmd.Process.Pid)
		if err != nil {
			return false, err
		}
		seen[rowOf[w]] = append(seen[rowOf[w]], m)
		lookedAt[w] = append(at, w.probes)
		return false, nil
	})
	for r, all := range seen {
		r.memory = medianMemory(all)
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
	if err := fields(proc+"status", map[string]*int{"VmRSS": &m.resident, "RssFile": &m.file}); err != nil {
		return m, err
	}
	return m, fields(proc+"smaps_rollup", map[string]*int{"Pss": &m.proportional, "Private_Dirty": &m.dirty})
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

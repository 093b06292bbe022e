package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"time"
)

const (
	rounds = 50 // probes of each way that count
	warmUp = 5  // probes of each tool before those
)

// cost is what one probe costs, in seconds.
type cost struct{ wall, cpu float64 }

// measure fills in the medians of the tools' costs. The tools take turns, so
// that all meet the same machine.
func measure(ctx context.Context, b *benchmark) error {
	rows := b.rows
	for _, r := range rows {
		if r.line == nil {
			continue
		}
		if _, err := exec.LookPath(r.line[0]); err != nil {
			return fmt.Errorf("%w (make bench installs it)", err)
		}
	}
	costs := make([][]cost, len(rows))
	order := rand.New(rand.NewPCG(1, 2)) // the same in every run of this program
	for round := range warmUp + rounds {
		// The order changes, since the first tool after those of the other
		// server finds caches cold.
		for _, i := range order.Perm(len(rows)) {
			if rows[i].line == nil {
				continue
			}
			// The machine rests as it does between two probes of settled
			// watches: when it leaves idleness, a tool takes longer.
			time.Sleep(apart)
			c, err := run(ctx, rows[i].line)
			if err != nil {
				return err
			}
			if round >= warmUp {
				costs[i] = append(costs[i], c)
			}
		}
	}
	for i, all := range costs {
		if len(all) == 0 {
			continue
		}
		rows[i].cost = medians(all)
		if rows[i].group == smbUser && rows[i].name == calmTool {
			b.calm = calmOf(all)
		}
	}
	return nil
}

// measurePeaks fills in the medians of the tools' peak memory. It has runs of
// its own, since measuring memory changes the other costs.
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
		r.memory.Peak = median(peaks)
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

func median[N int | float64 | time.Duration](all []N) N {
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

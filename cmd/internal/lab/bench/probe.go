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

// measure lets all tools take turns, so that all see the same machine, and fills in
// the medians of their costs.
func measure(ctx context.Context, rows []row) error {
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
		// Whoever comes first after the tools for the other server finds its own one's memory cold.
		for _, i := range order.Perm(len(rows)) {
			if rows[i].line == nil {
				continue
			}
			// After the rest that the machine has between two probes of settled watches: one that comes out of its
			// idleness takes longer.
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
		if len(all) > 0 {
			rows[i].cost = medians(all)
		}
	}
	return nil
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

func median[N int | float64](all []N) N {
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/watchreg"
)

const (
	settleTime = 90 * time.Second
	lookTime   = 20 * time.Millisecond // between two looks at the registry
)

// startWatch starts the watch of a way with further options. What it writes
// goes below dir.
func startWatch(dir, id string, line []string, options ...string) (*proc.Watch, error) {
	args := append([]string{"--evidence-dir", filepath.Join(dir, "evidence")}, options...)
	return proc.StartWatch(dir, line[0], id, append(args, line[1:]...)...)
}

// until looks at the watches again and again, until all are done.
func until(ctx context.Context, dir string, all []*proc.Watch,
	done func(*proc.Watch) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		registry, err := watchreg.OpenExisting(proc.Registry(dir))
		if err != nil {
			return err
		}
		left := len(all)
		for _, w := range all {
			if !w.Alive() {
				return fmt.Errorf("the watch has ended: %s", w.Story())
			}
			// Before the next probe there is nothing new, and reading costs CPU
			// time, which is being measured.
			if time.Since(w.Last) >= restTo {
				if err := w.Look(registry); err != nil {
					return err
				}
			}
			ok, err := done(w)
			if err != nil {
				return fmt.Errorf("%s: %w", w.ID, err)
			}
			if ok {
				left--
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the watches did not settle: %w", ctx.Err())
		case <-time.After(lookTime):
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/watchreg"
)

const (
	settleTime = 90 * time.Second
	lookTime   = 20 * time.Millisecond // between two looks at the registry
)

// watch is a running watch.
type watch struct {
	*proc.Process
	id string

	probes int // probes seen so far, when the last of them started, and how long it took
	last   time.Time
	took   time.Duration
	failed string // why the last one failed
}

// startWatch starts the watch of a way with further options. What it writes
// goes below dir.
func startWatch(dir, id string, line []string, options ...string) (*watch, error) {
	args := append([]string{id, "--log-file", filepath.Join(dir, "log", id, "watch.log"),
		"--evidence-dir", filepath.Join(dir, "evidence")}, options...)
	cmd := exec.Command(line[0], append(args, line[1:]...)...)
	cmd.Env = append(os.Environ(), "FSMON_REGISTRY="+registryIn(dir))
	p, err := proc.Start(cmd)
	return &watch{Process: p, id: id}, err
}

func registryIn(dir string) string { return filepath.Join(dir, "registry") }

// until looks at the watches again and again, until all are done.
func until(ctx context.Context, dir string, all []*watch, done func(*watch) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		registry, err := watchreg.OpenExisting(registryIn(dir))
		if err != nil {
			return err
		}
		left := len(all)
		for _, w := range all {
			if err := w.look(registry); err != nil {
				return err
			}
			ok, err := done(w)
			if err != nil {
				return fmt.Errorf("%s: %w", w.id, err)
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

// look counts the watch's probes.
func (w *watch) look(r *watchreg.Registry) error {
	if !w.Alive() {
		return fmt.Errorf("the watch has ended: %s", w.Story())
	}
	// Before the next probe there is nothing new, and reading costs CPU time,
	// which is being measured.
	if time.Since(w.last) < restTo {
		return nil
	}
	e, err := r.Read(w.id)
	if errors.Is(err, watchreg.ErrUnknown) { // it has only just been started
		return nil
	}
	if err != nil {
		return err
	}
	if e.Status == nil {
		return nil
	}
	w.failed = ""
	if e.Status.State == watchreg.Failing {
		w.failed = e.Status.LastError
	}
	if e.Status.LastProbe.After(w.last) {
		w.last = e.Status.LastProbe
		w.took = time.Duration(e.Status.ProbeMS * float64(time.Millisecond))
		w.probes++
	}
	return nil
}

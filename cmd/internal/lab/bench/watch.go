package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"fsmon/watchreg"
)

const (
	settleTime = 90 * time.Second
	lookTime   = 20 * time.Millisecond // between two looks at the registry
)

// watch is a running watch.
type watch struct {
	cmd   *exec.Cmd
	id    string
	ended chan struct{} // closed when the process has been waited for
	err   error         // why and when it ended; read only after ended is closed
	at    time.Time

	probes int // probes seen so far, when the last of them started, and how long it took
	last   time.Time
	took   time.Duration
	failed string // why the last one failed
}

// startWatch starts the watch of a way with further options. What it writes goes
// below dir.
func startWatch(ctx context.Context, dir, id string, line []string, options ...string) (*watch, error) {
	args := append([]string{id, "--log-file", filepath.Join(dir, "log", id, "watch.log"), "--evidence-dir", filepath.Join(dir, "evidence")}, options...)
	w := &watch{id: id, ended: make(chan struct{}), cmd: process(ctx, line[0], append(args, line[1:]...)...)}
	w.cmd.Env = append(os.Environ(), "FSMON_REGISTRY="+registryIn(dir))
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		w.err = w.cmd.Wait()
		w.at = time.Now()
		close(w.ended)
	}()
	return w, nil
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
	select {
	case <-w.ended:
		err := w.err
		if err == nil {
			err = errors.New("exit code 0")
		}
		return explain(w.cmd.Path, w.cmd.Stderr, fmt.Errorf("the watch has ended: %w", err))
	default:
	}
	if time.Since(w.last) < restTo { // no news before the next probe, and reading costs the processor time that is measured
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

// end ends a watch as a service manager would, and one that does not end by force.
func (w *watch) end() error {
	select {
	case <-w.ended:
		return nil
	default:
	}
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-w.ended:
		return nil
	case <-time.After(endTime):
	}
	err := fmt.Errorf("the watch %s did not end within %s and was killed", w.id, endTime)
	err = errors.Join(err, w.cmd.Process.Kill())
	<-w.ended
	return err
}

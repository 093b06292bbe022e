package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fsmon/watchreg"
)

const (
	settled    = 10 // probes after which a watch has settled
	watches    = 10 // watches side by side
	settleTime = 60 * time.Second

	// When a watch rests, after the start of its last probe, of which there is one a second.
	restFrom, restTo = 200 * time.Millisecond, 900 * time.Millisecond
)

// memory is that of one watch alone, and the median of several side by side.
type memory struct {
	alone        pages
	proportional int
}

// pages is the memory of one process, in kB.
type pages struct{ resident, file, dirty, proportional int }

// watch is a running watch.
type watch struct {
	cmd   *exec.Cmd
	id    string
	ended chan struct{} // closed when the process has been waited for
	err   error         // why it ended; read only after ended is closed

	probes int // probes seen so far, and when the last of them started
	last   time.Time
}

// settledWatch runs the real program with these options, first one, then
// several. What they write goes below dir.
func settledWatch(ctx context.Context, command, dir string, options ...string) (m memory, err error) {
	if err := writeBack(command); err != nil {
		return m, err
	}
	registry := filepath.Join(dir, "registry")
	var running []*watch
	defer func() {
		for _, w := range running {
			err = errors.Join(err, w.end())
		}
	}()
	for n := range watches {
		id := "bench" + strconv.Itoa(n)
		args := append([]string{id, "-i", "1", "-c", "2", "-r", "10",
			"--log-file", filepath.Join(dir, "log", id, "watch.log"), "--evidence-dir", filepath.Join(dir, "evidence")}, options...)
		w := &watch{id: id, ended: make(chan struct{}), cmd: process(ctx, command, args...)}
		w.cmd.Env = append(os.Environ(), "FSMON_REGISTRY="+registry)
		if err := w.cmd.Start(); err != nil {
			return m, err
		}
		go func() {
			w.err = w.cmd.Wait()
			close(w.ended)
		}()
		running = append(running, w)
		if n > 0 {
			continue
		}
		if err := settle(ctx, registry, running); err != nil {
			return m, err
		}
		if m.alone, err = pagesOf(w); err != nil {
			return m, err
		}
	}
	if err := settle(ctx, registry, running); err != nil {
		return m, err
	}
	var proportional []int
	for _, w := range running {
		p, err := pagesOf(w)
		if err != nil {
			return m, err
		}
		proportional = append(proportional, p.proportional)
	}
	m.proportional = median(proportional)
	return m, nil
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

// settle returns when every watch has done its probes and rests.
func settle(ctx context.Context, registry string, running []*watch) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		r, err := watchreg.OpenExisting(registry)
		if err != nil {
			return err
		}
		settledAll, resting := true, true
		for _, w := range running {
			if err := w.look(r); err != nil {
				return err
			}
			settledAll = settledAll && w.probes >= settled
			rest := time.Since(w.last)
			resting = resting && rest > restFrom && rest < restTo
		}
		if settledAll && resting {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the watches did not settle: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
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
		return explain(w.cmd, fmt.Errorf("the watch has ended: %w", err))
	default:
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
	if e.Status.State == watchreg.Failing {
		return fmt.Errorf("%s: a probe failed: %s", w.id, e.Status.LastError)
	}
	if e.Status.LastProbe.After(w.last) {
		w.last = e.Status.LastProbe
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

// pagesOf reads proc_pid_status(5) and proc_pid_smaps(5).
func pagesOf(w *watch) (p pages, err error) {
	proc := fmt.Sprintf("/proc/%d/", w.cmd.Process.Pid)
	if err := fields(proc+"status", map[string]*int{"VmRSS": &p.resident, "RssFile": &p.file}); err != nil {
		return p, err
	}
	return p, fields(proc+"smaps_rollup", map[string]*int{"Pss": &p.proportional, "Private_Dirty": &p.dirty})
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

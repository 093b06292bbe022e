package proc

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"fsmon/watchreg"
)

// Watch is a running watch, and what its statuses have shown.
type Watch struct {
	*Process
	ID      string
	Probes  int           // how many were seen
	Last    time.Time     // when the last of them started
	Took    time.Duration // how long that took
	Slowest time.Duration
	Failed  string // why the last one failed, or ""
}

// Registry is the registry of commands that run below dir.
func Registry(dir string) string { return filepath.Join(dir, "registry") }

// Command is a command of ours whose registry lies below dir.
func Command(dir, path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "FSMON_REGISTRY=" + Registry(dir)}
	return cmd
}

// StartWatch starts a watch whose registry and log lie below dir.
func StartWatch(dir, path, id string, args ...string) (*Watch, error) {
	args = append([]string{id, "--log-file", filepath.Join(dir, "log", id, "watch.log")}, args...)
	p, err := Start(Command(dir, path, args...))
	return &Watch{Process: p, ID: id}, err
}

// Look reads the status of the watch and counts its probes. A watch without a
// status has only just been started, or has ended.
func (w *Watch) Look(r *watchreg.Registry) error {
	e, err := r.Read(w.ID)
	if errors.Is(err, watchreg.ErrUnknown) || err == nil && e.Status == nil {
		return nil
	}
	if err != nil {
		return err
	}
	w.Failed = ""
	if e.Status.State == watchreg.Failing {
		w.Failed = e.Status.LastError
	}
	if e.Status.LastProbe.After(w.Last) {
		w.Last, w.Took = e.Status.LastProbe, time.Duration(e.Status.ProbeMS*float64(time.Millisecond))
		w.Slowest = max(w.Slowest, w.Took)
		w.Probes++
	}
	return nil
}

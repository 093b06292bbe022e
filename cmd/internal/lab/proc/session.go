package proc

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// Left waits until no process is left of the sessions of all, those themselves
// included, and returns an error that names those that stay longer than
// Patience. A watch has errands, which may still write to its files when it has
// ended: nobody may remove these before.
func Left(all ...*Process) error {
	of := map[int]bool{}
	for _, p := range all {
		of[p.PID] = true
	}
	// nothing announces it
	for end := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) {
		left, err := living(of)
		if err != nil || len(left) == 0 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("processes are left after %v: %s", Patience, strings.Join(left, ", "))
		}
	}
}

// living describes the living processes of sessions (proc_pid_stat(5)).
func living(of map[int]bool) (left []string, err error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		stat, err := one.Stat()
		// A zombie with threads is a process of which only the first thread has
		// ended.
		if err != nil || !of[stat.Session] || stat.NumThreads < 2 &&
			strings.Contains("ZX", stat.State) {
			continue // an error: it has just ended
		}
		line, _ := one.CmdLine() // an error: the same
		left = append(left, fmt.Sprintf("%d (%s, %q, session %d, state %s)",
			stat.PID, stat.Comm, line, stat.Session, stat.State))
	}
	return left, nil
}

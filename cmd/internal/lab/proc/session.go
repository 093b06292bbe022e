package proc

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// Left waits until no process of the session is left, the process itself
// included, and returns an error that names those that stay longer than
// Patience. A watch has errands, which may still write to its files when it has
// ended: nobody may remove these before.
func (p *Process) Left() error {
	for end := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) { // nothing announces it
		left, err := session(p.PID)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%v after its end %s left processes behind: %s",
				Patience, p.Cmd.Args[0], strings.Join(left, ", "))
		}
	}
}

// session describes the living processes of a session (proc_pid_stat(5)).
func session(id int) (left []string, err error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		stat, err := one.Stat()
		// A zombie with threads is one whose main thread alone has ended.
		if err != nil || stat.Session != id || stat.NumThreads < 2 && strings.Contains("ZX", stat.State) {
			continue // an error: it has just ended
		}
		line, _ := one.CmdLine() // an error: the same
		left = append(left, fmt.Sprintf("%d (%s, %q, state %s)", stat.PID, stat.Comm, line, stat.State))
	}
	return left, nil
}

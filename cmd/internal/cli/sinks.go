package cli

import (
	"os"
	"path/filepath"
	"time"

	"fsmon/cmd/internal/alert"
)

// The time budgets at the end of a watch. What works needs milliseconds; the
// budgets limit what hangs, so that the process is gone within 2 s of the
// request or of the verdict.
const (
	sinkBudget    = 500 * time.Millisecond // the queued messages, after a verdict or a verb
	statusBudget  = 100 * time.Millisecond // the last status
	releaseBudget = 100 * time.Millisecond // clearing the registry

	// The queued messages, after a stop.
	stopBudget = 2*time.Second - statusBudget - releaseBudget
	// The evidence, at a verdict.
	evidenceBudget = 2*time.Second - statusBudget - sinkBudget - releaseBudget
)

// clplogcmd writes to the CLUSTERPRO alert view.
const clplogcmd = "/usr/sbin/clplogcmd"

// sinks are the places this machine has for messages, stderr first.
func (s Service) sinks(id string) []alert.Sink {
	sinks := []alert.Sink{alert.Stderr(os.Stderr, s.Module)}
	if log := alert.SystemLog(s.Command, id); log != nil {
		sinks = append(sinks, log)
	}
	if view := alert.Clusterpro(clplogcmd); view != nil {
		sinks = append(sinks, view)
	}
	return sinks
}

// alerts opens the sinks of a watch, its log file among them.
func (s Service) alerts(req request) *alert.Alerts {
	sinks := s.sinks(req.ID)
	path := req.LogFile
	if path == "" && os.Geteuid() == 0 {
		path = filepath.Join("/var/log/fsmon", req.ID, "watch.log")
	}
	if path != "" {
		sinks = append(sinks, alert.LogFile(path, s.Module))
	}
	return alert.NewAlerts(sinks...)
}

// tell sends one message of a command that does not become a watch: quietly to
// stderr only, otherwise to every sink but the log file, which belongs to the
// watch.
func (s Service) tell(id string, quietly bool, a Alert) {
	sinks := []alert.Sink{alert.Stderr(os.Stderr, s.Module)}
	if !quietly {
		sinks = s.sinks(id)
	}
	alerts := alert.NewAlerts(sinks...)
	alerts.Send(a)
	alerts.Close(sinkBudget)
}

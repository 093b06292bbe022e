package cli

import (
	"os"
	"path/filepath"
	"time"

	"fsmon/cmd/internal/alert"
)

// The budgets for the end of a watch. What works needs milliseconds: the
// budgets only limit what hangs, so that the process is gone within 2 s of the
// request or the verdict.
const (
	endBudget     = 2 * time.Second
	releaseBudget = 200 * time.Millisecond // to clear the registry
	clearBudget   = releaseBudget / 2      // of it, to start an errand that does so later
	// For the queued messages: what is left after a stop, this much after a
	// verdict or a verb.
	sinkBudget = 500 * time.Millisecond
	// For the evidence, the last status and the metrics.
	fileBudget     = endBudget - sinkBudget - releaseBudget
	evidenceBudget = fileBudget - 200*time.Millisecond
)

// clplogcmd writes to the CLUSTERPRO alert view.
const clplogcmd = "/usr/sbin/clplogcmd"

// sinks are the places this machine has for messages, stderr first. If stderr
// leads to the journal, which gets them anyway, it gets none: they would stand
// there twice.
func (s Service) sinks(id string) []alert.Sink {
	var sinks []alert.Sink
	log := alert.SystemLog(s.Command, id)
	if log == nil || log.Name() != "journal" || !alert.IsJournal(os.Stderr) {
		sinks = append(sinks, alert.Stderr(os.Stderr, s.Module))
	}
	if log != nil {
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

package cli

import (
	"fmt"
	"os"
	"time"

	"fsmon/cmd/internal/alert"
	"fsmon/cmd/internal/errand"
	"fsmon/cmd/internal/watch"
)

// Exit codes of both commands.
const (
	exitOK     = 0 // ended on request, or the verb did its work
	exitFailed = 1 // the file server was judged failed, or the verb could not do its work
	exitUsage  = 2 // wrong usage or configuration
	exitInUse  = 3 // the identifier is in use
	exitLocal  = 4 // this machine could not run the watch
)

// version is set by the linker.
var version = "devel"

// Service is what makes one watch command differ from the other.
type Service struct {
	Command   string // "clp_sambamon"
	Module    string // "sambamon", the module name of its alerts
	Kind      string // "samba"
	Usage     string
	Catalogue alert.Catalogue
	Declare   func(*Options)         // its own options
	Target    func() (Target, error) // after Declare's options are set; an error is wrong usage or configuration
	// Diagnose puts a failed probe into words. It is called after Target.
	Diagnose func(err error) Diagnosis
}

// What a command needs of the packages below this one, so that it imports none
// of them itself.
type (
	Alert     = alert.Alert
	Catalogue = alert.Catalogue
	Message   = alert.Entry
	Probe     = watch.Probe
	Report    = watch.Report
	Rung      = watch.Rung
	Segment   = watch.Segment
)

// The severities of messages.
const (
	Info    = alert.Info
	Warning = alert.Warning
	Error   = alert.Error
)

// Target is what a watch probes.
type Target struct {
	Name  string // as the messages name it: the share, the directory
	Where string // in full, for -disp: "//127.0.0.1:445/share"
	Probe watch.Probe
	// Notes are what was settled before the first probe, "address 192.0.2.10 chosen from this machine's own". They are
	// said once at the start and kept in the status.
	Notes []string
	// User is the account whose password the probe sends, for -check's warning of lockout policies; empty: none.
	User string
}

// Main runs the command line of this process and returns its exit code.
func Main(s Service) int {
	if errand.Main() {
		return exitOK
	}
	args := os.Args[1:]
	req, err := parse(args, s.Declare)
	if err == nil && req.Verb == verbStart {
		startSmall() // before the secrets are wiped, since it passes the arguments on
	}
	for _, secret := range req.secrets {
		wipe(args[secret.Index][secret.Offset:])
	}
	if err != nil {
		return s.misused(req, err.(*usageError))
	}
	switch req.Verb {
	case verbHelp:
		fmt.Print(s.Usage)
		return exitOK
	case verbVersion:
		fmt.Printf("%s %s\n", s.Command, version)
		return exitOK
	case verbStart:
		return s.start(req)
	case verbCheck:
		return s.check(req)
	case verbList:
		return s.list(req)
	}
	return s.control(req)
}

// misused answers a command line that is not accepted.
func (s Service) misused(req request, usage *usageError) int {
	message := s.Catalogue.Invalid
	switch usage.Message {
	case 12:
		message = s.Catalogue.Missing
	case 13:
		message = s.Catalogue.NoID
	}
	if req.Verb == verbCheck || req.Verb == verbList {
		s.say(message.Alert()) // whoever asks is there to read the answer
	} else {
		s.tell("", message.Alert())
	}
	s.complain("%s", usage.Text)
	return s.end(req, endUsage, usage.Text)
}

// complain says on stderr what went wrong.
func (s Service) complain(format string, args ...any) {
	fmt.Fprintf(os.Stderr, s.Command+": error: "+format+"\n", args...)
}

// tell sends one message of a command that does not become a watch to every
// sink but the log file, which belongs to the watch.
func (s Service) tell(id string, a Alert) {
	alerts := alert.NewAlerts(s.sinks(id)...)
	alerts.Send(a)
	alerts.Close(sinkBudget)
}

// say is tell to stderr only.
func (s Service) say(a Alert) {
	alerts := alert.NewAlerts(alert.Stderr(os.Stderr, s.Module))
	alerts.Send(a)
	alerts.Close(sinkBudget)
}

// The budgets for the end of a watch. What works needs milliseconds; they limit
// what hangs, so that the process is gone within 2 s (of the request, or of the
// verdict).
const (
	sinkBudget    = 500 * time.Millisecond // the queued messages, after a verdict or a verb
	statusBudget  = 100 * time.Millisecond // the last status
	releaseBudget = 100 * time.Millisecond // clearing the registry

	stopBudget     = 2*time.Second - statusBudget - releaseBudget              // the queued messages, after a stop
	evidenceBudget = 2*time.Second - statusBudget - sinkBudget - releaseBudget // at a verdict
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

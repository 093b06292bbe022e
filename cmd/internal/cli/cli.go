// Package cli is what a person meets of the watch commands clp_sambamon and
// clp_nfsmon: the command line, the verbs, the exit codes, and the wiring of
// the registry, the watch loop and the listeners.
package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"fsmon/cmd/internal/alert"
	"fsmon/cmd/internal/argv"
	"fsmon/cmd/internal/errand"
	"fsmon/cmd/internal/watch"
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
	Declare   func(*Options) // declares the command's own options
	// Target is called once the options are set, with those of both commands.
	// Its error is wrong usage or configuration.
	Target func(Policy) (Target, error)
	// Diagnose puts a failed probe into words. It is called after Target.
	Diagnose func(err error) Diagnosis
}

// What a command needs of the packages below this one, so that it imports none
// of them itself.
type (
	Alert     = alert.Alert
	Catalogue = alert.Catalogue
	Class     = watch.Class
	Message   = alert.Entry
	Options   = argv.Options
	Policy    = watch.Policy
	Probe     = watch.Probe
	Report    = watch.Report
	Rung      = watch.Rung
	Segment   = watch.Segment

	GraceError = watch.GraceError
)

// The classes of causes.
const (
	Server  = watch.Server
	Path    = watch.Path
	Account = watch.Account
	Access  = watch.Access
	KDC     = watch.KDC
	Local   = watch.Local
)

// Target is what a watch probes.
type Target struct {
	Name  string // as the messages name it: the share, the directory
	Where string // in full, for -disp: "//127.0.0.1:445/share"
	Probe watch.Probe
	// At makes the same probe of another address.
	At func(address string) watch.Probe
	// Notes are what was settled before the first probe, "address 192.0.2.10
	// chosen from this machine's own". The start message has them, and the
	// status keeps them.
	Notes []string
	// FreeEvery is after how many probes memory is given back to the system.
	FreeEvery int
	// GraceLimit is Policy.GraceLimit for a server that knows grace periods.
	GraceLimit time.Duration
	// SameDisk: another RootID than at the first success is a failed probe, with
	// a *DiskError; otherwise a warning.
	SameDisk bool
	// Keep lets the probes of a watch keep a file on the server. What it returns
	// deletes the file when the watch is told to end. nil: nothing is kept.
	Keep func() (cleanUp func(context.Context) error)
	// Unseen is what a watch with these options does not see, for -check after
	// its probe: a warning if that is likely to matter, else a note.
	Unseen func() (note, warning string)
	// User is the account whose password the probe sends, for -check's warning
	// of lockout policies; empty: none.
	User string
}

// actions carry out what a command line asks for. nil means that it went well.
var actions = map[argv.Verb]func(Service, request) error{
	verbStart:    Service.start,
	verbStop:     control(Service.stop),
	verbPause:    control(Service.pause),
	verbContinue: control(Service.pause),
	verbDisp:     Service.disp,
	verbDrill:    control(Service.drill),
	verbDel:      control(Service.del),
	verbCheck:    Service.check,
	verbList:     Service.list,
	verbHelp: func(s Service, _ request) error {
		fmt.Print(s.Usage)
		return nil
	},
	verbVersion: func(s Service, _ request) error {
		fmt.Printf("%s %s\n", s.Command, version)
		return nil
	},
}

// Main runs the command line of this process and returns its exit code.
func Main(s Service) int {
	if errand.Main() {
		return exitCodes[""][endOK]
	}
	args := os.Args[1:]
	req, err := parse(args, s.Declare)
	if err == nil && req.Verb == verbStart {
		restartSmall() // before the secrets are wiped: it passes the arguments on
	}
	argv.Wipe(args, req.secrets)
	if err != nil {
		err = s.misuse(err.(*argv.Error), len(args))
	} else {
		err = actions[req.Verb](s, req)
	}
	return s.end(req, err)
}

// misuse answers a command line of so many arguments that is not accepted.
func (s Service) misuse(wrong *argv.Error, arguments int) *failure {
	message := map[argv.Kind]Message{
		argv.Invalid:    s.Catalogue.Invalid,
		argv.NoID:       s.Catalogue.NoID,
		argv.Incomplete: s.Catalogue.Missing,
	}[wrong.Kind]
	text := wrong.Text
	if arguments == 0 {
		text = fmt.Sprintf("%s; see %s --help)", strings.TrimSuffix(text, ")"), s.Command)
	}
	return &failure{end: endUsage, alert: message.Alert(), text: text}
}

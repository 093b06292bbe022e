package cli

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// ending is how a command line ends.
type ending int

const (
	endOK          ending = iota // healthy, ended on request, or the verb did its work
	endRefused                   // -check: failed, but tolerated
	endFailed                    // the verdict, or the verb could not do its work
	endUsage                     // a wrong command line
	endConfig                    // a right one, but not here: an unusable credentials file
	endInUse                     // the identifier is in use
	endLocal                     // this machine could not run the watch
	endInterrupted               // -check: SIGINT or SIGTERM
)

// exitCodes has the exit code of each ending in each style.
//
// Nagios knows OK, WARNING, CRITICAL and UNKNOWN. WARNING is for a failure that
// a watch would tolerate: the text has the warnings of a healthy server.
//
// OCF (Pacemaker, "OCF Return Codes"): 1 OCF_ERR_GENERIC is soft, the resource
// is restarted or moved. It also serves for a fault of this machine, since OCF
// has no code for "could not be determined". 6 OCF_ERR_CONFIGURED is fatal on
// every node, right for a command line that no node accepts. What is wrong on
// this node only is 2 OCF_ERR_ARGS, hard: other nodes may still run the
// resource. 5 OCF_ERR_INSTALLED and 7 OCF_NOT_RUNNING are for the agent, which
// knows whether the server should run.
var exitCodes = map[string][8]int{
	//           OK Refused Failed Usage Config InUse Local Interrupted
	"":          {0, 0, 1, 2, 2, 3, 4, 1},
	styleNagios: {0, 1, 2, 3, 3, 3, 3, 3},
	styleOCF:    {0, 0, 1, 6, 2, 1, 1, 1},
}

// failure is a command line that did not end well. Any other error of an action
// is the text of one that ended with endFailed.
type failure struct {
	end   ending
	alert Alert  // without a text: no alert
	quiet bool   // the alert is for stderr only
	text  string // one line for people; empty: everything has been said
	brief string // the text of Nagios' line, if another
}

func (f *failure) Error() string { return f.text }

// end says why the command line did not end well, and returns its exit code.
// Nagios' style prints a line on stdout, unless a probe's result stands there.
func (s Service) end(req request, err error) int {
	var f *failure
	switch {
	case err == nil:
		return exitCodes[req.ExitStyle][endOK]
	case !errors.As(err, &f):
		f = &failure{end: endFailed, text: err.Error()}
	}
	if f.alert.Text != "" {
		// Whoever asks -check or -list is there to read the answer.
		quiet := f.quiet || req.Verb == verbCheck || req.Verb == verbList
		s.tell(req.ID, quiet, f.alert)
	}
	if f.text != "" {
		fmt.Fprintf(os.Stderr, "%s: error: %s%s\n", s.Command, f.text, ofUnit(f.end))
		if req.ExitStyle == styleNagios {
			fmt.Println(nagiosLine(f.end, cmp.Or(f.brief, f.text)))
		}
	}
	return exitCodes[req.ExitStyle][f.end]
}

// ofUnit says where the command line of a systemd unit comes from, and what its
// sandbox hides, if that is how this process was started (systemd.exec(5),
// SYSTEMD_EXEC_PID; templates/systemd).
func ofUnit(end ending) string {
	if end != endUsage && end != endConfig || len(os.Args) < 2 ||
		os.Getenv("SYSTEMD_EXEC_PID") != strconv.Itoa(os.Getpid()) {
		return ""
	}
	return fmt.Sprintf("; the unit reads SHARE= or DIRECTORY=, and OPTIONS=, from /etc/fsmon/%s.env, "+
		"and sees no file below /home, /root and /tmp", os.Args[1])
}

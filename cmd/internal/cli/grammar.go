package cli

import (
	"cmp"
	"errors"
	"time"

	"fsmon/cmd/internal/argv"
	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// What a command line asks for (FSM manual 7.4).
const (
	verbStart    argv.Verb = iota // ID -s SHARE …: watch until stopped, or until the verdict
	verbStop                      // ID -stop [SECONDS]
	verbPause                     // ID -pause [SECONDS]
	verbContinue                  // ID -continue
	verbDisp                      // ID -disp
	verbDrill                     // ID -drill
	verbDel                       // ID -del
	verbCheck                     // -check -s SHARE …: one probe now
	verbList                      // -list
	verbHelp                      // --help
	verbVersion                   // --version
)

// grammar is what the command lines of both commands have in common.
var grammar = argv.Grammar{
	Words: []argv.Word{
		{Name: "stop", Verb: verbStop, Seconds: 10000},
		{Name: "pause", Verb: verbPause, Seconds: 604800},
		{Name: "continue", Verb: verbContinue},
		{Name: "disp", Verb: verbDisp},
		{Name: "drill", Verb: verbDrill},
		{Name: "del", Verb: verbDel},
		{Name: "check", Verb: verbCheck, NoID: true},
		{Name: "list", Verb: verbList, NoID: true},
		{Name: "help", Verb: verbHelp, Alone: true},
		{Name: "h", Verb: verbHelp, Alone: true},
		{Name: "version", Verb: verbVersion, Alone: true},
	},
	Default: "a watch",
	Usual:   []argv.Verb{verbStart, verbCheck},
	Help:    verbHelp,
	ValidID: watchreg.ValidID,
	IDRule:  "1 to 255 bytes: letters, digits, '.', '_' and '-', the first a letter or digit",
}

// Exit styles of -check.
const (
	styleNagios = "nagios"
	styleOCF    = "ocf"
)

// request is one understood command line. The command's own options are not in
// it: they are where Service.Declare put them.
type request struct {
	Verb argv.Verb
	ID   string // as watchreg.ValidID accepts it; empty for -check, -list, --help, --version

	Wait time.Duration // -stop: how long to wait for the end, 1 s to 10000 s, default 60 s
	For  time.Duration // -pause: for how long, 1 s to 604800 s; 0: until -continue

	watch.Policy // of a watch and of -check: -i, -c, -r and what goes with them

	Witnesses []string // --witness: addresses, at most 4

	LogFile     string // --log-file; empty: the default place
	MetricsFile string // --metrics-file; empty: none
	EvidenceDir string // --evidence-dir; empty: the default place
	NoEvidence  bool   // --no-evidence

	JSON      bool          // -check, -list, -disp: --json
	ExitStyle string        // -check: --exit-style; empty: the codes of both commands
	Every     time.Duration // -list: --watch, 1 s to 3600 s; 0: once
	PID       bool          // -disp: --pid

	secrets []argv.Place
}

// parse reads the arguments of a watch command, without the command's name.
// declare registers the command's own options. The error is an *argv.Error; the
// request beside it holds the verb and the exit style as far as they were
// understood.
func parse(args []string, declare func(*Options)) (request, error) {
	var req request
	interval, retries, timeout, retryInterval, startWait, every := 30, 5, 60, 0, 0, 0
	var tolerate []string
	g := grammar
	g.Check = func(v argv.Verb) error {
		switch {
		case v == verbCheck && req.JSON && req.ExitStyle == styleNagios:
			return errors.New(
				"--json: does not go with --exit-style nagios (which has a line of its own)")
		case v == verbDisp && req.JSON && req.PID:
			return errors.New(
				"--pid: does not go with --json (which has the process ID in it)")
		}
		return nil
	}
	opts := g.Options()
	opts.Int(&interval, "interval", "i", 1, 10000, "seconds")
	opts.Int(&retries, "retry", "c", 1, 10000, "retries")
	opts.Int(&timeout, "timeout", "r", 1, 10000, "seconds")
	opts.Int(&retryInterval, "retry-interval", "", 1, 10000, "seconds")
	opts.List(&tolerate, "tolerate", len(watch.Tolerable), "path, account, access or kdc, several "+
		"with commas; a failure of the server or of this machine always counts",
		inWords(watch.Tolerable)...)
	opts.List(&req.Witnesses, "witness", 4, "an IP address or a host name, up to 4 with commas")
	opts.String(&req.LogFile, "log-file", "", "the name of a file")
	opts.Int(&startWait, "start-wait", "", 1, 604800, "seconds")
	opts.String(&req.MetricsFile, "metrics-file", "", "the name of a file")
	opts.String(&req.EvidenceDir, "evidence-dir", "", "the name of a directory")
	opts.Bool(&req.NoEvidence, "no-evidence", "")
	declare(opts)
	opts.Bool(&req.JSON, "json", "")
	opts.Only("json", verbCheck, verbList, verbDisp)
	opts.Choice(&req.ExitStyle, "exit-style", styleNagios, styleOCF)
	opts.Only("exit-style", verbCheck)
	opts.Int(&every, "watch", "", 1, 3600, "seconds")
	opts.Only("watch", verbList)
	opts.Bool(&req.PID, "pid", "")
	opts.Only("pid", verbDisp)

	line, err := opts.Parse(args)
	if err != nil || line.Verb == verbHelp {
		req = request{Verb: line.Verb, secrets: line.Secrets}
		if line.Verb == verbCheck {
			req.ExitStyle = opts.Chosen("exit-style", args)
		}
		return req, err
	}
	req.Verb, req.ID, req.secrets = line.Verb, line.ID, line.Secrets
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	switch req.Verb {
	case verbStart, verbCheck:
		req.Interval, req.Timeout, req.Retries = seconds(interval), seconds(timeout), retries
		req.RetryInterval = seconds(cmp.Or(retryInterval, interval))
		req.StartWait = seconds(startWait)
		for _, class := range tolerate {
			req.Tolerate = append(req.Tolerate, watch.Class(class))
		}
	case verbStop:
		req.Wait = time.Minute
		if line.Seconds > 0 {
			req.Wait = seconds(line.Seconds)
		}
	case verbPause:
		req.For = seconds(line.Seconds)
	case verbList:
		req.Every = seconds(every)
	}
	return req, nil
}

func inWords(classes []watch.Class) (words []string) {
	for _, class := range classes {
		words = append(words, string(class))
	}
	return words
}

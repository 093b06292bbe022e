package cli

import (
	"strings"
	"time"
)

// verb is what a command line asks for.
type verb int

// The verbs. verbStart is the one without a word of its own (FSM chapter 7.4).
const (
	verbStart    verb = iota // ID -s SHARE …: watch until stopped or until the file server is judged failed
	verbStop                 // ID -stop [SECONDS]
	verbPause                // ID -pause [SECONDS]
	verbContinue             // ID -continue
	verbDisp                 // ID -disp
	verbDel                  // ID -del
	verbCheck                // -check -s SHARE …, without an ID: one probe now
	verbList                 // -list, without an ID
	verbHelp                 // --help, without an ID
	verbVersion              // --version, without an ID
)

// request is one understood command line. The command's own options are not in it: they are where declare put them.
type request struct {
	Verb verb
	ID   string // as watchreg.ValidID accepts it; empty for Check, List, Help and Version

	Wait time.Duration // Stop: how long to wait for the watch to end, 1 s to 10000 s, default 60 s
	For  time.Duration // Pause: for how long, 1 s to 604800 s; 0 is until -continue

	Interval time.Duration // Start, Check: from one probe's start to the next one's, -i, 1 s to 10000 s, default 30 s
	Timeout  time.Duration // Start, Check: one deadline for the whole probe, -r, 1 s to 10000 s, default 60 s
	Retries  int           // Start, Check: failed retries in a row that make the verdict, -c, 1 to 10000, default 5
	LogFile  string        // Start: --log-file; empty is the default place

	StartWait   time.Duration // Start: --start-wait, how long failures do not count before the first success, 1 s to 604800 s; 0 is off
	MetricsFile string        // Start: --metrics-file; empty is none
	EvidenceDir string        // Start: --evidence-dir; empty is the default place
	NoEvidence  bool          // Start: --no-evidence

	JSON      bool          // Check, List, Disp: --json
	ExitStyle string        // Check: --exit-style, "nagios" or "ocf"; empty is the table of both commands
	Every     time.Duration // List: --watch, 1 s to 3600 s; 0 is once
	PID       bool          // Disp: --pid

	// secrets are the parts of the arguments to overwrite, so that the process list does not show them. They are complete also when
	// parse returned an error: then they err on the side of too much, since on a wrong line a password may stand anywhere
	// after its option.
	secrets []secretArg
}

// secretArg is where in the parsed arguments a secret stands: from byte Offset to the end of args[Index].
type secretArg struct{ Index, Offset int }

// usageError is a command line that is not accepted (exit 2).
type usageError struct {
	// Message is FSM's number: 13 no ID, 12 a compulsory option missing or empty, 11 everything else (FSM chapter 8).
	Message int
	// Text is one line for people, naming the option, the value and the accepted range; never a secret's value.
	Text string
}

func (e *usageError) Error() string { return e.Text }

// verbWord is a verb as it is written, with one dash or two.
type verbWord struct {
	word    string
	verb    verb
	seconds int  // the largest number that may follow, in seconds; 0 is none
	noID    bool // goes without an ID
}

var verbWords = []verbWord{
	{word: "stop", verb: verbStop, seconds: 10000},
	{word: "pause", verb: verbPause, seconds: 604800},
	{word: "continue", verb: verbContinue},
	{word: "disp", verb: verbDisp},
	{word: "del", verb: verbDel},
	{word: "check", verb: verbCheck, noID: true},
	{word: "list", verb: verbList, noID: true},
	{word: "help", verb: verbHelp, noID: true},
	{word: "h", verb: verbHelp, noID: true},
	{word: "version", verb: verbVersion, noID: true},
}

// Exit styles of -check.
const (
	styleNagios = "nagios"
	styleOCF    = "ocf"
)

// findVerb reads one word of the command line as a verb: -stop, --stop, -stop=VALUE.
func findVerb(word string) (v *verbWord, value string, joined bool) {
	name, ok := strings.CutPrefix(word, "-")
	if !ok {
		return nil, "", false
	}
	name, value, joined = strings.Cut(strings.TrimPrefix(name, "-"), "=")
	for i := range verbWords {
		if verbWords[i].word == name {
			return &verbWords[i], value, joined
		}
	}
	return nil, "", false
}

// verbName is a verb as it was written, without a joined value.
func verbName(word string) string {
	name, _, _ := strings.Cut(word, "=")
	return strings.Clone(name)
}

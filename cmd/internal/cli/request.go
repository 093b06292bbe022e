package cli

import (
	"strings"
	"time"
)

// Verb is what a command line asks for.
type Verb int

// The verbs. Start is the one without a word of its own (FSM chapter 7.4).
const (
	Start    Verb = iota // ID -s SHARE …: watch until stopped or until the file server is judged failed
	Stop                 // ID -stop [SECONDS]
	Pause                // ID -pause [SECONDS]
	Continue             // ID -continue
	Disp                 // ID -disp
	Del                  // ID -del
	Check                // -check -s SHARE …, without an ID: one probe now
	List                 // -list, without an ID
	Help                 // --help, without an ID
	Version              // --version, without an ID
)

// Request is one understood command line. The command's own options are not in it: they are where declare put them.
type Request struct {
	Verb Verb
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

	secrets []SecretArg
}

// SecretArg is where in the parsed arguments a secret stands: from byte Offset to the end of args[Index].
type SecretArg struct{ Index, Offset int }

// SecretArgs tells which parts of the arguments to overwrite, so that the process list does not show them. It is complete also when
// Parse returned an error: then it errs on the side of too much, since on a wrong line a password may stand anywhere
// after its option.
func (r Request) SecretArgs() []SecretArg { return r.secrets }

// UsageError is a command line that is not accepted (exit 2).
type UsageError struct {
	// Message is FSM's number: 13 no ID, 12 a compulsory option missing or empty, 11 everything else (FSM chapter 8).
	Message int
	// Text is one line for people, naming the option, the value and the accepted range; never a secret's value.
	Text string
}

func (e *UsageError) Error() string { return e.Text }

// verbWord is a verb as it is written, with one dash or two.
type verbWord struct {
	word    string
	verb    Verb
	seconds int  // the largest number that may follow, in seconds; 0 is none
	noID    bool // goes without an ID
}

var verbWords = []verbWord{
	{word: "stop", verb: Stop, seconds: 10000},
	{word: "pause", verb: Pause, seconds: 604800},
	{word: "continue", verb: Continue},
	{word: "disp", verb: Disp},
	{word: "del", verb: Del},
	{word: "check", verb: Check, noID: true},
	{word: "list", verb: List, noID: true},
	{word: "help", verb: Help, noID: true},
	{word: "h", verb: Help, noID: true},
	{word: "version", verb: Version, noID: true},
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

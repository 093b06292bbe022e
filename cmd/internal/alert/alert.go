// Package alert carries messages to people: the catalogue's types, a bounded
// queue for each sink, and the sinks: stderr, syslog or the journal, the
// CLUSTERPRO alert view, and a log file. A slow sink loses messages and is told
// how many; it never delays the watch.
package alert

import (
	"fmt"
	"time"
)

// Severity says how bad the news of an alert is.
type Severity int

// The severities, from good news to bad.
const (
	Info Severity = iota
	Warning
	Error
)

// String returns INFO, WARN or ERROR.
func (s Severity) String() string {
	switch s {
	case Info:
		return "INFO"
	case Warning:
		return "WARN"
	default:
		return "ERROR"
	}
}

// Entry is one message of a catalogue: number, severity and the exact text of
// FSM chapter 8, with printf verbs where the document has xxx or nn. Numbers
// of 101 and up are not in the document, they are this project's own.
type Entry struct {
	Number   int
	Severity Severity
	Text     string
}

// Dropped tells how many messages a sink did not get, and which sink it is.
var Dropped = Entry{107, Warning, "%d messages could not be delivered to %s."}

// Alert fills the entry's verbs in.
func (e Entry) Alert(args ...any) Alert {
	return Alert{Number: e.Number, Severity: e.Severity, Text: fmt.Sprintf(e.Text, args...)}
}

// Alert is one message to people. Text and Detail may hold what a server sent:
// Alerts makes each of them one printable line of at most 1024 bytes.
type Alert struct {
	Time     time.Time // set by Alerts.Send when zero
	Number   int
	Severity Severity
	Text     string
	// what lies behind it, such as an NTSTATUS; every sink but the alert view
	// shows it
	Detail string
}

// Sink is one place alerts go to. Deliver may block or fail. All three are only
// called from one goroutine at a time.
type Sink interface {
	Name() string
	Deliver(Alert) error
	Close() error
}

// Catalogue is the messages of FSM manual chapter 8 that both commands have,
// each in its own words.
type Catalogue struct {
	Started   Entry // 1
	Watching  Entry // 2; verb: the target's name
	Stopping  Entry // 3; verb: the target's name, unless the text has none
	Terminate Entry // 6
	Paused    Entry // 7
	Continued Entry // 8
	Invalid   Entry // 11
	Missing   Entry // 12
	NoID      Entry // 13
	InUse     Entry // 14
	NotEnded  Entry // 15
	System    Entry // 42; verbs: function name, error number
	NoName    Entry // 61; verb: error number
}

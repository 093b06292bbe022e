// Package alert carries messages to people. It has the catalogue's types, the
// sinks (stderr, syslog or the journal, the CLUSTERPRO alert view, a log file),
// and a bounded queue for each sink: a slow sink never delays the watch, but
// loses messages and is told how many.
package alert

import (
	"fmt"
	"time"
)

// Severity says how bad the news is.
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
// FSM manual 8, with printf verbs where the manual has xxx or nn. Numbers from
// 101 are not in the manual; they are this project's own.
type Entry struct {
	Number   int
	Severity Severity
	Text     string
}

// Dropped tells how many messages a sink did not get, and which sink it is.
var Dropped = Entry{107, Warning, "%d message(s) could not be delivered to %s."}

// Alert returns the message with args in place of the verbs.
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
	Detail   string // the cause, such as an NTSTATUS; the alert view does not show it
}

// Sink is a place that alerts go to. Deliver may block or fail. Only one
// goroutine at a time calls the methods.
type Sink interface {
	Name() string
	Deliver(Alert) error
	Close() error
}

// Catalogue holds the messages of FSM manual 8 that both commands have, each in
// its own words. The comments give number and verbs.
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

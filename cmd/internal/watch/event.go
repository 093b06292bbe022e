package watch

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// A Probe asks the file server once. nil means healthy; an error is the first
// rung of the ladder that broke. It must return when ctx ends, and must have
// closed its connection by then. The report beside an error holds the rungs up
// to the broken one.
type Probe func(ctx context.Context) (Report, error)

// Report is what one probe learnt.
type Report struct {
	Target string // the address of the connection, "192.0.2.1:445"; empty: there was none
	Rungs  []Rung // in wire order; if one broke, it is the last
	// Dialect is the version of its protocol that the server speaks, "SMB 3.1.1"
	// or "NFS 4.2"; "": not known.
	Dialect string
	// Warnings are what an operator should know about a healthy server. Each is
	// announced once for as long as it stays true.
	Warnings []string
	// Grace: healthy, but the server has restarted and lets nobody open or lock
	// a file yet.
	Grace bool
	// RootID identifies what is behind the share or directory; "": not known.
	// Those of one RootForm can be compared.
	RootForm, RootID string
	// Note is what the watch has settled on, "NFS version 3". It is said when
	// it changes.
	Note string
	// Wire is the transcript of the probe's connections, for the evidence.
	Wire []Segment
}

// Segment is one piece of a wire transcript: what one write sent or one read
// received over TCP.
type Segment struct {
	At       time.Time
	From, To netip.AddrPort
	Data     []byte
}

// Rung is one step of a probe's ladder.
type Rung struct {
	Name   string        // "session setup"
	Took   time.Duration // from the request to its answer, or to the failure
	Learnt string        // "NTLMv2 user labuser, signing required"; may be empty
}

// Witness is another address that is asked with the same probe after a failed
// one. It explains the failure, and never decides.
type Witness struct {
	Address  string
	Answered bool          // the fields below hold
	Took     time.Duration // how long its probe ran
	Err      error         // nil: it is healthy
}

func (w Witness) String() string {
	switch {
	case !w.Answered:
		return w.Address + " has not answered yet"
	case w.Err != nil:
		return fmt.Sprintf("%s fails too (%v)", w.Address, w.Err)
	}
	return w.Address + " answers the same probe"
}

// Kind says what an Event is about.
type Kind int

// The events of a watch, in the order in which a life usually sees them.
const (
	Started   Kind = iota // the watch runs; no probe yet
	Healthy               // a probe succeeded
	Failed                // a probe failed and was counted
	Void                  // a failure while this machine slept or starved: repeated once
	Forgiven              // a failure that began within the start wait: not counted
	Refused               // a failure of a class that is tolerated: not counted
	Paused                // probing stopped by request, or a standing pause was given another end
	Continued             // probing goes on
	Judged                // the server is judged failed; the watch ends
	Stopped               // the watch ends by request
)

// Event is one thing that happened to a watch. Events are published in order
// from one goroutine; a listener must not block.
type Event struct {
	Kind Kind
	At   time.Time

	// Of a probe: Healthy, Failed, Void, Forgiven, Refused, Judged.
	Began    time.Time     // when it started
	Took     time.Duration // how long it ran
	Deadline time.Duration // how long it was given
	Report   Report
	Err      error // why it failed
	Class    Class // of Err

	// Witnesses are what others answered to the same probe since the failures in
	// a row began (Failed, Refused, Judged).
	Witnesses []Witness

	First bool // Healthy: the first success of this watch
	Slow  bool // Healthy: it took more than 80 % of its deadline
	// Failures is the number of failed probes in a row: before a Healthy one;
	// up to and with a Failed or Judged one; a Refused one changes it not.
	Failures int
	Allowed  int // Failed, Judged: so many in a row make the verdict (retries + 1)

	// Until is when a pause ends by itself (Paused; zero: it does not), or when
	// the start wait ends (Forgiven).
	Until   time.Time
	Again   bool          // Paused: it was paused already, only Until changed
	Expired bool          // Continued: the pause ended by itself
	Late    time.Duration // Void: how late this machine woke the watch
	Reason  string        // Stopped: who asked
}

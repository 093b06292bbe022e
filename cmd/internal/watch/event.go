package watch

import (
	"context"
	"net/netip"
	"time"
)

// A Probe asks the file server once. nil means healthy; an error is the first
// rung of the ladder that broke. It must return when ctx ends, and must have
// closed its connection by then. A report is also returned beside an error: it
// holds the rungs that were climbed.
type Probe func(ctx context.Context) (Report, error)

// Report is what one probe learnt.
type Report struct {
	Target string // the address that was spoken to, "192.0.2.1:445"; empty before a connection stood
	Rungs  []Rung // in wire order; the last one is the one that broke, if one did
	// Warnings are things about a healthy probe that an operator should know.
	// Each is said once for as long as it stays true.
	Warnings []string
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

// Kind says what an Event is about.
type Kind int

// The events of a watch, in the order in which a life usually sees them.
const (
	Started   Kind = iota // the watch runs; no probe yet
	Healthy               // a probe succeeded
	Failed                // a probe failed and was counted
	Void                  // a probe failed while this machine slept or starved: not counted, repeated once
	Forgiven              // a probe failed that began within the start wait: not counted
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

	// Of a probe: Healthy, Failed, Void, Forgiven, Judged.
	Began    time.Time     // when it started
	Took     time.Duration // how long it ran
	Deadline time.Duration // how long it was given
	Report   Report
	Err      error // why it failed

	First    bool // Healthy: the first success of this watch
	Slow     bool // Healthy: it took more than 80 % of its deadline
	Failures int  // Healthy: failed probes in a row before it; Failed, Judged: in a row up to and with this one
	Allowed  int  // Failed, Judged: so many in a row make the verdict (retries + 1)

	Until   time.Time     // Paused: when the pause ends by itself; zero: it does not. Forgiven: when the start wait ends
	Again   bool          // Paused: it was paused already, only Until changed
	Expired bool          // Continued: the pause ended by itself
	Late    time.Duration // Void: how late this machine woke the watch
	Reason  string        // Stopped: who asked
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"fsmon/cmd/internal/watch"
)

// Prober asks one target again and again for a program that is no watch:
// fsmon_exporter. It decides nothing, and keeps no file on the server between
// its probes.
type Prober struct {
	Where   string        // the target in full: "//192.0.2.1:445/share"
	Timeout time.Duration // of --timeout
	Retries int           // of --retry

	s       Service
	req     request
	target  Target
	running sync.WaitGroup
}

// NewProber takes options of -check, each joined to its value: "--share=data".
// Its error is wrong usage or configuration, in one line without a secret.
func (s Service) NewProber(options ...string) (*Prober, error) {
	req, err := parse(append([]string{"-check"}, options...), s.Declare)
	if err != nil {
		return nil, err
	}
	target, err := s.target(&req)
	if err != nil {
		return nil, errors.New(err.Error()) // without the alert of the command
	}
	p := &Prober{Where: target.Where, Timeout: req.Timeout, Retries: req.Retries,
		s: s, req: req, target: target}
	probe := target.Probe
	p.target.Probe = func(ctx context.Context) (Report, error) {
		defer p.running.Done()
		return probe(ctx)
	}
	return p, nil
}

// Ask probes once, as -check does. It returns at once when ctx ends, and at the
// latest 5 s after timeout; a probe that this machine starved is repeated, for
// as long again. Only one Ask may run at a time.
func (p *Prober) Ask(ctx context.Context, timeout time.Duration) *Answer {
	a := &Answer{began: time.Now(), timeout: timeout}
	a.req, a.target = p.req, p.target
	a.req.Timeout = timeout
	begins := func() { p.running.Add(1) }
	begins()
	p.s.ask(ctx, &a.checked, timeout, begins)
	return a
}

// Wait returns when the last probe has ended, which may be after Ask was told
// to give it up.
func (p *Prober) Wait() { p.running.Wait() }

// Answer is what one probe found.
type Answer struct {
	checked
	began   time.Time
	timeout time.Duration
}

// Event is the answer as a watch would publish it after so many failures in a
// row, without a verdict.
func (a *Answer) Event(failures int) watch.Event {
	e := watch.Event{Kind: watch.Healthy, At: time.Now(), Began: a.began, Took: a.took,
		Deadline: a.timeout, Report: a.report, Err: a.err, Class: a.why.Class, Failures: failures}
	switch {
	case a.err == nil:
		e.Slow = watch.Slow(a.took, a.timeout)
	case a.tolerated():
		e.Kind = watch.Refused
	default:
		e.Kind, e.Failures, e.Allowed = watch.Failed, failures+1, a.req.Retries+1
	}
	return e
}

// Print prints the answer as -check does, without what a watch would do.
func (a *Answer) Print(out io.Writer) {
	a.result(out, lineWidth, false)
	if a.why.LogonRefused {
		wrapped(out, lineWidth, "warning: ", fmt.Sprintf("this was a refused logon of %q. Each "+
			"probe is one more until the password is right, which can lock the account out.",
			printable(a.target.User)), "")
	}
}

// Summary is the answer in one line.
func (a *Answer) Summary() string { return a.summary() }

// Package watch is the loop of a watch and its retry rule. It runs a probe
// again and again, publishes what happens as events, and knows nobody who
// listens.
package watch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// Verb is what a Control asks for.
type Verb int

// The verbs a running watch obeys.
const (
	Stop Verb = iota
	Pause
	Continue
	Drill // judge the server failed, unless the watch is paused
)

// ErrDrill is the error of a verdict that was asked for with Drill.
var ErrDrill = errors.New("a drill: the file server was not found failed")

// Control is one request to a running watch.
type Control struct {
	Verb Verb
	For  time.Duration // Pause: it ends by itself after so long; 0: it does not
}

// Outcome is how a watch ended: nil Err on request, otherwise the error of the
// probe that completed the verdict.
type Outcome struct{ Err error }

// overrun is how long past its deadline a probe may take to return before the
// loop goes on without it: a probe that ignores its context must not hang the
// watch too. It is counted from when the loop notices the deadline. On a
// starved machine that is late, and the probe, which starved as well, should
// still say which rung broke.
const overrun = 100 * time.Millisecond

var errOverrun = fmt.Errorf("the probe did not end at its deadline: %w", context.DeadlineExceeded)

// GraceError is a server that does not come out of its grace period.
type GraceError struct{ Limit time.Duration }

func (e *GraceError) Error() string {
	return fmt.Sprintf("the server has been in grace for longer than %s", e.Limit)
}

// PanicError is a panic inside a probe: a failed probe, never a silent death.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("the probe panicked: %v", e.Value) }

// Watch is one watch. All fields are set before Run.
type Watch struct {
	Policy   Policy
	Probe    Probe
	Classify func(error) Class // of the error of a failed probe
	Publish  func(Event)       // called in order, from Run's goroutine; must not block

	// Beat, if set, is called from Run's goroutine at least every BeatEvery:
	// while waiting, while paused, and during a probe that is not past its
	// deadline. A stuck loop does not call it. It must not block.
	Beat      func()
	BeatEvery time.Duration
}

// Run probes until it is asked to stop (by ctx, whose cause names who asked,
// or by a Stop) or the server is judged failed. It never waits for a probe
// that does not return: a stop takes effect at once.
func (w *Watch) Run(ctx context.Context, controls <-chan Control) Outcome {
	now := time.Now()
	l := loop{Watch: w, started: now, next: now.Add(w.Policy.FirstAfter), beat: now,
		timer: time.NewTimer(0)}
	defer l.timer.Stop()
	l.publish(Event{Kind: Started})
	for {
		l.beats()
		wake := l.plan()
		select {
		case <-ctx.Done():
			return l.stop(context.Cause(ctx).Error())
		case c, ok := <-controls:
			if !ok {
				controls = nil
			} else if c.Verb == Stop {
				return l.stop("-stop")
			} else if c.Verb == Drill && !l.paused {
				l.abandon()
				l.publish(Event{Kind: Judged, Err: ErrDrill, Class: Server})
				return Outcome{ErrDrill}
			} else {
				l.control(c)
			}
		case r := <-l.results():
			l.noteLateness(wake)
			if out, ended := l.finish(r); ended {
				return out
			}
		case <-l.timer.C:
			l.noteLateness(wake)
			if out, ended := l.tick(); ended {
				return out
			}
		}
	}
}

// loop is the state of one Run.
type loop struct {
	*Watch
	timer *time.Timer

	started  time.Time
	beat     time.Time // when the next beat is due
	next     time.Time // start of the next probe, when none runs and none is paused
	failures int
	healthy  bool      // there was a success
	grace    time.Time // start of the first probe of this grace period; zero: there is none
	repeat   bool      // the running or next probe repeats a void one

	running *running // nil: no probe runs

	paused bool
	until  time.Time // end of the pause; zero: none
}

// running is a probe under way.
type running struct {
	lateness
	began  time.Time
	cancel context.CancelFunc
	done   chan result
	giveUp time.Time // when the loop goes on without it; zero: the deadline has not passed
}

type result struct {
	report Report
	err    error
}

// run probes once and sends the result.
func (p Probe) run(ctx context.Context, done chan<- result) {
	var r result
	defer func() {
		if v := recover(); v != nil {
			r = result{err: &PanicError{Value: v, Stack: debug.Stack()}}
		}
		done <- r
	}()
	r.report, r.err = p(ctx)
}

// plan arms the timer for whatever is due next and returns when that is.
func (l *loop) plan() time.Time {
	now := time.Now()
	var wake time.Time
	switch {
	case l.running != nil:
		// Only a loop that expects to be woken soon notices that it is late.
		wake = now.Add(nap(l.Policy.Timeout))
		end := l.running.began.Add(l.Policy.Timeout)
		if !now.Before(end) {
			if l.running.giveUp.IsZero() {
				l.running.giveUp = now.Add(overrun)
			}
			end = l.running.giveUp
		}
		if end.Before(wake) {
			wake = end
		}
	case !l.paused:
		wake = l.next
	case !l.until.IsZero():
		wake = l.until
	default:
		wake = now.Add(time.Hour)
	}
	if l.Beat != nil && l.beat.After(now) && l.beat.Before(wake) && l.inTime(l.beat) {
		wake = l.beat
	}
	l.timer.Reset(max(0, wake.Sub(now)))
	return wake
}

// inTime reports whether no probe is past its deadline at that time.
func (l *loop) inTime(at time.Time) bool {
	return l.running == nil || at.Before(l.running.began.Add(l.Policy.Timeout))
}

// beats calls Beat when it is due.
func (l *loop) beats() {
	now := time.Now()
	if l.Beat == nil || now.Before(l.beat) || !l.inTime(now) {
		return
	}
	l.beat = now.Add(l.BeatEvery)
	l.Beat()
}

func (l *loop) results() <-chan result {
	if l.running == nil {
		return nil
	}
	return l.running.done
}

func (l *loop) noteLateness(wake time.Time) {
	if l.running != nil {
		l.running.woken(wake)
	}
}

// tick is the timer: a probe is due, one overran its deadline, or a pause
// ended.
func (l *loop) tick() (Outcome, bool) {
	now := time.Now()
	switch {
	case l.running != nil:
		if l.running.giveUp.IsZero() || now.Before(l.running.giveUp) {
			return Outcome{}, false
		}
		return l.finish(result{err: errOverrun})
	case l.paused:
		if !l.until.IsZero() && !now.Before(l.until) {
			l.resume(true)
		}
	case !now.Before(l.next):
		l.start(now)
	}
	return Outcome{}, false
}

func (l *loop) start(now time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), l.Policy.Timeout)
	r := &running{began: now, cancel: cancel, done: make(chan result, 1),
		lateness: beginLateness()}
	l.running = r
	go l.Probe.run(ctx, r.done)
}

// finish takes the result of the running probe through the retry rule.
func (l *loop) finish(res result) (Outcome, bool) {
	r := l.running
	l.running = nil
	r.cancel()
	now := time.Now()
	if res.err == nil {
		res.err = l.outOfGrace(res.report.Grace, r.began)
	}
	e := Event{
		Began: r.began, Took: now.Sub(r.began), Deadline: l.Policy.Timeout,
		Report: res.report, Err: res.err,
	}
	if res.err != nil && l.Classify != nil {
		e.Class = l.Classify(res.err)
	}
	tolerated := slices.Contains(l.Policy.Tolerate, e.Class)
	l.next = r.began.Add(l.Policy.wait(res.err != nil && !tolerated))

	if res.err != nil && !l.repeat && r.void(l.Policy.Timeout) {
		l.repeat = true
		l.next = now
		e.Kind, e.Late = Void, r.late
		l.publish(e)
		return Outcome{}, false
	}
	l.repeat = false

	if res.err != nil && forgiven(l.healthy, r.began.Sub(l.started), l.Policy.StartWait) {
		e.Kind, e.Until = Forgiven, l.started.Add(l.Policy.StartWait)
		l.publish(e)
		return Outcome{}, false
	}

	if res.err != nil && tolerated {
		e.Kind, e.Failures = Refused, l.failures
		l.publish(e)
		return Outcome{}, false
	}
	before := l.failures
	failures, judged := judge(l.failures, l.Policy.Retries, res.err == nil)
	l.failures = failures
	if res.err == nil {
		e.Kind, e.First, e.Failures = Healthy, !l.healthy, before
		e.Slow = Slow(e.Took, e.Deadline)
		l.healthy = true
		l.publish(e)
		return Outcome{}, false
	}
	e.Kind, e.Failures, e.Allowed = Failed, failures, l.Policy.Retries+1
	l.publish(e)
	if judged {
		e.Kind = Judged
		l.publish(e)
	}
	return Outcome{Err: res.err}, judged
}

// outOfGrace returns an error if the server has been in grace for too long, at
// the end of a probe that succeeded. A failed probe in between is no end of the
// grace period, or a server that restarts for ever would be healthy.
func (l *loop) outOfGrace(grace bool, began time.Time) error {
	switch limit := l.Policy.GraceLimit; {
	case !grace:
		l.grace = time.Time{}
	case l.grace.IsZero():
		l.grace = began
	case limit > 0 && began.Sub(l.grace) > limit:
		return &GraceError{limit}
	}
	return nil
}

func (l *loop) control(c Control) {
	switch c.Verb {
	case Pause:
		until := time.Time{}
		if c.For > 0 {
			until = time.Now().Add(c.For)
		}
		again := l.paused
		if again && until.IsZero() && l.until.IsZero() {
			return
		}
		l.abandon()
		l.paused, l.until = true, until
		l.publish(Event{Kind: Paused, Until: until, Again: again})
	case Continue:
		if l.paused {
			l.resume(false)
		}
	}
}

// resume probes at once, with a clean count.
func (l *loop) resume(expired bool) {
	l.paused, l.until = false, time.Time{}
	l.failures, l.repeat, l.grace = 0, false, time.Time{}
	l.next = time.Now()
	l.publish(Event{Kind: Continued, Expired: expired})
}

func (l *loop) stop(reason string) Outcome {
	l.abandon()
	l.publish(Event{Kind: Stopped, Reason: reason})
	return Outcome{}
}

// abandon ends the running probe without counting it. Its goroutine ends by
// itself: the result channel has room for its one result.
func (l *loop) abandon() {
	if l.running != nil {
		l.running.cancel()
		l.running = nil
	}
}

func (l *loop) publish(e Event) {
	e.At = time.Now()
	l.Publish(e)
}

package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fsmon/kitrunner/winsys"
)

// The intervals that LifeKeeper itself uses, from the start of one check to the
// start of the next of its kind.
const (
	DefaultQuickInterval = 180 * time.Second
	DefaultDeepInterval  = 300 * time.Second
)

// maxUndetermined is how many times in a row an action may fail to determine
// anything before the watch gives up.
const maxUndetermined = 3

// errPaused means that the watch is paused.
var errPaused = errors.New("the watch is paused")

// Watch checks a resource again and again, on machines where LifeKeeper does
// not. Set all fields before Run.
type Watch struct {
	Quick, Deep time.Duration // intervals of quickCheck and deepCheck; both more than 0
	Recovers    bool          // whether the kit has a recover; the volume kit has none
	// Act performs one action, "quickCheck", "deepCheck" or "recover", and
	// returns its exit code. Calls never overlap. When ctx is done it must
	// return soon: Run waits for it.
	Act func(ctx context.Context, action string) int
	// Note, if not nil, is called from Run's goroutine with each action, its
	// exit code, and what the watch does about it.
	Note func(action string, code int, text string)

	// enter, if not nil, begins a turn: a check and the recover after it. No
	// other action on the resource runs until leave. errPaused leaves the turn
	// out.
	enter func(ctx context.Context) (leave func() error, err error)
}

// Run checks until ctx is done, which is success (0), or until the watch has to
// give up. After a failed check (exit code 1) it recovers. A failed recover, or
// a failed check of a kit without one, ends the watch with 1. After "could not
// determine" (3) the action is tried again at its next turn; three in a row of
// the same action end the watch with 3, whatever the others say in between: only
// an action's own answer, or for recover also a quickCheck that succeeds, begins
// its count anew. Any other code ends the watch with that
// code: it says nothing about the resource.
//
// A check that comes due while another action runs waits for it. If it was
// missed several times it runs once. quickCheck goes first if both are due.
//
// When ctx is done a check is cancelled, and its answer no longer counts. A
// recover is allowed to finish: half of one (an address removed from one
// adapter and not yet on the other) is worse than a late stop.
func (w *Watch) Run(ctx context.Context) int {
	start := time.Now()
	turns := []*turn{
		{action: "quickCheck", every: w.Quick, next: start},
		{action: "deepCheck", every: w.Deep, next: start.Add(w.Deep)},
	}
	recovers := &turn{action: "recover"}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		t := turns[0]
		if turns[1].next.Before(t.next) {
			t = turns[1]
		}
		timer.Reset(max(0, time.Until(t.next)))
		select {
		case <-ctx.Done():
			return 0
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return 0
		}
		t.next = time.Now().Add(t.every)
		if end, ended := w.turn(ctx, t, recovers); ended {
			return end
		}
	}
}

// turn performs a check, and recover if it fails, and tells whether the watch
// ends, and with which code.
func (w *Watch) turn(ctx context.Context, t, recovers *turn) (code int, ended bool) {
	if w.enter != nil {
		leave, err := w.enter(ctx)
		switch {
		case ctx.Err() != nil:
			if err == nil {
				leave()
			}
			return 0, true
		case errors.Is(err, errPaused):
			return 0, false
		case err != nil:
			w.note(t.action, Undetermined, err.Error())
			return w.judge(t, Undetermined)
		}
		defer leave() // the lock ends with the process at the latest
	}
	code = w.Act(ctx, t.action)
	if ctx.Err() != nil {
		return 0, true
	}
	if code == 0 && t.action == "quickCheck" { // the resource is well
		recovers.undetermined = 0
	}
	end, ended := w.judge(t, code)
	if code == 1 && !ended {
		// Not cancelled with ctx: see Run.
		return w.judge(recovers, w.Act(context.WithoutCancel(ctx), recovers.action))
	}
	return end, ended
}

// turn is an action that is due again and again.
type turn struct {
	action       string
	every        time.Duration
	next         time.Time
	undetermined int // answers of 3 in a row
}

// judge decides what an exit code means for the watch: whether it ends, and
// with which code.
func (w *Watch) judge(t *turn, code int) (int, bool) {
	if code == 3 {
		t.undetermined++
		if t.undetermined == maxUndetermined {
			w.note(t.action, code,
				fmt.Sprintf("could not determine anything %d times in a row: the watch ends",
					maxUndetermined))
			return 3, true
		}
		w.note(t.action, code,
			fmt.Sprintf("could not determine anything (%d of %d in a row): tried "+
				"again at its next turn", t.undetermined, maxUndetermined))
		return 0, false
	}
	t.undetermined = 0
	recover := t.action == "recover"
	switch {
	case code == 0:
		w.note(t.action, code, "succeeded")
		return 0, false
	case recover && code <= 2: // 2 is the documented return value of a restore whose time was up
		w.note(t.action, code, "failed: the watch ends")
		return 1, true
	case code == 1 && !w.Recovers:
		w.note(t.action, code, "failed, and this kit has no recover: the watch ends")
		return 1, true
	case code == 1:
		w.note(t.action, code, "failed: recovering")
		return 0, false
	}
	w.note(t.action, code, "could not be performed: the watch ends")
	return code, true
}

func (w *Watch) note(action string, code int, text string) {
	if w.Note != nil {
		w.Note(action, code, text)
	}
}

// RunControlled is Run for a resource that people can steer, see Control. Of
// its errors ErrWatched is one; the watch was then not begun. An action on the
// resource that is not the watch's is waited for, up to wait. Begin, end, pause
// and continuation of the watch are logged.
func (w *Watch) RunControlled(ctx context.Context, c Control, log EventLog,
	wait time.Duration) (int, error) {
	release, err := c.claim(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	vars := map[string]string{"TAG": c.Tag, "QUICK": seconds(w.Quick), "DEEP": seconds(w.Deep)}
	say := func(e EventText) { // the log says itself if it cannot
		_ = log.Log(Event{Time: time.Now(), Kit: c.Kit, Action: "watch", Tag: c.Tag,
			Number: e.Number, Severity: e.Severity, Text: expand(e.Text, vars)})
	}
	note := w.Note
	last := ""
	w.Note = func(action string, code int, text string) {
		last = action + " " + text
		if note != nil {
			note(action, code, text)
		}
	}
	w.enter = func(ctx context.Context) (leave func() error, err error) {
		ctx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if leave, err = winsys.Lock(ctx, c.Dir, c.resource()); err != nil {
			return nil, err
		}
		// Looked at under the lock, so that nothing that was done by hand
		// before it is undone.
		paused, err := exists(c.file(".paused"))
		if paused {
			err = errPaused
		}
		if err != nil {
			return nil, errors.Join(err, leave())
		}
		return leave, nil
	}
	say(ev20031)
	ctx, stop := context.WithCancel(ctx)
	listened := make(chan struct{})
	go func() {
		defer close(listened)
		c.listen(ctx, stop, func(e EventText, why string) {
			vars["WHY"] = why
			say(e)
		})
	}()
	code := w.Run(ctx)
	stop()
	<-listened
	vars["ERR"], vars["WHY"] = strconv.Itoa(code), last
	if code != Success {
		say(ev20033)
		return code, nil
	}
	say(ev20032)
	paused, err := exists(c.file(".paused"))
	if stopped, _ := exists(c.file(".stop")); stopped || err == nil && !paused {
		_ = errors.Join(remove(c.file(watchSuffix)), c.Continue(), remove(c.file(".stop")))
	}
	return code, nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f", d.Seconds()) }

// listen does what people tell the watch, until ctx is done.
func (c Control) listen(ctx context.Context, stop func(), say func(e EventText, why string)) {
	was := false
	for tick := time.NewTicker(controlPoll); ; {
		if paused, err := exists(c.file(".paused")); err == nil && paused != was {
			was = paused
			if paused {
				say(ev20034, c.why())
			} else {
				say(ev20035, "")
			}
		}
		if stopped, err := exists(c.file(".stop")); err == nil && stopped {
			stop()
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
	}
}

// What a watch logs.
var (
	ev20031 = EventText{20031, Info,
		`The watch of resource $TAG has begun: quickCheck every $QUICK s, deepCheck every $DEEP s.`}
	ev20032 = EventText{20032, Info, `The watch of resource $TAG has ended on request.`}
	ev20033 = EventText{20033, Error,
		`The watch of resource $TAG has ended with exit code $ERR, and nothing checks the resource until it is started again: $WHY`}
	ev20034 = EventText{20034, Warning,
		`The watch of resource $TAG is paused ($WHY): nothing checks or recovers the resource until "kitrunner continue --tag $TAG".`}
	ev20035 = EventText{20035, Info, `The watch of resource $TAG continues.`}
	ev20036 = EventText{20036, Error, `kitrunner $COMMAND could not begin: $WHY`}
)

var watchEvents = []EventText{ev20031, ev20032, ev20033, ev20034, ev20035, ev20036}

// NotBegun is the event for a command line that Windows started and that could
// not begin.
func NotBegun(args []string, why error) Event {
	vars := map[string]string{"COMMAND": strings.Join(args, " "), "WHY": why.Error()}
	return Event{Time: time.Now(), Action: "watch", Number: ev20036.Number,
		Severity: ev20036.Severity, Text: expand(ev20036.Text, vars)}
}

package kitrunner

import (
	"context"
	"fmt"
	"time"
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
		code := w.Act(ctx, t.action)
		if ctx.Err() != nil {
			return 0
		}
		if code == 0 && t.action == "quickCheck" { // the resource is well
			recovers.undetermined = 0
		}
		end, ended := w.judge(t, code)
		if code == 1 && !ended {
			// Not cancelled with ctx: see above.
			code := w.Act(context.WithoutCancel(ctx), recovers.action)
			end, ended = w.judge(recovers, code)
		}
		if ended {
			return end
		}
	}
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

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"fsmon/watchreg"
)

// effectWait is how long -pause and -continue wait for the status to show
// their effect.
const effectWait = 5 * time.Second

// control carries out a verb on the watch that holds the identifier.
func (s Service) control(req request) int {
	registry, err := watchreg.OpenExisting(watchreg.DefaultDir())
	if err != nil {
		s.complain("%v", err)
		return exitFailed
	}
	switch req.Verb {
	case verbStop:
		return s.stop(registry, req)
	case verbPause, verbContinue:
		return s.pause(registry, req)
	case verbDisp:
		return s.disp(registry, req)
	case verbDel:
		return s.del(registry, req)
	}
	panic("unreachable verb")
}

// stop ends the watch and waits until it has gone.
func (s Service) stop(registry *watchreg.Registry, req request) int {
	ctx, cancel := context.WithTimeout(context.Background(), req.Wait)
	defer cancel()
	gone := make(chan error, 1)
	go func() { gone <- registry.WaitGone(ctx, req.ID) }()
	err := registry.Send(ctx, req.ID, watchreg.Control{Verb: watchreg.Stop})
	if errors.Is(err, watchreg.ErrUnknown) || errors.Is(err, watchreg.ErrNotRunning) {
		// The normal way of stop.sh after a verdict: no alert.
		s.say(s.Catalogue.NotEnded.Alert())
		return s.notRunning(req.ID)
	}
	if err == nil {
		err = <-gone
	}
	if err == nil {
		return exitOK
	}
	s.tell(req.ID, s.Catalogue.NotEnded.Alert())
	if errors.Is(err, context.DeadlineExceeded) {
		s.complain("watch %q did not end within %s (%v; see what its process does: %s %s -disp)", req.ID, req.Wait, err, s.Command, req.ID)
	} else {
		s.notControlled(req.ID, err)
	}
	return exitFailed
}

// notControlled says why the watch did not get its control line.
func (s Service) notControlled(id string, err error) {
	if errors.Is(err, fs.ErrPermission) {
		s.complain("watch %q cannot be controlled by this user (%v; its own user and root can)", id, err)
	} else {
		s.complain("watch %q does not read its controls (%v)", id, err)
	}
}

func (s Service) notRunning(id string) int {
	s.complain("no watch %q is running", id)
	return exitFailed
}

// pause carries out -pause and -continue. It returns 0 only when the status
// shows the effect, so that `-pause && systemctl stop smbd` is safe.
func (s Service) pause(registry *watchreg.Registry, req request) int {
	e, err := registry.Read(req.ID)
	switch {
	case errors.Is(err, watchreg.ErrUnknown), err == nil && !e.Live:
		return s.notRunning(req.ID)
	case err != nil:
		s.complain("%v", err)
		return exitFailed
	}
	ctx, cancel := context.WithTimeout(context.Background(), effectWait)
	defer cancel()
	asked := time.Now()
	c := watchreg.Control{Verb: watchreg.Continue}
	if req.Verb == verbPause {
		c = watchreg.Control{Verb: watchreg.Pause, For: req.For}
	}
	if err := registry.Send(ctx, req.ID, c); err != nil {
		if errors.Is(err, watchreg.ErrUnknown) || errors.Is(err, watchreg.ErrNotRunning) {
			return s.notRunning(req.ID)
		}
		s.notControlled(req.ID, err)
		return exitFailed
	}
	before := e
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		e, err := registry.Read(req.ID)
		switch {
		case errors.Is(err, watchreg.ErrUnknown), err == nil && !e.Live:
			return s.notRunning(req.ID)
		case err == nil && e.Status != nil && shows(*e.Status, req, asked):
			tick.Stop()
			if again := before.Status != nil && (before.Status.State == watchreg.Paused) == (req.Verb == verbPause); again {
				fmt.Printf("watch %q %s\n", req.ID, standing(*e.Status))
			}
			return exitOK
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			s.complain("watch %q has not obeyed within %s (its process may be frozen: %s %s -disp)", req.ID, effectWait, s.Command, req.ID)
			return exitFailed
		}
	}
}

// shows reports whether the status shows the effect of the verb.
func shows(st watchreg.Status, req request, asked time.Time) bool {
	switch {
	case req.Verb == verbContinue:
		return st.State != watchreg.Paused
	case st.State != watchreg.Paused:
		return false
	case req.For == 0:
		return st.PausedUntil.IsZero()
	}
	// The watch reckons from when it read the line, which is after asked.
	return !st.PausedUntil.Before(asked.Add(req.For)) && st.PausedUntil.Before(time.Now().Add(req.For+time.Second))
}

// standing says in words how a watch stands with pausing.
func standing(st watchreg.Status) string {
	switch {
	case st.State != watchreg.Paused:
		return "is not paused"
	case st.PausedUntil.IsZero():
		return "was paused already; it stays paused until -continue"
	}
	return "was paused already; it stays paused until " + st.PausedUntil.Local().Format(time.DateTime)
}

// disp shows one watch.
func (s Service) disp(registry *watchreg.Registry, req request) int {
	e, err := registry.Read(req.ID)
	if errors.Is(err, watchreg.ErrUnknown) {
		s.complain("there is no watch %q", req.ID)
		return exitFailed
	}
	if err != nil {
		s.complain("%v", err)
		return exitFailed
	}
	switch {
	case req.JSON:
		printJSON(os.Stdout, toJSON(e, time.Now()))
	case req.PID && e.Status == nil:
		s.complain("the process ID of watch %q is not known (it has not said yet what it does)", req.ID)
		return exitFailed
	default:
		if req.PID {
			fmt.Println(e.Status.PID)
		}
		display(os.Stdout, e, time.Now(), colours(os.Stdout))
	}
	if !e.Live {
		return exitFailed
	}
	return exitOK
}

// display shows one watch, a fact a line.
func display(out io.Writer, e watchreg.Entry, now time.Time, paint palette) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-12s  "+format+"\n", append([]any{name}, args...)...)
	}
	state, colour := stateOf(e, now)
	if e.Status == nil {
		row("identifier", "%s", e.ID)
		if why := trouble(e, now); why != "" {
			state += ": " + why
		}
		row("state", "%s", colour(paint, printable(state)))
		return
	}
	st := *e.Status
	row("pid", "%d", st.PID)
	row("identifier", "%s", e.ID)
	row("watches", "%s (%s %s)", printable(st.Target), printable(st.Command), printable(st.Version))
	if st.Address != "" && !strings.Contains(st.Target, st.Address) {
		row("address", "%s", printable(st.Address))
	}
	if !e.Live {
		row("state", "%s: %s", colour(paint, state), printable(trouble(e, now)))
	} else {
		state, colour := doing(st, moment)
		row("state", "%s", colour(paint, state))
		if overdue(st, now) > 0 {
			row("overdue", "%s", paint.bad(trouble(e, now)))
		}
	}
	if st.LastProbe.IsZero() {
		row("last probe", "none yet")
	} else {
		row("last probe", "%s, %s ago, %.1f ms, %s", moment(st.LastProbe), ago(now.Sub(st.LastProbe)), st.ProbeMS, printable(result(st)))
	}
	if !st.LastSuccess.IsZero() {
		row("last success", "%s, %s ago", moment(st.LastSuccess), ago(now.Sub(st.LastSuccess)))
	}
	row("failures", "%d in a row; %d make the verdict", st.Failures, st.Retries+1)
	row("settings", "-i %d -c %d -r %d", st.Interval, st.Retries, st.Timeout)
	if st.Note != "" {
		row("note", "%s", printable(st.Note))
	}
	for _, warning := range st.Warnings {
		row("warning", "%s", printable(warning))
	}
}

// overdue is how long no probe of a live watch has ended, when that is longer
// than a healthy watch can take: an interval, a deadline, and as much again for
// a probe that was void. Otherwise 0.
func overdue(st watchreg.Status, now time.Time) time.Duration {
	last := st.Since
	if st.LastProbe.After(last) {
		last = st.LastProbe
	}
	since := now.Sub(last)
	longest := time.Duration(max(st.Interval, st.Timeout)+st.Timeout) * time.Second
	if st.State == watchreg.Paused || since <= 2*longest {
		return 0
	}
	return since
}

func result(st watchreg.Status) string {
	if st.LastError != "" {
		return st.LastError
	}
	return "healthy"
}

func moment(t time.Time) string { return t.Local().Format(time.DateTime) }

// del removes what a dead watch left behind.
func (s Service) del(registry *watchreg.Registry, req request) int {
	switch err := registry.Delete(req.ID); {
	case err == nil:
		return exitOK
	case errors.Is(err, watchreg.ErrInUse):
		s.complain("watch %q is alive, and deleting it would break it (end it first: %s %s -stop)", req.ID, s.Command, req.ID)
	case errors.Is(err, watchreg.ErrUnknown):
		s.complain("there is no watch %q", req.ID)
	default:
		s.complain("%v", err)
	}
	return exitFailed
}

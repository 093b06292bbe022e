package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"fsmon/watchreg"
)

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
		row("last probe", "%s, %s ago, %.1f ms, %s",
			moment(st.LastProbe), ago(now.Sub(st.LastProbe)), st.ProbeMS,
			printable(cmp.Or(st.LastError, "healthy")))
	}
	if d := (Diagnosis{Class: Class(st.Class)}); failoverHelps[d.Class] != "" {
		row("class", "%s", d.classInWords())
	}
	if !st.LastSuccess.IsZero() {
		row("last success", "%s, %s ago", moment(st.LastSuccess), ago(now.Sub(st.LastSuccess)))
	}
	row("failures", "%d in a row; %d make the verdict", st.Failures, st.Retries+1)
	row("settings", "%s", st.Settings())
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
	longest := time.Duration(max(st.Interval, st.RetryInterval, st.Timeout)+st.Timeout) * time.Second
	if st.State == watchreg.Paused || since <= 2*longest {
		return 0
	}
	return since
}

func moment(t time.Time) string { return t.Local().Format(time.DateTime) }

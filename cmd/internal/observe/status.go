// Package observe holds the listeners of a watch besides the alerts: the
// status, the metrics and the service manager.
package observe

import (
	"slices"
	"strings"
	"time"

	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// Status keeps the status file of a watch up to date.
type Status struct {
	*newest[watchreg.Status]
	now   watchreg.Status // only for On
	fixed string          // the part of the note that was known before the first probe
}

// NewStatus starts with what does not change about a watch. It calls lost when
// writing begins to fail. Close ends it.
func NewStatus(fixed watchreg.Status, write func(watchreg.Status) error, lost func(error)) *Status {
	s := &Status{newest: keepNewest(write, lost), now: fixed, fixed: fixed.Note}
	s.now.Started = time.Now()
	return s
}

// On takes one event.
func (s *Status) On(e watch.Event) {
	st := &s.now
	switch e.Kind {
	case watch.Healthy:
		s.probed(e)
		st.LastSuccess, st.Failures, st.LastError, st.Class = e.Began, 0, "", ""
	case watch.Failed, watch.Void, watch.Forgiven, watch.Refused:
		s.probed(e)
		st.LastError, st.Class = e.Err.Error(), string(e.Class)
		if e.Kind == watch.Failed {
			st.Failures = e.Failures
		}
	case watch.Paused:
		st.PausedUntil = e.Until
	case watch.Continued:
		st.PausedUntil, st.Failures, st.LastError, st.Class = time.Time{}, 0, "", ""
	}
	if state := entered(e); state != "" && state != st.State {
		st.State, st.Since = state, e.At
	}
	s.put(*st)
}

// entered is the state into which an event brings the watch; empty: it stays as
// it is.
func entered(e watch.Event) watchreg.State {
	switch e.Kind {
	case watch.Started, watch.Continued:
		return watchreg.Starting
	case watch.Healthy:
		if e.Report.Grace {
			return watchreg.Grace
		}
		return watchreg.Healthy
	case watch.Failed:
		return watchreg.Failing
	case watch.Refused:
		return watchreg.Refused
	case watch.Paused:
		return watchreg.Paused
	case watch.Judged, watch.Stopped:
		return watchreg.Ended
	}
	return ""
}

func (s *Status) probed(e watch.Event) {
	s.now.LastProbe = e.Began
	s.now.ProbeMS = float64(e.Took.Microseconds()) / 1000
	s.now.Address = e.Report.Target
	s.now.Warnings = e.Report.Warnings
	if e.Kind == watch.Healthy && e.Report.Note != "" {
		s.now.Note = JoinNotes(s.fixed, e.Report.Note)
	}
}

// JoinNotes joins the notes that are not empty.
func JoinNotes(notes ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(notes),
		func(n string) bool { return n == "" }), "; ")
}

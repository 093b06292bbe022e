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
	case watch.Started:
		s.enter(watchreg.Starting, e.At)
	case watch.Healthy:
		s.probed(e)
		st.LastSuccess, st.Failures, st.LastError = e.Began, 0, ""
		s.enter(watchreg.Healthy, e.At)
	case watch.Failed:
		s.probed(e)
		st.Failures, st.LastError = e.Failures, e.Err.Error()
		s.enter(watchreg.Failing, e.At)
	case watch.Void, watch.Forgiven:
		s.probed(e)
		st.LastError = e.Err.Error()
	case watch.Paused:
		st.PausedUntil = e.Until
		s.enter(watchreg.Paused, e.At)
	case watch.Continued:
		st.PausedUntil, st.Failures, st.LastError = time.Time{}, 0, ""
		s.enter(watchreg.Starting, e.At)
	case watch.Judged:
		s.enter(watchreg.Failed, e.At)
	case watch.Stopped:
		s.enter(watchreg.Stopping, e.At)
	}
	s.put(*st)
}

func (s *Status) enter(state watchreg.State, at time.Time) {
	if s.now.State != state {
		s.now.State, s.now.Since = state, at
	}
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

package observe

import (
	"sync"
	"time"

	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// Status keeps the status file of a watch. Writing happens in a goroutine of
// its own, newest state first, so that a registry on a hung disk never delays
// the watch.
type Status struct {
	write func(watchreg.Status) error
	lost  func(error) // called when writing begins to fail

	mu   sync.Mutex
	now  watchreg.Status
	wake chan struct{}
	done chan struct{}
}

// NewStatus starts with what does not change about a watch.
func NewStatus(fixed watchreg.Status, write func(watchreg.Status) error, lost func(error)) *Status {
	s := &Status{write: write, lost: lost, now: fixed, wake: make(chan struct{}, 1), done: make(chan struct{})}
	s.now.Started = time.Now()
	go s.run()
	return s
}

// On takes one event.
func (s *Status) On(e watch.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
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
	case watch.Void:
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
	select {
	case s.wake <- struct{}{}:
	default:
	}
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
}

func (s *Status) run() {
	defer close(s.done)
	failing := false
	for range s.wake {
		s.mu.Lock()
		now := s.now
		s.mu.Unlock()
		err := s.write(now)
		if err != nil && !failing {
			s.lost(err)
		}
		failing = err != nil
	}
}

// Close ends the writing of the status; it waits at most budget.
func (s *Status) Close(budget time.Duration) {
	s.mu.Lock()
	close(s.wake)
	s.mu.Unlock()
	select {
	case <-s.done:
	case <-time.After(budget):
	}
}

package watch

import "time"

// lateness is how late this machine woke whoever waited for a probe: a machine
// that slept or starved is not a dead file server.
type lateness struct {
	suspended time.Duration // time this machine had slept when the probe began
	late      time.Duration // the latest that somebody was woken during it
}

func beginLateness() lateness { return lateness{suspended: suspended()} }

// woken notes that somebody who wanted to be woken at this time is awake.
func (l *lateness) woken(wake time.Time) {
	// The monotonic clock stands still while the machine is suspended.
	l.late = max(l.late, time.Since(wake)+suspended()-l.suspended)
}

// void reports whether a failed probe says nothing about the server.
func (l *lateness) void(timeout time.Duration) bool { return l.late > timeout/2 }

// nap is how long to sleep at most during a probe: only who expects to be woken
// soon notices that it is late.
func nap(timeout time.Duration) time.Duration { return min(timeout/4, time.Second) }

package cli

import (
	"testing"
	"time"

	"fsmon/watchreg"
)

// A watch that no longer probes must not pass for a healthy one.
func TestOverdue(t *testing.T) {
	now := time.Date(2026, 11, 21, 20, 41, 0, 0, time.UTC)
	ago := func(s int) time.Time { return now.Add(-time.Duration(s) * time.Second) }
	st := func(state watchreg.State, since, lastProbe, interval int) watchreg.Status {
		s := watchreg.Status{State: state, Since: ago(since), Interval: interval, Timeout: 60}
		if lastProbe > 0 {
			s.LastProbe = ago(lastProbe)
		}
		return s
	}
	for _, c := range []struct {
		name string
		st   watchreg.Status
		want time.Duration
	}{
		{"probing", st(watchreg.Healthy, 9000, 30, 30), 0},
		{"a stalled probe and a void one before it", st(watchreg.Healthy, 9000, 150, 30), 0},
		{"frozen", st(watchreg.Healthy, 9000, 600, 30), 10 * time.Minute},
		{"frozen before its first probe ended", st(watchreg.Starting, 600, 0, 30), 10 * time.Minute},
		{"long interval", st(watchreg.Healthy, 9000, 600, 600), 0},
		{"paused", st(watchreg.Paused, 9000, 9000, 30), 0},
		{"just continued", st(watchreg.Starting, 1, 9000, 30), 0},
	} {
		if got := overdue(c.st, now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

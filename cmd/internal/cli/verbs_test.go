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
	for _, c := range []struct {
		name string
		st   watchreg.Status
		want time.Duration
	}{
		{"probing", watchreg.Status{State: watchreg.Healthy, Since: ago(9000), LastProbe: ago(30), Interval: 30, Timeout: 60}, 0},
		{"a stalled probe and a void one before it", watchreg.Status{State: watchreg.Healthy, Since: ago(9000), LastProbe: ago(150), Interval: 30, Timeout: 60}, 0},
		{"frozen", watchreg.Status{State: watchreg.Healthy, Since: ago(9000), LastProbe: ago(600), Interval: 30, Timeout: 60}, 10 * time.Minute},
		{"frozen before its first probe ended", watchreg.Status{State: watchreg.Starting, Since: ago(600), Interval: 30, Timeout: 60}, 10 * time.Minute},
		{"long interval", watchreg.Status{State: watchreg.Healthy, Since: ago(9000), LastProbe: ago(600), Interval: 600, Timeout: 60}, 0},
		{"paused", watchreg.Status{State: watchreg.Paused, Since: ago(9000), LastProbe: ago(9000), Interval: 30, Timeout: 60}, 0},
		{"just continued", watchreg.Status{State: watchreg.Starting, Since: ago(1), LastProbe: ago(9000), Interval: 30, Timeout: 60}, 0},
	} {
		if got := overdue(c.st, now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

package watch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A probe that ignores its context keeps nobody: not past the deadline, and not
// past an interrupt.
func TestOnceNeverHangs(t *testing.T) {
	for name, c := range map[string]struct {
		interrupt, want time.Duration
		err             error
	}{
		"deadline":  {time.Hour, 5*time.Second + onceOverrun, context.DeadlineExceeded},
		"interrupt": {time.Second, time.Second, context.Canceled},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer time.AfterFunc(c.interrupt, cancel).Stop()
			release := make(chan struct{})
			defer close(release)
			began := time.Now()
			_, err := Once(ctx, 5*time.Second, func(context.Context) (Report, error) {
				<-release
				return Report{}, nil
			}, nil)
			if took := time.Since(began); !errors.Is(err, c.err) || took != c.want {
				t.Errorf("%s: %v after %v, want %v after %v", name, err, took, c.err, c.want)
			}
			cancel()
		})
	}
}

// On a starved machine a probe comes back late; what it learnt is shown all the
// same.
func TestOnceWaitsForAStarvedProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		report, err := Once(t.Context(), time.Second, func(context.Context) (Report, error) {
			time.Sleep(3 * time.Second)
			return Report{Rungs: []Rung{{Name: "negotiate"}}}, errRefused
		}, nil)
		if err != errRefused || len(report.Rungs) != 1 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

// A failed probe during which this machine stood still is repeated once, and
// only once. A good one is not.
func TestOnceRepeatsAVoidProbe(t *testing.T) {
	real := suspended
	defer func() { suspended = real }()
	for _, c := range []struct{ slept, failures, want, told int }{
		{0, 1, 1, 0}, {3600, 0, 1, 0}, {3600, 1, 2, 1}, {3600, 2, 2, 1}, {1, 1, 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			probes, told := 0, 0
			var slept time.Duration
			suspended = func() time.Duration { return slept }
			_, err := Once(t.Context(), 4*time.Second, func(context.Context) (Report, error) {
				slept += time.Duration(c.slept) * time.Second
				if probes++; probes <= c.failures {
					return Report{}, errRefused
				}
				return Report{}, nil
			}, func(late time.Duration, err error) {
				told++
				if late < time.Hour-time.Second || err != errRefused {
					t.Errorf("late %v, %v", late, err)
				}
			})
			if probes != c.want || told != c.told || (err != nil) != (c.failures >= c.want) {
				t.Errorf("%+v: %d probes, told %d times, %v", c, probes, told, err)
			}
		})
	}
}

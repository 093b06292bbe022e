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
	t.Parallel()
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
			})
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		report, err := Once(t.Context(), time.Second, func(context.Context) (Report, error) {
			time.Sleep(3 * time.Second)
			return Report{Rungs: []Rung{{Name: "negotiate"}}}, errRefused
		})
		if err != errRefused || len(report.Rungs) != 1 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

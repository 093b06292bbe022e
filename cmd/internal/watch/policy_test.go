package watch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The times, as fsmon(7) has them, and what a watch makes of them.
func TestVerdictTimes(t *testing.T) {
	for _, c := range []struct{ i, ri, c, r, refused, stalled int }{
		{30, 0, 5, 60, 150, 360}, {1, 0, 2, 1, 2, 3}, {30, 0, 5, 10, 150, 160},
		{30, 2, 5, 60, 10, 360}, {30, 2, 5, 10, 10, 60}, {30, 20, 5, 10, 100, 110},
		{1, 9, 2, 3, 18, 21}, {10000, 0, 10000, 10000, 1e8, 1e8 + 10000},
	} {
		s := func(n int) time.Duration { return time.Duration(n) * time.Second }
		p := Policy{Interval: s(c.i), RetryInterval: s(c.ri), Retries: c.c, Timeout: s(c.r)}
		refused, stalled := p.Verdict()
		if refused != s(c.refused) || stalled != s(c.stalled) {
			t.Errorf("%+v: %v and %v", p, refused, stalled)
		}
		if c.c > 5 {
			continue
		}
		for want, probe := range map[int]func(context.Context, int) error{
			c.refused: refuse, c.stalled: stall,
		} {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				<-run(t, p, probe).out
				if got := time.Since(began); got != s(want) {
					t.Errorf("%+v: verdict after %s, want %d s", p, got, want)
				}
			})
		}
	}
}

// While all is well the interval counts, whatever the retry interval is.
func TestRetryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Policy{Interval: 30 * time.Second, RetryInterval: 2 * time.Second,
			Timeout: 10 * time.Second, Retries: 2}
		l := run(t, p, func(ctx context.Context, n int) error {
			if n == 3 || n > 5 {
				return errRefused
			}
			return nil
		})
		<-l.out
		l.want("0 started", "0 healthy first", "30 healthy", "60 failed 1/3", "62 healthy after 1",
			"92 healthy", "122 failed 1/3", "124 failed 2/3", "126 failed 3/3", "126 judged 3/3")
	})
}

// A server in grace is healthy for so long, and then failed until it is out of
// it. A failed probe in between gives it no more time, but -continue does.
func TestGraceLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		began := time.Now()
		controls := make(chan Control)
		out := make(chan Outcome, 1)
		n := 0
		w := Watch{
			Policy: Policy{Interval: time.Second, Timeout: time.Second, Retries: 2,
				GraceLimit: 3 * time.Second},
			Probe: func(context.Context) (Report, error) {
				if n++; n == 4 {
					return Report{}, errRefused
				}
				return Report{Grace: n != 1 && n != 8}, nil
			},
			Publish: func(e Event) {
				var grace *GraceError
				events = append(events, fmt.Sprintf("%g %s %v %v", e.At.Sub(began).Seconds(),
					kinds[e.Kind], e.Report.Grace, errors.As(e.Err, &grace)))
			},
		}
		go func() { out <- w.Run(t.Context(), controls) }()
		time.Sleep(9500 * time.Millisecond)
		controls <- Control{Verb: Pause}
		time.Sleep(time.Hour)
		controls <- Control{Verb: Continue}
		<-out
		if d := cmp.Diff([]string{"0 started false false", "0 healthy false false",
			"1 healthy true false", "2 healthy true false", "3 failed false false",
			"4 healthy true false", "5 failed true true", "6 failed true true",
			"7 healthy false false", "8 healthy true false", "9 healthy true false",
			"9.5 paused false false", "3609.5 continued false false",
			"3609.5 healthy true false", "3610.5 healthy true false", "3611.5 healthy true false",
			"3612.5 healthy true false", "3613.5 failed true true", "3614.5 failed true true",
			"3615.5 failed true true", "3615.5 judged true true"}, events); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
	})
}

// What is tolerated leaves the count as it is, and is not hurried: a locked
// account stays locked.
func TestTolerated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Policy{Interval: 10 * time.Second, RetryInterval: time.Second,
			Timeout: time.Second, Retries: 2, Tolerate: []Class{Access, Account}}
		l := run(t, p, func(ctx context.Context, n int) error {
			return []error{nil, errNoAccount, errRefused, errNoAccount, errRefused, nil,
				errNoAccount, errRefused, errRefused, errRefused}[n]
		})
		if out := <-l.out; out.Err != errRefused {
			t.Errorf("outcome %v", out.Err)
		}
		l.want("0 started", "0 refused 0", "10 failed 1/3", "11 refused 1", "21 failed 2/3",
			"22 healthy after 2", "32 refused 0", "42 failed 1/3", "43 failed 2/3", "44 failed 3/3",
			"44 judged 3/3")
	})
}

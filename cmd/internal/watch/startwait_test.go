package watch

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// waiting is quick with a start wait.
func waiting(wait time.Duration) Policy {
	p := quick
	p.StartWait = wait
	return p
}

func TestForgiven(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		healthy     bool
		began, wait time.Duration
		want        bool
	}{
		{false, 0, 0, false}, // no start wait
		{false, 0, 5 * s, true},
		{false, 5*s - 1, 5 * s, true},
		{false, 5 * s, 5 * s, false},
		{true, 0, 5 * s, false}, // there was a success
	} {
		if got := forgiven(c.healthy, c.began, c.wait); got != c.want {
			t.Errorf("forgiven(%v, %s, %s) = %v", c.healthy, c.began, c.wait, got)
		}
	}
}

// After the start wait the failures count from zero.
func TestStartWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, waiting(2*time.Second), refuse)
		if out := <-l.out; out.Err != errRefused {
			t.Errorf("outcome %v", out.Err)
		}
		l.want("0 started", "0 forgiven until 2", "1 forgiven until 2",
			"2 failed 1/3", "3 failed 2/3", "4 failed 3/3", "4 judged 3/3")
	})
}

// The probe that is under way when the start wait ends began within it.
func TestStalledProbeAtTheEndOfTheStartWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, waiting(1500*time.Millisecond), stall)
		<-l.out
		l.want("0 started", "1 forgiven until 1.5", "2 forgiven until 1.5",
			"3 failed 1/3", "4 failed 2/3", "5 failed 3/3", "5 judged 3/3")
	})
}

// The first success ends the start wait, and what was forgiven is no recovery.
func TestStartWaitAfterTheFirstSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, waiting(time.Hour), func(ctx context.Context, n int) error {
			if n == 2 {
				return nil
			}
			return errRefused
		})
		<-l.out
		l.want("0 started", "0 forgiven until 3600", "1 healthy first",
			"2 failed 1/3", "3 failed 2/3", "4 failed 3/3", "4 judged 3/3")
	})
}

// A pause does not stop the clock of the start wait, and -continue does not
// start it anew.
func TestStartWaitAndPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, waiting(5*time.Second), refuse)
		time.Sleep(500 * time.Millisecond)
		l.controls <- Control{Verb: Pause}
		time.Sleep(4 * time.Second)
		l.controls <- Control{Verb: Continue}
		<-l.out
		l.want("0 started", "0 forgiven until 5",
			"0.5 paused", "4.5 continued", "4.5 forgiven until 5",
			"5.5 failed 1/3", "6.5 failed 2/3", "7.5 failed 3/3", "7.5 judged 3/3")
	})
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Policy{Interval: 20 * time.Second, Timeout: 10 * time.Second, Retries: 1}
		l := run(t, p, func(ctx context.Context, n int) error {
			time.Sleep([]time.Duration{0, 0, 8 * time.Second, 8*time.Second + 1, 0}[n])
			return nil
		})
		time.Sleep(65 * time.Second)
		l.cancel(errors.New("SIGTERM"))
		<-l.out
		l.want("0 started", "0 healthy first", "28 healthy", "48.000000001 healthy slow",
			"60 healthy", "65 stopped SIGTERM")
	})
}

// The beat goes on while the watch waits, is paused and probes, but not for a
// probe past its deadline, and never faster than asked.
func TestBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var beats []float64
		began := time.Now()
		let := make(chan bool)
		defer close(let)
		controls := make(chan Control)
		out := make(chan Outcome, 1)
		n := 0
		w := Watch{
			Policy: Policy{Interval: 10 * time.Second, Timeout: 4 * time.Second, Retries: 5},
			Probe: func(ctx context.Context) (Report, error) {
				if n++; n == 2 {
					<-let // ignores its deadline
				}
				return Report{}, nil
			},
			Publish:   func(Event) {},
			Beat:      func() { beats = append(beats, time.Since(began).Seconds()) },
			BeatEvery: 2 * time.Second,
		}
		go func() { out <- w.Run(t.Context(), controls) }()
		time.Sleep(15 * time.Second)
		controls <- Control{Verb: Pause}
		time.Sleep(6 * time.Second)
		controls <- Control{Verb: Stop}
		<-out
		// From 10 to 14.1 the second probe stalls: past 14 nothing says that
		// all is well.
		if d := cmp.Diff([]float64{0, 2, 4, 6, 8, 10, 12, 14.1, 16.1, 18.1, 20.1}, beats); d != "" {
			t.Errorf("beats (-want +got):\n%s", d)
		}
	})
}

// A loop that is stuck does not beat.
func TestStuckLoopDoesNotBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var beats atomic.Int32
		stuck := make(chan bool)
		ctx, cancel := context.WithCancel(t.Context())
		out := make(chan Outcome, 1)
		w := Watch{
			Policy: quick,
			Probe:  func(ctx context.Context) (Report, error) { return Report{}, nil },
			Publish: func(e Event) {
				if e.Kind == Healthy {
					<-stuck
				}
			},
			Beat:      func() { beats.Add(1) },
			BeatEvery: time.Second,
		}
		go func() { out <- w.Run(ctx, nil) }()
		time.Sleep(time.Minute)
		if beats := beats.Load(); beats != 1 {
			t.Errorf("%d beats of a stuck loop, want only the one before it", beats)
		}
		cancel()
		close(stuck)
		<-out
	})
}

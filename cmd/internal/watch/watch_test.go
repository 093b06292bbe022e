package watch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		failures, retries int
		healthy           bool
		want              int
		judged            bool
	}{
		{0, 5, true, 0, false},
		{5, 5, true, 0, false}, // one success resets the count
		{0, 5, false, 1, false},
		{4, 5, false, 5, false}, // five failures, but only four retries
		{5, 5, false, 6, true},
		{0, 1, false, 1, false},
		{1, 1, false, 2, true},
	} {
		got, judged := judge(c.failures, c.retries, c.healthy)
		if got != c.want || judged != c.judged {
			t.Errorf("judge(%d, %d, %v) = %d, %v; want %d, %v",
				c.failures, c.retries, c.healthy, got, judged, c.want, c.judged)
		}
	}
}

// lab is a watch in a bubble of fake time, with a log of its events.
type lab struct {
	t        *testing.T
	began    time.Time
	log      []string
	controls chan Control
	cancel   context.CancelCauseFunc
	out      chan Outcome
}

// run starts a watch; probe is given the number of the probe, from 1.
func run(t *testing.T, p Policy, probe func(ctx context.Context, n int) error) *lab {
	l := &lab{t: t, began: time.Now(), controls: make(chan Control), out: make(chan Outcome, 1)}
	ctx, cancel := context.WithCancelCause(context.Background())
	l.cancel = cancel
	var n atomic.Int32
	w := Watch{Policy: p,
		Classify: func(err error) Class {
			if err == errNoAccount {
				return Account
			}
			return Server
		},
		Probe: func(ctx context.Context) (Report, error) {
			return Report{}, probe(ctx, int(n.Add(1)))
		},
		Publish: l.note,
	}
	go func() { l.out <- w.Run(ctx, l.controls) }()
	return l
}

var kinds = [...]string{
	"started", "healthy", "failed", "void", "forgiven", "refused", "paused", "continued", "judged", "stopped",
}

func (l *lab) note(e Event) {
	s := fmt.Sprintf("%g %s", e.At.Sub(l.began).Seconds(), kinds[e.Kind])
	switch {
	case e.Kind == Failed || e.Kind == Judged:
		s += fmt.Sprintf(" %d/%d", e.Failures, e.Allowed)
	case e.Kind == Refused:
		s += fmt.Sprintf(" %d", e.Failures)
	case e.Kind == Healthy && e.Slow:
		s += " slow"
	case e.Kind == Forgiven:
		s += fmt.Sprintf(" until %g", e.Until.Sub(l.began).Seconds())
	case e.Kind == Healthy && e.Failures > 0:
		s += fmt.Sprintf(" after %d", e.Failures)
	case e.Kind == Healthy && e.First:
		s += " first"
	case e.Kind == Continued && e.Expired:
		s += " expired"
	case e.Kind == Paused && e.Again:
		s += " again"
	case e.Kind == Stopped:
		s += " " + e.Reason
	}
	l.log = append(l.log, s)
}

func (l *lab) want(events ...string) {
	l.t.Helper()
	if d := cmp.Diff(events, l.log); d != "" {
		l.t.Errorf("events (-want +got):\n%s", d)
	}
}

// Probes.
func succeed(context.Context, int) error     { return nil }
func refuse(context.Context, int) error      { return errRefused }
func stall(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }

var (
	errRefused   = errors.New("refused")
	errNoAccount = errors.New("account locked")
	quick        = Policy{Interval: time.Second, Timeout: time.Second, Retries: 2}
)

func TestStalledServerIsJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, quick, stall)
		out := <-l.out
		l.want("0 started", "1 failed 1/3", "2 failed 2/3", "3 failed 3/3", "3 judged 3/3")
		if !errors.Is(out.Err, context.DeadlineExceeded) {
			t.Errorf("outcome %v is no deadline", out.Err)
		}
	})
}

func TestRefusedServerIsJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, quick, refuse)
		if out := <-l.out; out.Err != errRefused {
			t.Errorf("outcome %v", out.Err)
		}
		l.want("0 started", "0 failed 1/3", "1 failed 2/3", "2 failed 3/3", "2 judged 3/3")
	})
}

// A drill ends the watch at once, and a paused watch not at all.
func TestDrill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, quick, func(ctx context.Context, n int) error {
			if n > 2 {
				return stall(ctx, n)
			}
			return nil
		})
		time.Sleep(1500 * time.Millisecond)
		l.controls <- Control{Verb: Pause}
		l.controls <- Control{Verb: Drill}
		time.Sleep(time.Second)
		l.controls <- Control{Verb: Continue}
		time.Sleep(500 * time.Millisecond) // the probe hangs
		l.controls <- Control{Verb: Drill}
		if out := <-l.out; out.Err != ErrDrill {
			t.Errorf("outcome %v", out.Err)
		}
		l.want("0 started", "0 healthy first", "1 healthy", "1.5 paused", "2.5 continued",
			"3 judged 0/0")
	})
}

func TestOneSuccessResetsTheCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, quick, func(ctx context.Context, n int) error {
			if n == 3 {
				return nil
			}
			return errRefused
		})
		<-l.out
		l.want("0 started", "0 failed 1/3", "1 failed 2/3", "2 healthy after 2",
			"3 failed 1/3", "4 failed 2/3", "5 failed 3/3", "5 judged 3/3")
	})
}

func TestSlowProbeIsFollowedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Policy{Interval: 2 * time.Second, Timeout: 10 * time.Second, Retries: 1}
		l := run(t, p, func(ctx context.Context, n int) error {
			time.Sleep([]time.Duration{0, 500 * time.Millisecond, 5 * time.Second, 0}[n])
			if n == 3 {
				return errRefused
			}
			return nil
		})
		time.Sleep(8 * time.Second)
		l.cancel(errors.New("SIGTERM"))
		<-l.out
		// The third starts 2 s after the start of the second, which has passed.
		l.want("0 started", "0.5 healthy first", "7 healthy", "7 failed 1/2", "8 stopped SIGTERM")
	})
}

func TestStopDuringAStalledProbe(t *testing.T) {
	for name, stop := range map[string]func(l *lab){
		"-stop":   func(l *lab) { l.controls <- Control{Verb: Stop} },
		"SIGTERM": func(l *lab) { l.cancel(errors.New("SIGTERM")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				let := make(chan bool)
				p := Policy{Interval: time.Second, Timeout: 100 * time.Second, Retries: 2}
				l := run(t, p, func(ctx context.Context, n int) error {
					<-let // ignores its context
					return nil
				})
				time.Sleep(10 * time.Second)
				stop(l)
				if out := <-l.out; out.Err != nil {
					t.Errorf("outcome %v", out.Err)
				}
				l.want("0 started", "10 stopped "+name)
				close(let)
			})
		})
	}
}

func TestProbeThatIgnoresItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan bool)
		l := run(t, quick, func(ctx context.Context, n int) error { <-let; return nil })
		out := <-l.out
		l.want("0 started", "1.1 failed 1/3", "2.2 failed 2/3", "3.3 failed 3/3", "3.3 judged 3/3")
		if !errors.Is(out.Err, context.DeadlineExceeded) {
			t.Errorf("outcome %v is no deadline", out.Err)
		}
		close(let)
	})
}

func TestPanicIsAFailedProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, quick, func(ctx context.Context, n int) error { panic("oops") })
		out := <-l.out
		var p *PanicError
		if !errors.As(out.Err, &p) || !strings.Contains(string(p.Stack), "watch_test.go") {
			t.Errorf("outcome %v", out.Err)
		}
		l.want("0 started", "0 failed 1/3", "1 failed 2/3", "2 failed 3/3", "2 judged 3/3")
	})
}

func TestPauseCancelsTheProbeAndContinueStartsClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var probes []float64
		began := time.Now()
		l := run(t, quick, func(ctx context.Context, n int) error {
			probes = append(probes, time.Since(began).Seconds())
			return stall(ctx, n)
		})
		time.Sleep(2500 * time.Millisecond) // two failures, the third probe under way
		l.controls <- Control{Verb: Pause}
		synctest.Wait()
		l.controls <- Control{Verb: Pause} // changes nothing, says nothing
		time.Sleep(10 * time.Second)
		l.controls <- Control{Verb: Continue}
		l.controls <- Control{Verb: Continue}
		<-l.out
		l.want("0 started", "1 failed 1/3", "2 failed 2/3", "2.5 paused",
			"12.5 continued", "13.5 failed 1/3", "14.5 failed 2/3", "15.5 failed 3/3",
			"15.5 judged 3/3")
		if d := cmp.Diff([]float64{0, 1, 2, 12.5, 13.5, 14.5}, probes); d != "" {
			t.Errorf("probes (-want +got):\n%s", d)
		}
	})
}

func TestPauseEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Policy{Interval: 100 * time.Second, Timeout: time.Second, Retries: 2}
		l := run(t, p, succeed)
		at := func(s float64, c Control) {
			time.Sleep(time.Until(l.began.Add(time.Duration(s * float64(time.Second)))))
			l.controls <- c
		}
		at(1, Control{Verb: Pause, For: 2 * time.Second})
		at(10, Control{Verb: Pause, For: 5 * time.Second})
		at(12, Control{Verb: Pause, For: 10 * time.Second}) // another timer
		at(30, Control{Verb: Pause, For: 10 * time.Second})
		at(35, Control{Verb: Pause}) // no timer any more
		at(99, Control{Verb: Continue})
		at(99, Control{Verb: Stop})
		<-l.out
		l.want("0 started", "0 healthy first",
			"1 paused", "3 continued expired", "3 healthy",
			"10 paused", "12 paused again", "22 continued expired", "22 healthy",
			"30 paused", "35 paused again", "99 continued", "99 stopped -stop")
	})
}

// A machine that slept is not a dead file server. Fake time cannot be late, so
// here the machine was suspended.
func TestSleptMachineVoidsAFailureOnce(t *testing.T) {
	real := suspended
	defer func() { suspended = real }()
	synctest.Test(t, func(t *testing.T) {
		var slept atomic.Int64
		suspended = func() time.Duration { return time.Duration(slept.Load()) }
		l := run(t, quick, func(ctx context.Context, n int) error {
			if n == 2 || n == 3 {
				slept.Add(int64(time.Hour))
			}
			return stall(ctx, n)
		})
		<-l.out
		l.want("0 started", "1 failed 1/3", "2 void",
			"3 failed 2/3", "4 failed 3/3", "4 judged 3/3")
	})
}

// Late by no more than half the timeout is the server's failure all the same.
func TestLittleLatenessCounts(t *testing.T) {
	real := suspended
	defer func() { suspended = real }()
	synctest.Test(t, func(t *testing.T) {
		var slept atomic.Int64
		suspended = func() time.Duration { return time.Duration(slept.Load()) }
		l := run(t, quick, func(ctx context.Context, n int) error {
			slept.Add(int64(500 * time.Millisecond))
			return stall(ctx, n)
		})
		<-l.out
		l.want("0 started", "1 failed 1/3", "2 failed 2/3", "3 failed 3/3", "3 judged 3/3")
	})
}

func TestClosedControlsDoNotEndTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := run(t, quick, succeed)
		close(l.controls)
		time.Sleep(2500 * time.Millisecond)
		l.cancel(errors.New("SIGINT"))
		<-l.out
		l.want("0 started", "0 healthy first", "1 healthy", "2 healthy", "2.5 stopped SIGINT")
	})
}

// A loop that comes late to the deadline gives the probe, which was starved
// with it, the time to say what broke.
func TestLateLoopHearsTheProbeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("negotiate: deadline")
		w := Watch{
			Policy: Policy{Interval: time.Second, Timeout: 2 * time.Second, Retries: 1},
			Probe: func(ctx context.Context) (Report, error) {
				time.Sleep(2550 * time.Millisecond)
				return Report{}, broken
			},
			Publish:   func(Event) {},
			Beat:      func() { time.Sleep(2500 * time.Millisecond) }, // the loop starves
			BeatEvery: time.Second,
		}
		began := time.Now()
		out := w.Run(t.Context(), nil)
		if out.Err != broken {
			t.Errorf("the verdict is %v after %s", out.Err, time.Since(began))
		}
	})
}

// The first probe may come later. The next ones keep to its time, and what is
// asked for before it is obeyed.
func TestFirstAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Policy{Interval: 2 * time.Second, Timeout: time.Second, Retries: 1,
			FirstAfter: 700 * time.Millisecond}
		l := run(t, p, func(context.Context, int) error { return nil })
		time.Sleep(5 * time.Second)
		l.controls <- Control{Verb: Stop}
		<-l.out
		l.want("0 started", "0.7 healthy first", "2.7 healthy", "4.7 healthy", "5 stopped -stop")
	})
}

package watch

import (
	"context"
	"time"
)

// onceOverrun is overrun for Once. It only matters on a starved machine, where
// the caller still wants the failing step.
const onceOverrun = 5 * time.Second

// Once runs one probe, as a watch does, for whoever waits for its result. It
// returns at once when ctx ends, and at the latest 5 s after timeout, whatever
// the probe does. A failed probe that is void is repeated once, after void was
// told how late this machine was; that takes as long again.
func Once(ctx context.Context, timeout time.Duration, probe Probe,
	void func(late time.Duration, err error)) (Report, error) {
	r, l := probe.once(ctx, timeout)
	if r.err != nil && ctx.Err() == nil && l.void(timeout) {
		void(l.late, r.err)
		r, _ = probe.once(ctx, timeout)
	}
	return r.report, r.err
}

func (p Probe) once(ctx context.Context, timeout time.Duration) (result, lateness) {
	inner, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan result, 1)
	late, end := beginLateness(), time.Now().Add(timeout+onceOverrun)
	go p.run(inner, done)
	for {
		wake := time.Now().Add(nap(timeout))
		if wake.After(end) {
			wake = end
		}
		select {
		case r := <-done:
			late.woken(wake)
			return r, late
		case <-ctx.Done():
			return result{err: ctx.Err()}, late
		case <-time.After(time.Until(wake)):
			if late.woken(wake); wake.Equal(end) {
				return result{err: errOverrun}, late
			}
		}
	}
}

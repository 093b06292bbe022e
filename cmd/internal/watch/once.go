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
// the probe does.
func Once(ctx context.Context, timeout time.Duration, probe Probe) (Report, error) {
	inner, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan result, 1)
	go probe.run(inner, done)
	select {
	case r := <-done:
		return r.report, r.err
	case <-ctx.Done():
		return Report{}, ctx.Err()
	case <-time.After(timeout + onceOverrun):
		return Report{}, errOverrun
	}
}

package nfsprobe

import (
	"context"
	"errors"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
)

// The waits before a busy server is asked again: the first, then doubled up to
// the longest. The first is also the time that is left before the deadline for
// cleaning up.
const firstWait, longestWait = 100 * time.Millisecond, time.Second

// retryBusy asks again while the server answers that it is busy or recovering
// (RFC 1813 2.6, RFC 8881 15.1.1.3): then it is alive. At the deadline the last
// answer is the error.
func retryBusy[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		answer, err := ask()
		if !busy(err) {
			return answer, err
		}
		if end, ok := ctx.Deadline(); ok {
			if wait = min(wait, time.Until(end)-firstWait); wait <= 0 {
				return answer, err
			}
		}
		if err := sleep(ctx, wait); err != nil {
			return answer, err
		}
	}
}

// busy reports that the server is alive and asks to try again.
func busy(err error) bool {
	var four *Status4
	return errors.Is(err, Status3(nfsv3.NFS3ERR_JUKEBOX)) || errors.As(err, &four) && four.busy()
}

// errLockGrace is the answer to an NLM call of a server in its grace period.
var errLockGrace = errors.New("NLM4_DENIED_GRACE_PERIOD")

// inGrace reports that nobody can open or lock a file yet, since the server has
// restarted and waits for its old clients. It is not worth waiting for: a grace
// period lasts longer than a probe.
func inGrace(err error) bool {
	var four *Status4
	return errors.Is(err, errLockGrace) || errors.As(err, &four) && four.inGrace()
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return whyEnded(ctx, ctx.Err())
	}
}

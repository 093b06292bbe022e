package cli

import (
	"context"
	"time"

	"fsmon/cmd/internal/alert"
)

// cleanUp deletes what the probes of a watch have kept on the server. It goes
// on beside the end of the watch; wait returns when it is done, at the latest
// at the deadline, since a server that hangs must not keep the watch.
func cleanUp(do func(context.Context) error, deadline time.Time, send func(alert.Alert)) (wait func()) {
	if do == nil {
		return func() {}
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	return func() {
		defer cancel()
		var err error
		select {
		case err = <-done:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			send(fileStays.Alert(err))
		}
	}
}

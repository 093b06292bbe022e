//go:build !linux

package watch

import "time"

// suspended is unknown here: only lateness of the monotonic clock is noticed.
var suspended = func() time.Duration { return 0 }

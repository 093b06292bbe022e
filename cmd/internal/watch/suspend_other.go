//go:build !linux

package watch

import "time"

// suspended is unknown here: only a late monotonic clock is noticed.
var suspended = func() time.Duration { return 0 }

package watch

import (
	"time"

	"golang.org/x/sys/unix"
)

// suspended is how long this machine has been suspended since it booted: the
// boot-time clock runs through a suspension and the monotonic clock does not
// (clock_gettime(2)).
var suspended = func() time.Duration {
	var boot, mono unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil ||
		unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - mono.Nano())
}

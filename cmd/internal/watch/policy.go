package watch

import "time"

// Policy is how a server is watched (FSM manual 7.4).
type Policy struct {
	Interval time.Duration // from the start of one probe to the start of the next; 1 s to 10000 s
	// RetryInterval is the same after a failed probe, so that a verdict may come
	// soon although a healthy server is asked seldom; 0: Interval.
	RetryInterval time.Duration
	Timeout       time.Duration // one deadline for a whole probe; 1 s to 10000 s
	// Retries is how many probes in a row must fail after a first failure for
	// the verdict; 1 to 10000.
	Retries int

	// StartWait is how long after the start failed probes do not count, until
	// the first success; 0: they count at once. A pause does not stop its
	// clock, and -continue does not restart it.
	StartWait time.Duration
	// FirstAfter is how long after its start the watch probes for the first
	// time; 0: at once.
	FirstAfter time.Duration
	// GraceLimit is for how long a probe may succeed with Report.Grace, from the
	// first one on; after that it has failed with a *GraceError. 0: for ever.
	GraceLimit time.Duration
	Tolerate   []Class // failures of these classes do not count; never Server or Local
}

// wait is how long after the start of a probe the next one starts, or at once
// if that has passed when it ends.
func (p Policy) wait(failed bool) time.Duration {
	if failed && p.RetryInterval > 0 {
		return p.RetryInterval
	}
	return p.Interval
}

// Verdict returns how long after the start of the first failed probe the
// verdict comes: for a server that refuses at once, and for one that lets every
// probe run into its deadline.
func (p Policy) Verdict() (refused, stalled time.Duration) {
	c, wait := time.Duration(p.Retries), p.wait(true)
	return c * wait, (c+1)*p.Timeout + c*max(0, wait-p.Timeout)
}

package watch

import "time"

// judge is the retry rule (FSM 7.2): given the failed probes in a row so far
// and the next result it returns the new count, and whether the server is
// judged failed, which is when `retries` retries have failed after the first
// failure. It sees results only, never a clock or a socket.
func judge(failures, retries int, healthy bool) (int, bool) {
	if healthy {
		return 0, false
	}
	failures++
	return failures, failures > retries
}

// forgiven reports whether a failed probe does not count: the watch has not
// seen its server healthy yet, and the probe began within the start wait. It
// is the beginning that decides, so that a server gets the whole of the wait to
// come up, and a probe that was under way at its end is no edge case. After the
// first success the wait means nothing any more.
func forgiven(healthy bool, began, startWait time.Duration) bool {
	return !healthy && began < startWait
}

// Slow reports whether a healthy probe came so close to its deadline, within a
// fifth of it, that somebody should know.
func Slow(took, deadline time.Duration) bool { return took > deadline*4/5 }

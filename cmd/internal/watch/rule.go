package watch

import "time"

// judge is the retry rule (FSM manual 7.2): given the failed probes in a row so
// far and the next result it returns the new count, and whether the server is
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
// seen its server healthy yet, and the probe began within the start wait. The
// beginning decides, so the server has the whole wait to come up, and a probe
// under way at its end is no special case. After the first success the wait no
// longer matters.
func forgiven(healthy bool, began, startWait time.Duration) bool {
	return !healthy && began < startWait
}

// Slow reports whether a healthy probe came so close to its deadline, within a
// fifth of it, that somebody should know.
func Slow(took, deadline time.Duration) bool { return took > deadline*4/5 }

package watch

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

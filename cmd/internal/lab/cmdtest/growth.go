package cmdtest

import "testing"

// NoGrowth fails the test if a watch holds more after 20 probes than after 3.
// probes waits until that many have been made.
func NoGrowth(t testing.TB, pid int, probes func(n int)) {
	t.Helper()
	probes(3)
	before := Settled(t, pid)
	probes(20)
	after := Settled(t, pid)
	// On a busy machine all looks may fall into one probe.
	for try := 1; try < 20 && after.Descriptors > before.Descriptors; try++ {
		after = Settled(t, pid)
	}
	t.Logf("after 3 probes: %d descriptors, %d threads; after 20: %d, %d",
		before.Descriptors, before.Threads, after.Descriptors, after.Threads)
	if after.Descriptors > before.Descriptors {
		t.Errorf("%d descriptors have become %d: %v", before.Descriptors, after.Descriptors,
			after.Open)
	}
	// The runtime adds a thread now and then, up to a few more than it has
	// tasks.
	if after.Threads > before.Threads+4 {
		t.Errorf("%d threads have become %d", before.Threads, after.Threads)
	}
}

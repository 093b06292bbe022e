package cli

import (
	"slices"
	"testing"

	"fsmon/cmd/internal/watch"
)

// Memory is given back after the first success, after every fourth probe
// here, when failures end, and by nothing that is no probe.
func TestMemoryIsGivenBack(t *testing.T) {
	n := 0
	var freed []int
	on := giveBack(4, func() { freed = append(freed, n) })
	send := func(e watch.Event) { n++; on(e) }
	send(watch.Event{Kind: watch.Started})
	send(watch.Event{Kind: watch.Forgiven})
	send(watch.Event{Kind: watch.Healthy, First: true}) // 3
	for range 17 {
		send(watch.Event{Kind: watch.Healthy}) // 4 to 20
	}
	send(watch.Event{Kind: watch.Paused})
	send(watch.Event{Kind: watch.Failed, Failures: 1})  // 22
	send(watch.Event{Kind: watch.Healthy, Failures: 1}) // 23
	send(watch.Event{Kind: watch.Judged})
	if want := []int{3, 7, 11, 15, 19, 23}; !slices.Equal(freed, want) {
		t.Errorf("after %v, want %v", freed, want)
	}
}

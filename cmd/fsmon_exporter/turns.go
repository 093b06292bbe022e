package main

import (
	"context"
	"sync"
	"time"
)

// turns allows one probe at a time of a target, and as many as there are slots of
// all targets.
type turns struct {
	slots chan struct{}

	mu  sync.Mutex
	all map[string]*turn
}

type turn struct {
	free chan struct{} // holds one value while nobody has the turn
	used int           // how many have it or wait for it
}

func newTurns(most int) turns {
	return turns{slots: make(chan struct{}, most), all: map[string]*turn{}}
}

// wait waits for a turn and a slot. release gives both back.
func (ts *turns) wait(ctx context.Context, key string, patience time.Duration) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ts.mu.Lock()
	t := ts.all[key]
	if t == nil {
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		ts.all[key] = t
	}
	t.used++
	ts.mu.Unlock()
	leave := func() {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		if t.used--; t.used == 0 {
			delete(ts.all, key)
		}
	}
	select {
	case <-t.free:
	case <-ctx.Done():
		leave()
		return nil, busy("another probe of this target is still under way")
	}
	select {
	case ts.slots <- struct{}{}:
	case <-ctx.Done():
		t.free <- struct{}{}
		leave()
		return nil, busy("as many probes are under way as --max-probes allows")
	}
	return func() {
		<-ts.slots
		t.free <- struct{}{}
		leave()
	}, nil
}

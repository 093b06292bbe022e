package observe

import (
	"sync"
	"time"
)

// newest writes the newest value in a goroutine of its own, so that a file on a
// hung disk never delays the watch. A value is skipped if a newer one comes
// before it can be written.
type newest[T any] struct {
	write func(T) error
	lost  func(error) // called for the first of several failures in a row

	mu    sync.Mutex
	value T
	wake  chan struct{}
	done  chan struct{}
}

func keepNewest[T any](write func(T) error, lost func(error)) *newest[T] {
	n := &newest[T]{write: write, lost: lost, wake: make(chan struct{}, 1),
		done: make(chan struct{})}
	go n.run()
	return n
}

// put never blocks. Do not call it after Close.
func (n *newest[T]) put(value T) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.value = value
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *newest[T]) run() {
	defer close(n.done)
	failing := false
	for range n.wake {
		n.mu.Lock()
		value := n.value
		n.mu.Unlock()
		err := n.write(value)
		if err != nil && !failing {
			n.lost(err)
		}
		failing = err != nil
	}
}

// Close waits until the newest value is written, but not longer than budget.
func (n *newest[T]) Close(budget time.Duration) {
	n.mu.Lock()
	close(n.wake)
	n.mu.Unlock()
	select {
	case <-n.done:
	case <-time.After(budget):
	}
}

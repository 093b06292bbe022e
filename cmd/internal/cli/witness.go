package cli

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"fsmon/cmd/internal/watch"
)

// witnesses are asked after a failed probe, beside the watch, which never waits
// for them.
type witnesses struct {
	ctx     context.Context // ends with the watch
	timeout time.Duration
	all     []*witness
}

type witness struct {
	address string
	probe   watch.Probe

	mu     sync.Mutex
	asking bool
	spell  int // counts the failures in a row that are over: an answer belongs to one
	known  watch.Witness
}

func newWitnesses(ctx context.Context, req request, target Target) *witnesses {
	w := &witnesses{ctx: ctx, timeout: req.Timeout}
	for _, address := range req.Witnesses {
		w.all = append(w.all,
			&witness{address: address, probe: target.At(address), known: watch.Witness{Address: address}})
	}
	return w
}

// on takes an event, asks the witnesses after a failure, and returns what they
// have answered in this spell. A refused user is not asked about: each witness
// would cost a refused logon more, and refuse it too. Nor can it be asked
// without a ticket.
func (w *witnesses) on(e watch.Event) (known []watch.Witness) {
	for _, one := range w.all {
		switch {
		case e.Class == watch.Account, e.Class == watch.KDC, e.Err == watch.ErrDrill:
		case e.Kind == watch.Failed, e.Kind == watch.Refused:
			one.ask(w.ctx, w.timeout)
			known = append(known, one.now())
		case e.Kind == watch.Judged:
			known = append(known, one.now())
		case e.Kind == watch.Healthy, e.Kind == watch.Paused, e.Kind == watch.Continued:
			one.forget()
		}
	}
	return known
}

// ask asks all of them at the same time and waits for the answers.
func (w *witnesses) ask() []watch.Witness {
	answers := make([]watch.Witness, len(w.all))
	var all sync.WaitGroup
	for i, one := range w.all {
		all.Go(func() { answers[i] = one.once(w.ctx, w.timeout) })
	}
	all.Wait()
	return answers
}

// ask asks, unless the last question is still under way.
func (w *witness) ask(ctx context.Context, timeout time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asking {
		return
	}
	w.asking = true
	spell := w.spell
	go func() {
		answer := w.once(ctx, timeout)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asking = false
		if spell == w.spell {
			w.known = answer
		}
	}()
}

// once asks and waits for the answer.
func (w *witness) once(ctx context.Context, timeout time.Duration) watch.Witness {
	began := time.Now()
	_, err := watch.Once(ctx, timeout, w.probe, func(time.Duration, error) {})
	return watch.Witness{
		Address: w.address, Answered: ctx.Err() == nil, Took: time.Since(began), Err: err,
	}
}

func (w *witness) now() watch.Witness {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known
}

func (w *witness) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spell++
	w.known = watch.Witness{Address: w.address}
}

// explains says what the answer of a witness means beside a failed probe.
func (s Service) explains(w watch.Witness) string {
	ip, _ := netip.ParseAddr(w.Address)
	here := ip.IsLoopback() || w.Address == "localhost"
	switch {
	case !w.Answered:
		return w.String()
	case w.Err == nil && here:
		return w.String() + ": the server lives, the address or the network is at fault"
	case w.Err == nil:
		return w.String() + ": if it is the other node, a failover should help"
	case s.classify(w.Err) == Local:
		return fmt.Sprintf("%s could not be asked (%v)", w.Address, w.Err)
	case here:
		return w.String() + ": the server itself is at fault, not the address or the network"
	}
	return w.String() + ": if it is the other node, a failover would not help"
}

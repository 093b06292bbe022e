package alert

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	queueLen = 64   // alerts that wait for one sink
	maxText  = 1024 // bytes of a text or detail, beyond which it is cut
	// A batch takes no further alert when it has so many bytes: its errand is
	// then sure to be done, even if this process ends now.
	batchBytes = 1024
)

// Alerts sends every alert to every sink. Each sink has its own queue and
// goroutine, so that a slow or broken one delays neither the watch nor the
// other sinks: it loses messages, and is told how many as soon as it works
// again.
type Alerts struct {
	first  *outlet // stderr, or else the journal: hears of the failures of the others; may be nil
	others []*outlet

	mu     sync.Mutex
	closed bool
}

// outlet is a sink with its queue.
type outlet struct {
	sink    Sink
	name    string
	queue   chan *Alert   // of pointers: as long as nothing waits it is small
	closing chan struct{} // closed when nothing more will be queued
	done    chan struct{} // closed when the sink is closed

	mu      sync.Mutex
	dropped int  // messages lost since the sink was last told
	failing bool // the first sink has been told, and this one has not worked since
}

// manySink is a Sink for which one delivery of many alerts costs no more than
// that of one. n is how many it took.
type manySink interface {
	DeliverAll([]Alert) (n int, err error)
}

// NewAlerts starts a goroutine for each sink that is not nil. Close ends them.
// Stderr comes before the journal, if there are both.
func NewAlerts(sinks ...Sink) *Alerts {
	a := &Alerts{}
	for _, s := range sinks {
		if s == nil {
			continue
		}
		o := &outlet{
			sink:    s,
			name:    s.Name(),
			queue:   make(chan *Alert, queueLen),
			closing: make(chan struct{}),
			done:    make(chan struct{}),
		}
		if (o.name == stderrName || o.name == journalName) && a.first == nil {
			a.first = o
			continue
		}
		a.others = append(a.others, o)
	}
	for _, o := range a.outlets() {
		go a.run(o)
	}
	return a
}

// Send queues the alert for every sink and returns at once. A sink whose queue
// is full loses it, and so does every sink after Close.
func (a *Alerts) Send(alert Alert) {
	if alert.Time.IsZero() {
		alert.Time = time.Now()
	}
	alert.Text = OneLine(alert.Text, maxText)
	alert.Detail = OneLine(alert.Detail, maxText)

	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	for _, o := range a.outlets() {
		a.enqueue(o, alert)
	}
}

// Close delivers what is queued and closes the sinks, all at the same time, and
// returns when that is done or the budget is up. It leaves a sink that hangs
// behind. A second call does nothing.
func (a *Alerts) Close(budget time.Duration) {
	a.mu.Lock()
	closed := a.closed
	a.closed = true
	a.mu.Unlock()
	if closed {
		return
	}

	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	for _, o := range a.others {
		close(o.closing)
	}
	for _, o := range a.others {
		o.wait(ctx)
	}
	// The first delivers meanwhile too, but ends last: another sink may still
	// fail, which is said there.
	if a.first != nil {
		close(a.first.closing)
		a.first.wait(ctx)
	}
}

func (o *outlet) wait(ctx context.Context) {
	select {
	case <-o.done:
	case <-ctx.Done():
	}
}

func (a *Alerts) outlets() []*outlet {
	if a.first == nil {
		return a.others
	}
	return append([]*outlet{a.first}, a.others...)
}

// run feeds one sink as long as it lives.
func (a *Alerts) run(o *outlet) {
	defer close(o.done)
	defer o.sink.Close()
	for {
		select {
		case alert := <-o.queue:
			a.deliver(o, o.batch(*alert))
			continue
		case <-o.closing:
		}
		for {
			select {
			case alert := <-o.queue:
				a.deliver(o, o.batch(*alert))
				continue
			default:
			}
			a.reportLosses(o)
			return
		}
	}
}

// batch is the first alert and those that wait behind it, if the sink can take
// them at once.
func (o *outlet) batch(first Alert) []Alert {
	alerts := []Alert{first}
	if _, ok := o.sink.(manySink); !ok {
		return alerts
	}
	for size := len(first.Text) + len(first.Detail); size < batchBytes; {
		select {
		case next := <-o.queue:
			alerts = append(alerts, *next)
			size += len(next.Text) + len(next.Detail)
		default:
			return alerts
		}
	}
	return alerts
}

// deliver hands a batch to the sink, after the count of those it did not get.
func (a *Alerts) deliver(o *outlet, alerts []Alert) {
	n, err := 0, a.reportLosses(o)
	if many, ok := o.sink.(manySink); ok && err == nil {
		n, err = many.DeliverAll(alerts)
	} else if err == nil {
		err = o.sink.Deliver(alerts[0])
	}
	if err != nil {
		a.drop(o, len(alerts)-n, err)
		return
	}
	o.mu.Lock()
	o.failing = o.dropped > 0 // these were lost meanwhile, and that has been told
	o.mu.Unlock()
}

// reportLosses tells the sink how many messages it did not get, if any.
func (a *Alerts) reportLosses(o *outlet) error {
	o.mu.Lock()
	n := o.dropped
	o.dropped = 0
	o.mu.Unlock()
	if n == 0 {
		return nil
	}
	alert := Dropped.Alert(n, o.name)
	alert.Time = time.Now()
	err := o.sink.Deliver(alert)
	if err != nil {
		a.drop(o, n, err)
	}
	return err
}

// enqueue never blocks.
func (a *Alerts) enqueue(o *outlet, alert Alert) {
	select {
	case o.queue <- &alert:
	default:
		a.drop(o, 1, fmt.Errorf("it hangs or is too slow, %d messages are waiting for it",
			queueLen))
	}
}

// drop counts n messages as lost. Only the first loss since the sink last
// worked is said on the first sink, so that somebody learns of a full disk. The
// losses of that itself are not.
func (a *Alerts) drop(o *outlet, n int, cause error) {
	o.mu.Lock()
	o.dropped += n
	n = o.dropped
	first := !o.failing
	o.failing = true
	o.mu.Unlock()
	if !first || a.first == nil || o == a.first {
		return
	}
	alert := Dropped.Alert(n, o.name)
	alert.Time = time.Now()
	alert.Detail = OneLine(cause.Error(), maxText)
	a.enqueue(a.first, alert)
}

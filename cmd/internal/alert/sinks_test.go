package alert

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// memorySink keeps what it gets. It fails while broken is set, and hangs while
// hold is open.
type memorySink struct {
	name  string
	hold  chan struct{} // nil: never hangs
	takes time.Duration // for each message

	mu     sync.Mutex
	broken error
	got    []string
	closed bool
}

func (m *memorySink) Name() string { return m.name }

func (m *memorySink) Deliver(a Alert) error {
	if m.hold != nil {
		<-m.hold
	}
	time.Sleep(m.takes) // fake time
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	m.got = append(m.got, fmt.Sprintf("%d %s", a.Number, a.Text))
	return nil
}

func (m *memorySink) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func (m *memorySink) breakWith(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

func (m *memorySink) texts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.got)
}

// batchSink takes many alerts at once, and of each batch no more than most.
type batchSink struct {
	memorySink
	most    int
	batches []int
}

func (b *batchSink) DeliverAll(alerts []Alert) (int, error) {
	b.batches = append(b.batches, len(alerts))
	for n, a := range alerts {
		if n == b.most {
			return n, errors.New("full")
		}
		if err := b.Deliver(a); err != nil {
			return n, err
		}
	}
	return len(alerts), nil
}

// stderrText returns a Stderr sink, and a function that returns its lines
// without their heads.
func stderrText() (Sink, func() []string) {
	w := &lockedBuilder{}
	return Stderr(w, "sambamon"), func() []string {
		var texts []string
		for line := range strings.Lines(w.String()) {
			_, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " sambamon ")
			texts = append(texts, text)
		}
		return texts
	}
}

type lockedBuilder struct {
	takes time.Duration // for each write

	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuilder) Write(p []byte) (int, error) {
	time.Sleep(l.takes) // fake time
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuilder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var numbered = Entry{900, Info, "message %d"}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		show := func(lines []string) string {
			return fmt.Sprintf("%.2000s", fmt.Sprintf("%q", lines))
		}
		t.Errorf("%s:\n got %s\nwant %s", what, show(got), show(want))
	}
}

// waitFor polls for a state for up to a minute.
func waitFor(t *testing.T, what string, state func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(time.Minute)
	for !state() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("gave up waiting for %s", what)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

package evidence

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const pageCap = 1 << 20 // bytes of one file

// collector finds out one kind of thing about this machine. It writes as it
// goes: if it hangs, what it has written so far is saved.
type collector struct {
	name string // of its file
	run  func(ctx context.Context, out io.Writer) error
}

// page is what a collector has found so far. Reading /proc can hang on just
// those processes that matter. So every collector has its own goroutine, and
// nobody waits for one that hangs.
type page struct {
	name string
	done chan struct{}

	mu     sync.Mutex
	text   bytes.Buffer
	failed bool
}

// collect starts every collector.
func collect(ctx context.Context, all []collector) []*page {
	var pages []*page
	for _, c := range all {
		p := &page{name: c.name, done: make(chan struct{})}
		pages = append(pages, p)
		go func() {
			defer close(p.done)
			if err := c.run(ctx, p); err != nil {
				fmt.Fprintf(p, "\nnot whole: %v\n", err)
				p.mu.Lock()
				p.failed = true
				p.mu.Unlock()
			}
		}()
	}
	return pages
}

// wait waits for the end of the collector, but not beyond until. It returns
// what was found, and whether that is all.
func (p *page) wait(until time.Time) (text []byte, whole bool) {
	select {
	case <-p.done:
	case <-time.After(time.Until(until)):
	}
	select { // again, since both may have been ready
	case <-p.done:
		whole = true
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	text = bytes.Clone(p.text.Bytes())
	if !whole {
		text = append(text, "\nnot whole: it was not ready in time\n"...)
	}
	return text, whole && !p.failed
}

// Write implements io.Writer. It drops what is beyond the cap.
func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.Write(b[:min(len(b), max(0, pageCap-p.text.Len()))])
	return len(b), nil
}

// readSome reads a file of /proc, but no more than a page holds.
func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, pageCap))
}

package evidence

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
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
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	b := make([]byte, 0, 1<<10)
	for len(b) < pageCap {
		n, err := unix.Read(fd, b[len(b):cap(b)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return b, &os.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return b, nil
		}
		if b = b[:len(b)+n]; len(b) == cap(b) {
			b = slices.Grow(b, min(len(b), pageCap-len(b)))
		}
	}
	return b[:pageCap], nil
}

package cli

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"fsmon/cmd/internal/watch"
)

// DiskError is a healthy server with another file system behind the target than
// at the start, if that is to be a failure (Target.SameDisk).
type DiskError struct{ Was, Is string } // as Report.RootID

func (e *DiskError) Error() string { return fmt.Sprintf("%s, at the start %s", e.Is, e.Was) }

// sameDisk remembers what was behind the target at the first success, and
// compares. It learns anew after a pause, since maintenance may mount another
// disk.
type sameDisk struct {
	must bool // another disk is a failure, not a warning

	mu    sync.Mutex
	roots map[string]string // RootID by RootForm
}

func (d *sameDisk) on(e watch.Event) {
	if e.Kind == watch.Continued {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.roots = nil
	}
}

func (d *sameDisk) probe(probe watch.Probe) watch.Probe {
	return func(ctx context.Context) (watch.Report, error) {
		r, err := probe(ctx)
		if err == nil && r.RootID != "" {
			err = d.compare(&r)
		}
		return r, err
	}
}

// compare looks at the report of a probe that succeeded.
func (d *sameDisk) compare(r *watch.Report) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch was, known := d.roots[r.RootForm]; {
	case !known:
		if d.roots == nil {
			d.roots = map[string]string{}
		}
		d.roots[r.RootForm] = r.RootID
	case was == r.RootID:
	case d.must:
		return &DiskError{was, r.RootID}
	default:
		r.Warnings = append(slices.Clip(r.Warnings), fmt.Sprintf("another file system is "+
			"behind this directory than at the start (%s, at the start %s)", r.RootID, was))
	}
	return nil
}

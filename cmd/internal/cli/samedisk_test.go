package cli

import (
	"context"
	"errors"
	"strings"
	"testing"

	"fsmon/cmd/internal/watch"
)

// Another root than at the first success is a warning, or a failure; a watch
// that goes on after a pause learns anew.
func TestSameDisk(t *testing.T) {
	broken := errors.New("broken")
	for _, must := range []bool{false, true} {
		d := &sameDisk{must: must}
		var now watch.Report
		var fails error
		probe := d.probe(func(context.Context) (watch.Report, error) { return now, fails })
		for i, c := range []struct {
			form, id string
			fails    error
			other    bool
		}{
			{"3", "a", broken, false}, // a failure teaches nothing
			{"3", "", nil, false},     // nor does a server that tells nothing
			{"3", "b", nil, false},
			{"4", "c", nil, false}, // is not compared with 3
			{"3", "b", nil, false},
			{"3", "d", nil, true},
			{"3", "d", nil, true},
			{"3", "e", broken, false}, // it has another reason
			{"3", "", nil, false},
			{"3", "b", nil, false}, // it is back
			{"4", "f", nil, true},
		} {
			now = watch.Report{RootForm: c.form, RootID: c.id}
			fails = c.fails
			r, err := probe(t.Context())
			var other *DiskError
			warned := len(r.Warnings) == 1 && strings.Contains(r.Warnings[0],
				"another file system is behind this directory than at the start")
			if failed := errors.As(err, &other); failed != (c.other && must) ||
				warned != (c.other && !must) || !failed && err != c.fails {
				t.Errorf("%v, %d: %v, warnings %q", must, i, err, r.Warnings)
			}
		}
		d.on(watch.Event{Kind: watch.Paused})
		if d.roots == nil {
			t.Error("forgotten by a pause")
		}
		d.on(watch.Event{Kind: watch.Continued})
		now, fails = watch.Report{RootForm: "3", RootID: "g"}, nil
		if r, err := probe(t.Context()); err != nil || len(r.Warnings) > 0 {
			t.Errorf("not learnt anew: %v, %q", err, r.Warnings)
		}
	}
}

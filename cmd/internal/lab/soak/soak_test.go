package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/proc"
)

// server starts a real server for a test.
func server(t *testing.T, start starter) target {
	t.Helper()
	s, stop, err := start(t.Context())
	if (errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrPermission)) &&
		os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	must(t, err)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// The tests of this file without t.Parallel run first and alone, since they
// measure.

// Probes through proxies that spoil what a real server says, `soak mutate` in
// short.
func TestMutate(t *testing.T) {
	for name, start := range starters {
		t.Run(name, func(t *testing.T) {
			s := server(t, start)
			// a busy machine's Samba takes a quarter of that
			m := mutation{probes: 300, seed: 20, workers: 8, deadline: time.Second}
			r, err := m.run(t.Context(), s)
			must(t, err)
			r.print(s, m)
			for _, f := range r.faults {
				t.Error(f)
			}
			healthy, failed := 0, -r.late()
			for what, n := range r.outcomes {
				if strings.HasSuffix(what, ": healthy") {
					healthy += n
				} else {
					failed += n
				}
			}
			if healthy+failed+r.late() != m.probes || healthy == 0 || failed < m.probes/3 {
				t.Errorf("of %d probes %d were healthy and %d failed before their deadline: "+
					"little was spoilt, or all", m.probes, healthy, failed)
			}
		})
	}
}

// The same seed decides the same, whatever the time.
func TestDiceRepeat(t *testing.T) {
	throw := func(seed uint64) (all []int) {
		for probe := range uint64(100) {
			p := &plan{way: way{conns: 3, frames: 4}, seed: seed, probe: probe}
			for range 3 {
				d := p.connection()
				if d == nil {
					all = append(all, -1)
					continue
				}
				for _, one := range []*dice{d.up, d.down} {
					if one != nil {
						all = append(all, one.target, one.often, one.IntN(1000))
					}
				}
			}
		}
		return all
	}
	a, b, other := throw(7), throw(7), throw(8)
	if !equal(a, b) || equal(a, other) {
		t.Error("decisions do not depend on the seed, or not on it alone")
	}
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// Watches of healthy servers on an overloaded machine, `soak starve` in short.
func TestStarve(t *testing.T) {
	available, err := availableMB()
	must(t, err)
	must(t, starvation{duration: 4 * time.Second, load: 20,
		leave: max(available-256, 64)}.run(t.Context(), bin(), t.TempDir()))
}

// Watches side by side, `soak many` in short.
func TestMany(t *testing.T) {
	must(t, crowd{watches: 12, duration: 3 * time.Second, interval: 1}.run(t.Context(), bin(),
		t.TempDir()))
}

// Many processes fight over a few identifiers, `soak registry` in short.
func TestRegistryUnderFire(t *testing.T) {
	dir := t.TempDir()
	must(t, storm{duration: 8 * time.Second, seed: 1, actors: 20, ids: 5}.run(t.Context(), bin(),
		dir))
}

// The mutation finds every kind of fault.
func TestMutateFindsFaults(t *testing.T) {
	leak := make(chan struct{})
	defer close(leak)
	var clean bool
	var hoard []byte
	for name, c := range map[string]struct {
		probe func(ctx context.Context) (bool, error)
		fault string
	}{
		"late": {func(ctx context.Context) (bool, error) {
			if end, _ := ctx.Deadline(); time.Until(end) < time.Second {
				<-ctx.Done()
				late := time.NewTimer(time.Second)
				<-late.C
			}
			return true, nil
		}, "after its deadline"},
		"panicked": {func(ctx context.Context) (bool, error) {
			return false, errors.New("malformed answer: the library panicked on it")
		}, "panicked"},
		"clean probe": {func(ctx context.Context) (bool, error) {
			if clean = !clean; clean {
				return true, nil
			}
			return false, errors.New("no")
		}, "the clean probe after probe 5 failed: no"},
		"goroutine": {func(ctx context.Context) (bool, error) {
			go func() { <-leak }()
			return true, nil
		}, "left behind"},
		"connection": {func(ctx context.Context) (bool, error) {
			_, err := net.Listen("tcp", "127.0.0.1:0") // and it is forgotten
			return true, err
		}, "left behind"},
		"asked for": {func(ctx context.Context) (bool, error) {
			hoard = make([]byte, 1<<30)
			hoard = nil
			return true, nil
		}, "asked for"},
		"hoarded": {func(ctx context.Context) (bool, error) {
			hoard = make([]byte, keep+1<<20)
			return true, nil
		}, "the process keeps"},
	} {
		t.Run(name, func(t *testing.T) {
			s := target{"fake", func(int) (*proxy, []way, error) {
				return &proxy{done: make(chan struct{})}, []way{{name, 1, 1, c.probe}}, nil
			}}
			limit := proc.Patience
			if c.fault == "left behind" {
				limit = 1500 * time.Millisecond // so long a leak is waited for
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			m := mutation{probes: 1, seed: 1, first: 5, workers: 1, deadline: 50 * time.Millisecond}
			r, err := m.run(ctx, s)
			if c.fault != "left behind" {
				must(t, err)
			}
			runtime.KeepAlive(hoard)
			if !slices.ContainsFunc(r.faults,
				func(f string) bool { return strings.Contains(f, c.fault) }) {
				t.Errorf("faults %q, want one that says %q", r.faults, c.fault)
			}
		})
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fsmon/cmd/internal/cli"
	"fsmon/cmd/internal/lab/cmdtest"
)

// asking is an exporter without a server, in fake time.
func asking(t *testing.T, p cli.Probe, args ...string) *exporter {
	x := unserved(t, anything, append(args, "--allow-any-target")...).exporter
	x.config = faked(p)
	return x
}

// code is the status of HTTP that an error becomes; 0: none.
func code(err error) int {
	var r *refusal
	errors.As(err, &r)
	if r == nil {
		return 0
	}
	return r.code
}

// hang is a server that does not answer before the deadline.
func hang(ctx context.Context) (cli.Report, error) {
	<-ctx.Done()
	return cli.Report{}, ctx.Err()
}

// One probe at a time asks a target, whatever the spelling of its share. Whoever
// asks the same meanwhile has its answer, and it counts once; other modules wait
// for half of their time, or have a 503.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var probes atomic.Int64
		x := asking(t, func(ctx context.Context) (cli.Report, error) {
			probes.Add(1)
			return hang(ctx)
		})
		began := time.Now()
		ask := func(module string, after time.Duration, target string, want int, at time.Duration) {
			go func() {
				time.Sleep(after)
				_, last, err := x.probe(t.Context(), module, target, 10*time.Second)
				if got := time.Since(began); code(err) != want || got != at || (err == nil) != (last != nil) {
					t.Errorf("%s %s after %s: %v at %s, want %d at %s", module, target, after, err, got,
						want, at)
				}
			}()
		}
		ask("fake", 0, "//a/b", 0, 10*time.Second)
		ask("fake", time.Second, "//A:445/B", 0, 10*time.Second)
		ask("fake", 9*time.Second, "//a/b", 0, 10*time.Second)
		ask("other", time.Second, "//a/b", 503, 6*time.Second)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if a := x.asked[pair{"fake", "//a/b"}]; probes.Load() != 1 || a.failures != 1 {
			t.Errorf("%d probes, %d failures", probes.Load(), a.failures)
		}
		began = time.Now()
		ask("fake", 0, "//a/b", 0, 10*time.Second)
		ask("other", 5500*time.Millisecond, "//a/b", 0, 15500*time.Millisecond)
		ask("fake", time.Second, "//a/other", 0, 11*time.Second)
		ask("fake", time.Second, "//other/b", 0, 11*time.Second)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(x.turns.all) != 0 || len(x.turns.slots) != 0 {
			t.Errorf("%d turns and %d slots are left", len(x.turns.all), len(x.turns.slots))
		}
	})
}

// So many probes at a time ask all targets.
func TestMaxProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := asking(t, hang, "--max-probes=2")
		codes := make(chan int, 4)
		for n := range 4 {
			go func() {
				_, _, err := x.probe(t.Context(), "fake", fmt.Sprintf("//a%d/b", n), 10*time.Second)
				codes <- code(err)
			}()
		}
		busy := 0
		for range 4 {
			if <-codes == 503 {
				busy++
			}
		}
		if busy != 2 {
			t.Errorf("%d of 4 probes were refused", busy)
		}
	})
}

// A probe that does not end in time has failed, and keeps its turn until it
// ends: a hung server is not asked by more and more of them.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan bool)
		x := asking(t, func(context.Context) (cli.Report, error) { <-end; return cli.Report{}, nil })
		_, last, err := x.probe(t.Context(), "fake", "//a/b", 10*time.Second)
		if err != nil || last.Healthy {
			t.Errorf("%+v, %v", last, err)
		}
		if _, _, err = x.probe(t.Context(), "fake", "//a/b", 10*time.Second); code(err) != 503 {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel) // whoever asked has gone
		began := time.Now()
		_, _, err = x.probe(ctx, "fake", "//a/b", 10*time.Second)
		if took := time.Since(began); code(err) != 503 || took != time.Second {
			t.Errorf("%v after %s", err, took)
		}
		began = time.Now() // without a scrape's time it waits as long as a probe may take
		_, _, err = x.probe(t.Context(), "fake", "//a/b", 0)
		if took := time.Since(began); code(err) != 503 || took != time.Minute {
			t.Errorf("%v after %s", err, took)
		}
		close(end)
		synctest.Wait()
		if _, last, err = x.probe(t.Context(), "fake", "//a/b", 10*time.Second); err != nil || !last.Healthy {
			t.Errorf("%+v, %v", last, err)
		}
	})
}

// A probe that has begun goes on when nobody waits for it any more: it would
// leave its file on the server.
func TestNotCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := asking(t, func(ctx context.Context) (cli.Report, error) {
			select {
			case <-ctx.Done():
				return cli.Report{}, ctx.Err()
			case <-time.After(5 * time.Second):
				return cli.Report{}, nil
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, last, err := x.probe(ctx, "fake", "//a/b", 10*time.Second); err != nil || !last.Healthy {
			t.Errorf("%+v, %v", last, err)
		}
	})
}

// What is remembered has a bound, and what was asked last stays.
func TestForgets(t *testing.T) {
	x := asking(t, func(context.Context) (cli.Report, error) { return cli.Report{}, nil })
	for n := range maxAsked + 10 {
		if _, _, err := x.probe(t.Context(), "fake", fmt.Sprintf("//a/b%d", n), time.Minute); err != nil {
			t.Fatal(err)
		}
		if _, _, err := x.probe(t.Context(), "fake", "//a/often", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if len(x.asked) != maxAsked || x.asked[pair{"fake", "//a/often"}] == nil ||
		x.asked[pair{"fake", "//a/b0"}] != nil {
		t.Errorf("%d are remembered", len(x.asked))
	}
	cmdtest.Eventually(t, "that all turns are given back", func() bool {
		x.turns.mu.Lock()
		defer x.turns.mu.Unlock()
		return len(x.turns.all) == 0
	})
}

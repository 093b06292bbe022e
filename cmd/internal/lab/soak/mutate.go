package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/procfs"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/nfsprobe"
	"fsmon/smbprobe"
)

// mutation probes a real server through proxies that spoil what is said. After
// each spoilt probe the same prober probes through the same proxy unspoilt, and
// must succeed.
type mutation struct {
	probes   int
	seed     uint64
	first    uint64
	workers  int
	deadline time.Duration
}

// grace is how long after its deadline a probe may end, as in the watch's loop.
// On a busy machine the lateness of its timers is added.
const grace = 100 * time.Millisecond

// patience is the deadline of a probe that must succeed.
const patience = 20 * time.Second

// growth is by how much this process may grow, with all proxies and
// transcripts; keep is how much of that may still be in use at the end.
const (
	growth = 192 << 20
	keep   = 16 << 20
)

// enough is the number of faults that ends a run, since each may have taken as
// long as patience.
const enough = 20

// way is one way to probe a server: a new prober that goes through a worker's
// proxy.
type way struct {
	name          string
	conns, frames int // connections that a healthy probe makes, and answers on the busiest of them
	probe         func(ctx context.Context) (healthy bool, err error)
}

// target is a server that can be probed through proxies.
type target struct {
	name string
	// worker returns a proxy and the ways to probe through it.
	worker func(n int) (*proxy, []way, error)
}

// result is the outcome of the spoilt probes of one server.
type result struct {
	probes   int
	outcomes map[string]int // by way and failing step or cause
	latest   time.Duration  // past its deadline that a probe ended
	// probes that ended more than grace late on a machine that was as late
	// itself
	excused  int
	lateness time.Duration // of this machine's timers, at worst
	grown    uint64        // bytes of memory, at worst
	// bytes of memory that all workers allocated during one probe, touched or
	// not
	asked  uint64
	kept   uint64 // bytes still in use at the end
	took   time.Duration
	faults []string // what must not happen
}

// run probes the target. An error is a fault of this machine, not of the
// target.
func (m mutation) run(ctx context.Context, t target) (result, error) {
	if m.probes < 1 || m.probes > 1e7 || m.workers < 1 || m.workers > 250 || m.deadline <= 0 {
		return result{}, errors.New("a number is out of range")
	}
	began := time.Now()
	meter := startMeter()
	defer meter.stop()
	defer holdForgotten()()
	before, err := take()
	if err != nil {
		return result{}, err
	}
	keptBefore := inUse()
	r := result{probes: m.probes, outcomes: map[string]int{}}
	var mu sync.Mutex // of r
	fault := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		r.faults = append(r.faults, fmt.Sprintf(format, args...))
	}
	tooMany := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(r.faults) >= enough
	}
	var next, waves atomic.Uint64
	var workers sync.WaitGroup
	var setUp error
	for n := range min(m.workers, m.probes) {
		p, ways, err := t.worker(n)
		if err != nil {
			setUp = err
			break
		}
		workers.Go(func() {
			defer p.close()
			for ctx.Err() == nil && !tooMany() {
				i := next.Add(1) - 1
				if i >= uint64(m.probes) {
					return
				}
				number := m.first + i
				w := ways[number%uint64(len(ways))]
				p.plan.Store(&plan{way: w, seed: m.seed, probe: number})
				before := allocated()
				late, excuse, err := timed(m.deadline, w, meter)
				asked := allocated() - before
				p.plan.Store(nil)
				mu.Lock()
				r.asked = max(r.asked, asked)
				r.outcomes[w.name+": "+outcome(err)]++
				r.latest = max(r.latest, late)
				if late > grace && late <= grace+excuse {
					r.excused++
				}
				mu.Unlock()
				if late > grace+excuse {
					fault("%s, probe %d ended %v after its deadline (this machine was %v late): %v",
						w.name, number, late, excuse, err)
				}
				if asked > growth {
					fault("%s, probe %d asked for %d MB", w.name, number, asked>>20)
				}
				if err != nil && strings.Contains(err.Error(), "panicked") {
					fault("%s, probe %d: %v", w.name, number, err)
				}
				if _, _, err := timed(patience, w, meter); err != nil {
					fault("%s, the clean probe after probe %d failed: %v", w.name, number, err)
				}
				if done := waves.Add(1); done%1000 == 0 {
					fmt.Printf("%s: %d of %d\n", t.name, done, m.probes)
				}
			}
		})
	}
	workers.Wait()
	if setUp != nil {
		return result{}, setUp
	}
	r.lateness = meter.worst(began)
	r.grown = meter.memory() - min(meter.memory(), before.memory)
	if r.grown > growth {
		fault("the process grew by %d MB", r.grown>>20)
	}
	if left := before.wait(ctx); left != "" {
		fault("left behind: %s", left)
	}
	kept := inUse()
	r.kept = kept - min(kept, keptBefore)
	if r.kept > keep {
		fault("the process keeps %d MB that it did not have before", r.kept>>20)
	}
	if late := r.late(); 2*late > r.probes && ctx.Err() == nil {
		fault("%d of %d spoilt probes met their deadline: a server as slow as that shows little else",
			late, r.probes)
	}
	r.took = time.Since(began)
	return r, ctx.Err()
}

// late is how many of the probes were ended by their deadline.
func (r result) late() (late int) {
	for what, n := range r.outcomes {
		if strings.HasSuffix(what, ", deadline") {
			late += n
		}
	}
	return late
}

// holdForgotten keeps the garbage collector from closing connections that a
// probe forgot to close. One goroutine runs all finalizers, one after the other
// (runtime.SetFinalizer); it waits until release is called.
func holdForgotten() (release func()) {
	type hold struct{ begun, end chan struct{} }
	h := hold{make(chan struct{}), make(chan struct{})}
	runtime.SetFinalizer(&hold{h.begun, h.end}, func(h *hold) {
		close(h.begun)
		<-h.end
	})
	runtime.GC()
	<-h.begun
	return func() { close(h.end) }
}

// errStuck says that a probe does not end at all.
var errStuck = errors.New("it has not ended")

// timed probes once. late is how long after the deadline the probe ended;
// excuse is how late this machine's timers were meanwhile. It gives a probe up
// that is later than patience.
func timed(deadline time.Duration, w way, meter *meter) (late, excuse time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	end, _ := ctx.Deadline()
	ended := make(chan error, 1)
	go func() {
		healthy, err := w.probe(ctx)
		if err == nil && !healthy {
			err = errors.New("neither healthy nor failed")
		}
		ended <- err
	}()
	stuck := time.NewTimer(deadline + patience)
	defer stuck.Stop()
	select {
	case err = <-ended:
	case <-stuck.C:
		err = errStuck
	}
	late = time.Since(end)
	if late > grace {
		excuse = meter.worst(end.Add(-time.Second))
	}
	return late, excuse, err
}

// outcome names the step that failed and the kind of its cause.
func outcome(err error) string {
	if err == nil {
		return "healthy"
	}
	step := "?"
	var smb *smbprobe.Error
	var nfs *nfsprobe.Error
	if errors.As(err, &smb) {
		step = smb.Step.String()
	} else if errors.As(err, &nfs) {
		step = nfs.Step.String()
	}
	var badSMB *smbprobe.MalformedError
	var badNFS *nfsprobe.MalformedError
	var op *net.OpError
	cause := "refused"
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		cause = "deadline"
	case errors.As(err, &badSMB), errors.As(err, &badNFS):
		cause = "malformed"
	case errors.As(err, &op), errors.Is(err, io.EOF):
		cause = "connection"
	}
	return step + ", " + cause
}

// print shows the result.
func (r result) print(t target, m mutation) {
	fmt.Printf("\n%s: %d spoilt probes, each followed by a clean one, in %v; "+
		"seed %d, probes %d to %d, deadline %v, %d at a time\n",
		t.name, r.probes, r.took.Round(time.Second), m.seed, m.first, m.first+uint64(r.probes)-1,
		m.deadline, m.workers)
	for _, name := range slices.Sorted(maps.Keys(r.outcomes)) {
		fmt.Printf("  %-44s %6d\n", name, r.outcomes[name])
	}
	fmt.Printf("  latest end after a deadline %v "+
		"(allowed %v; %d more were excused by this machine's own lateness, at worst %v)\n",
		r.latest.Round(time.Millisecond), grace, r.excused, r.lateness.Round(time.Millisecond))
	fmt.Printf("  memory grew by at most %d MB "+
		"(allowed %d, the proxies and both ends of every connection included); "+
		"at most %d MB were asked for during one; %d kB were kept\n",
		r.grown>>20, growth>>20, r.asked>>20, r.kept>>10)
	for _, f := range r.faults {
		fmt.Printf("  FAULT: %s\n", f)
	}
	if len(r.faults) == 0 {
		fmt.Println("  no crash, no panic, no probe past its deadline, nothing leaked, every clean probe succeeded")
	}
}

// mutateAll runs the mutation on the servers named.
func mutateAll(ctx context.Context, m mutation, names []string) (err error) {
	fmt.Println(proc.Machine())
	dir, remove, err := proc.TempDir("fsmon-soak-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	os.Setenv("TMPDIR", dir) // the servers' directories too
	faults := 0
	for _, name := range names {
		start := starters[name]
		if start == nil {
			return fmt.Errorf("no server is called %q (samba, nfs)", name)
		}
		t, stop, err := start(ctx)
		if err != nil {
			return err
		}
		// now: this process may crash before the end
		fmt.Printf("%s: seed %d, from probe %d\n", t.name, m.seed, m.first)
		r, err := m.run(ctx, t)
		if err := errors.Join(err, stop()); err != nil {
			return err
		}
		r.print(t, m)
		faults += len(r.faults)
	}
	fmt.Println("\nhow frames were spoilt")
	for _, name := range slices.Sorted(maps.Keys(wounded)) {
		fmt.Printf("  %-24s %7d\n", name, wounded[name].Load())
	}
	if faults > 0 {
		return fmt.Errorf("%d faults", faults)
	}
	return nil
}

// holding is what grows in a process that leaks.
type holding struct {
	descriptors, goroutines int
	memory                  uint64
}

func take() (h holding, err error) {
	self, err := procfs.Self()
	if err != nil {
		return h, err
	}
	h.goroutines, h.memory = runtime.NumGoroutine(), resident()
	h.descriptors, err = self.FileDescriptorsLen()
	return h, err
}

// inUse is how many bytes of the heap are in use.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// allocated is how many bytes this process has ever asked for on its heap.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// wait waits until no more is held than before, and describes what stays.
func (h holding) wait(ctx context.Context) string {
	var now holding
	for end := time.Now().Add(patience); time.Now().Before(end); {
		var err error
		if now, err = take(); err != nil {
			return err.Error()
		}
		if now.descriptors <= h.descriptors && now.goroutines <= h.goroutines {
			return ""
		}
		if !wait(ctx, 10*time.Millisecond) {
			break
		}
	}
	return fmt.Sprintf("%d descriptors, %d goroutines; %d and %d before", now.descriptors,
		now.goroutines, h.descriptors, h.goroutines)
}

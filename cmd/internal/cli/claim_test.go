package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/watchreg"
)

// A registry that hangs keeps the process until the end, not longer. On a busy
// machine the registry is cleared all the same.
func TestRelease(t *testing.T) {
	for name, c := range map[string]struct {
		takes time.Duration
		busy  func(since time.Duration) bool
		want  time.Duration
	}{
		"at once": {0, func(time.Duration) bool { return false }, 0},
		"hangs":   {time.Hour, func(time.Duration) bool { return false }, 2 * time.Second},
		"busy": {5 * time.Second, func(d time.Duration) bool { return d < 5*time.Second },
			5 * time.Second},
		"busy with a glance of idleness": {5 * time.Second,
			func(d time.Duration) bool { return int(d/time.Millisecond)%100 == 0 }, 5 * time.Second},
		"busy, then hangs": {time.Hour, func(d time.Duration) bool { return d < 4*time.Second },
			4*time.Second + releaseBudget/2},
		"busy for ever": {time.Hour, func(time.Duration) bool { return true }, 12 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			done := release(func() error { time.Sleep(c.takes); return errors.New("unseen") },
				began.Add(2*time.Second), func() bool { return c.busy(time.Since(began)) })
			took := time.Since(began)
			if done != (c.takes <= took) {
				t.Errorf("%s: done: %v", name, done)
			}
			if took < c.want-releaseBudget || took > c.want+releaseBudget {
				t.Errorf("%s: it took %v, want %v", name, took, c.want)
			}
			time.Sleep(time.Hour)
		})
	}
}

// A thread that runs is seen, and a process whose threads wait is idle.
func TestThreadsBusy(t *testing.T) {
	var stop atomic.Bool
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for !stop.Load() {
		}
	}()
	for deadline := time.Now().Add(time.Minute); !threadsBusy(); {
		if time.Now().After(deadline) {
			t.Fatal("a thread that runs is not seen")
		}
	}
	stop.Store(true)
	<-ended
	for deadline := time.Now().Add(time.Minute); threadsBusy(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a process that waits is busy")
		}
	}
}

// The first probes of a few watches come at once, those of many are spread over
// the interval, at most 2 s, the same for each start.
func TestFirstAfter(t *testing.T) {
	if d := firstAfter("w", time.Minute, 20); d != 0 {
		t.Errorf("%s with 20 watches", d)
	}
	for interval, within := range map[time.Duration]time.Duration{
		time.Second: time.Second, time.Minute: 2 * time.Second,
	} {
		var in [10]int
		for n := range 500 {
			id := fmt.Sprintf("watch%d", n)
			d := firstAfter(id, interval, 21)
			if d < 0 || d >= within || d != firstAfter(id, interval, 500) {
				t.Fatalf("%s: %s of %s", id, d, within)
			}
			in[d*10/within]++
		}
		for _, n := range in {
			if n < 25 || n > 100 {
				t.Errorf("%s: %v in each tenth", interval, in)
			}
		}
	}
}

// A leftover is cleared once its lock is free, and never what another watch has
// there by then.
func TestLeftoverIsCleared(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "registry")
	registry, err := watchreg.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ours := leftover{dir, "w", os.Getpid() + 1}
	// A successor is left alone.
	claim, err := registry.Claim("w")
	if err == nil {
		err = claim.WriteStatus(watchreg.Status{State: watchreg.Healthy})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := ours.clear(); err != nil {
		t.Error(err)
	}
	if e, err := registry.Read("w"); err != nil || !e.Live {
		t.Errorf("%+v, %v", e, err)
	}
	if err := claim.Release(); err != nil {
		t.Error(err)
	}
	if err := ours.clear(); !errors.Is(err, watchreg.ErrUnknown) { // nothing is left
		t.Error(err)
	}
	// What a thread still holds is cleared when it has let go.
	entry := filepath.Join(dir, "w")
	err = os.Mkdir(entry, 0o711)
	status := fmt.Sprintf(`{"format":1,"id":"w","pid":%d,"state":"failing"}`, ours.PID)
	err = errors.Join(err, os.WriteFile(filepath.Join(entry, "status"), []byte(status), 0o644))
	lock, lerr := os.OpenFile(filepath.Join(entry, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err = errors.Join(err, lerr); err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	cleared := make(chan error)
	go func() { cleared <- ours.clear() }()
	if e, err := registry.Read("w"); err != nil || !e.Live {
		t.Errorf("%+v, %v", e, err)
	}
	lock.Close()
	if err := <-cleared; err != nil {
		t.Error(err)
	}
	if _, err := registry.Read("w"); !errors.Is(err, watchreg.ErrUnknown) {
		t.Error(err)
	}
}

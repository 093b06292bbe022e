package smbprobe

import (
	"bytes"
	"os"
	"runtime"
	"sync"
	"testing"
)

// held counts what grows in a process that leaks.
func held(t *testing.T) (h struct{ descriptors, goroutines int }) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	h.descriptors, h.goroutines = len(entries), runtime.NumGoroutine()
	return h
}

// Probes of all kinds leave nothing behind. This test looks at the whole
// process, so it never runs in parallel with another.
func TestThousandsOfProbes(t *testing.T) {
	const probes, workers = 2000, 4
	s := samba(t)
	ways := []struct {
		config Config
		step   Step
		cause  error // nil: healthy
	}{
		{at(t, s.Addr(), "priv").as("root", "pw"), 0, nil},
		{at(t, s.Addr(), "share"), 0, nil},
		{at(t, s.Addr(), "encrypted").as("root", "pw"), 0, nil},
		{at(t, s.Addr(), "share").as("root", "wrong"), SessionSetup, logonFailure},
		{at(t, s.Addr(), "nosuch"), TreeConnect, badNetworkName},
		{at(t, samba(t, denyAll).Addr(), "share"), Negotiate, &NetBIOSError{Code: 0x81}},
		{at(t, samba(t, onlySMB1).Addr(), "share"), Negotiate, ErrSMB1Only},
	}
	run := func(n int) {
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := w; i < n; i += workers {
					way := ways[i%len(ways)]
					if _, err := probe(t, way.config); way.cause != nil {
						fails(t, err, way.step, way.cause)
					} else if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	run(10 * workers)
	// The second opinions' goroutines end soon after their connection.
	waitFor(t, "the end of other tests' goroutines", func() bool {
		return !bytes.Contains(stacks(), []byte("go-smb2"))
	})
	before := held(t)
	run(probes)
	if !waitFor(t, "what was held before", func() bool {
		now := held(t) // it may be less: something of an earlier test may have ended
		return now.descriptors <= before.descriptors && now.goroutines <= before.goroutines
	}) {
		t.Errorf("before %+v, after %+v\n%s", before, held(t), stacks())
	}
}

func stacks() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}

package nfsprobe

import (
	"os"
	"runtime"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
)

// Probes of all kinds leave no descriptor, goroutine or memory behind. (Not
// parallel: it looks at the whole process.)
func TestNothingLeft(t *testing.T) {
	h, healthy := hostile(t)
	s, stale := hostile(t)
	s.On(nfstest.Getattr3, nfstest.GetattrStatus(nfsv3.NFS3ERR_STALE))
	z, zeros := hostile(t)
	z.On(nfstest.Mnt, nfstest.ZeroFragments)
	auto := healthy
	auto.Version, auto.Port = "auto", h.NFSPort
	refused := healthy
	refused.MountPort, refused.Port = 1, 1
	run := func(n int) {
		for range n {
			for _, c := range []Config{healthy, stale, zeros, auto, refused} {
				probe(t, c)
			}
		}
		disconnected(t, h)
		disconnected(t, s)
		disconnected(t, z)
	}
	held := func() (descriptors, goroutines int) {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries), runtime.NumGoroutine()
	}
	run(5)
	fds, routines := held()
	run(100)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		f, g := held()
		if f <= fds && g <= routines { // fewer if something of an earlier test has ended
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d descriptors and %d goroutines, before %d and %d", f, g, fds, routines)
		}
	}
}

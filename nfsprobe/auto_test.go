package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// hostileAuto returns a hostile server and a prober of any version for it.
func hostileAuto(t testing.TB) (*nfstest.Hostile, *Prober) {
	t.Helper()
	h, c := hostile(t)
	c.Version, c.Port = "auto", h.NFSPort
	return h, New(c)
}

// noState asserts that the server has no client id, session or connection left.
func noState(t testing.TB, h *nfstest.Hostile) {
	t.Helper()
	disconnected(t, h)
	if clients, sessions := h.State(); clients+sessions != 0 {
		t.Errorf("%d client ids and %d sessions left", clients, sessions)
	}
}

func TestAutoBoth(t *testing.T) {
	h, p := hostileAuto(t)
	r, err := probeWith(t, p)
	if err != nil || r.Version != "3" || p.Pinned() != "3" || r.NotVersion3 != nil {
		t.Errorf("%q, pinned to %q, %v", r.Version, p.Pinned(), err)
	}
	noState(t, h)
	if h.Count(nfstest.Compound) == 0 {
		t.Error("version 4 was not tried")
	}

	// From now on only version 3 is tried, and its failure is a failure.
	before := h.Count(nfstest.Compound)
	h.On(nfstest.Mnt, nfstest.MountStatus(mount.MNT3ERR_ACCES))
	_, err = probeWith(t, p)
	fails(t, err, Mount, MountStatus(mount.MNT3ERR_ACCES))
	var failed *Error
	if errors.As(err, &failed) && failed.Other != nil || p.Pinned() != "3" ||
		h.Count(nfstest.Compound) != before {
		t.Errorf("pinned to %q, %v", p.Pinned(), err)
	}
}

func TestAutoOnly4(t *testing.T) {
	h, p := hostileAuto(t)
	h.On(nfstest.Getport, nfstest.Port(0))
	r, err := probeWith(t, p)
	if err != nil || r.Version != "4.2" || p.Pinned() != "4.2" {
		t.Errorf("%q, pinned to %q, %v", r.Version, p.Pinned(), err)
	}
	fails(t, r.NotVersion3, PortMap, ErrNotRegistered)
	noState(t, h)

	// The minor version is pinned too, and the port mapper is not asked any
	// more.
	before := h.Count(nfstest.Getport)
	h.On(nfstest.Compound, nfstest.Minors(0, 1))
	_, err = probeWith(t, p)
	var status *Status4
	if !errors.As(err, &status) ||
		nfsv4.Nfsstat4(status.Code) != nfsv4.NFS4ERR_MINOR_VERS_MISMATCH || p.Pinned() != "4.2" ||
		h.Count(nfstest.Getport) != before {
		t.Errorf("pinned to %q, %v", p.Pinned(), err)
	}
}

func TestAutoNeither(t *testing.T) {
	h, p := hostileAuto(t)
	h.On(nfstest.Mnt, nfstest.MountStatus(mount.MNT3ERR_NOENT))
	h.On(nfstest.Null4, nfstest.Accepted(rpcv2.PROG_MISMATCH))
	r, err := probeWith(t, p)
	fails(t, err, Mount, MountStatus(mount.MNT3ERR_NOENT))
	var failed *Error
	if errors.As(err, &failed) {
		if failed.Version != "3" {
			t.Errorf("of version %q", failed.Version)
		}
		fails(t, failed.Other, Null, &RPCError{Stat: "PROG_MISMATCH", Low: 5, High: 7})
	}
	const want = "mount: MNT3ERR_NOENT (and with version 4, null: Program/version mismatch; " +
		"low version = 5, high version = 7)"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if p.Pinned() != "" || r.Version != "" {
		t.Errorf("pinned to %q, report %+v", p.Pinned(), r)
	}
	noState(t, h)

	// A later success of version 4 is one, but a refused version 3 may come
	// back.
	h.On(nfstest.Null4, nfstest.Healthy)
	if r, err := probeWith(t, p); err != nil || r.Version != "4.2" || p.Pinned() != "" {
		t.Errorf("pinned to %q, %v", p.Pinned(), err)
	}
}

// Version 4 succeeds although version 3 stalls, and UMNT is sent in the time
// that was kept for it.
func TestAutoStalling3(t *testing.T) {
	t.Parallel()
	const deadline = 4 * time.Second
	retry(t, func() error {
		h, p := hostileAuto(t)
		h.On(nfstest.Getattr3, nfstest.Hang)
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		began := time.Now()
		r, err := probeIn(t, ctx, p)
		took := time.Since(began)
		if err != nil || r.Version != "4.2" || p.Pinned() != "" || took < deadline*7/8 {
			return fmt.Errorf("%q after %v, pinned to %q, %v", r.Version, took, p.Pinned(), err)
		}
		fails(t, r.NotVersion3, Getattr, context.DeadlineExceeded)
		noState(t, h)
		if h.Count(nfstest.Umnt) != 1 {
			return errors.New("no UMNT")
		}
		return nil
	})
}

// If version 4 stalls, a success of version 3 waits for it for finishTime, not
// until the deadline.
func TestAutoStalling4(t *testing.T) {
	h, p := hostileAuto(t)
	h.On(nfstest.Null4, nfstest.Hang)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := probeIn(t, ctx, p)
	if err != nil || r.Version != "3" || p.Pinned() != "3" || ctx.Err() != nil {
		t.Errorf("%q, pinned to %q, %v, %v", r.Version, p.Pinned(), err, ctx.Err())
	}
	noState(t, h)
}

// A version 4 that hangs never uses up the deadline, however short that is.
func TestAutoStalling4InTime(t *testing.T) {
	t.Parallel()
	retry(t, func() error {
		h, p := hostileAuto(t)
		h.On(nfstest.Null4, nfstest.Hang)
		ctx, cancel := context.WithTimeout(t.Context(), finishTime)
		defer cancel()
		r, err := probeIn(t, ctx, p)
		end, _ := ctx.Deadline()
		spare := time.Until(end)
		noState(t, h)
		if err != nil || spare < finishTime/10 || r.Version != "3" {
			return fmt.Errorf("version %q %v before the deadline, %v", r.Version, spare, err)
		}
		return nil
	})
}

// A version 4 that is slower than version 3 can still end its session.
func TestAutoSlow4(t *testing.T) {
	h, p := hostileAuto(t)
	unmounted := make(chan struct{})
	var once sync.Once
	h.On(nfstest.Umnt, func(c net.Conn, call nfstest.Call, healthy func() []byte) bool {
		defer once.Do(func() { close(unmounted) })
		return nfstest.Healthy(c, call, healthy)
	})
	h.On(nfstest.Compound, func(c net.Conn, call nfstest.Call, healthy func() []byte) bool {
		<-unmounted
		return nfstest.Healthy(c, call, healthy)
	})
	if r, err := probeWith(t, p); err != nil || r.Version != "3" {
		t.Errorf("%q, %v", r.Version, err)
	}
	noState(t, h)
}

// If both versions stall, they have the whole deadline.
func TestAutoStallingBoth(t *testing.T) {
	h, p := hostileAuto(t)
	h.On(nfstest.Getport, nfstest.Hang)
	h.On(nfstest.Null4, nfstest.Hang)
	_, err := probeUntilDeadline(t, p, PortMap, Null)
	fails(t, err, PortMap, context.DeadlineExceeded)
	var failed *Error
	if errors.As(err, &failed) {
		fails(t, failed.Other, Null, context.DeadlineExceeded)
	}
	noState(t, h)

	ctx, cancel := context.WithCancel(t.Context())
	h.On(nfstest.Null4, func(c net.Conn, _ nfstest.Call, _ func() []byte) bool {
		cancel()
		io.Copy(io.Discard, c)
		return false
	})
	_, err = probeIn(t, ctx, p)
	fails(t, err, PortMap, context.Canceled)
	noState(t, h)
}

// A name is resolved once for both versions, and an unknown name is a failure
// of neither.
func TestAutoResolve(t *testing.T) {
	h, p := hostileAuto(t)
	p.config.Address = "fileserver.example"
	p.lookup = unknownHost
	_, err := probeWith(t, p)
	fails(t, err, Resolve, notFound)
	var failed *Error
	if errors.As(err, &failed) && (failed.Version != "" || failed.Other != nil) {
		t.Errorf("%+v", failed)
	}
	p.lookup = answer("127.0.0.1")
	r, err := probeWith(t, p)
	if err != nil || r.Rungs[0].Step != Resolve {
		t.Errorf("%v, rungs %v", err, r.Rungs)
	}
	noState(t, h)
}

// Only the version that is chosen opens files.
func TestAutoFiles(t *testing.T) {
	for _, c := range []struct {
		name    string
		on      func(h *nfstest.Hostile)
		version string
		creates int // CREATEs of version 3
		not3    Step
	}{
		{"both", func(*nfstest.Hostile) {}, "3", 1, 0},
		{"no 3", func(h *nfstest.Hostile) { h.On(nfstest.Getport, nfstest.Port(0)) }, "4.2", 0,
			PortMap},
		{"no 4", func(h *nfstest.Hostile) { h.On(nfstest.Null4, nfstest.Close) }, "3", 1, 0},
		{"3 cannot write", func(h *nfstest.Hostile) {
			h.On(nfstest.Create3,
				nfstest.FileStatus(nfsv3.NFS3ERR_ROFS))
		}, "4.2", 1, WriteTest},
		{"3 is cut off while it writes",
			func(h *nfstest.Hostile) { h.On(nfstest.Write3, nfstest.Close) }, "4.2", 1, WriteTest},
		{"3 finds no marker", func(h *nfstest.Hostile) {
			h.On(nfstest.Lookup3,
				nfstest.FileStatus(nfsv3.NFS3ERR_NOENT))
		}, "4.2", 0, Marker},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, config := hostileFiles(t, "auto")
			config.MountPort = 0
			c.on(h)
			r, err := probe(t, config)
			if err != nil || r.Version != c.version ||
				learnt(r, Marker) != "read 12 bytes of MOUNTED" ||
				learnt(r, WriteTest) != writeLearnt(r) {
				t.Fatalf("version %q, %v, rungs %v", r.Version, err, r.Rungs)
			}
			var not3 *Error
			if errors.As(r.NotVersion3, &not3) != (c.version != "3") ||
				not3 != nil && not3.Step != c.not3 {
				t.Errorf("not version 3 since %v", r.NotVersion3)
			}
			if n := h.Count(nfstest.Create3); n != c.creates {
				t.Errorf("%d CREATEs", n)
			}
			nothingLeft(t, h, 0)
		})
	}
}

// A version 3 that hangs in WRITE leaves time for version 4, and neither leaves
// a file.
func TestAutoFilesStalling3(t *testing.T) {
	t.Parallel()
	retry(t, func() error {
		h, c := hostileFiles(t, "auto")
		h.On(nfstest.Write3, nfstest.Hang)
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
		defer cancel()
		r, err := probeIn(t, ctx, New(c))
		if err != nil || r.Version != "4.2" || learnt(r, WriteTest) != writeLearnt(r) ||
			ctx.Err() != nil {
			return fmt.Errorf("version %q, %v, %v, rungs %v", r.Version, err, ctx.Err(), r.Rungs)
		}
		fails(t, r.NotVersion3, WriteTest, context.DeadlineExceeded)
		nothingLeft(t, h, 0)
		return nil
	})
}

// Overlapping probes, some of them cancelled, pin the same version. (Run with
// -race.)
func TestOverlap(t *testing.T) {
	h, p := hostileAuto(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if i%4 == 0 {
				go cancel()
			}
			if _, err := probeIn(t, ctx, p); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	disconnected(t, h)
	if p.Pinned() != "3" {
		t.Errorf("pinned to %q", p.Pinned())
	}
}

// Two versions side by side have one transcript, in order.
func TestAutoWire(t *testing.T) {
	h, p := hostileAuto(t)
	r, err := probeWith(t, p)
	if err != nil {
		t.Fatal(err)
	}
	noState(t, h)
	if !slices.IsSortedFunc(r.Wire, func(a, b Segment) int { return a.At.Compare(b.At) }) {
		t.Error("not in order")
	}
	var all []byte
	for _, s := range r.Wire {
		all = append(all, s.Data...)
	}
	for _, version := range []uint32{3, 4} {
		if !strings.Contains(string(all), string(xdr(2, nfsProgram, version, procNull))) {
			t.Errorf("no NULL of version %d", version)
		}
	}
}

func TestConfig(t *testing.T) {
	for version, want := range map[string]string{"": "auto", "auto": "auto", "3": "3", "4": "4",
		"4.1": "4.1"} {
		if got := New(Config{Version: version}).config.Version; got != want {
			t.Errorf("%q: %q", version, got)
		}
	}
	if got := New(Config{Dir: "/a"}).config.Path4; got != "/a" {
		t.Errorf("%q", got)
	}
	if got := New(Config{Dir: "/a", Path4: "/b"}).config.Path4; got != "/b" {
		t.Errorf("%q", got)
	}
}

// A panic is a failed probe. (A nil resolver stands for a decoder with a bug.)
func TestPanic(t *testing.T) {
	p := New(Config{Address: "fileserver.example", Version: "3"})
	p.lookup = nil
	_, err := probeWith(t, p)
	fails(t, err, Resolve, &MalformedError{"panicked"})
}

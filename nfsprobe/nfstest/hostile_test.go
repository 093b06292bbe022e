//go:build linux

package nfstest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"

	"fsmon/nfsprobe"
	. "fsmon/nfsprobe/nfstest"
)

var hosts atomic.Uint32

// hostile starts a hostile server on the well-known ports of an address of its
// own.
func hostile(t testing.TB) *Hostile {
	t.Helper()
	New(t, Config{Empty: true}) // skips where the tests have no network of their own
	n := hosts.Add(1)
	return NewHostile(t, HostileConfig{Address: fmt.Sprintf("127.1.%d.%d", n>>8, n&0xff),
		PortmapPort: 111, NFSPort: 2049})
}

func probe(
	t testing.TB, h *Hostile, version string, deadline time.Duration,
) (nfsprobe.Report, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	r, err := nfsprobe.New(nfsprobe.Config{Address: h.Address, Dir: "/some/export",
		Version: version}).Probe(ctx)
	// The probe has closed all connections; the server sees it a moment later.
	for until := time.Now().Add(time.Minute); h.Open() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d connections are still open", h.Open())
		}
	}
	return r, err
}

// The calls to a healthy server, in order.
func TestHostileHealthy(t *testing.T) {
	t.Parallel()
	asked4 := func(n int) []Proc {
		return append([]Proc{Null4}, slices.Repeat([]Proc{Compound}, n)...)
	}
	for version, want := range map[string][]Proc{
		"3":   {Getport, Getport, Mnt, Null3, Getattr3, Access3, Umnt},
		"4.0": asked4(1),
		"4.1": asked4(5),
		"4.2": asked4(5),
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			h := hostile(t)
			r, err := probe(t, h, version, time.Minute)
			if err != nil || r.Version != version || len(r.Warnings) > 0 {
				t.Errorf("version %q, %v, warnings %q", r.Version, err, r.Warnings)
			}
			var asked []Proc
			for _, call := range h.Calls() {
				asked = append(asked, call.Proc)
				if call.Program != 100000 && call.Procedure != 0 &&
					call.Cred.Flavor != rpcv2.AUTH_SYS || !call.From.Addr().IsLoopback() {
					t.Errorf("%v with %v from %v", call.Proc, call.Cred, call.From)
				}
			}
			if !slices.Equal(asked, want) {
				t.Errorf("asked %v, want %v", asked, want)
			}
			if clients, sessions := h.State(); clients+sessions > 0 {
				t.Errorf("left %d clients and %d sessions", clients, sessions)
			}
		})
	}
}

func TestHostileIPv6(t *testing.T) {
	t.Parallel()
	New(t, Config{Empty: true})
	h := NewHostile(t, HostileConfig{Address: "::1", PortmapPort: 111})
	if r, err := probe(t, h, "3", time.Minute); err != nil || r.MountPort != h.MountPort ||
		r.NFSPort != h.NFSPort || h.Count(Getaddr) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

// Each answer has its effect on a probe.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	isA := func(want error) func(error) bool {
		return func(err error) bool {
			return errors.Is(err,
				want)
		}
	}
	malformed := func(err error) bool {
		var m *nfsprobe.MalformedError
		return errors.As(err, &m)
	}
	rpc := func(want nfsprobe.RPCError) func(error) bool {
		return func(err error) bool {
			var got *nfsprobe.RPCError
			return errors.As(err, &got) && *got == want
		}
	}
	noAnswer, healthy := isA(context.DeadlineExceeded), func(err error) bool { return err == nil }
	for name, c := range map[string]struct {
		proc   Proc
		answer Answer
		step   nfsprobe.Step
		is     func(error) bool
	}{
		"Hang":               {Mnt, Hang, nfsprobe.Mount, noAnswer},
		"Close":              {Null3, Close, nfsprobe.Null, isA(io.EOF)},
		"Reset":              {Getattr3, Reset, nfsprobe.Getattr, isA(syscall.ECONNRESET)},
		"WrongXID":           {Access3, WrongXID, nfsprobe.Access, malformed},
		"NotAReply":          {Getport, NotAReply, nfsprobe.PortMap, malformed},
		"Verifier, allowed":  {Getport, Verifier(0, 400), 0, healthy},
		"Verifier, too long": {Getport, Verifier(0, 404), nfsprobe.PortMap, malformed},
		"Truncated":          {Getattr3, Truncated(60), nfsprobe.Getattr, malformed},
		"Accepted": {Mnt, Accepted(rpcv2.GARBAGE_ARGS), nfsprobe.Mount,
			rpc(nfsprobe.RPCError{Stat: "GARBAGE_ARGS"})},
		"Accepted, mismatch": {Null3, Accepted(rpcv2.PROG_MISMATCH), nfsprobe.Null,
			rpc(nfsprobe.RPCError{Stat: "PROG_MISMATCH", Low: 5, High: 7})},
		"Accepted, unheard": {Null3, Accepted(99), nfsprobe.Null, malformed},
		"Denied": {Getattr3, Denied(rpcv2.AUTH_BADCRED), nfsprobe.Getattr,
			rpc(nfsprobe.RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_BADCRED"})},
		"DeniedVersion": {Null3, DeniedVersion(3, 4), nfsprobe.Null,
			rpc(nfsprobe.RPCError{Stat: "RPC_MISMATCH", Low: 3, High: 4})},
		"Cut, in the mark":    {Mnt, Cut(3), nfsprobe.Mount, isA(io.EOF)},
		"Cut, in the message": {Mnt, Cut(20), nfsprobe.Mount, isA(io.EOF)},
		"Fragmented":          {Getattr3, Fragmented(7), 0, healthy},
		"Mark, 2 GiB":         {Getattr3, Mark(1<<32 - 1), nfsprobe.Getattr, malformed},
		"Mark, too long":      {Getattr3, Mark(1<<31 | 4096), nfsprobe.Getattr, noAnswer},
		"ZeroFragments":       {Getattr3, ZeroFragments, nfsprobe.Getattr, malformed},
		"Drip":                {Mnt, Drip(time.Minute), nfsprobe.Mount, noAnswer},
		"Port, none":          {Getport, Port(0), nfsprobe.PortMap, isA(nfsprobe.ErrNotRegistered)},
		"Port, refusing":      {Getport, Port(1), nfsprobe.MountConnect, isA(syscall.ECONNREFUSED)},
		"Port, impossible":    {Getport, Port(65536), nfsprobe.PortMap, malformed},
		"Port, somebody else": {Getport, Port(2049), nfsprobe.Mount,
			rpc(nfsprobe.RPCError{Stat: "PROG_UNAVAIL"})},
		"MountStatus": {Mnt, MountStatus(mount.MNT3ERR_NOENT), nfsprobe.Mount,
			isA(nfsprobe.MountStatus(mount.MNT3ERR_NOENT))},
		"Mounted, Kerberos": {Mnt, Mounted([]byte("handle"), 390003, 390004), nfsprobe.Mount,
			isA(nfsprobe.ErrKerberos)},
		"Mounted, no handle": {Mnt, Mounted(nil, 1), nfsprobe.Mount, malformed},
		"Attributes": {Getattr3, Attributes(nfsv3.NF3REG), nfsprobe.Getattr,
			isA(nfsprobe.ErrNotDirectory)},
		"GetattrStatus": {Getattr3, GetattrStatus(nfsv3.NFS3ERR_STALE), nfsprobe.Getattr,
			isA(nfsprobe.Status3(nfsv3.NFS3ERR_STALE))},
		"AccessStatus": {Access3, AccessStatus(nfsv3.NFS3ERR_IO), nfsprobe.Access,
			isA(nfsprobe.Status3(nfsv3.NFS3ERR_IO))},
		"Times": {Getattr3, Times(2, GetattrStatus(nfsv3.NFS3ERR_JUKEBOX), Healthy),
			0, healthy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hostile(t)
			h.On(c.proc, c.answer)
			deadline := time.Minute
			if name == "Hang" || name == "Drip" || name == "Mark, too long" {
				deadline = 500 * time.Millisecond
			}
			_, err := probe(t, h, "3", deadline)
			var failed *nfsprobe.Error
			for errors.As(err, &failed) && failed.Step < c.step && deadline < time.Minute {
				deadline *= 10 // a busy machine may not have come that far
				_, err = probe(t, h, "3", deadline)
			}
			if !c.is(err) || errors.As(err, &failed) && failed.Step != c.step {
				t.Errorf("got %v, want a failure of %v", err, c.step)
			}
			// At the deadline there is no time left for UMNT.
			if mounted := h.Count(Getattr3) > 0; mounted && h.Count(Umnt) != 1 &&
				!errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("UMNT came %d times", h.Count(Umnt))
			}
		})
	}
}

func TestHostileCompound(t *testing.T) {
	t.Parallel()
	status := func(op string, status nfsv4.Nfsstat4) *nfsprobe.Status4 {
		return &nfsprobe.Status4{Op: op, Code: uint32(status)}
	}
	for name, c := range map[string]struct {
		version string
		spoil   func(h *Hostile)
		spoken  string
		want    *nfsprobe.Status4
	}{
		"DELAY, then not": {"4.1", func(h *Hostile) {
			h.FailOp(2, nfsv4.OP_SEQUENCE,
				nfsv4.NFS4ERR_DELAY)
		}, "4.1", nil},
		"GRACE, then not": {"4.0", func(h *Hostile) {
			h.FailOp(1, nfsv4.OP_LOOKUP,
				nfsv4.NFS4ERR_GRACE)
		}, "4.0", nil},
		"STALE": {"4.2", func(h *Hostile) {
			h.FailOp(-1, nfsv4.OP_GETATTR,
				nfsv4.NFS4ERR_STALE)
		}, "4.2", status("GETATTR", nfsv4.NFS4ERR_STALE)},
		"no session": {"4.2", func(h *Hostile) {
			h.FailOp(-1, nfsv4.OP_CREATE_SESSION,
				nfsv4.NFS4ERR_NOSPC)
		}, "4.2", status("CREATE_SESSION", nfsv4.NFS4ERR_NOSPC)},
		"minor version 1": {"4", func(h *Hostile) { h.On(Compound, Minors(1)) }, "4.1", nil},
		"minor version 0": {"4", func(h *Hostile) { h.On(Compound, Minors(0)) }, "4.0", nil},
		"no EXCHANGE_ID": {"4.1", func(h *Hostile) {
			h.On(Compound,
				CompoundStatus(nfsv4.NFS4ERR_RESOURCE))
		}, "4.1", status("COMPOUND", nfsv4.NFS4ERR_RESOURCE)},
		"no COMPOUND": {"4.0", func(h *Hostile) {
			h.On(Compound,
				CompoundStatus(nfsv4.NFS4ERR_RESOURCE))
		}, "4.0", status("COMPOUND", nfsv4.NFS4ERR_RESOURCE)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hostile(t)
			c.spoil(h)
			r, err := probe(t, h, c.version, time.Minute)
			var got *nfsprobe.Status4
			switch {
			case r.Version != c.spoken:
				t.Errorf("spoke %q, want %s", r.Version, c.spoken)
			case c.want == nil && err != nil:
				t.Error(err)
			case c.want != nil && (!errors.As(err, &got) || *got != *c.want):
				t.Errorf("got %v, want %v", err, c.want)
			}
			if clients, sessions := h.State(); clients+sessions > 0 {
				t.Errorf("left %d clients and %d sessions", clients, sessions)
			}
		})
	}
}

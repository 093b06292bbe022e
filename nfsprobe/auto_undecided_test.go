package nfsprobe

import (
	"context"
	"syscall"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// Version 4 is kept only if the server says that it does not offer version 3.
func TestNotOffered(t *testing.T) {
	mismatch, denied := &RPCError{Stat: "PROG_MISMATCH"}, &RPCError{Stat: "AUTH_ERROR"}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{&Error{Step: PortMap, Err: ErrNotRegistered}, true},
		{&Error{Step: Mount, Err: mismatch}, true},
		{&Error{Step: Null, Err: mismatch}, true},
		{&Error{Step: PortMap, Err: mismatch}, false}, // the port mapper's own version
		{&Error{Step: PortMap, Err: errNoAnswer}, false},
		{&Error{Step: PortMap, Err: broken("dial", syscall.ECONNREFUSED)}, false},
		{&Error{Step: PortMap, Err: broken("read", syscall.ECONNRESET)}, false},
		{&Error{Step: Null, Err: denied}, false},
		{&Error{Step: Mount, Err: MountStatus(mount.MNT3ERR_ACCES)}, false},
		{&Error{Step: Socket, Err: errNoAnswer}, false},
	} {
		if notOffered(c.err) != c.want {
			t.Errorf("%v: %v", c.err, !c.want)
		}
	}
}

// After a first probe without a port mapper version 4 is healthy for now; when
// the port mapper is back, version 3 is pinned, and its failure is a failure.
func TestAutoUndecided(t *testing.T) {
	for name, mute := range map[string]nfstest.Answer{"closed": nfstest.Close,
		"reset": nfstest.Reset, "denied": nfstest.Denied(rpcv2.AUTH_FAILED)} {
		h, p := hostileAuto(t)
		h.On(nfstest.Getport, mute)
		for range 2 {
			r, err := probeWith(t, p)
			if err != nil || r.Version != "4.2" || p.Pinned() != "" || r.NotVersion3 == nil {
				t.Errorf("%s: %q, pinned to %q, %v", name, r.Version, p.Pinned(), err)
			}
		}
		h.On(nfstest.Getport, nfstest.Healthy)
		r, err := probeWith(t, p)
		if err != nil || r.Version != "3" || p.Pinned() != "3" || r.NotVersion3 != nil {
			t.Errorf("%s: %q, pinned to %q, %v", name, r.Version, p.Pinned(), err)
		}
		h.On(nfstest.Getport, mute)
		if _, err := probeWith(t, p); err == nil {
			t.Errorf("%s: version 3 was pinned and fails, and the probe is healthy", name)
		}
		noState(t, h)
	}
}

// A port mapper that never answers makes the first probe late, not the others:
// of ten minutes they take five seconds.
func TestAutoMute(t *testing.T) {
	t.Parallel()
	h, p := hostileAuto(t)
	h.On(nfstest.Getport, nfstest.Hang)
	p.only4 = true
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	defer time.AfterFunc(patience, cancel).Stop()
	r, err := probeIn(t, ctx, p)
	if err != nil || r.Version != "4.2" || p.Pinned() != "" {
		t.Errorf("%q, pinned to %q, %v", r.Version, p.Pinned(), err)
	}
	if h.Count(nfstest.Getport) == 0 || ctx.Err() != nil {
		t.Errorf("the port mapper was not asked, or waited for too long (%v)", ctx.Err())
	}
	noState(t, h)
}

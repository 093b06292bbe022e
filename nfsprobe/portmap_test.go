package nfsprobe

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"testing"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// Ports that are configured are not asked for. If both are, no port mapper is
// needed.
func TestPorts(t *testing.T) {
	h, c := hostile(t)
	for _, one := range []struct{ mount, nfs, asked int }{{0, 0, 2}, {h.MountPort, 0, 1},
		{0, h.NFSPort, 1}, {h.MountPort, h.NFSPort, 0}} {
		before := h.Count(nfstest.Getport)
		c.MountPort, c.Port = one.mount, one.nfs
		if r, err := probe(t, c); err != nil || r.MountPort != h.MountPort ||
			r.NFSPort != h.NFSPort {
			t.Errorf("%+v: %v, report %+v", one, err, r)
		}
		if asked := h.Count(nfstest.Getport) - before; asked != one.asked {
			t.Errorf("%+v: asked %d times", one, asked)
		}
	}
}

// Over IPv6 rpcbind is asked in version 4, and in version 3 if it has no other.
func TestRpcbind(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	switch {
	case err != nil && os.Getenv("CI") != "true":
		t.Skipf("no IPv6 here: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	l.Close()
	h := nfstest.NewHostile(t, nfstest.HostileConfig{Address: "::1"})
	c := Config{Address: "::1", Dir: "/export", Version: "3", portMapper: h.PortmapPort}
	getaddr3 := nfstest.Proc{Program: 100000, Version: 3, Procedure: 3}
	for range 2 {
		r, err := probe(t, c)
		if err != nil || r.Address != fmt.Sprintf("[::1]:%d", h.NFSPort) {
			t.Errorf("%+v, %v", r, err)
		}
		if h.Count(nfstest.Getport) != 0 {
			t.Error("GETPORT over IPv6")
		}
		h.On(nfstest.Getaddr, nfstest.Accepted(rpcv2.PROG_MISMATCH))
	}
	if h.Count(nfstest.Getaddr) != 4 || h.Count(getaddr3) != 2 {
		t.Errorf("%d, %d", h.Count(nfstest.Getaddr), h.Count(getaddr3))
	}
	h.On(getaddr3, nfstest.Uaddr(""))
	_, err = probe(t, c)
	fails(t, err, PortMap, ErrNotRegistered)
	h.On(getaddr3, nfstest.Accepted(rpcv2.PROG_MISMATCH))
	_, err = probe(t, c)
	fails(t, err, PortMap, &RPCError{Stat: "PROG_MISMATCH", Low: 5, High: 7})
}

// An rpcbind without the port mapper's version 2 is asked in its own versions,
// over IPv4 too.
func TestRpcbindOnly(t *testing.T) {
	h, c := hostile(t)
	getaddr3 := nfstest.Proc{Program: 100000, Version: 3, Procedure: 3}
	h.On(nfstest.Getport, nfstest.Versions(3, 4))
	r, err := probe(t, c)
	if err != nil || r.MountPort != h.MountPort || r.NFSPort != h.NFSPort ||
		h.Count(nfstest.Getaddr) != 2 || h.Count(getaddr3) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, call := range h.Calls() {
		if call.Proc == nfstest.Getaddr && !bytes.Contains(call.Args, opaque("tcp")) {
			t.Errorf("asked for %q", call.Args)
		}
	}
	h.On(nfstest.Getaddr, nfstest.Versions(3, 3))
	if _, err := probe(t, c); err != nil || h.Count(getaddr3) != 2 {
		t.Errorf("%v, asked %d times", err, h.Count(getaddr3))
	}
	h.On(getaddr3, nfstest.Uaddr(""))
	_, err = probe(t, c)
	fails(t, err, PortMap, ErrNotRegistered)
}

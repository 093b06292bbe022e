package nfsprobe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// hostile returns a hostile server and the configuration of a probe of version
// 3 for it.
func hostile(t testing.TB) (*nfstest.Hostile, Config) {
	t.Helper()
	h := nfstest.NewHostile(t, nfstest.HostileConfig{})
	return h, Config{Address: h.Address, Dir: "/export", Version: "3", portMapper: h.PortmapPort}
}

// disconnected waits until the server has seen the end of all connections.
func disconnected(t testing.TB, h *nfstest.Hostile) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); h.Open() > 0; <-tick.C {
		if time.Now().After(end) {
			t.Errorf("%d connections left", h.Open())
			return
		}
	}
}

func TestProbe3(t *testing.T) {
	h, c := hostile(t)
	p := New(c)
	r, err := probeWith(t, p)
	if err != nil {
		t.Fatal(err)
	}
	disconnected(t, h)
	if r.Version != "3" || p.Pinned() != "3" || r.MountPort != h.MountPort ||
		r.NFSPort != h.NFSPort ||
		r.Address != fmt.Sprintf("127.0.0.1:%d", h.NFSPort) || len(r.Warnings) != 0 {
		t.Errorf("pinned to %q, report %+v", p.Pinned(), r)
	}
	want := []string{
		fmt.Sprintf("port map: mount port %d, NFS port %d", h.MountPort, h.NFSPort),
		fmt.Sprintf("mount connect: 127.0.0.1:%d", h.MountPort),
		"mount: file handle of 26 bytes, flavors sys:none",
		fmt.Sprintf("connect: 127.0.0.1:%d", h.NFSPort),
		"null: ", "getattr: directory, mode 0755, owner 0:0", "access: may read, lookup",
		"unmount: ",
	}
	for i, rung := range r.Rungs {
		if got := rung.Step.String() + ": " + rung.Learnt; i >= len(want) || got != want[i] {
			t.Errorf("rung %d: %q", i, got)
		}
	}
	asked := []nfstest.Proc{nfstest.Getport, nfstest.Getport, nfstest.Mnt, nfstest.Null3,
		nfstest.Getattr3, nfstest.Access3, nfstest.Umnt}
	calls := h.Calls()
	if len(calls) != len(asked) {
		t.Fatalf("%d calls", len(calls))
	}
	for i, call := range calls {
		flavor := rpcv2.AUTH_SYS
		if call.Proc == nfstest.Getport || call.Proc == nfstest.Null3 {
			flavor = rpcv2.AUTH_NONE
		}
		if call.Proc != asked[i] || call.Cred.Flavor != flavor {
			t.Errorf("call %d: %+v", i, call)
		}
		// The port mapper answers every source port (RFC 1833), so the probe
		// saves its privileged ones.
		if reserved := call.From.Port() < 1024; reserved != (os.Geteuid() == 0 &&
			call.Proc != nfstest.Getport) {
			t.Errorf("call %d came from port %d", i, call.From.Port())
		}
	}
	if mnt, umnt := calls[2].Args, calls[6].Args; !bytes.Equal(mnt, opaque("/export")) ||
		!bytes.Equal(umnt, mnt) {
		t.Errorf("MNT %q, UMNT %q", mnt, umnt)
	}
}

// granted: the failure comes after a MNT that succeeded, so UMNT must follow.
type spoilt struct {
	name    string
	proc    nfstest.Proc
	answer  nfstest.Answer
	step    Step
	cause   error
	granted bool
}

// everywhere returns what can go wrong with any call.
func everywhere(proc nfstest.Proc, step Step, granted bool) []spoilt {
	closed, reset := broken("read", io.EOF), broken("read", syscall.ECONNRESET)
	tooWeak := &RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_TOOWEAK"}
	var says error = ErrKerberos
	switch {
	case step == PortMap: // not about the export
		says = tooWeak
	case os.Geteuid() != 0 && granted: // the export takes AUTH_SYS, so about the port
		says = tooWeak
	case os.Geteuid() != 0:
		says = ErrPortOrKerberos
	}
	var all []spoilt
	for _, s := range []spoilt{
		{name: "closed", answer: nfstest.Close, cause: closed},
		{name: "reset", answer: nfstest.Reset, cause: reset},
		{name: "closed in the mark", answer: nfstest.Cut(2), cause: closed},
		{name: "closed in the answer", answer: nfstest.Cut(10), cause: closed},
		{name: "wrong xid", answer: nfstest.WrongXID, cause: &MalformedError{"was due"}},
		{name: "a call", answer: nfstest.NotAReply, cause: &MalformedError{}},
		{name: "verifier of 404 bytes", answer: nfstest.Verifier(0, 404),
			cause: &MalformedError{"404"}},
		{name: "verifier of RPCSEC_GSS", answer: nfstest.Verifier(6, 0),
			cause: &MalformedError{"flavor 6"}},
		{name: "cut in the header", answer: nfstest.Truncated(18), cause: &MalformedError{"EOF"}},
		{name: "nothing", answer: nfstest.Truncated(0), cause: &MalformedError{"0 bytes"}},
		{name: "4 GB", answer: nfstest.Mark(0xffffffff),
			cause: &MalformedError{"2147483647 bytes"}},
		{name: "2 GB, not the last", answer: nfstest.Mark(0x7fffffff),
			cause: &MalformedError{"2147483647 bytes"}},
		{name: "64 KiB and one", answer: nfstest.Mark(1<<31 | maxRecord + 1),
			cause: &MalformedError{"65537 bytes"}},
		{name: "65 fragments", answer: nfstest.Fragmented(65),
			cause: &MalformedError{"more than 64 fragments"}},
		{name: "zero fragments", answer: nfstest.ZeroFragments,
			cause: &MalformedError{"more than 64 fragments"}},
		{name: "AUTH_TOOWEAK", answer: nfstest.Denied(rpcv2.AUTH_TOOWEAK), cause: says},
		{name: "AUTH_TOOWEAK as it came", answer: nfstest.Denied(rpcv2.AUTH_TOOWEAK),
			cause: tooWeak},
		{name: "AUTH_BADCRED", answer: nfstest.Denied(rpcv2.AUTH_BADCRED),
			cause: &RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_BADCRED"}},
		{name: "RPC_MISMATCH", answer: nfstest.DeniedVersion(3, 4),
			cause: &RPCError{Stat: "RPC_MISMATCH", Low: 3, High: 4}},
		{name: "PROG_UNAVAIL", answer: nfstest.Accepted(rpcv2.PROG_UNAVAIL),
			cause: &RPCError{Stat: "PROG_UNAVAIL"}},
		{name: "PROG_MISMATCH", answer: nfstest.Accepted(rpcv2.PROG_MISMATCH),
			cause: &RPCError{Stat: "PROG_MISMATCH", Low: 5, High: 7}},
		{name: "PROC_UNAVAIL", answer: nfstest.Accepted(rpcv2.PROC_UNAVAIL),
			cause: &RPCError{Stat: "PROC_UNAVAIL"}},
		{name: "GARBAGE_ARGS", answer: nfstest.Accepted(rpcv2.GARBAGE_ARGS),
			cause: &RPCError{Stat: "GARBAGE_ARGS"}},
		{name: "SYSTEM_ERR", answer: nfstest.Accepted(rpcv2.SYSTEM_ERR),
			cause: &RPCError{Stat: "SYSTEM_ERR"}},
		{name: "accept_stat 6", answer: nfstest.Accepted(6),
			cause: &MalformedError{"accept_stat 6"}},
	} {
		s.name, s.proc, s.step, s.granted = step.String()+", "+s.name, proc, step, granted
		all = append(all, s)
	}
	return all
}

func TestSpoilt(t *testing.T) {
	var cases []spoilt
	cases = append(cases, everywhere(nfstest.Getport, PortMap, false)...)
	cases = append(cases, everywhere(nfstest.Mnt, Mount, false)...)
	cases = append(cases, everywhere(nfstest.Null3, Null, true)...)
	cases = append(cases, everywhere(nfstest.Getattr3, Getattr, true)...)
	cases = append(cases, everywhere(nfstest.Access3, Access, true)...)
	cases = append(cases, []spoilt{
		{"not registered", nfstest.Getport, nfstest.Port(0), PortMap, ErrNotRegistered, false},
		{"port 65536", nfstest.Getport, nfstest.Port(65536), PortMap, &MalformedError{"65536"},
			false},
		{"closed port", nfstest.Getport, nfstest.Port(1), MountConnect,
			broken("dial", syscall.ECONNREFUSED), false},
		{"MNT3ERR_ACCES", nfstest.Mnt, nfstest.MountStatus(mount.MNT3ERR_ACCES), Mount,
			MountStatus(13), false},
		{"mountstat3 99", nfstest.Mnt, nfstest.MountStatus(99), Mount, MountStatus(99), false},
		{"empty handle", nfstest.Mnt, nfstest.Mounted(nil), Mount, &MalformedError{"empty"}, true},
		{"cut in the handle", nfstest.Mnt, nfstest.Truncated(24 + 4 + 4 + 5), Mount,
			&MalformedError{"EOF"}, true},
		{"handle of 4 GB", nfstest.Mnt, nfstest.Message(func(m []byte) []byte {
			binary.BigEndian.PutUint32(m[28:], 0xffffffff)
			return m
		}), Mount, &MalformedError{"4294967295"}, true},
		{"krb5 only", nfstest.Mnt, nfstest.Mounted([]byte("h"), 390003, 390004), Mount, ErrKerberos,
			true},
		{"regular file", nfstest.Getattr3, nfstest.Attributes(nfsv3.NF3REG), Getattr,
			ErrNotDirectory, true},
		{"type 9", nfstest.Getattr3, nfstest.Attributes(9), Getattr, &MalformedError{"file type 9"},
			true},
		{"NFS3ERR_STALE", nfstest.Getattr3, nfstest.GetattrStatus(nfsv3.NFS3ERR_STALE), Getattr,
			Status3(70), true},
		{"cut in the attributes", nfstest.Getattr3, nfstest.Truncated(60), Getattr,
			&MalformedError{"EOF"}, true},
		{"NFS3ERR_IO", nfstest.Access3, nfstest.AccessStatus(nfsv3.NFS3ERR_IO), Access, Status3(5),
			true},
		{"UMNT malformed", nfstest.Umnt, nfstest.WrongXID, Unmount, &MalformedError{"was due"},
			true},
	}...)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, config := hostile(t)
			h.On(c.proc, c.answer)
			r, err := probe(t, config)
			fails(t, err, c.step, c.cause)
			var failed *Error
			if errors.As(err, &failed) && (failed.Version != "3" || failed.Other != nil) {
				t.Errorf("%+v", failed)
			}
			if last := r.Rungs[len(r.Rungs)-1].Step; last != c.step {
				t.Errorf("last rung %v", last)
			}
			disconnected(t, h)
			want := 0
			if c.granted {
				want = 1
			}
			if got := h.Count(nfstest.Umnt); got != want || len(r.Warnings) != 0 {
				t.Errorf("%d UMNT, want %d; warnings %q", got, want, r.Warnings)
			}
		})
	}
}

// Odd answers that clients accept are no failures.
func TestOdd(t *testing.T) {
	for name, on := range map[string]func(*nfstest.Hostile){
		"64 fragments": func(h *nfstest.Hostile) { h.On(nfstest.Getattr3, nfstest.Fragmented(64)) },
		"no flavors": func(h *nfstest.Hostile) {
			h.On(nfstest.Mnt, nfstest.Mounted([]byte("h")))
		},
		"AUTH_SHORT": func(h *nfstest.Hostile) {
			h.On(nfstest.Access3, nfstest.Verifier(2, 400))
		},
		"more than due": func(h *nfstest.Hostile) {
			h.On(nfstest.Access3, nfstest.Message(func(m []byte) []byte {
				return append(m, "more"...)
			}))
		},
		"no rights at all": func(h *nfstest.Hostile) {
			h.On(nfstest.Access3, nfstest.Results(words{0, 0, 0}))
		},
		"busy once": func(h *nfstest.Hostile) {
			h.On(nfstest.Getattr3, nfstest.Times(1, nfstest.GetattrStatus(nfsv3.NFS3ERR_JUKEBOX),
				nfstest.Healthy))
			h.On(nfstest.Access3, nfstest.Times(1, nfstest.AccessStatus(nfsv3.NFS3ERR_JUKEBOX),
				nfstest.Healthy))
		},
		"one byte at a time": func(h *nfstest.Hostile) {
			h.On(nfstest.Null3, nfstest.Healthy)
			h.On(nfstest.Umnt, nfstest.Drip(time.Millisecond))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, c := hostile(t)
			on(h)
			if r, err := probe(t, c); err != nil || len(r.Warnings) != 0 {
				t.Errorf("%v, warnings %q", err, r.Warnings)
			}
		})
	}
	t.Run("only AUTH_NONE", func(t *testing.T) {
		h, c := hostile(t)
		h.On(nfstest.Mnt, nfstest.Mounted([]byte("h"), 0))
		r, err := probe(t, c)
		if err != nil {
			t.Error(err)
		}
		for _, call := range h.Calls() {
			if call.Proc == nfstest.Getattr3 && call.Cred.Flavor != rpcv2.AUTH_NONE {
				t.Errorf("%+v", call)
			}
		}
		if !strings.HasPrefix(r.Identity, "AUTH_NONE, ") {
			t.Errorf("identity %q", r.Identity)
		}
	})
	t.Run("UMNT refused", func(t *testing.T) {
		h, c := hostile(t)
		h.On(nfstest.Umnt, nfstest.Accepted(rpcv2.PROC_UNAVAIL))
		if r, err := probe(t, c); err != nil || len(r.Warnings) != 1 ||
			r.Warnings[0] != "unmount was refused: Procedure unavailable" {
			t.Errorf("%v, warnings %q", err, r.Warnings)
		}
	})
	for name, answer := range map[string]nfstest.Answer{"closed": nfstest.Close,
		"reset": nfstest.Reset, "closed in the answer": nfstest.Cut(10)} {
		t.Run("UMNT "+name, func(t *testing.T) {
			h, c := hostile(t)
			h.On(nfstest.Umnt, answer)
			r, err := probe(t, c)
			const warning = "the server closed the connection instead of answering unmount, " +
				"and may keep what it knows of the probe for a while"
			if err != nil || len(r.Warnings) != 1 || r.Warnings[0] != warning {
				t.Errorf("%v, warnings %q", err, r.Warnings)
			}
			disconnected(t, h)
		})
	}
	t.Run("UMNT closed after a failure", func(t *testing.T) {
		h, c := hostile(t)
		h.On(nfstest.Getattr3, nfstest.GetattrStatus(nfsv3.NFS3ERR_STALE))
		h.On(nfstest.Umnt, nfstest.Close)
		r, err := probe(t, c)
		fails(t, err, Getattr, Status3(nfsv3.NFS3ERR_STALE))
		if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0],
			"closed the connection instead of answering unmount") {
			t.Errorf("warnings %q", r.Warnings)
		}
	})
}

// Long names and names that are not ASCII are sent as they are. Names that are
// longer than MNT allows are not sent.
func TestDirectories(t *testing.T) {
	h, c := hostile(t)
	for _, dir := range []string{"/共有", "/caf\xe9", "/" + strings.Repeat("d", 1023)} {
		c.Dir = dir
		if _, err := probe(t, c); err != nil {
			t.Errorf("%q: %v", dir, err)
		}
		if calls := h.Calls(); !bytes.Equal(calls[len(calls)-1].Args, opaque(dir)) {
			t.Errorf("%q: sent %q", dir, calls[len(calls)-1].Args)
		}
	}
	c.Dir = "/" + strings.Repeat("d", 1024)
	_, err := probe(t, c)
	var failed *Error
	if !errors.As(err, &failed) || failed.Step != Mount || !strings.Contains(err.Error(),
		"1025 bytes") {
		t.Error(err)
	}
}

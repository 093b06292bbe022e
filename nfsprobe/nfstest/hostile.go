// Package nfstest has NFS servers to probe, for tests, the demo and the
// benchmark: a real Ganesha and rpcbind on their well-known ports in a network
// of their own (StartLab), and a hostile server whose answers a test chooses
// (Hostile). Isolate gives a test binary such a network.
package nfstest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// Proc is a procedure of a version of an RPC program.
type Proc struct{ Program, Version, Procedure uint32 }

// The procedures a probe calls.
var (
	Getport  = Proc{portmapProgram, 2, 3} // RFC 1833 3
	Getaddr  = Proc{portmapProgram, 4, 3} // RFC 1833 2
	Mnt      = Proc{mountProgram, 3, 1}   // RFC 1813 5.2.1
	Umnt     = Proc{mountProgram, 3, 3}   // RFC 1813 5.2.3
	Null3    = Proc{nfsProgram, 3, 0}     // RFC 1813 3.3.0
	Getattr3 = Proc{nfsProgram, 3, 1}     // RFC 1813 3.3.1
	Access3  = Proc{nfsProgram, 3, 4}     // RFC 1813 3.3.4
	Null4    = Proc{nfsProgram, 4, 0}     // RFC 7530 15.1
	Compound = Proc{nfsProgram, 4, 1}     // RFC 7530 15.2, of every minor version
	NullLock = Proc{lockProgram, 4, 0}    // RFC 1813 6
	TestLock = Proc{lockProgram, 4, 1}
	NullStat = Proc{statusProgram, 1, 0} // XNFS 11
)

const (
	portmapProgram = 100000
	nfsProgram     = 100003
	mountProgram   = 100005
	lockProgram    = 100021
	statusProgram  = 100024
)

// Call is one RPC call to a hostile server.
type Call struct {
	Proc
	At   time.Time
	From netip.AddrPort
	XID  uint32
	Cred rpcv2.OpaqueAuth
	Args []byte // as XDR, without protection

	*sealing // of the reply; nil: none
}

// HostileConfig says where a hostile server listens.
type HostileConfig struct {
	// Default net.Listen; use Lab.Listen for a lab's network.
	Listen  func(network, address string) (net.Listener, error)
	Address string // default 127.0.0.1
	// Ports; 0: the kernel chooses one. Probes ask the port mapper on 111.
	PortmapPort, MountPort, NFSPort int
}

// Hostile is a port mapper, a mount service and an NFS server of versions 3 and
// 4.0 to 4.2, all over TCP; the mount port also has a lock manager of version 4
// and a status monitor. A test may change its answer to each procedure with
// On; without that it is healthy: it knows its own ports, and every path is a
// directory, except for the files that Put and its clients make.
type Hostile struct {
	Address                         string
	PortmapPort, MountPort, NFSPort int

	open    connections
	mu      sync.Mutex
	answers map[Proc]Answer
	calls   []Call
	files   store
	state   state4
	gss     *GSS
}

// NewHostile starts a hostile server and closes it, with its connections, in
// t.Cleanup.
func NewHostile(t testing.TB, c HostileConfig) *Hostile {
	t.Helper()
	if c.Listen == nil {
		c.Listen = net.Listen
	}
	if c.Address == "" {
		c.Address = "127.0.0.1"
	}
	h := &Hostile{Address: c.Address, answers: map[Proc]Answer{}}
	h.state.files = &h.files
	var wg sync.WaitGroup
	var listeners []net.Listener
	t.Cleanup(func() {
		for _, l := range listeners {
			l.Close()
		}
		h.open.closeAll()
		wg.Wait()
	})
	for _, one := range []struct {
		program uint32
		port    int
		got     *int
	}{{portmapProgram, c.PortmapPort, &h.PortmapPort}, {mountProgram, c.MountPort, &h.MountPort},
		{nfsProgram, c.NFSPort, &h.NFSPort}} {
		l, err := c.Listen("tcp", net.JoinHostPort(c.Address, strconv.Itoa(one.port)))
		if err != nil {
			t.Fatalf("nfstest: %v", err)
		}
		listeners = append(listeners, l)
		*one.got = l.Addr().(*net.TCPAddr).Port
	}
	for i, program := range []uint32{portmapProgram, mountProgram, nfsProgram} {
		wg.Go(func() { h.accept(&wg, listeners[i], program) })
	}
	return h
}

// On sets the answer to all further calls of a procedure.
func (h *Hostile) On(p Proc, a Answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers[p] = a
}

// Calls returns the calls so far, in order.
func (h *Hostile) Calls() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// Count returns how often a procedure was called so far.
func (h *Hostile) Count(p Proc) int {
	n := 0
	for _, c := range h.Calls() {
		if c.Proc == p {
			n++
		}
	}
	return n
}

// Open returns the number of connections that are open at either end.
func (h *Hostile) Open() int { return h.open.count() }

// State returns the numbers of client IDs and sessions of version 4.1 and later
// that were not destroyed.
func (h *Hostile) State() (clients, sessions int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.state.clients), len(h.state.sessions)
}

// Opens returns the number of files that clients of version 4 have opened and
// not closed, and the number of client IDs of version 4.0.
func (h *Hostile) Opens() (files, clients0 int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.state.opens), len(h.state.clients0)
}

// Lockers returns the number of lock owners of version 4.0 that were not
// released.
func (h *Hostile) Lockers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.state.lockers)
}

func (h *Hostile) accept(wg *sync.WaitGroup, l net.Listener, program uint32) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		h.open.add(c)
		wg.Go(func() {
			defer h.open.close(c)
			for h.serve(c, program) == nil {
			}
		})
	}
}

var errDone = errors.New("the connection is done")

// serve answers one call.
func (h *Hostile) serve(c net.Conn, program uint32) error {
	_, request, err := readRecord(c)
	if err != nil {
		return err
	}
	args := bytes.NewBuffer(request)
	var msg rpcv2.RpcMsg
	if _, err := msg.ReadFrom(args); err != nil {
		return err
	}
	body, ok := msg.Body.(*rpcv2.RpcMsgBody_CALL)
	if !ok {
		return fmt.Errorf("not a call: %x", request)
	}
	from, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	call := Call{
		Proc: Proc{body.Cbody.Prog, body.Cbody.Vers, body.Cbody.Proc},
		At:   time.Now(), From: from, XID: msg.Xid, Cred: body.Cbody.Cred, Args: args.Bytes(),
	}
	h.mu.Lock()
	gss := h.gss
	h.mu.Unlock()
	var wrong Answer
	if gss != nil && call.Cred.Flavor == rpcv2.RPCSEC_GSS && program == nfsProgram {
		wrong = gss.unseal(&call, request, body.Cbody.Verf)
	}
	h.mu.Lock()
	h.calls = append(h.calls, call)
	answer := h.answers[call.Proc]
	h.mu.Unlock()
	if wrong != nil {
		answer = wrong
	}
	if answer == nil {
		answer = Healthy
	}
	locks := program == mountProgram && (call.Program == lockProgram || call.Program == statusProgram)
	if call.Program != program && !locks {
		// A call at the wrong port is refused whatever On says.
		answer = Accepted(rpcv2.PROG_UNAVAIL)
	}
	if !answer(c, call, func() []byte { return call.protect(h.healthy(call)) }) {
		return errDone
	}
	return nil
}

// Record returns a message as a record of one fragment, as it goes over TCP.
func Record(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, 1<<31|uint32(len(message))), message...)
}

// reply returns an accepted reply message. Results follow only if the call
// succeeded.
func reply(xid uint32, data rpcv2.AcceptedReplyData, results []byte) []byte {
	return append(message(xid,
		&rpcv2.ReplyBody_MSG_ACCEPTED{Areply: rpcv2.AcceptedReply{ReplyData: data}}), results...)
}

// success returns a successful reply message.
func success(xid uint32, results []byte) []byte {
	return reply(xid, &rpcv2.AcceptedReplyData_SUCCESS{}, results)
}

func message(xid uint32, body rpcv2.ReplyBody) []byte {
	return encode(&rpcv2.RpcMsg{Xid: xid, Body: &rpcv2.RpcMsgBody_REPLY{Rbody: body}})
}

// encode returns a value in XDR. It panics if a test built one that has none.
func encode(v io.WriterTo) []byte {
	var b bytes.Buffer
	if _, err := v.WriteTo(&b); err != nil {
		panic(fmt.Sprintf("nfstest: encode %T: %v", v, err))
	}
	return b.Bytes()
}

package nfstest

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
)

// Passing is one record that passes through a relay.
type Passing struct {
	Bytes      []byte // all of it, marks included (RFC 5531 11); a Filter may replace it
	FromServer bool
	Conn       int    // n-th connection of the relay, from 0
	Index      int    // n-th record of this direction of the connection, from 0
	XID        uint32 // 0: the record is too short to have one
	Proc              // the procedure called or answered; zero: not known
}

// Answers reports whether the record is the server's reply to a procedure.
func (p Passing) Answers(proc Proc) bool { return p.FromServer && p.Proc == proc }

// Filter sees every record of a relay in both directions, one at a time; it
// must not block. What it leaves in p.Bytes is sent on, if anything. If it
// returns an End, the relay closes the connection to the server and ends the
// client's in that way; nil: both go on.
type Filter func(p *Passing) End

// End is how a relay ends a client's connection: Cutting or Resetting.
type End func(c net.Conn)

// Cutting ends a connection with FIN.
func Cutting(net.Conn) {}

// Resetting ends a connection with RST.
func Resetting(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
}

// Relay starts a proxy for RPC records on listener, in front of a server to
// which dial connects. Lab.Listen and Lab.Do put either side into a lab's
// network. A nil filter changes nothing. When one side ends with FIN or RST, so
// does the other; if dial fails, the client gets RST. All is closed in
// t.Cleanup, listener included.
func Relay(t testing.TB, listener net.Listener, dial func() (net.Conn, error), filter Filter) {
	t.Helper()
	var one sync.Mutex
	filterOne := func(p *Passing) End {
		if filter == nil {
			return nil
		}
		one.Lock()
		defer one.Unlock()
		return filter(p)
	}
	proxy(t, listener, func(client net.Conn, n int) { relayOne(client, dial, n, filterOne) })
}

// proxy serves every connection to a listener, the n-th from 0, until t.Cleanup
// closes all of them and the listener.
func proxy(t testing.TB, listener net.Listener, serve func(client net.Conn, n int)) {
	var open connections
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.add(client)
			wg.Go(func() {
				defer open.close(client)
				serve(client, n)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		open.closeAll()
		wg.Wait()
	})
}

func relayOne(client net.Conn, dial func() (net.Conn, error), n int, filter Filter) {
	server, err := dial()
	if err != nil {
		Resetting(client)
		return
	}
	calls := &calls{procs: map[uint32]Proc{}}
	// The first side to end decides how. The channel has room for both, so that
	// neither goroutine waits.
	ends := make(chan End, 2)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer client.Close()
	wg.Go(func() { ends <- pump(server, client, Passing{Conn: n}, calls, filter) })
	wg.Go(func() {
		ends <- pump(client, server, Passing{Conn: n, FromServer: true}, calls, filter)
	})
	end := <-ends
	server.Close()
	end(client)
}

// calls are the calls of a connection that were not answered yet.
type calls struct {
	sync.Mutex
	procs map[uint32]Proc
}

// pump passes on the records of one direction until it ends, and returns how
// the client's connection is to end.
func pump(dst, src net.Conn, id Passing, calls *calls, filter Filter) End {
	for i := 0; ; i++ {
		b, message, err := readRecord(src)
		if err != nil {
			dst.Write(b) // the other side sees the cut record too
			if errors.Is(err, syscall.ECONNRESET) {
				return Resetting
			}
			return Cutting
		}
		p := id
		p.Bytes, p.Index = b, i
		p.XID, p.Proc = calls.learn(message, id.FromServer)
		end := filter(&p)
		if len(p.Bytes) > 0 {
			if _, err := dst.Write(p.Bytes); err != nil && end == nil {
				return Cutting
			}
		}
		if end != nil {
			return end
		}
	}
}

// learn returns the xid and procedure of a message. A call is: xid, 0 (CALL),
// RPC version, program, version, procedure; a reply: xid, 1 (REPLY) (RFC 5531
// 9).
func (c *calls) learn(message []byte, fromServer bool) (xid uint32, proc Proc) {
	word := func(n int) uint32 { return binary.BigEndian.Uint32(message[4*n:]) }
	if len(message) < 8 {
		return 0, Proc{}
	}
	c.Lock()
	defer c.Unlock()
	xid = word(0)
	switch {
	case fromServer:
		proc = c.procs[xid]
		delete(c.procs, xid)
	case word(1) == 0 && len(message) >= 24:
		proc = Proc{word(3), word(4), word(5)}
		c.procs[xid] = proc
	}
	return xid, proc
}

// readRecord reads a record of any number of fragments, of 1 MiB at most. It
// returns the record as it is on the wire and the message in it, and with an
// error what came before it.
func readRecord(r io.Reader) (wire, message []byte, err error) {
	for {
		var mark [4]byte
		n, err := io.ReadFull(r, mark[:])
		wire = append(wire, mark[:n]...)
		if err != nil {
			return wire, message, err
		}
		v := binary.BigEndian.Uint32(mark[:])
		size := int(v &^ (1 << 31))
		if len(message)+size > 1<<20 {
			return wire, message, errors.New("a record of more than 1 MiB")
		}
		fragment := make([]byte, size)
		n, err = io.ReadFull(r, fragment)
		wire, message = append(wire, fragment[:n]...), append(message, fragment[:n]...)
		if err != nil {
			return wire, message, err
		}
		if v>>31 == 1 {
			return wire, message, nil
		}
	}
}

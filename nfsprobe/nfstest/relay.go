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

// Passing is one record on its way through a relay.
type Passing struct {
	Bytes      []byte // all of it, marks included (RFC 5531 11); a Filter may replace it
	FromServer bool
	Conn       int    // n-th connection of the relay, from 0
	Index      int    // n-th record of this direction of the connection, from 0
	XID        uint32 // 0 of a record too short for one
	Proc              // of the call, also of the reply to it; zero if it cannot be told
}

// Answers tells whether the record is the server's reply to a procedure.
func (p Passing) Answers(proc Proc) bool { return p.FromServer && p.Proc == proc }

// Filter sees every record of a relay, in both directions, one at a time; it must not block. What it leaves in p.Bytes is delivered;
// nothing is if it leaves nothing. With an end as its result the relay then drops the server and the client meets that
// end: Cutting or Resetting; with nil the connection goes on.
type Filter func(p *Passing) End

// End is how a relay ends a client's connection.
type End func(c net.Conn)

// Cutting ends a connection with FIN.
func Cutting(net.Conn) {}

// Resetting ends it with RST.
func Resetting(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
}

// Relay starts a record-wise proxy on listener in front of a server, to which dial connects: Lab.Do and Lab.Listen put either side into
// a lab's network. A nil filter changes nothing. The end of one side, FIN or RST, is passed on to the other; a client whose
// server cannot be reached gets RST. All is closed in t.Cleanup, the listener too.
func Relay(t testing.TB, listener net.Listener, dial func() (net.Conn, error), filter Filter) {
	t.Helper()
	var (
		open connections
		wg   sync.WaitGroup
		one  sync.Mutex
	)
	filterOne := func(p *Passing) End {
		if filter == nil {
			return nil
		}
		one.Lock()
		defer one.Unlock()
		return filter(p)
	}
	wg.Go(func() {
		for n := 0; ; n++ {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.add(client)
			wg.Go(func() {
				defer open.close(client)
				relayOne(client, dial, n, filterOne)
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
	// The first side to end decides how; the buffer keeps the other from waiting.
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

// calls are those of a connection that have not been answered.
type calls struct {
	sync.Mutex
	procs map[uint32]Proc
}

// pump passes records on and returns what the client is to meet when that has ended.
func pump(dst, src net.Conn, id Passing, calls *calls, filter Filter) End {
	for i := 0; ; i++ {
		b, message, err := readRecord(src)
		if err != nil {
			dst.Write(b) // a record that ended early is the other side's to see
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

// learn finds out what a message is about: xid, CALL (0), RPC version, program, version, procedure; or xid, REPLY (1) (RFC 5531 9).
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

// readRecord reads a record of any number of fragments, of 1 MiB at most, as it is on the wire and as the message that it bears.
// With an error it returns what came before.
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

package nfsprobe

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"time"
)

// How much of the traffic a report holds, in bytes and in segments: a segment
// costs a hundred bytes, and a server may send byte by byte. A probe has some
// forty.
const (
	maxWire     = 128 << 10
	maxSegments = 1 << 10
)

// transcript collects what a probe sends and receives over all its connections.
type transcript struct {
	mu       sync.Mutex
	segments []Segment
	size     int
}

func (t *transcript) note(from, to netip.AddrPort, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if data = data[:min(len(data), maxWire-t.size)]; len(data) == 0 ||
		len(t.segments) == maxSegments {
		return
	}
	t.size += len(data)
	t.segments = append(t.segments, Segment{At: time.Now(), From: from, To: to,
		Data: bytes.Clone(data)})
}

// recorded is a connection that notes its traffic in a transcript.
type recorded struct {
	net.Conn
	wire          *transcript
	local, remote netip.AddrPort
	quiet         bool // the client notes it, since there are tokens in it
}

func (c *recorded) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.quiet {
		c.wire.note(c.remote, c.local, p[:n])
	}
	return n, err
}

func (c *recorded) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if !c.quiet {
		c.wire.note(c.local, c.remote, p[:n])
	}
	return n, err
}

// quiet says that from here on tokens of GSS go over the connection.
func (c *client) quiet() {
	if conn, is := c.Conn.(*recorded); is {
		conn.quiet = true
	}
}

// show notes a message of a quiet connection, as one record. Its tokens are
// zeros in there, and so is all behind the xid if it cannot be read.
func (c *client) show(sent bool, message []byte, err error, tokens ...[]byte) {
	conn, is := c.Conn.(*recorded)
	if !is || !conn.quiet {
		return
	}
	shown := binary.BigEndian.AppendUint32(nil, lastFragment|uint32(len(message)))
	shown = append(shown, message...)
	if unusable(err) {
		clear(shown[min(len(shown), recordMark+4):])
	}
	for _, token := range tokens {
		for rest := shown[recordMark:]; len(token) > 0; rest = rest[len(token):] {
			at := bytes.Index(rest, token)
			if at < 0 {
				break
			}
			rest = rest[at:]
			clear(rest[:len(token)])
		}
	}
	if sent {
		conn.wire.note(conn.local, conn.remote, shown)
	} else {
		conn.wire.note(conn.remote, conn.local, shown)
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

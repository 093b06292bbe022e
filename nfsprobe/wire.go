package nfsprobe

import (
	"bytes"
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
	data     []byte // of all segments
}

func (t *transcript) note(from, to netip.AddrPort, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := len(t.data)
	if data = data[:min(len(data), maxWire-at)]; len(data) == 0 ||
		len(t.segments) == maxSegments {
		return
	}
	if t.segments == nil { // most probes need no more
		t.segments, t.data = make([]Segment, 0, 16), make([]byte, 0, 2<<10)
	}
	t.data = append(t.data, data...) // a larger copy leaves earlier segments where they are
	t.segments = append(t.segments, Segment{At: time.Now(), From: from, To: to,
		Data: t.data[at:len(t.data):len(t.data)]})
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

// note enters records that were sent or received over a quiet connection into
// the transcript.
func (c *client) note(sent bool, records []byte) {
	switch conn, is := c.Conn.(*recorded); {
	case !is || !conn.quiet:
	case sent:
		conn.wire.note(conn.local, conn.remote, records)
	default:
		conn.wire.note(conn.remote, conn.local, records)
	}
}

// without returns b with zeros for tokens of GSS.
func without(tokens [][]byte, b []byte) []byte {
	b = bytes.Clone(b)
	for _, token := range tokens {
		for rest := b; len(token) > 0; {
			at := bytes.Index(rest, token)
			if at < 0 {
				break
			}
			clear(rest[at : at+len(token)])
			rest = rest[at+len(token):]
		}
	}
	return b
}

func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

package nfsprobe

import (
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
		t.segments, t.data = make([]Segment, 0, 24), make([]byte, 0, 2<<10)
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
}

func (c recorded) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wire.note(c.remote, c.local, p[:n])
	return n, err
}

func (c recorded) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.wire.note(c.local, c.remote, p[:n])
	return n, err
}

func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

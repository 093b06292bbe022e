package smbprobe

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Segment is one piece of the wire transcript: a frame that was sent or received
// over TCP, as far as it came.
type Segment struct {
	At       time.Time
	From, To netip.AddrPort // the zero value if the connection does not say
	Data     []byte
}

const (
	maxWire    = 128 << 10 // bytes of a transcript
	segmentLen = 128       // bytes that a segment takes besides its data: counted, since a server may send keep-alives without end
)

// transcript collects what all connections of a probe send and receive. What an
// attack on the password could start from is blanked.
type transcript struct {
	mu       sync.Mutex
	segments []Segment
	size     int
}

// note adds one frame. setup: it belongs to a session setup.
func (t *transcript) note(from, to net.Addr, frame []byte, setup bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	room := maxWire - t.size - segmentLen
	if len(frame) == 0 || room <= 0 {
		return
	}
	data := blank(frame, setup)
	data = data[:min(len(data), room):min(len(data), room)]
	t.size += segmentLen + len(data)
	t.segments = append(t.segments, Segment{At: time.Now(), From: addrPort(from), To: addrPort(to), Data: data})
}

// all is what has been noted so far.
func (t *transcript) all() []Segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.segments[:len(t.segments):len(t.segments)]
}

// securityBuffers are where the security buffers of a session setup begin, from
// the SMB2 header on, in a request and in an answer (MS-SMB2 2.2.5, 2.2.6).
var securityBuffers = map[bool]int{false: headerLen + 24, true: headerLen + 8}

// blank copies a frame. In a session setup it zeroes everything behind the fixed
// part, which is the security buffer wherever the frame says that it is, and in any frame
// what begins like a message of NTLM (MS-NLMP 2.2.1): an NTLMv2 response can be
// attacked off-line.
func blank(frame []byte, setup bool) []byte {
	b := bytes.Clone(frame)
	if setup && len(b) > 4 {
		m := b[4:]
		answer := len(m) < headerLen || m[16]&flagResponse != 0
		clear(m[min(len(m), securityBuffers[answer]):])
	}
	if i := bytes.Index(b, []byte("NTLMSSP\x00")); i >= 0 {
		clear(b[i:])
	}
	return b
}

// isSessionSetup reports whether a plain message is one.
func isSessionSetup(m []byte) bool {
	return len(m) >= headerLen && string(m[:4]) == "\xfeSMB" && le.Uint16(m[12:]) == cmdSessionSetup
}

// recorded is a connection whose traffic goes into a transcript, write by write
// and read by read. It is for SMB1's negotiate, which has no secrets.
type recorded struct {
	net.Conn
	wire *transcript
}

func (c recorded) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wire.note(c.RemoteAddr(), c.LocalAddr(), p[:n], false)
	return n, err
}

func (c recorded) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.wire.note(c.LocalAddr(), c.RemoteAddr(), p[:n], false)
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

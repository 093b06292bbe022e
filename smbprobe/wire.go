package smbprobe

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Segment is one piece of the wire transcript: a frame that was given to TCP to
// send, or was received, as far as it came.
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
	memory   []byte // room for the data of segments to come
	size     int
}

// A usual probe fits in one piece of each: a heap of many small pieces of many
// sizes costs a watch more memory than they hold.
const (
	usualFrames = 32
	usualBytes  = 4 << 10
)

// note adds one frame. setup: it belongs to a session setup.
func (t *transcript) note(from, to net.Addr, frame []byte, setup bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	room := maxWire - t.size - segmentLen
	if len(frame) == 0 || room <= 0 {
		return
	}
	if t.segments == nil {
		t.segments = make([]Segment, 0, usualFrames)
	}
	n := min(len(frame), room)
	if len(t.memory) < n {
		t.memory = make([]byte, max(n, usualBytes))
	}
	data := t.memory[:n:n]
	t.memory = t.memory[n:]
	copy(data, frame)
	blank(data, setup)
	t.size += segmentLen + n
	t.segments = append(t.segments, Segment{At: time.Now(), From: addrPort(from), To: addrPort(to), Data: data})
}

// all is what has been noted so far.
func (t *transcript) all() []Segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.segments[:len(t.segments):len(t.segments)]
}

// Where the security buffer of a session setup begins at the earliest, from the
// SMB2 header on (MS-SMB2 2.2.5, 2.2.6).
const (
	requestBuffer = headerLen + 24
	answerBuffer  = headerLen + 8
)

// blank zeroes in a session setup everything behind the fixed part, which is the
// security buffer wherever the frame says that it is, and in any frame what begins
// like a message of NTLM (MS-NLMP 2.2.1): an NTLMv2 response can be attacked
// off-line.
func blank(frame []byte, setup bool) {
	if setup && len(frame) > 4 {
		m := frame[4:]
		fixed := answerBuffer
		if len(m) >= headerLen && m[16]&flagResponse == 0 {
			fixed = requestBuffer
		}
		clear(m[min(len(m), fixed):])
	}
	if i := bytes.Index(frame, []byte("NTLMSSP\x00")); i >= 0 {
		clear(frame[i:])
	}
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

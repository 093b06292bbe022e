package smbprobe

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Segment is one piece of the wire transcript: a frame that was handed to TCP
// to send, or that was received, perhaps not to its end.
type Segment struct {
	At       time.Time
	From, To netip.AddrPort // the zero value if the connection does not say
	Data     []byte         // with the 4 bytes before each SMB message
}

// Limits of a transcript, in bytes. The overhead counts too, or a server could
// fill memory with keep-alives.
const (
	maxWire    = 128 << 10
	segmentLen = 128 // what a segment takes besides its data
)

// transcript collects what all connections of a probe send and receive. It
// zeroes what could help to find out the password.
type transcript struct {
	mu       sync.Mutex
	segments []Segment
	memory   []byte // room for the data of later segments
	size     int    // bytes used so far
}

// A usual probe needs only one block of memory for each of these. Many small
// blocks of different sizes would cost a watch more memory than they hold.
const (
	usualFrames = 32
	usualBytes  = 4 << 10
)

// note adds one frame. setup means that it belongs to a session setup.
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
	t.segments = append(t.segments,
		Segment{At: time.Now(), From: addrPort(from), To: addrPort(to), Data: data})
}

// all returns the segments so far.
func (t *transcript) all() []Segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.segments[:len(t.segments):len(t.segments)]
}

// Of an SMB2 header (MS-SMB2 2.2.1).
const (
	headerLen    = 64
	flagResponse = 0x1
)

// The lowest offset at which the security buffer of a session setup can begin,
// from the start of the SMB2 header (MS-SMB2 2.2.5, 2.2.6).
const (
	requestBuffer = headerLen + 24
	answerBuffer  = headerLen + 8
)

// blank zeroes everything after the fixed part of a session setup: the security
// buffer is there, whatever the frame says of its place. In every frame it also
// zeroes what begins like an NTLM message (MS-NLMP 2.2.1). With an NTLMv2
// response passwords can be tried off-line.
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

// recorded is a connection that adds each read and write to a transcript. It is
// for the negotiate of SMB1, which has no secrets.
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

package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// framing is how a protocol cuts a TCP stream: 4 bytes, some bits of which are
// the length of what follows.
type framing struct {
	length uint32 // the bits of the header that are the length
	more   func(*dice) []byte
}

var (
	// smbFraming: a type, 0 for a message, and 3 bytes of length (MS-SMB2 2.1,
	// RFC 1002 4.3.1).
	// a keep-alive
	smbFraming = framing{length: 1<<24 - 1,
		more: func(*dice) []byte { return []byte{0x85, 0, 0, 0} }}
	// rpcFraming: the last-fragment bit and 31 bits of length (RFC 5531 11).
	// an empty or a short fragment that is not the last
	rpcFraming = framing{length: 1<<31 - 1, more: func(d *dice) []byte {
		n := d.IntN(2) * 4 * d.IntN(8)
		return append(binary.BigEndian.AppendUint32(nil, uint32(n)), make([]byte, n)...)
	}}
)

// frameLimit is more than any healthy server sends. A longer frame is passed on
// as a stream.
const frameLimit = 1 << 20

// proxy stands before a server. With a plan it spoils what passes, as the
// plan's seed decides. Without one it changes nothing.
type proxy struct {
	framing framing
	dial    func(port int) (net.Conn, error)
	plan    atomic.Pointer[plan] // for the connections accepted from now on

	listeners []net.Listener
	done      chan struct{}
	wg        sync.WaitGroup
}

// listen serves one more port of the server on address.
func (p *proxy) listen(address string, port int) (net.Addr, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	p.listeners = append(p.listeners, l)
	p.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			d := p.plan.Load().connection()
			p.wg.Go(func() { p.serve(client, port, d) })
		}
	})
	return l.Addr(), nil
}

// close ends the listeners and all connections.
func (p *proxy) close() {
	close(p.done)
	for _, l := range p.listeners {
		l.Close()
	}
	p.wg.Wait()
}

// serve passes one connection on. The first side to end ends the other.
func (p *proxy) serve(client net.Conn, port int, d *connDice) {
	defer client.Close()
	if d != nil && d.refuse {
		reset(client)
		return
	}
	server, err := p.dial(port)
	if err != nil {
		reset(client)
		return
	}
	defer server.Close()
	gone := make(chan struct{})
	var once sync.Once
	end := func(how func(net.Conn)) {
		once.Do(func() {
			if how != nil {
				how(client)
			}
			close(gone)
			client.Close()
			server.Close()
		})
	}
	defer end(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		select {
		case <-p.done:
			end(nil)
		case <-gone:
		}
	})
	pump := func(dst, src net.Conn, dice *dice) {
		m := mangler{framing: p.framing, dst: dst, dice: dice, gone: gone}
		err := m.pass(src)
		if errors.Is(err, errReset) || errors.Is(err, syscall.ECONNRESET) {
			end(reset)
		} else {
			end(nil)
		}
	}
	var up, down *dice
	if d != nil {
		up, down = d.up, d.down
	}
	wg.Go(func() { pump(server, client, up) })
	pump(client, server, down)
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

var (
	errReset = errors.New("the proxy resets the connection")
	errClose = errors.New("the proxy closes the connection")
)

// mangler passes one direction of a connection on.
type mangler struct {
	framing framing
	dst     net.Conn
	dice    *dice // nil: everything passes unchanged
	gone    chan struct{}

	past [][]byte // frames that went by, the latest last
	held []byte   // a frame that is to come after the next one
}

func (m *mangler) pass(src net.Conn) error {
	if m.dice == nil {
		// no splice: its pipes are kept for later, as if they had leaked
		_, err := io.Copy(m.dst, struct{ io.Reader }{src})
		return err
	}
	if m.dice.raw {
		return m.passRaw(src)
	}
	for i := 0; ; i++ {
		b := make([]byte, 4)
		if n, err := io.ReadFull(src, b); err != nil {
			m.dst.Write(b[:n])
			return err
		}
		size := int(binary.BigEndian.Uint32(b) & m.framing.length)
		if size > frameLimit {
			m.dst.Write(b)
			return m.passRaw(src)
		}
		b = append(b, make([]byte, size)...)
		if n, err := io.ReadFull(src, b[4:]); err != nil {
			m.dst.Write(b[:4+n])
			return err
		}
		if err := m.frame(i, b); err != nil {
			return err
		}
	}
}

// passRaw spoils the stream without a look at its frames.
func (m *mangler) passRaw(src net.Conn) error {
	for i := 0; ; i++ {
		b := make([]byte, 1+m.dice.IntN(600))
		n, err := src.Read(b)
		if b = b[:n]; n > 0 {
			if err := m.chunk(i, b); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// rest waits; false when the connection has ended meanwhile.
func (m *mangler) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-m.gone:
		return false
	}
}

package smbtest

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Behaviour serves one connection of a hostile server. It must return once c is
// closed. When it returns, c is closed.
type Behaviour func(c net.Conn)

// Hostile starts a server on 127.0.0.1 and returns its address. The n-th
// connection gets the n-th behaviour, and all later ones the last. The server
// and its connections are closed in t.Cleanup.
func Hostile(t testing.TB, b ...Behaviour) (addr string) {
	t.Helper()
	if len(b) == 0 {
		t.Fatal("smbtest: Hostile without a behaviour")
	}
	return serve(t, func(n int, c net.Conn) { b[min(n, len(b)-1)](c) })
}

// serve runs handle for the n-th accepted connection, from 0, and then closes
// the connection.
func serve(t testing.TB, handle func(n int, c net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		mu     sync.Mutex
		open   = map[net.Conn]bool{}
		closed bool
		wg     sync.WaitGroup
	)
	wg.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			if closed {
				c.Close()
			} else {
				open[c] = true
			}
			mu.Unlock()
			wg.Go(func() {
				defer func() {
					c.Close()
					mu.Lock()
					delete(open, c)
					mu.Unlock()
				}()
				handle(n, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		closed = true
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// Close closes the connection at once. If the client has already sent
// something, the kernel turns this into a reset.
func Close(net.Conn) {}

// Reset closes the connection at once with RST instead of FIN. The RST may come
// before the client has seen that it is connected; then the connect fails.
// Script(Reset, Nothing) waits for a request first.
func Reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
}

// Silent reads everything and never answers, until the client closes.
func Silent(c net.Conn) { io.Copy(io.Discard, c) }

// Drip sends a negotiate reply byte by byte: the first at once, each other
// after this interval. Then it is silent until the client closes.
func Drip(every time.Duration) Behaviour {
	return func(c net.Conn) {
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			Silent(c)
		}()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for reply := NegotiateReply(0x0210)(Frame{}); len(reply) > 0; reply = reply[1:] {
			c.Write(reply[:1]) // a failure shows in gone as well
			select {
			case <-gone:
				return
			case <-tick.C:
			}
		}
		<-gone
	}
}

// Endless sends pattern again and again until the client closes.
func Endless(pattern []byte) Behaviour {
	return func(c net.Conn) {
		go Silent(c) // so that the client's send never blocks; it ends when c is closed
		for {
			if _, err := c.Write(pattern); err != nil {
				return
			}
		}
	}
}

// NegativeResponse sends a negative NetBIOS session response (RFC 1002 4.3.4)
// with this code and closes. smbd does so with 0x81 for a client in its global
// hosts deny.
func NegativeResponse(code byte) Behaviour {
	return func(c net.Conn) { c.Write([]byte{0x83, 0, 0, 1, code}) }
}

// Reply returns the bytes to send for a request, with type and length. No bytes
// means no answer.
type Reply func(request Frame) []byte

// Script answers the n-th request with the n-th reply. After the last one it
// goes on with end, such as Close, Reset or Silent.
func Script(end Behaviour, replies ...Reply) Behaviour {
	return func(c net.Conn) {
		for i, reply := range replies {
			b, err := readFrame(c)
			if err != nil {
				return
			}
			request := parse(b)
			request.Index = i
			if _, err := c.Write(reply(request)); err != nil {
				return
			}
		}
		end(c)
	}
}

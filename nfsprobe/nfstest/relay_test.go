package nfstest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// relayed starts a relay in front of a hostile server's NFS service and
// connects to it.
func relayed(t *testing.T, h *Hostile, filter Filter) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	Relay(t, l, func() (net.Conn, error) {
		return net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(h.NFSPort)))
	}, filter)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// nullCall is a call of NULL of version 3, in two fragments.
func nullCall(xid uint32) []byte {
	b, _ := binary.Append(nil, binary.BigEndian, []uint32{8, xid, 0, 1<<31 | 32, 2, 100003, 3, 0,
		0, 0, 0, 0})
	return b
}

func TestRelay(t *testing.T) {
	h := NewHostile(t, HostileConfig{})
	type seen struct {
		fromServer bool
		index      int
		xid        uint32
		proc       Proc
	}
	var mu sync.Mutex
	var log []seen
	c := relayed(t, h, func(p *Passing) End {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, seen{p.FromServer, p.Index, p.XID, p.Proc})
		return nil
	})
	want, _ := binary.Append(nil, binary.BigEndian, []uint32{1<<31 | 24, 7, 1, 0, 0, 0, 0})
	for i, xid := range []uint32{7, 8} {
		if _, err := c.Write(nullCall(xid)); err != nil {
			t.Fatal(err)
		}
		binary.BigEndian.PutUint32(want[4:], xid)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%x, %v", got, err)
		}
		// The reply is here, so the filter has seen both records, and no others
		// are on their way.
		mu.Lock()
		if n := len(log); n != 2*i+2 || log[n-2] != (seen{false, i, xid, Null3}) ||
			log[n-1] != (seen{true, i, xid, Null3}) {
			t.Errorf("seen %+v", log)
		}
		mu.Unlock()
	}
}

func TestRelayFilters(t *testing.T) {
	onReply := func(do Filter) Filter {
		return func(p *Passing) End {
			if !p.Answers(Null3) {
				return nil
			}
			return do(p)
		}
	}
	for name, c := range map[string]struct {
		filter Filter
		bytes  int
		ends   error
	}{
		"cut": {func(p *Passing) End {
			p.Bytes = p.Bytes[:9]
			return Cutting
		}, 9, io.ErrUnexpectedEOF},
		"reset": {func(p *Passing) End {
			p.Bytes = nil
			return Resetting
		}, 0, syscall.ECONNRESET},
		"twice": {func(p *Passing) End {
			p.Bytes = append(p.Bytes, p.Bytes...)
			return nil
		}, 56, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := relayed(t, NewHostile(t, HostileConfig{}), onReply(c.filter))
			if _, err := c2.Write(nullCall(1)); err != nil {
				t.Fatal(err)
			}
			n, err := io.ReadFull(c2, make([]byte, 56))
			if n != c.bytes || !errors.Is(err, c.ends) {
				t.Errorf("%d bytes, %v; want %d, %v", n, err, c.bytes, c.ends)
			}
		})
	}
}

// The end of one side becomes the other's, and so does the absence of a server.
func TestRelayPassesTheEndOn(t *testing.T) {
	for name, c := range map[string]struct {
		answer Answer
		ends   error
	}{
		"FIN in a record": {Cut(9), io.ErrUnexpectedEOF},
		"RST":             {Reset, syscall.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			h := NewHostile(t, HostileConfig{})
			h.On(Null3, c.answer)
			conn := relayed(t, h, nil)
			if _, err := conn.Write(nullCall(1)); err != nil {
				t.Fatal(err)
			}
			if n, err := io.ReadFull(conn, make([]byte, 28)); !errors.Is(err, c.ends) {
				t.Errorf("%d bytes, %v, want %v", n, err, c.ends)
			}
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	Relay(t, l, func() (net.Conn, error) { return nil, syscall.ECONNREFUSED }, nil)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err == nil {
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		_, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) { // from connect or from read, whenever the RST came
		t.Errorf("no server behind the relay: %v", err)
	}
}

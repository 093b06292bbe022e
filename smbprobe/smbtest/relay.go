package smbtest

import (
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// Filter sees every frame of a relay, in both directions, one at a time. It
// must not block. The relay delivers what the filter leaves in f.Bytes. If the
// filter returns a behaviour (Reset, Close, Silent, ...), the relay then drops
// the server and serves the client with it. With nil the session goes on.
type Filter func(f *Frame) Behaviour

// Relay starts a proxy on 127.0.0.1 in front of the server at upstream, which
// passes on whole frames, and returns its address. A nil filter changes
// nothing. If one side ends, by FIN or RST, the other side gets the same. If
// the server cannot be reached, the client gets RST. All is closed in
// t.Cleanup.
//
// The client notices a changed reply if it is signed. smbd signs nothing in a
// guest session (an unknown user gets one). It signs the tree connect reply for
// a user, and also for an anonymous client, if the request was signed. A
// refused session setup is never signed. In SMB 3.1.1 the session's keys depend
// on the negotiate and the challenge. Replies in an encrypted session are
// NotSMB2.
func Relay(t testing.TB, upstream string, filter Filter) (addr string) {
	t.Helper()
	var mu sync.Mutex
	filterOne := func(f *Frame) Behaviour {
		if filter == nil {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		return filter(f)
	}
	return serve(t, func(n int, client net.Conn) {
		server, err := net.DialTimeout("tcp", upstream, endTime)
		if err != nil {
			Reset(client)
			return
		}
		// The side that ends first decides how. The buffer is for the other
		// side, which must not wait.
		ends := make(chan Behaviour, 2)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer client.Close()
		pass := func(dst, src net.Conn, fromServer bool) {
			ends <- pump(dst, src, Frame{FromServer: fromServer, Conn: n}, filterOne)
		}
		wg.Go(func() { pass(server, client, false) })
		wg.Go(func() { pass(client, server, true) })
		end := <-ends
		server.Close()
		end(client)
	})
}

// pump passes frames on until one side ends. It returns how to go on with the
// client.
func pump(dst, src net.Conn, id Frame, filter Filter) Behaviour {
	for i := 0; ; i++ {
		b, err := readFrame(src)
		if err != nil {
			dst.Write(b) // the other side must see a frame that ended early
			if errors.Is(err, syscall.ECONNRESET) {
				return Reset
			}
			return Close
		}
		f := parse(b)
		f.FromServer, f.Conn, f.Index = id.FromServer, id.Conn, i
		end := filter(&f)
		if len(f.Bytes) > 0 {
			if _, err := dst.Write(f.Bytes); err != nil && end == nil {
				return Close
			}
		}
		if end != nil {
			return end
		}
	}
}

// OnReply applies a filter to the server's final replies to a command, or with
// Challenge to the interim reply to the first session setup.
func OnReply(command uint16, do Filter) Filter {
	return func(f *Frame) Behaviour {
		if !f.Answers(command) {
			return nil
		}
		return do(f)
	}
}

// Hold never delivers the frame; the connection stays open.
func Hold(f *Frame) Behaviour {
	f.Bytes = nil
	return nil
}

// Midway delivers the first half of the frame and goes on with end, such as
// Reset.
func Midway(end Behaviour) Filter {
	return func(f *Frame) Behaviour {
		f.Bytes = f.Bytes[:len(f.Bytes)/2]
		return end
	}
}

// SetStatus turns the frame into a refusal with this NTSTATUS.
func SetStatus(code uint32) Filter {
	return func(f *Frame) Behaviour {
		h := slices.Clone(f.Bytes[netbios : netbios+headerSize])
		le.PutUint32(h[8:], code)
		f.Bytes = frame(append(h, errorBody()...))
		return nil
	}
}

// Truncate keeps n bytes from the SMB2 header on and sets the frame's length to
// n.
func Truncate(n int) Filter {
	return func(f *Frame) Behaviour {
		f.Bytes = frame(f.Bytes[netbios:min(netbios+n, len(f.Bytes))])
		return nil
	}
}

// SetShareType changes the share type in a tree connect reply (MS-SMB2 2.2.10):
// 1 disk, 2 pipe, 3 printer.
func SetShareType(share byte) Filter {
	return func(f *Frame) Behaviour {
		const at = netbios + headerSize + 2
		if len(f.Bytes) > at {
			f.Bytes[at] = share
		}
		return nil
	}
}

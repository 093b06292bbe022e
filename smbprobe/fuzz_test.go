package smbprobe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
)

// captures returns what Samba 4.17 sent in whole sessions, one frame after
// another, by file name (testdata/answers).
func captures(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/answers/*.bin")
	if err != nil || len(names) == 0 {
		t.Fatalf("no captures, %v", err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = b
	}
	return all
}

// cut takes the first frame from a stream, also if it is not whole.
func cut(stream []byte) (frame, rest []byte) {
	n := len(stream)
	if n >= 4 {
		n = min(n, 4+int(be.Uint32(stream)&0xffffff))
	}
	return stream[:n], stream[n:]
}

// seedMessages adds the SMB2 messages of all captures.
func seedMessages(f *testing.F) {
	for _, stream := range captures(f) {
		for frame := []byte(nil); len(stream) > 0; {
			if frame, stream = cut(stream); len(frame) > 4 {
				f.Add(frame[4:])
			}
		}
	}
}

// fuzzBody fuzzes what the guard decodes after parseReply has passed the
// header.
func fuzzBody(f *testing.F, decode func(t *testing.T, m []byte)) {
	seedMessages(f)
	f.Fuzz(func(t *testing.T, m []byte) {
		before := bytes.Clone(m)
		if _, err := parseReply(m); err == nil {
			decode(t, m)
		}
		if !bytes.Equal(m, before) {
			t.Error("changed the message")
		}
	})
}

// wellFormed reports whether there is no error. It asserts that an error is a
// *MalformedError: decoders return no other.
func wellFormed(t *testing.T, err error) bool {
	t.Helper()
	var m *MalformedError
	if err != nil && !errors.As(err, &m) {
		t.Errorf("%T %v, want a *MalformedError", err, err)
	}
	return err == nil
}

func FuzzParseReply(f *testing.F) {
	seedMessages(f)
	f.Fuzz(func(t *testing.T, m []byte) {
		h, err := parseReply(m)
		if wellFormed(t, err) &&
			(len(m) < 66 || h.flags&flagResponse == 0 || le.Uint32(m[20:]) != 0) {
			t.Errorf("accepted % x", m)
		}
	})
}

func FuzzParseNegotiate(f *testing.F) {
	fuzzBody(f, func(t *testing.T, m []byte) {
		n, err := parseNegotiate(m)
		if !wellFormed(t, err) {
			return
		}
		if dialects[n.dialect] == "" || n.dialect != 0x0311 && n.cipher != 0 {
			t.Errorf("accepted dialect %#x, cipher %d", n.dialect, n.cipher)
		}
	})
}

func FuzzParseSessionSetup(f *testing.F) {
	fuzzBody(f, func(t *testing.T, m []byte) {
		flags, err := parseSessionSetup(m)
		if wellFormed(t, err) && flags != le.Uint16(m[66:]) {
			t.Errorf("flags %#x", flags)
		}
	})
}

func FuzzParseTreeConnect(f *testing.F) {
	fuzzBody(f, func(t *testing.T, m []byte) {
		kind, flags, err := parseTreeConnect(m)
		if wellFormed(t, err) && (kind != m[66] || flags != le.Uint32(m[68:])) {
			t.Errorf("type %d, flags %#x", kind, flags)
		}
	})
}

// The guard between a client that asks as a probe does and a server that sends
// anything. It never holds more than one frame, and passes on only frames that
// answer.
func FuzzGuard(f *testing.F) {
	for _, stream := range captures(f) {
		f.Add(stream, false)
		f.Add(stream, true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, encrypted bool) {
		conn := &feed{Reader: bytes.NewReader(stream)}
		g := newGuard(conn)
		for id, cmd := range []uint16{
			cmdNegotiate, cmdSessionSetup, cmdSessionSetup, cmdTreeConnect,
			cmdCreate, cmdRead, cmdWrite, cmdClose, cmdTreeDisconnect, cmdLogoff,
		} {
			prefix, m := request(cmd, uint64(id))
			if encrypted && cmd != cmdNegotiate && cmd != cmdSessionSetup {
				frame := transform()
				prefix, m = frame[:4], frame[4:]
			}
			g.Write(prefix)
			g.Write(m)
			var head [4]byte
			n, err := io.ReadFull(g, head[:])
			if cap(g.pending) > maxFrame+4 {
				t.Fatalf("holds %d bytes", cap(g.pending))
			}
			if err != nil {
				if n > 0 || g.facts().err == nil {
					t.Errorf("%v after %d bytes, noted %v", err, n, g.facts().err)
				}
				break
			}
			answer := make([]byte, be.Uint32(head[:]))
			if len(answer) < headerLen || len(answer) > maxFrame {
				t.Fatalf("let a frame of %d bytes through", len(answer))
			}
			if _, err := io.ReadFull(g, answer); err != nil {
				t.Fatalf("let a part of a frame through: %v", err)
			}
			if !bytes.Equal(stream[conn.taken-len(answer):conn.taken], answer) {
				t.Fatal("changed a frame")
			}
		}
		var r Report
		r.learn(g.facts(), "user", Logoff)
		classify(t.Context(), TreeConnect, io.EOF, g.facts())
	})
}

// answering answers each frame with the next one of the stream. Then it is
// silent.
func answering(conn net.Conn, stream []byte) {
	defer conn.Close()
	var frame []byte
	for len(stream) > 0 {
		var head [4]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, conn, int64(be.Uint32(head[:]))); err != nil {
			return
		}
		frame, stream = cut(stream)
		if _, err := conn.Write(frame); err != nil {
			return
		}
	}
	io.Copy(io.Discard, conn)
}

// replay runs the ladder at a server that answers with a stream, with or
// without the steps that open files. Time is synctest's: a deadline costs none,
// and a goroutine that does not end fails the test.
func replay(t *testing.T, stream []byte, user string, files bool) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go answering(server, stream)
		c := Config{Address: "192.0.2.1", Share: "share", User: user, Password: "pw"}
		if files {
			c = c.files()
		}
		err = climb(t, client, c)
	})
	return err
}

// The guard and the library behind it, against anything that a server may
// answer.
func FuzzLadder(f *testing.F) {
	for _, stream := range captures(f) {
		f.Add(stream, "root", false)
		f.Add(stream, "", false)
		f.Add(stream, "nosuch", true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, user string, files bool) {
		err := replay(t, stream, user, files)
		var failed *Error
		if err != nil && !errors.As(err, &failed) {
			t.Errorf("%T %v, want an *Error", err, err)
		}
	})
}

// A replayed capture leads as far as it can without the key of its session.
func TestReplay(t *testing.T) {
	all := captures(t)
	for _, c := range []struct {
		name, user string
		step       Step
		cause      error
		files      bool
	}{
		{"2.1-guest.bin", "nosuch", 0, nil, false},
		{"2.1-guest.bin", "nosuch", Marker, &MalformedError{"was due"}, true},
		// The capture answers other random bytes than are written here, and has
		// no answer for a second file name.
		{"2.1-guest-files.bin", "nosuch", WriteTest, &MalformedError{"was due"}, true},
		{"3.1.1-guest-files.bin", "nosuch", WriteTest, &MalformedError{"was due"}, true},
		{"3.1.1-user-encrypted-files.bin", "root", TreeConnect, &MalformedError{"signature"}, true},
		{"3.1.1-guest-unreadable.bin", "nosuch", 0, nil, false},
		{"3.0.2-anonymous-pipe.bin", "", TreeConnect, &MalformedError{"signature"}, false},
		{"2.0.2-user-signed.bin", "root", TreeConnect, &MalformedError{"signature"}, false},
		{"3.1.1-user-encrypted-session.bin", "root", TreeConnect, context.DeadlineExceeded, false},
		{"3.1.1-wrong-password.bin", "root", SessionSetup, logonFailure, false},
		{"hosts-deny.bin", "", Negotiate, &NetBIOSError{Code: 0x81}, false},
	} {
		if err := replay(t, slices.Clone(all[c.name]), c.user, c.files); c.cause != nil {
			fails(t, err, c.step, c.cause)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

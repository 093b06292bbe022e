package smbprobe

import (
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

// The whole ladder, against anything that a server may
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
		{"2.1-guest.bin", "nosuch", Marker, &MalformedError{What: "was due"}, true},
		// The capture answers other random bytes than are written here, and has
		// no answer for a second file name.
		{"2.1-guest-files.bin", "nosuch", WriteTest, &MalformedError{What: "was due"}, true},
		{"3.1.1-guest-files.bin", "nosuch", WriteTest, &MalformedError{What: "was due"}, true},
		{"3.1.1-user-encrypted-files.bin", "root", SessionSetup, &MalformedError{What: "signature"}, true},
		{"3.1.1-guest-unreadable.bin", "nosuch", 0, nil, false},
		{"3.0.2-anonymous-pipe.bin", "", ShareType, pipe, false},
		{"2.0.2-user-signed.bin", "root", SessionSetup, &MalformedError{What: "signature"}, false},
		{"3.1.1-user-encrypted-session.bin", "root", SessionSetup, &MalformedError{What: "signature"}, false},
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

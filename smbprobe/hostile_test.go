package smbprobe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"fsmon/smbprobe/smb2"
	"fsmon/smbprobe/smbtest"
)

// What the probe says when a hostile server ends a session.
func TestHostile(t *testing.T) {
	const refused = Status(0xC00000BB)
	closed, reset := broken("read", io.EOF), broken("read", syscall.ECONNRESET)
	ok, no := smbtest.NegotiateReply(0x0311), smbtest.Status(uint32(refused))
	type does = []smbtest.Behaviour
	fin, rst, silent := smbtest.Close, smbtest.Reset, smbtest.Silent
	script, endless, turnAway := smbtest.Script, smbtest.Endless, smbtest.NegativeResponse
	nothing, cut, smb1 := smbtest.Nothing, smbtest.Cut, smbtest.SMB1Reply
	say := func(s string) smbtest.Behaviour {
		return script(silent, smbtest.Raw([]byte(s)))
	}
	for _, c := range []struct {
		name  string
		does  does
		step  Step
		cause error
	}{
		{"closed", does{script(fin, nothing)}, Negotiate, closed},
		{"reset", does{script(rst, nothing)}, Negotiate, reset},
		{"closed in the answer", does{script(fin, cut(30, ok))}, Negotiate, closed},
		{"closed in the length", does{script(fin, cut(2, ok))}, Negotiate, closed},
		{"reset in the answer", does{script(rst, cut(30, ok))}, Negotiate, reset},
		{"refused", does{script(fin, no)}, Negotiate, refused},
		{"session setup closed", does{script(fin, ok, nothing)}, SessionSetup, closed},
		{"session setup reset", does{script(rst, ok, nothing)}, SessionSetup, reset},
		{"session setup refused", does{script(fin, ok, no)}, SessionSetup, refused},
		{"session setup not continued", does{script(silent, ok,
			smbtest.Status(uint32(smb2.StatusMoreProcessing)))}, SessionSetup, &MalformedError{}},
		{"negotiate answered twice", does{script(silent, ok, ok)}, SessionSetup,
			malformed("was due")},

		{"turned away", does{turnAway(0x81)}, Negotiate, &NetBIOSError{Code: 0x81}},
		{"turned away, unknown code", does{turnAway(0)}, Negotiate, &NetBIOSError{}},
		{"turned away without a code", does{say("\x83\x00\x00\x00")}, Negotiate,
			malformed("negative session response")},
		{"turned away with more", does{say("\x83\x00\x00\x02\x81\x81")}, Negotiate,
			malformed("negative session response")},
		{"turned away, code missing", does{script(fin, smbtest.Raw([]byte("\x83\x00\x00\x01")))},
			Negotiate, closed},

		{"SMB1 only, closing", does{script(fin, nothing), script(fin, smb1)}, Negotiate,
			ErrSMB1Only},
		{"SMB1 only, resetting", does{script(rst, nothing), script(silent, smb1)}, Negotiate,
			ErrSMB1Only},
		{"SMB1 only, and says so", does{script(silent, smb1)}, Negotiate, malformed("SMB1")},
		{"SMB1 asked, SMB2 answered", does{script(fin, nothing), script(silent, ok)}, Negotiate,
			closed},
		{"SMB1 asked, half an answer", does{script(fin, nothing), script(fin, cut(38, smb1))},
			Negotiate, closed},

		{"SSH server", does{func(c net.Conn) {
			c.Write([]byte("SSH-2.0-OpenSSH_9.2p1\r\n"))
			silent(c)
		}}, Negotiate, malformed("not an SMB server")},
		{"frame of 64 KB + 1", does{say("\x00\x01\x00\x01\xfeSMB")}, Negotiate,
			malformed("65537 bytes")},
		{"endless zeros", does{endless(make([]byte, 4096))}, Negotiate, malformed("0 bytes")},
		{"endless text", does{endless([]byte("the quick brown fox "))}, Negotiate,
			malformed("not an SMB server")},
		{"endless frame", does{endless([]byte("\x00\xff\xff\xff\xfeSMB"))}, Negotiate,
			malformed("16777215 bytes")},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := probe(t, at(t, smbtest.Hostile(t, c.does...), "share"))
			fails(t, err, c.step, c.cause)
		})
	}
}

// The deadline also holds for servers that keep a client busy or waiting.
func TestHostileDeadline(t *testing.T) {
	slow := smbtest.Drip(200 * time.Millisecond) // 40 s for an answer
	for name, does := range map[string]smbtest.Behaviour{
		"silent":             smbtest.Silent,
		"one byte at a time": slow,
		"silent in the answer": smbtest.Script(smbtest.Silent,
			smbtest.Cut(30, smbtest.NegotiateReply(0x0311))),
		"endless keep-alives":   smbtest.Endless([]byte{0x85, 0, 0, 0}),
		"endless oplock breaks": smbtest.Endless(oplockBreak(nil)),
		"endless interim answers": smbtest.Script(
			smbtest.Endless(interim(smbtest.NegotiateReply(0x0311)(smbtest.Frame{}))),
			smbtest.Nothing),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // with the others of this list only
			p := New(at(t, smbtest.Hostile(t, does), "share"))
			failsAtDeadline(t, p, Negotiate, context.DeadlineExceeded)
		})
	}
	t.Run("SMB1 asked, silence", func(t *testing.T) {
		t.Parallel()
		addr := smbtest.Hostile(t, func(c net.Conn) {
			var smb1 bool
			end := func(c net.Conn) {
				if smb1 {
					smbtest.Silent(c)
				}
			}
			smbtest.Script(end, func(f smbtest.Frame) []byte {
				smb1 = f.Command == smbtest.NotSMB2
				return nil
			})(c)
		})
		failsAtDeadline(t, New(at(t, addr, "share")), Negotiate, broken("read", io.EOF))
	})
}

// A probe can be cancelled while it asks for SMB1.
func TestCancelledSMB1Question(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancelling := func(smbtest.Frame) []byte {
		cancel()
		return nil
	}
	addr := smbtest.Hostile(t, smbtest.Script(smbtest.Close, smbtest.Nothing),
		smbtest.Script(smbtest.Silent, cancelling))
	_, err := probeIn(t, ctx, New(at(t, addr, "share")))
	fails(t, err, Negotiate, broken("read", io.EOF))
}

// The second connection, too, is closed with the probe, not by a finalizer.
func TestSMB1QuestionCloses(t *testing.T) {
	ended := make(chan struct{})
	untilClosed := func(c net.Conn) {
		smbtest.Silent(c)
		close(ended)
	}
	addr := smbtest.Hostile(t, smbtest.Script(smbtest.Close, smbtest.Nothing),
		smbtest.Script(untilClosed, smbtest.SMB1Reply))
	_, err := probe(t, at(t, addr, "share"))
	fails(t, err, Negotiate, ErrSMB1Only)
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the connection is still open")
	}
}

// A server may send frames of the greatest length without end, unasked: each
// one uses the memory of the one before.
func TestEndlessMemory(t *testing.T) {
	b := append(oplockBreak(nil), make([]byte, maxFrame-headerLen-24)...)
	be.PutUint32(b, maxFrame)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p := New(at(t, smbtest.Hostile(t, smbtest.Endless(b)), "share"))
	failsAtDeadline(t, p, Negotiate, context.DeadlineExceeded)
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 16<<20 {
		t.Errorf("the heap grew by %d bytes while %d were allocated",
			grown, after.TotalAlloc-before.TotalAlloc)
	}
}

// Servers of other protocols on the port. How a web server reacts is up to
// chance: it waits for an end of line, which the client's random bytes may
// hold.
func TestOtherProtocols(t *testing.T) {
	web := &http.Server{ReadHeaderTimeout: 100 * time.Millisecond}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(l) }()
	t.Cleanup(func() {
		web.Close()
		<-ended
	})
	secure := smbtest.Hostile(t, func(c net.Conn) { tls.Server(c, &tls.Config{}).Handshake() })
	for name, addr := range map[string]string{"HTTP": l.Addr().String(), "TLS": secure} {
		t.Run(name, func(t *testing.T) {
			_, err := probe(t, at(t, addr, "share"))
			var not *MalformedError
			var op *net.OpError
			if errors.As(err, &not) {
				fails(t, err, Negotiate, malformed("not an SMB server"))
			} else if fails(t, err, Negotiate, err); !errors.As(err, &op) || op.Op != "read" {
				t.Errorf("got %v, want a malformed answer or the end of the connection", err)
			}
		})
	}
}

// failingWrite is a connection whose n-th write fails, as if the peer had gone.
type failingWrite struct {
	net.Conn
	n *int
}

func (c failingWrite) Write(b []byte) (int, error) {
	if *c.n--; *c.n == 0 {
		return 0, broken("write", syscall.EPIPE)
	}
	return c.Conn.Write(b)
}

// climb runs the ladder on this connection, as a probe does after its dial.
func climb(t *testing.T, conn net.Conn, c Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	defer conn.Close()
	defer endWith(ctx, conn)()
	return (&attempt{Config: c}).climb(ctx, conn, new(Report))
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestSendFails(t *testing.T) {
	addr := samba(t).Addr()
	// Marker: open, read, close. Write test: create, write, flush, open, read,
	// close, close; open, delete, close. Lock test: open, lock, unlock, close.
	for n, step := range slices.Concat(
		[]Step{Negotiate, SessionSetup, SessionSetup, TreeConnect},
		slices.Repeat([]Step{Marker}, 3), slices.Repeat([]Step{WriteTest}, 10),
		slices.Repeat([]Step{LockTest}, 4),
		[]Step{TreeDisconnect, Logoff},
	) {
		n++
		c := at(t, addr, "share").files()
		c.Port = n // gives each write test other file names
		err := climb(t, failingWrite{dial(t, addr), &n}, c)
		if step < TreeDisconnect {
			fails(t, err, step, broken("write", syscall.EPIPE))
		} else if err != nil {
			t.Error(err)
		}
	}

	// The same error from the kernel, after a shutdown for sending. The server
	// must not close the connection, or the probe might see that first.
	done := make(chan struct{})
	addr = smbtest.Hostile(t, func(net.Conn) { <-done })
	t.Cleanup(func() { close(done) })
	conn := dial(t, addr)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	fails(t, climb(t, conn, at(t, addr, "share")), Negotiate, broken("write", syscall.EPIPE))
}

// panicking is a connection whose use panics.
type panicking struct{ net.Conn }

func (panicking) Read([]byte) (int, error) { panic("of a test") }

// A panic in a probe is a failed probe.
func TestPanic(t *testing.T) {
	addr := samba(t).Addr()
	err := climb(t, panicking{dial(t, addr)}, at(t, addr, "share"))
	fails(t, err, Negotiate, malformed("panicked on it: of a test"))
}

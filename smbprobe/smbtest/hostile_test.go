package smbtest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dial connects and sends a negotiate; the connection ends with the test.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	c.Write(smb2Negotiate()) // if the server has closed by now, the read shows it
	return c
}

// silentFor asserts that the connection stays open without an answer.
func silentFor(t *testing.T, c net.Conn, d time.Duration) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(d))
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d, %v, want silence", n, err)
	}
}

func TestBehaviours(t *testing.T) {
	refused := Status(0xc0000022)
	for name, c := range map[string]struct {
		does Behaviour
		got  []byte
		ends error // nil for FIN
	}{
		"Script then Close": {Script(Close, refused), refused(Frame{}), nil},
		"Script then Reset": {Script(Reset, refused), refused(Frame{}), syscall.ECONNRESET},
		"Close unanswered":  {Script(Close, Nothing), nil, nil},
		"Reset unanswered":  {Script(Reset, Nothing), nil, syscall.ECONNRESET},
		"Close in a frame":  {Script(Close, Cut(30, refused)), refused(Frame{})[:30], nil},
		"Reset in a frame": {Script(Reset, Cut(30, refused)), refused(Frame{})[:30],
			syscall.ECONNRESET},
		"Raw": {Script(Close, Raw([]byte("HTTP/1.1"))), []byte("HTTP/1.1"), nil},
		"Edit": {Script(Close, Edit(refused, func(p []byte) []byte { return p[:5] })),
			[]byte{0, 0, 0, 5, 0xfe, 'S', 'M', 'B', 64}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := io.ReadAll(dial(t, Hostile(t, c.does)))
			if !bytes.Equal(got, c.got) || !errors.Is(err, c.ends) {
				t.Errorf("got %q, %v, want %q, %v", got, err, c.got, c.ends)
			}
		})
	}
}

func TestReset(t *testing.T) {
	isReset(t, Hostile(t, Reset))
}

// isReset asserts that the server resets a connection. The RST may come before
// the client has seen that it is connected.
func isReset(t *testing.T, addr string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err == nil {
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestHostileOrder(t *testing.T) {
	addr := Hostile(t, Silent, NegativeResponse(0x81), Close)
	silentFor(t, dial(t, addr), 50*time.Millisecond)
	if b, _ := readFrame(dial(t, addr)); string(b) != "\x83\x00\x00\x01\x81" {
		t.Errorf("second connection: %q", b)
	}
	for range 2 {
		if n, err := dial(t, addr).Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("later connection: read %d, %v", n, err)
		}
	}
}

func TestDrip(t *testing.T) {
	want := NegotiateReply(0x0210)(Frame{})
	got, err := readFrame(dial(t, Hostile(t, Drip(time.Microsecond))))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	c := dial(t, Hostile(t, Drip(time.Hour)))
	if n, err := c.Read(make([]byte, 9)); n != 1 || err != nil {
		t.Errorf("read %d, %v, want the first byte at once", n, err)
	}
	silentFor(t, c, 50*time.Millisecond)
}

func TestEndless(t *testing.T) {
	c := dial(t, Hostile(t, Endless(bytes.Repeat([]byte("ab"), 1000))))
	got := make([]byte, 8<<20)
	if _, err := io.ReadFull(c, got); err != nil || strings.Trim(string(got), "ab") != "" {
		t.Errorf("endless data ended or changed: %v", err)
	}
}

func TestMalformed(t *testing.T) {
	for name, reply := range Malformed() {
		t.Run(name, func(t *testing.T) {
			want := reply(Frame{})
			for _, dialect := range []uint16{0x0210, 0x0311} {
				if bytes.Equal(want, NegotiateReply(dialect)(Frame{})) {
					t.Error("well formed")
				}
			}
			c := dial(t, Hostile(t, Script(Silent, reply)))
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}

// All other replies are made from these negotiate replies, which must be good:
// else a client would meet other faults than the tests say.
func TestScriptedSession(t *testing.T) {
	for name, c := range map[string]struct {
		replies []Reply
		want    string
	}{
		"2.0.2, session setup refused": {[]Reply{NegotiateReply(0x0202), Status(0xc000005e)},
			"NT_STATUS_NO_LOGON_SERVERS"},
		"2.1, session setup refused": {[]Reply{NegotiateReply(0x0210), Status(0xc0000234)},
			"NT_STATUS_ACCOUNT_LOCKED_OUT"},
		"3.1.1, session setup refused": {[]Reply{NegotiateReply(0x0311), Status(0xc000009a)},
			"NT_STATUS_INSUFFICIENT_RESOURCES"},
		"negotiate refused": {[]Reply{Status(0xc00000bb)}, "NT_STATUS_NOT_SUPPORTED"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := Client(t, Hostile(t, Script(Silent, c.replies...)), "share", "")
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("want %s, got %v\n%s", c.want, err, out)
			}
		})
	}
}

func TestSMB1Reply(t *testing.T) {
	addr := Hostile(t, Script(Close, Nothing), Script(Close, SMB1Reply))
	if err := answersSoon(addr); err != nil {
		t.Error(err)
	}
}

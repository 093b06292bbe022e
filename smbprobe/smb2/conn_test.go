package smb2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// feed is a connection whose peer has sent these bytes and closed. It keeps
// each write.
type feed struct {
	io.Reader
	taken   int // bytes read from it
	written [][]byte
}

func (f *feed) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	f.taken += n
	return n, err
}

func (f *feed) Write(p []byte) (int, error) {
	f.written = append(f.written, bytes.Clone(p))
	return len(p), nil
}

func (f *feed) Close() error                     { return nil }
func (f *feed) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (f *feed) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (f *feed) SetDeadline(time.Time) error      { return nil }
func (f *feed) SetReadDeadline(time.Time) error  { return nil }
func (f *feed) SetWriteDeadline(time.Time) error { return nil }

// over returns a Conn whose server sends these bytes, and the connection.
func over(r io.Reader) (*Conn, *feed) {
	f := &feed{Reader: r}
	return New(f, func(bool, []byte, bool) {}), f
}

// message returns an answer with this body, and its length prefix.
func message(command uint16, id uint64, status Status, body []byte) []byte {
	m := make([]byte, prefixLen+headerLen, prefixLen+headerLen+len(body))
	h := m[prefixLen:]
	copy(h, "\xfeSMB")
	le.PutUint16(h[4:], headerLen)
	le.PutUint32(h[8:], uint32(status))
	le.PutUint16(h[12:], command)
	le.PutUint32(h[16:], flagResponse)
	le.PutUint64(h[24:], id)
	m = append(m, body...)
	be.PutUint32(m, uint32(len(m)-prefixLen))
	return m
}

var logoffBody = []byte{4, 0, 0, 0}

// malformedAs reports whether err is a *MalformedError that contains text.
func malformedAs(err error, text string) bool {
	var m *MalformedError
	return errors.As(err, &m) && strings.Contains(m.What, text)
}

func TestRequests(t *testing.T) {
	c, f := over(bytes.NewReader(append(message(cmdLogoff, 0, 0, logoffBody),
		message(cmdLogoff, 1, 0, logoffBody)...)))
	for id := range 2 {
		if err := c.Logoff(); err != nil {
			t.Fatal(err)
		}
		m := f.written[id]
		if len(f.written) != id+1 || be.Uint32(m) != uint32(len(m)-prefixLen) {
			t.Errorf("sent %q, want each frame in one write", f.written)
		}
		if le.Uint64(m[prefixLen+24:]) != uint64(id) || le.Uint16(m[prefixLen+12:]) != cmdLogoff {
			t.Errorf("request %d is % x", id, m)
		}
	}
}

func TestFrames(t *testing.T) {
	answer := message(cmdLogoff, 0, 0, logoffBody)
	alive := []byte{0x85, 0, 0, 0}
	for name, c := range map[string]struct {
		stream []byte
		taken  int    // 0: all of it
		want   string // of the malformed answer; "": none
	}{
		"one frame": {stream: answer},
		"the longest": {stream: message(cmdLogoff, 0, 0,
			append(logoffBody, make([]byte, maxFrame-headerLen-4)...))},
		"one byte more": {stream: message(cmdLogoff, 0, 0, make([]byte, maxFrame-headerLen+1)), taken: 4,
			want: "65537 bytes"},
		"16 MB announced": {stream: append([]byte{0, 0xff, 0xff, 0xff}, make([]byte, 1<<20)...), taken: 4,
			want: "16777215 bytes"},
		"keep-alives before": {stream: bytes.Join([][]byte{alive, alive, answer}, nil)},
		"a long keep-alive":  {stream: []byte{0x85, 0, 0, 1, 0}, taken: 4, want: "not an SMB server"},
		"session message":    {stream: []byte{0x81, 0, 0, 68}, want: "not an SMB server"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{
				bytes.NewReader(c.stream), iotest.OneByteReader(bytes.NewReader(c.stream)),
			} {
				conn, f := over(r)
				err := conn.Logoff()
				if c.want == "" && err != nil || c.want != "" && !malformedAs(err, c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				if want := c.taken; f.taken != want && (want != 0 || f.taken != len(c.stream)) {
					t.Errorf("took %d bytes from the connection, want %d", f.taken, want)
				}
				if err != nil && conn.Logoff() != err {
					t.Error("the connection is used after it broke")
				}
			}
		})
	}
}

// keyed returns a Conn in a session with keys.
func keyed(t *testing.T, stream []byte) (*Conn, *feed) {
	t.Helper()
	c, f := over(bytes.NewReader(stream))
	c.server = Negotiated{Dialect: dialect311, cipher: aes128GCM, signing: signGMAC}
	c.sessionID = 5
	if err := c.useKeys(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	return c, f
}

// inSession names the session 5 in an answer.
func inSession(frame []byte) []byte {
	le.PutUint64(frame[prefixLen+40:], 5)
	return frame
}

// The answer to a plain request must be plain, and to an encrypted one
// encrypted. A refusal may always be plain and without a signature.
func TestAuthentic(t *testing.T) {
	const refused = Status(0xC0000203)
	plain := inSession(message(cmdLogoff, 0, 0, logoffBody))
	c, _ := keyed(t, nil)
	signed := bytes.Clone(plain)
	le.PutUint32(signed[prefixLen+16:], flagResponse|flagSigned)
	signature := c.signer.sum(signed[prefixLen:])
	copy(signed[prefixLen+48:], signature[:])
	forged := bytes.Clone(signed)
	forged[prefixLen+48]++
	refusal := message(cmdLogoff, 0, refused, make([]byte, 9))
	forgedRefusal := bytes.Clone(refusal)
	le.PutUint32(forgedRefusal[prefixLen+16:], flagResponse|flagSigned)

	// The server's half: it encrypts with what the client decrypts with.
	keys := deriveKeys(dialect311, aes128GCM, make([]byte, 16), make([]byte, 64))
	server, err := newSealer(aes128GCM, keys.decrypt, keys.encrypt)
	if err != nil {
		t.Fatal(err)
	}
	sealed := server.seal(make([]byte, prefixLen), 5, plain[prefixLen:])
	be.PutUint32(sealed, uint32(len(sealed)-prefixLen))
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-1]++
	other := bytes.Clone(sealed)
	other[prefixLen+44]++
	oplock := message(0x12, unsolicited, 0, make([]byte, 24))
	stranger := bytes.Clone(plain)
	stranger[prefixLen+40]++

	for _, x := range []struct {
		name      string
		encrypted bool // the request
		must      bool // the server requires signing
		answer    []byte
		status    Status
		want      string // of the malformed answer; "": none
	}{
		{"plain, plain", false, false, plain, 0, ""},
		{"plain where a signature is required", false, true, plain, 0, "without a signature"},
		{"signed", false, true, signed, 0, ""},
		{"wrong signature", false, false, forged, 0, "wrong signature"},
		{"refusal without a signature", false, true, refusal, refused, ""},
		{"refusal with a wrong signature", false, true, forgedRefusal, refused, ""},
		{"plain, encrypted", false, false, sealed, 0, "a plain answer was due"},
		{"anonymous, encrypted", false, false, sealed, 0, ""}, // Samba 4.22
		{"anonymous, plain", false, false, plain, 0, ""},
		{"another session", false, false, stranger, 0, "for session 0x6 in session 0x5"},
		{"encrypted, encrypted", true, false, sealed, 0, ""},
		{"encrypted, changed", true, false, flipped, 0, ""},
		{"encrypted, another session", true, false, other, 0, "for session 0x6 in session 0x5"},
		{"encrypted, plain", true, false, plain, 0, "an encrypted one was due"},
		{"encrypted, plain refusal", true, false, refusal, refused, ""},
		{"encrypted, short", true, false, append([]byte{0, 0, 0, 60}, sealed[4:64]...), 0,
			"encrypted frame of 60 bytes"},
		{"encrypted, unsolicited before", true, false, append(bytes.Clone(oplock), sealed...), 0, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, _ := keyed(t, bytes.Clone(x.answer))
			c.mustSign = x.must
			if strings.HasPrefix(x.name, "anonymous") {
				c.signer = nil
			}
			if x.encrypted {
				c.session = Session{Signed: true, Encrypted: true}
			}
			err := c.Logoff()
			var status Status
			var bad *MalformedError
			switch {
			case x.name == "encrypted, changed":
				if !errors.As(err, &bad) {
					t.Errorf("got %v, want a malformed answer", err)
				}
			case x.want != "":
				if !malformedAs(err, x.want) {
					t.Errorf("got %v, want %q", err, x.want)
				}
			case x.status != 0:
				if !errors.As(err, &status) || status != x.status {
					t.Errorf("got %v, want %v", err, x.status)
				}
			case err != nil:
				t.Error(err)
			}
		})
	}
}

// An interim answer is waited through.
func TestPending(t *testing.T) {
	interim := message(cmdLogoff, 0, StatusPending, make([]byte, 9))
	c, _ := over(bytes.NewReader(bytes.Join([][]byte{
		interim, interim, message(cmdLogoff, 0, 0, logoffBody)}, nil)))
	if err := c.Logoff(); err != nil {
		t.Error(err)
	}
}

// What is sent and received is traced, also the part of a frame.
func TestTrace(t *testing.T) {
	answer := message(cmdLogoff, 0, 0, logoffBody)
	f := &feed{Reader: bytes.NewReader(append(bytes.Clone(answer), 0, 0, 0))}
	var got []string
	c := New(f, func(sent bool, frame []byte, setup bool) {
		got = append(got, map[bool]string{true: "> ", false: "< "}[sent]+string(frame))
	})
	if err := c.Logoff(); err != nil {
		t.Fatal(err)
	}
	if err := c.Logoff(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end of the connection", err)
	}
	want := []string{"> " + string(f.written[0]), "< " + string(answer),
		"> " + string(f.written[1]), "< \x00\x00\x00"}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("traced %q, want %q", got, want)
		}
	}
}

// A server may demand encryption only of a session with keys, and then both
// sides need a cipher in common.
func TestDemandsEncryption(t *testing.T) {
	body := make([]byte, 16)
	body[0], body[2] = 16, ShareTypeDisk
	le.PutUint32(body[4:], shareEncrypt)
	for _, x := range []struct {
		name              string
		signed, sealer    bool
		encrypted, failed bool
	}{
		{"user", true, true, true, false},
		{"no cipher", true, false, false, true},
		{"guest", false, false, false, false},
	} {
		c, _ := keyed(t, inSession(message(cmdTreeConnect, 0, 0, body)))
		c.session = Session{Signed: x.signed}
		if !x.sealer {
			c.sealer = nil
		}
		tree, err := c.TreeConnect(`\\server\share`)
		if (err != nil) != x.failed || err == nil && tree.Encrypted != x.encrypted ||
			err != nil && !malformedAs(err, "no cipher in common") {
			t.Errorf("%s: %+v, %v", x.name, tree, err)
		}
	}
}

package smbprobe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/cloudsoda/go-smb2"
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

// request returns the library's two writes for a request: length and message.
func request(cmd uint16, id uint64) (prefix, message []byte) {
	m := make([]byte, headerLen+36)
	copy(m, "\xfeSMB")
	le.PutUint16(m[4:], headerLen)
	le.PutUint16(m[12:], cmd)
	le.PutUint64(m[24:], id)
	return be.AppendUint32(nil, uint32(len(m))), m
}

// message returns an answer with this body, its header and its length prefix.
func message(cmd uint16, id uint64, status Status, body []byte) []byte {
	_, m := request(cmd, id)
	le.PutUint32(m[8:], uint32(status))
	le.PutUint32(m[16:], flagResponse)
	m = append(m[:headerLen], body...)
	return append(be.AppendUint32(nil, uint32(len(m))), m...)
}

func TestGuardWrites(t *testing.T) {
	f := &feed{Reader: new(bytes.Reader)}
	g := newGuard(f)
	for id := range uint64(2) {
		prefix, m := request(cmdTreeConnect, id)
		for _, p := range [][]byte{prefix, m} {
			if n, err := g.Write(p); n != len(p) || err != nil {
				t.Fatalf("wrote %d of %d, %v", n, len(p), err)
			}
		}
		if len(f.written) != int(id)+1 || !bytes.Equal(f.written[id], append(prefix, m...)) {
			t.Errorf("sent %q, want each frame as one", f.written)
		}
	}
	if s := g.facts(); s.step != TreeConnect || s.messageID != 1 || s.command != cmdTreeConnect {
		t.Errorf("noted %+v", s)
	}
}

func TestGuardReads(t *testing.T) {
	answer := message(cmdLogoff, 7, 0, make([]byte, 8))
	longest := message(cmdLogoff, 7, 0, make([]byte, maxFrame-headerLen))
	for name, c := range map[string]struct {
		stream, want []byte
		taken        int // 0: all of it
		err          error
	}{
		"one frame":   {stream: answer, want: answer, err: broken("read", io.EOF)},
		"the longest": {stream: longest, want: longest, err: broken("read", io.EOF)},
		"one byte more": {stream: message(cmdLogoff, 7, 0,
			make([]byte, maxFrame-headerLen+1)), taken: 4, err: malformed("65537 bytes")},
		"16 MB announced": {stream: append([]byte{0, 0xff, 0xff, 0xff}, make([]byte, 1<<20)...),
			taken: 4, err: malformed("16777215 bytes")},
		"keep-alives between": {stream: append([]byte{0x85, 0, 0, 0, 0x85, 0, 0, 0}, answer...),
			want: answer, err: broken("read", io.EOF)},
		"a long keep-alive": {stream: []byte{0x85, 0, 0, 1, 0}, taken: 4,
			err: malformed("not an SMB server")},
		"session message": {stream: []byte{0x81, 0, 0, 68},
			err: malformed("not an SMB server")},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{
				bytes.NewReader(c.stream), iotest.OneByteReader(bytes.NewReader(c.stream)),
			} {
				f := &feed{Reader: r}
				g := newGuard(f)
				prefix, m := request(cmdLogoff, 7)
				g.Write(prefix)
				g.Write(m)
				got, err := io.ReadAll(iotest.OneByteReader(g))
				if !bytes.Equal(got, c.want) {
					t.Errorf("read %d bytes, want %d", len(got), len(c.want))
				}
				fails(t, &Error{Logoff, err}, Logoff, c.err)
				if g.facts().err != err {
					t.Errorf("noted %v, returned %v", g.facts().err, err)
				}
				if want := c.taken; f.taken != want && (want != 0 || f.taken != len(c.stream)) {
					t.Errorf("took %d bytes from the connection, want %d", f.taken, want)
				}
			}
		})
	}
}

// The answer to a plain request must be plain, and to an encrypted one
// encrypted.
func TestGuardEncryption(t *testing.T) {
	secret := transform
	plain := message(cmdLogoff, 7, 0, make([]byte, 8))
	for _, c := range []struct {
		name            string
		request, answer []byte
		err             error
	}{
		{"plain, plain", nil, plain, nil},
		{"plain, encrypted", nil, secret(), malformed("a plain answer was due")},
		{"encrypted, encrypted", secret(), secret(), nil},
		{"encrypted, plain", secret(), plain, malformed("an encrypted one was due")},
		{"encrypted, short", secret(), append([]byte{0, 0, 0, 60}, secret()[4:64]...),
			malformed("encrypted frame of 60 bytes")},
		{"encrypted, unsolicited", secret(), oplockBreak(nil), nil},
	} {
		g := newGuard(&feed{Reader: bytes.NewReader(c.answer)})
		prefix, m := request(cmdLogoff, 7)
		g.Write(prefix)
		g.Write(m)
		if c.request != nil {
			g.Write(c.request[:4])
			g.Write(c.request[4:])
		}
		_, err := io.ReadFull(g, make([]byte, len(c.answer)))
		if c.err != nil {
			fails(t, &Error{Logoff, err}, Logoff, c.err)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestClassify(t *testing.T) {
	expired, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	const status = Status(0xC000009A)
	answered := func(s Status) map[Step]Status { return map[Step]Status{TreeConnect: s} }
	closed, transport := broken("read", io.EOF), &smb2.TransportError{Err: io.EOF}
	timeout := broken("read", os.ErrDeadlineExceeded)
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		f    facts
		want error
	}{
		{"status on the wire", t.Context(), &smb2.InvalidResponseError{},
			facts{status: answered(status)}, status},
		{"status on the wire, then the end", t.Context(), transport,
			facts{status: answered(status), err: closed}, status},
		{"the deadline", expired, transport, facts{err: closed}, context.DeadlineExceeded},
		{"cancelled", cancelled, transport, facts{err: closed}, context.Canceled},
		{"the connection's deadline", t.Context(), transport, facts{err: timeout},
			context.DeadlineExceeded},
		{"closed", t.Context(), transport, facts{err: closed}, closed},
		{"reset", t.Context(), transport, facts{err: broken("read", syscall.ECONNRESET)},
			broken("read", syscall.ECONNRESET)},
		{"rejected by the guard", t.Context(), transport, facts{err: malformed("xyz")},
			malformed("xyz")},
		{"rejected by the library", t.Context(), &smb2.InvalidResponseError{Message: "xyz"},
			facts{status: answered(statusOK)}, malformed("xyz")},
		{"rejected by the library, then the end", t.Context(),
			&smb2.InvalidResponseError{Message: "xyz"}, facts{err: closed}, malformed("xyz")},
		{"library's own fault", t.Context(), &smb2.InternalError{Message: "xyz"}, facts{},
			malformed("xyz")},

		// In a session encrypted as a whole the library alone sees the answer.
		{"encrypted", t.Context(), &smb2.ResponseError{Code: uint32(status)}, facts{}, status},
		{"encrypted, then the end", t.Context(), &smb2.ResponseError{Code: uint32(status)},
			facts{err: closed}, status},
		{"encrypted, access denied", t.Context(), os.ErrPermission, facts{err: closed},
			accessDenied},
		{"encrypted, not found", t.Context(), os.ErrNotExist, facts{}, Status(0xC0000034)},
		{"encrypted, collision", t.Context(), os.ErrExist, facts{}, Status(0xC0000035)},
		{"encrypted, not accepted", t.Context(), smb2.ErrRequestNotAccepted, facts{},
			Status(0xC00000D0)},
		{"anything else", t.Context(), io.ErrNoProgress, facts{}, io.ErrNoProgress},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := classify(c.ctx, TreeConnect, c.err, c.f)
			fails(t, err, TreeConnect, c.want)
		})
	}
	already := &Error{TreeConnect, malformed("xyz")}
	err := classify(expired, TreeConnect, already.Err, facts{})
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v: not the cause", err)
	}
}

// After the first session setup answer every answer must name its session.
func TestGuardKnowsItsSession(t *testing.T) {
	in := func(session uint64, frame []byte, at int) []byte {
		frame = bytes.Clone(frame)
		le.PutUint64(frame[4+at:], session)
		return frame
	}
	setup := message(cmdSessionSetup, 1, statusMoreProcessing, []byte{9, 0, 0, 0, 72, 0, 0, 0})
	plain := message(cmdTreeConnect, 1, 0xC0000022, make([]byte, 9))
	for _, c := range []struct {
		name    string
		request []byte // encrypted; nil: a plain tree connect
		answer  []byte
		err     error
	}{
		{"plain", nil, in(5, plain, 40), nil},
		{"plain, another", nil, in(6, plain, 40), malformed("session 0x6 in session 0x5")},
		{"encrypted", transform(), in(5, transform(), 44), nil},
		{"encrypted, another", transform(), in(6, transform(), 44),
			malformed("session 0x6 in session 0x5")},
	} {
		setup := in(5, setup, 40)
		g := newGuard(&feed{Reader: bytes.NewReader(append(setup, c.answer...))})
		_, m := request(cmdSessionSetup, 1)
		g.note(m)
		if _, err := io.ReadFull(g, make([]byte, len(setup))); err != nil {
			t.Fatal(err)
		}
		if _, m = request(cmdTreeConnect, 1); c.request != nil {
			m = c.request[4:]
		}
		g.note(m)
		_, err := io.ReadFull(g, make([]byte, len(c.answer)))
		if c.err != nil {
			fails(t, &Error{TreeConnect, err}, TreeConnect, c.err)
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

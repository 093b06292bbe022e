package smbprobe

import (
	"errors"
	"io"
	"maps"
	"net"
	"sync"
	"time"
)

// maxFrame is the size of the longest frame that is read, in bytes. The answers
// to a probe are far below 4 KB. The limit bounds memory, whatever a server
// claims.
const maxFrame = 64 << 10

// guard is the connection that the SMB library gets. It sees every whole frame
// first. It limits sizes and rejects what no server should send, before the
// library can act on it. It records what was sent, so that the failing step and
// its status are known exactly.
type guard struct {
	net.Conn

	// Only the reader's goroutine uses these two.
	pending []byte // checked bytes that the library has not read yet
	frame   []byte // memory of pending, at least 4 bytes, used again for each frame
	// Only the writer's goroutine uses this one.
	out  []byte // a length prefix that waits for its packet
	wire *transcript

	mu   sync.Mutex
	seen facts
}

// facts is what a guard has recorded.
type facts struct {
	step      Step   // the step whose request was sent last, or is sent next
	sent      bool   // a request was written
	answered  bool   // at least one byte came back
	messageID uint64 // of the last plain request
	command   uint16 // of the last plain request
	secret    bool   // the last request was encrypted
	err       error  // first failure of the connection or check of a frame

	status   map[Step]Status // last answer's status, by step
	began    map[Step]time.Time
	ended    map[Step]time.Time
	learnt   map[Step]string // what the ladder learnt and the wire does not show
	server   negotiated
	first    uint16 // session flags of the first session setup answer
	setups   int
	id       uint64 // session ID, from the first session setup answer
	session  uint16 // session flags
	haveType bool
	kind     byte
	share    uint32 // share flags
}

func newGuard(c net.Conn) *guard {
	g := &guard{Conn: c, frame: make([]byte, 4, 1024), wire: new(transcript), seen: facts{
		learnt: make(map[Step]string),
		status: make(map[Step]Status),
		began:  make(map[Step]time.Time),
		ended:  make(map[Step]time.Time),
	}}
	g.begin(Negotiate)
	return g
}

// facts returns a copy that does not change later.
func (g *guard) facts() facts {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.seen
	f.status = maps.Clone(f.status)
	f.began = maps.Clone(f.began)
	f.ended = maps.Clone(f.ended)
	f.learnt = maps.Clone(f.learnt)
	return f
}

// learnt keeps a text for people about what a step has shown.
func (g *guard) learnt(s Step, text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen.learnt[s] = text
}

// begin names the step that comes next: an encrypted request does not show it.
func (g *guard) begin(s Step) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen.begin(s)
}

// begin sets the current step. A step has begun even if the connection ends
// before its request.
func (s *facts) begin(step Step) {
	s.step = step
	if _, again := s.began[step]; !again {
		s.began[step] = time.Now()
	}
}

// fail keeps the first error. Later ones are only its consequences.
func (g *guard) fail(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen.err == nil {
		g.seen.err = err
	}
	return err
}

// Write sends the library's two writes for a frame, length prefix and packet,
// as one.
func (g *guard) Write(p []byte) (int, error) {
	if len(g.out) == 0 && len(p) == 4 {
		g.out = append(g.out, p...)
		return len(p), nil
	}
	frame := append(g.out, p...)
	g.out = g.out[:0]
	g.note(p)
	// Note it before it is sent, or the transcript might have the answer first.
	g.wire.note(g.LocalAddr(), g.RemoteAddr(), frame, isSessionSetup(p))
	if _, err := g.Conn.Write(frame); err != nil {
		return 0, g.fail(err)
	}
	return len(p), nil
}

// note records which request goes out.
func (g *guard) note(p []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen.secret = len(p) >= transformLen && string(p[:4]) == "\xfdSMB"
	if len(p) >= headerLen && string(p[:4]) == "\xfeSMB" {
		g.seen.command, g.seen.messageID = le.Uint16(p[12:]), le.Uint64(p[24:])
		if s, ok := stepOf[g.seen.command]; ok {
			g.seen.begin(s)
		}
	}
	g.seen.sent = true
	delete(g.seen.ended, g.seen.step) // a step ends with its last answer
	if g.seen.step.OpensFiles() {
		delete(g.seen.status, g.seen.step) // of an earlier request in this step
	}
}

func (g *guard) Read(p []byte) (int, error) {
	for len(g.pending) == 0 {
		frame, err := g.next()
		if err != nil {
			return 0, g.fail(err)
		}
		g.pending = frame
	}
	n := copy(p, g.pending)
	g.pending = g.pending[n:]
	return n, nil
}

// next reads one whole frame with its prefix, and checks it. It returns nil for
// a frame to ignore.
func (g *guard) next() ([]byte, error) {
	frame, err := g.receive()
	g.mu.Lock()
	setup := g.seen.command == cmdSessionSetup && !g.seen.secret
	g.mu.Unlock()
	g.wire.note(g.RemoteAddr(), g.LocalAddr(), frame, setup)
	if err != nil || len(frame) == 4 {
		return nil, err // an error, or a keep-alive
	}
	if err := g.check(frame[4:]); err != nil {
		return nil, err
	}
	return frame, nil
}

// receive reads one whole SMB message with its prefix, or a keep-alive. With an
// error it returns the bytes that came before.
func (g *guard) receive() ([]byte, error) {
	frame := g.frame[:4]
	if n, err := io.ReadFull(g.Conn, frame); err != nil {
		if n > 0 {
			g.heard()
		}
		return frame[:n], readError(g.Conn, err)
	}
	g.heard()
	// MS-SMB2 2.1: a zero byte and a length of three. RFC 1002 4.3: others.
	n := int(be.Uint32(frame) & 0xffffff)
	switch {
	case frame[0] == 0x85 && n == 0:
		return frame, nil // keep-alive
	case frame[0] == 0x83 && n != 1:
		return frame, malformed("negative session response of %d bytes", n)
	case frame[0] != 0 && frame[0] != 0x83:
		return frame, malformed("not an SMB server: it starts with %q", frame)
	case frame[0] == 0 && (n < 4 || n > maxFrame):
		return frame, malformed("frame of %d bytes", n)
	}
	if cap(frame) < 4+n {
		g.frame = append(make([]byte, 0, 4+n), frame...)
	}
	frame = g.frame[:4+n]
	if got, err := io.ReadFull(g.Conn, frame[4:]); err != nil {
		return frame[:4+got], readError(g.Conn, err)
	}
	if frame[0] == 0x83 {
		return frame, &NetBIOSError{Code: frame[4]}
	}
	return frame, nil
}

func (g *guard) heard() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen.answered = true
}

// readError makes a *net.OpError of the end of the connection, as every other
// network error is one.
func readError(c net.Conn, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &net.OpError{
			Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: io.EOF,
		}
	}
	return err
}

// check checks one frame against the last request, and records it.
func (g *guard) check(f []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch string(f[:4]) {
	case "\xfeSMB":
		return g.seen.plain(f)
	case "\xfdSMB":
		return g.seen.encrypted(f)
	case "\xffSMB":
		return malformed("an SMB1 answer to an SMB2 request")
	}
	return malformed("not an SMB frame: it starts with %q", f[:4])
}

// encrypted checks a transform header (MS-SMB2 2.2.41). Only the library has
// the key; it checks the rest.
func (s *facts) encrypted(f []byte) error {
	if len(f) < transformLen+headerLen {
		return malformed("encrypted frame of %d bytes", len(f))
	}
	// MS-SMB2 3.3.4.1.4: an answer is encrypted if its request was.
	if !s.secret {
		return malformed("encrypted frame where a plain answer was due")
	}
	if id := le.Uint64(f[44:]); id != s.id {
		return malformed("encrypted frame for session 0x%X in session 0x%X", id, s.id)
	}
	s.ended[s.step] = time.Now()
	return nil
}

// haveKey reports whether both sides have a key for this session. The library
// derives one after the first session setup answer, unless that names a guest
// or anonymous session. The server has none if the last answer names one.
func (s *facts) haveKey() bool {
	return (s.first|s.session)&(sessionGuest|sessionNull) == 0 && s.server.canEncrypt()
}

// canEncrypt reports whether dialect and cipher allow encryption.
func (n negotiated) canEncrypt() bool {
	if n.dialect == 0x0311 {
		return n.cipher == cipherCCM || n.cipher == cipherGCM
	}
	return n.dialect >= 0x0300
}

// plain checks a plain answer.
func (s *facts) plain(f []byte) error {
	h, err := parseReply(f)
	if err != nil {
		return err
	}
	if h.messageID == unsolicited {
		return nil // an oplock break, for example; the library ignores it
	}
	if s.secret {
		return malformed("plain answer where an encrypted one was due")
	}
	if !s.sent || h.messageID != s.messageID || h.command != s.command {
		return malformed("answer %d to command %d, where answer %d to command %d was due",
			h.messageID, h.command, s.messageID, s.command)
	}
	if s.setups > 0 && h.sessionID != s.id {
		return malformed("answer for session 0x%X in session 0x%X", h.sessionID, s.id)
	}
	if h.status == statusPending {
		return nil // interim (MS-SMB2 3.2.5.1.5)
	}
	s.status[s.step] = h.status
	s.ended[s.step] = time.Now()
	if h.status == statusOK {
		err = checkBody(h.command, f)
	}
	switch {
	case h.command == cmdNegotiate && h.status == statusOK:
		s.server, err = parseNegotiate(f)
	case h.command == cmdSessionSetup && (h.status == statusOK || h.status == statusMoreProcessing):
		if s.setups == 0 {
			s.id = h.sessionID
		}
		err = s.sessionSetup(f)
	case h.command == cmdTreeConnect && h.status == statusOK:
		s.kind, s.share, err = parseTreeConnect(f)
		s.haveType = err == nil
		if s.share&shareEncrypt != 0 && !s.haveKey() {
			err = malformed("the share demands encryption, for which this session has no key")
		}
	}
	return err
}

func (s *facts) sessionSetup(f []byte) error {
	flags, err := parseSessionSetup(f)
	if err != nil {
		return err
	}
	const noKey = sessionGuest | sessionNull
	if s.setups++; s.setups == 1 {
		s.first = flags
	} else if s.first&noKey != 0 && flags&noKey == 0 {
		return malformed("a guest session turned into a user's")
	}
	if flags&sessionEncrypt != 0 && (flags&noKey != 0 || !s.haveKey()) {
		return malformed("the session demands encryption, for which it has no key")
	}
	s.session = flags
	return nil
}

package smb2

import (
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"io"
	"net"
)

// maxFrame is the size of the longest frame that is read, in bytes. The answers
// to a probe are far below 4 KB. The limit bounds memory, whatever a server
// claims.
const maxFrame = 64 << 10

// Trace gets each frame that is sent or received, with its length prefix; of a
// connection that ends within a frame, the part that came. setup means that the
// frame belongs to a session setup, whose security buffer helps to find out the
// password. The frame's memory is used again afterwards.
type Trace func(sent bool, frame []byte, setup bool)

// Conn is a client's connection: one request at a time. Its methods return a
// Status for a refusal, a *MalformedError, a *NetBIOSError, or a *net.OpError
// of the connection (which wraps io.EOF if the server has closed it). A Conn is
// for one goroutine.
type Conn struct {
	conn  net.Conn
	trace Trace

	out, in   []byte // memory that is used again for each frame
	messageID uint64 // of the next request
	broken    error  // why the connection is of no further use; nil: it is in use

	server  Negotiated
	logins  [][]byte          // DER of the mechanisms that the server offers; none: it does not say
	preauth [sha512.Size]byte // MS-SMB2 3.1.1.1: PreauthIntegrityHashValue

	sessionID uint64
	session   Session
	signer    *signer
	sealer    *sealer
	mustSign  bool // every success must carry a signature
}

// New returns a client on a new connection. The caller keeps the connection: it
// sets its deadline and closes it.
func New(conn net.Conn, trace Trace) *Conn {
	return &Conn{conn: conn, trace: trace, out: make([]byte, 0, 512),
		in: make([]byte, prefixLen, 1024)}
}

// Negotiated is what Negotiate returned.
func (c *Conn) Negotiated() Negotiated { return c.server }

// request returns the header of the next request (MS-SMB2 2.2.1.2), to which
// the caller appends the body.
func (c *Conn) request(command uint16, treeID uint32) []byte {
	m := append(c.out[:0], make([]byte, prefixLen+headerLen)...)
	h := m[prefixLen:]
	copy(h, "\xfeSMB")
	le.PutUint16(h[4:], headerLen)
	if c.server.Dialect > dialect202 {
		le.PutUint16(h[6:], 1) // CreditCharge
	}
	le.PutUint16(h[12:], command)
	le.PutUint16(h[14:], 1) // CreditRequest: one request at a time
	le.PutUint64(h[24:], c.messageID)
	le.PutUint32(h[36:], treeID)
	le.PutUint64(h[40:], c.sessionID)
	return m
}

// call sends a request that request began, and returns its successful answer.
// Any other status is an error, except STATUS_MORE_PROCESSING_REQUIRED in a
// session setup. seal means that request and answer are encrypted.
func (c *Conn) call(frame []byte, seal bool) (answer, error) {
	c.out = frame
	if c.broken != nil {
		return answer{}, c.broken
	}
	a, err := c.ask(frame, seal)
	var refused Status
	if err != nil && !errors.As(err, &refused) {
		c.broken = err
	}
	return a, err
}

func (c *Conn) ask(frame []byte, seal bool) (answer, error) {
	m := frame[prefixLen:]
	command := le.Uint16(m[12:])
	if c.signer != nil && !seal {
		le.PutUint32(m[16:], le.Uint32(m[16:])|flagSigned)
		signature := c.signer.sum(m)
		copy(m[48:], signature[:])
	}
	if command <= cmdSessionSetup {
		c.hash(m)
	}
	if seal {
		frame = c.sealer.seal(make([]byte, prefixLen, prefixLen+transformLen+len(m)), c.sessionID, m)
	}
	be.PutUint32(frame, uint32(len(frame)-prefixLen))
	c.messageID++
	// Trace it before it is sent, or the trace might have the answer first.
	c.trace(true, frame, command == cmdSessionSetup)
	if _, err := c.conn.Write(frame); err != nil {
		return answer{}, err
	}
	for {
		a, err := c.receive(command, seal)
		switch {
		case err != nil:
			return answer{}, err
		case a.message == nil:
		case a.status == 0 || command == cmdSessionSetup && a.status == StatusMoreProcessing:
			return a, a.checkBody()
		default:
			return a, a.status
		}
	}
}

// receive reads one frame. It returns an answer without a message for one to
// ignore: a keep-alive, an unsolicited message or an interim answer.
func (c *Conn) receive(command uint16, sealed bool) (answer, error) {
	frame, err := c.read()
	c.trace(false, frame, command == cmdSessionSetup)
	if err != nil || len(frame) == prefixLen {
		return answer{}, err
	}
	m, plain := frame[prefixLen:], true
	if string(m[:4]) == "\xfdSMB" {
		// MS-SMB2 3.3.4.1.4: an answer is encrypted if its request was. Samba
		// encrypts those to anonymous users in any case.
		if plain = false; !sealed && (c.sealer == nil || c.signer != nil) {
			return answer{}, malformed("encrypted frame where a plain answer was due")
		}
		if m, err = c.open(m); err != nil {
			return answer{}, err
		}
	}
	switch string(m[:4]) {
	case "\xfeSMB":
	case "\xffSMB":
		return answer{}, malformed("an SMB1 answer to an SMB2 request")
	default:
		return answer{}, malformed("not an SMB frame: it starts with %q", m[:4])
	}
	a, err := parseAnswer(m)
	switch {
	case err != nil:
		return answer{}, err
	case a.messageID == unsolicited: // an oplock break, for example
		return answer{}, nil
	case a.messageID != c.messageID-1 || a.command != command:
		return answer{}, malformed("answer %d to command %d, where answer %d to command %d was due",
			a.messageID, a.command, c.messageID-1, command)
	case a.status == StatusPending: // interim (MS-SMB2 3.2.5.1.5)
		return answer{}, nil
	}
	return a, c.authentic(&a, plain, sealed)
}

// authentic checks session and signature of an answer. A refusal needs no
// signature and no encryption: a server that has lost the session has no key,
// and ksmbd signs some of its refusals wrongly.
func (c *Conn) authentic(a *answer, plain, sealed bool) error {
	setup := a.command == cmdSessionSetup
	refused := a.status != 0 && !(setup && a.status == StatusMoreProcessing)
	switch {
	case refused:
	case plain && sealed:
		return malformed("plain answer where an encrypted one was due")
	case a.sessionID != c.sessionID && !(setup && c.sessionID == 0):
		return malformed("answer for session 0x%X in session 0x%X", a.sessionID, c.sessionID)
	case plain && c.signer != nil:
		return c.verify(a, c.mustSign)
	}
	return nil
}

// verify checks the signature of an answer (MS-SMB2 3.2.5.1.3).
func (c *Conn) verify(a *answer, must bool) error {
	if a.flags&flagSigned == 0 {
		if must {
			return malformed("an answer without a signature")
		}
		return nil
	}
	signature := c.signer.sum(a.message)
	if subtle.ConstantTimeCompare(signature[:], a.message[48:64]) == 0 {
		return malformed("an answer with a wrong signature")
	}
	return nil
}

// open decrypts a message with a transform header.
func (c *Conn) open(m []byte) ([]byte, error) {
	if len(m) < transformLen+headerLen {
		return nil, malformed("encrypted frame of %d bytes", len(m))
	}
	if id := le.Uint64(m[44:]); id != c.sessionID {
		return nil, malformed("encrypted frame for session 0x%X in session 0x%X", id, c.sessionID)
	}
	plain, err := c.sealer.open(m)
	if err != nil {
		return nil, malformed("%v", err)
	}
	return plain, nil
}

// hash adds a message to the preauthentication hash (MS-SMB2 3.1.4.4.1).
func (c *Conn) hash(m []byte) {
	h := sha512.New()
	h.Write(c.preauth[:])
	h.Write(m)
	h.Sum(c.preauth[:0])
}

// read reads one whole SMB message with its prefix, or a keep-alive. With an
// error it returns the bytes that came before.
func (c *Conn) read() ([]byte, error) {
	frame := c.in[:prefixLen]
	if n, err := ReadFull(c.conn, frame); err != nil {
		return frame[:n], err
	}
	// MS-SMB2 2.1: a zero byte and a length of three. RFC 1002 4.3: others.
	size := int(be.Uint32(frame) & 0xffffff)
	switch {
	case frame[0] == 0x85 && size == 0:
		return frame, nil // keep-alive
	case frame[0] == 0x83 && size != 1:
		return frame, malformed("negative session response of %d bytes", size)
	case frame[0] != 0 && frame[0] != 0x83:
		return frame, malformed("not an SMB server: it starts with %q", frame)
	case frame[0] == 0 && (size < 4 || size > maxFrame):
		return frame, malformed("frame of %d bytes", size)
	}
	if cap(c.in) < prefixLen+size {
		c.in = append(make([]byte, 0, prefixLen+size), frame...)
	}
	frame = c.in[:prefixLen+size]
	if n, err := ReadFull(c.conn, frame[prefixLen:]); err != nil {
		return frame[:prefixLen+n], err
	}
	if frame[0] == 0x83 {
		return frame, &NetBIOSError{Code: frame[prefixLen]}
	}
	return frame, nil
}

// ReadFull fills b. Its error is a *net.OpError also at the connection's end,
// as every other network error is one.
func ReadFull(conn net.Conn, b []byte) (int, error) {
	n, err := io.ReadFull(conn, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = &net.OpError{Op: "read", Net: "tcp",
			Source: conn.LocalAddr(), Addr: conn.RemoteAddr(), Err: io.EOF}
	}
	return n, err
}

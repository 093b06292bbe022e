package smb2

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"fsmon/smbprobe/spnego"
)

// Session flags (MS-SMB2 2.2.6).
const (
	sessionGuest   = 0x1
	sessionNull    = 0x2
	sessionEncrypt = 0x4
)

// maxLegs is the largest number of session setup requests of one login. NTLM
// needs two.
const maxLegs = 4

// Initiator is the client's side of a login by one mechanism of GSS-API (RFC
// 2743). A Conn wraps its tokens in SPNEGO (MS-SPNG).
type Initiator interface {
	OID() []byte                         // DER of the mechanism's identifier, with its tag
	Init() ([]byte, error)               // the first token
	Accept(token []byte) ([]byte, error) // the answer to a token; nothing: no more is due
	SessionKey() []byte                  // empty: neither side can sign or encrypt
	MIC(message []byte) []byte           // RFC 2743 2.3.1; nothing: it cannot be made yet
}

// RefusedError is what Initiator.Accept returns for a token that refuses the
// login. All its other errors are malformed answers.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return "the server refuses the login: " + e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// ErrOtherLogin is a server that chooses another mechanism than was offered: it
// does not take that one.
var ErrOtherLogin = errors.New("the server takes other logins than this one")

// Session is what a login has led to.
type Session struct {
	Guest     bool // the server did not know the user
	Anonymous bool // the login named no user, or the server says so
	Signed    bool // both sides sign; a guest and an anonymous session have no key
	Encrypted bool // everything is encrypted
}

// SessionSetup logs in (MS-SMB2 3.2.4.2.3). The initiator's session key is
// copied; the caller zeroes its own.
func (c *Conn) SessionSetup(login Initiator) (Session, error) {
	token, err := login.Init()
	if err != nil {
		return Session{}, err
	}
	token = spnego.Init(login.OID(), token)
	for range maxLegs {
		a, err := c.call(appendSetup(c.request(cmdSessionSetup, 0), token), false)
		if err != nil {
			return Session{}, c.otherLogin(login, err)
		}
		// IBM i names the session in its second answer only.
		c.sessionID = a.sessionID
		token, err = a.accept(login)
		switch {
		case err != nil:
			return Session{}, err
		case a.status == 0:
			return c.begin(&a, login)
		case len(token) == 0:
			return Session{}, malformed("session setup wants more, but the login is complete")
		}
		c.hash(a.message)
	}
	return Session{}, malformed("session setup that does not end")
}

// otherLogin adds ErrOtherLogin to what a server answered to a login that it has
// not offered, but for a refusal of the password.
func (c *Conn) otherLogin(login Initiator, err error) error {
	var status Status
	offered := func(mech []byte) bool { return bytes.Equal(mech, login.OID()) }
	if !errors.As(err, &status) || status.LogonRefused() || len(c.logins) == 0 ||
		slices.ContainsFunc(c.logins, offered) {
		return err
	}
	return fmt.Errorf("%w (%w)", ErrOtherLogin, err)
}

func appendSetup(m, token []byte) []byte {
	body := len(m)
	m = append(m, make([]byte, 24)...)
	b := m[body:]
	le.PutUint16(b, 25)
	b[3] = signingEnabled
	le.PutUint32(b[4:], capDFS)
	le.PutUint16(b[12:], headerLen+24)
	le.PutUint16(b[14:], uint16(len(token)))
	return append(m, token...)
}

// accept gives the token of an answer to the login. It returns the next one.
func (a *answer) accept(login Initiator) ([]byte, error) {
	b := a.body()
	blob, err := a.buffer(uint32(le.Uint16(b[4:])), uint32(le.Uint16(b[6:])))
	if err != nil || a.status == 0 && len(blob) == 0 {
		return nil, err
	}
	reply, err := spnego.Parse(blob)
	if err != nil {
		return nil, malformed("%v", err)
	}
	switch {
	case a.status == 0 && len(reply.Token) == 0:
		return nil, nil
	case len(reply.Token) == 0 && len(reply.Mech) > 0 && !bytes.Equal(reply.Mech, login.OID()):
		return nil, ErrOtherLogin
	}
	token, err := login.Accept(reply.Token)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, malformed("%v", err)
	case len(token) == 0:
		return nil, nil
	}
	return spnego.Reply(token, login.MIC(spnego.MechTypes(login.OID()))), nil
}

// begin takes the keys of a session into use (MS-SMB2 3.2.5.3.1) and checks the
// signature of the answer that granted it (MS-SMB2 3.2.5.3.3).
func (c *Conn) begin(a *answer, login Initiator) (Session, error) {
	flags := le.Uint16(a.body()[2:])
	s := Session{
		Guest:     flags&sessionGuest != 0,
		Anonymous: flags&sessionNull != 0,
	}
	key := login.SessionKey()
	s.Signed = len(key) > 0 && !s.Guest && !s.Anonymous && !anonymous(login)
	// Samba with "server smb encrypt = desired" sets the flag for guests and
	// anonymous users too. They ask in clear, and 4.17 answers so, 4.22 encrypted.
	s.Encrypted = flags&sessionEncrypt != 0 && s.Signed
	if s.Signed || flags&sessionEncrypt != 0 && len(key) > 0 {
		if err := c.useKeys(key); err != nil {
			return s, err
		}
	}
	if !s.Signed {
		c.signer = nil
	}
	if s.Encrypted && c.sealer == nil {
		return s, errNoCipher
	}
	c.session = s
	if s.Signed {
		// What the client signs, the server signs too (MS-SMB2 3.3.4.1.1), and
		// in 3.1.1 this answer (3.3.5.5.3). Older servers may not.
		c.mustSign = c.server.SigningRequired || c.server.Dialect == dialect311
		return s, c.verify(a, c.server.Dialect == dialect311)
	}
	return s, nil
}

// anonymous reports whether a login has no user, which not every server repeats
// in its flags.
func anonymous(login Initiator) bool {
	l, ok := login.(interface{ Anonymous() bool })
	return ok && l.Anonymous()
}

func (c *Conn) useKeys(key []byte) (err error) {
	keys := deriveKeys(c.server.Dialect, c.server.cipher, key, c.preauth[:])
	defer keys.wipe()
	if c.signer, err = newSigner(c.server.signing, keys.signing); err != nil {
		return err
	}
	if c.server.cipher != 0 {
		c.sealer, err = newSealer(c.server.cipher, keys.encrypt, keys.decrypt)
	}
	return err
}

var errNoCipher = malformed("it demands encryption, but has no cipher in common with the probe")

// Logoff ends the session (MS-SMB2 3.2.4.23).
func (c *Conn) Logoff() error {
	_, err := c.call(append(c.request(cmdLogoff, 0), 4, 0, 0, 0), c.session.Encrypted)
	return err
}

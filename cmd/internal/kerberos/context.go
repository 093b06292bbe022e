package kerberos

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/chksumtype"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/keyusage"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// oid is 1.2.840.113554.1.2.2 in DER, tag included (RFC 4121 1).
const oid = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"

// What the initiator asks for (RFC 4121 4.1.1.1). Neither replay nor sequence
// detection: RFC 2203 5.2.2 forbids them, and SMB has its own.
const contextFlags = 2 | 16 | 32 // mutual authentication, confidentiality, integrity

// Flags of message tokens (RFC 4121 4.2.2).
const (
	sentByAcceptor = 1
	sealed         = 2
	acceptorSubkey = 4
)

// tokenHeader is the size of a message token's header (RFC 4121 4.2.6).
const tokenHeader = 16

// ErrToken is what the methods of a Context return for a token of the server
// that RFC 4121 does not allow, that was made with another key, or that was
// changed on its way. The error says what is wrong.
var ErrToken = errors.New("bad GSS token")

func badToken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrToken, fmt.Sprintf(format, args...))
}

// Context is the initiator's side of one GSS-API context (RFC 4121), with
// mutual authentication. Init and Accept are called once, in this order; then
// the other methods may be. It is not safe for use by several goroutines.
type Context struct {
	ticket *Ticket
	auth   types.Authenticator
	key    types.EncryptionKey // of messages; none before Accept has succeeded
	flags  byte                // acceptorSubkey, if the key is that
	seq    uint64
}

// OID returns the DER of the mechanism's OID, tag included.
func (c *Context) OID() []byte { return []byte(oid) }

// Init returns the first token: an AP-REQ with a new authenticator and a subkey
// (RFC 4121 4.1).
func (c *Context) Init() ([]byte, error) {
	t := c.ticket
	auth, err := types.NewAuthenticator(t.realm, t.name)
	if err != nil {
		return nil, err
	}
	et, err := crypto.GetEtype(t.key.KeyType)
	if err != nil {
		return nil, err
	}
	if auth.SubKey, err = types.GenerateEncryptionKey(et); err != nil {
		return nil, err
	}
	sum := make([]byte, 24) // RFC 4121 4.1.1: Lgth, Bnd (none), Flags
	binary.LittleEndian.PutUint32(sum, 16)
	binary.LittleEndian.PutUint32(sum[20:], contextFlags)
	auth.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: sum}
	req, err := appendRequest(t.ticket, t.key, auth, keyusage.AP_REQ_AUTHENTICATOR, true)
	if err != nil {
		return nil, err
	}
	c.auth, c.seq = auth, uint64(auth.SeqNumber)
	body := append([]byte(oid), 1, 0) // TOK_ID of KRB_AP_REQ
	return tagged(0, append(body, req...))
}

// Accept checks the server's answer, an AP-REP that proves that the server has
// the key of the ticket. There is nothing to send after it. The error is an
// *Error for what the server refused with a KRB-ERROR, else ErrToken.
func (c *Context) Accept(token []byte) (next []byte, err error) {
	defer caught(&err, ErrToken, "an AP-REP")
	if c.ticket == nil || c.auth.AVNO == 0 {
		return nil, badToken("it came before the first one was sent")
	}
	kind, body, err := openToken(token)
	switch {
	case err != nil:
		return nil, err
	case kind == 3:
		var refusal krbError
		if err := refusal.parse(body); err != nil {
			return nil, badToken("a KRB-ERROR that is none: %v", err)
		}
		return nil, refusal.asError("")
	case kind != 2:
		return nil, badToken("it holds neither an AP-REP nor a KRB-ERROR")
	}
	var rep apReply
	if err := parseTagged(body, tagAPRep, &rep); err != nil {
		return nil, badToken("an AP-REP that is none: %v", err)
	}
	plain, err := decrypt(rep.EncPart, c.ticket.key, keyusage.AP_REP_ENCPART)
	if err != nil {
		return nil, badToken("the server does not know the ticket's key: %v", err)
	}
	defer clear(plain)
	var part encAPReply
	if err := parseTagged(plain, tagEncAPRepPart, &part); err != nil {
		return nil, badToken("the sealed part of an AP-REP is none: %v", err)
	}
	if part.CTime.Unix() != c.auth.CTime.Unix() || part.Cusec != c.auth.Cusec {
		return nil, badToken("the AP-REP answers another request")
	}
	c.key = c.auth.SubKey
	if part.Subkey.KeyType != 0 {
		if !isAES(part.Subkey.KeyType) {
			return nil, badToken("the server chose encryption type %d; only AES is accepted",
				part.Subkey.KeyType)
		}
		c.key, c.flags = part.Subkey, acceptorSubkey
	}
	return nil, nil
}

// openToken takes the mechanism's frame from a token (RFC 2743 3.1). A bare
// message is taken, too: some servers send it so.
func openToken(token []byte) (kind byte, body []byte, err error) {
	var frame asn1.RawValue
	if _, err := asn1.Unmarshal(token, &frame); err != nil || frame.Class != asn1.ClassApplication {
		return 0, nil, badToken("it is no DER")
	}
	switch frame.Tag {
	case 0:
		inner, ok := bytes.CutPrefix(frame.Bytes, []byte(oid))
		if !ok || len(inner) < 2 || inner[1] != 0 {
			return 0, nil, badToken("it is of another mechanism")
		}
		return inner[0], inner[2:], nil
	case tagAPRep:
		return 2, token, nil
	case tagKRBError:
		return 3, token, nil
	}
	return 0, nil, badToken("it is no message of Kerberos")
}

// SessionKey returns the key that both sides have, 16 or 32 bytes, or nil before
// Accept has succeeded. It is zeroed by Wipe.
func (c *Context) SessionKey() []byte { return c.key.KeyValue }

// Wipe zeroes the keys of the context. The ticket stays usable.
func (c *Context) Wipe() {
	clear(c.key.KeyValue)
	clear(c.auth.SubKey.KeyValue)
	*c = Context{}
}

// MIC returns the token that signs a message (RFC 4121 4.2.6.1), or nil before
// Accept has succeeded.
func (c *Context) MIC(message []byte) []byte {
	if c.key.KeyValue == nil {
		return nil
	}
	head := c.header([]byte{4, 4, c.flags, 0xff, 0xff, 0xff, 0xff, 0xff})
	sum, err := checksum(c.key, message, head, keyusage.GSSAPI_INITIATOR_SIGN)
	if err != nil {
		return nil
	}
	return append(head, sum...)
}

// header adds the next sequence number to the first 8 bytes of a token.
func (c *Context) header(first []byte) []byte {
	head := binary.BigEndian.AppendUint64(first, c.seq)
	c.seq++
	return head
}

// VerifyMIC checks the server's MIC of a message. It does not look at the order
// of messages. The error is ErrToken.
func (c *Context) VerifyMIC(message, token []byte) (err error) {
	defer caught(&err, ErrToken, "a MIC")
	switch {
	case c.key.KeyValue == nil:
		return badToken("the context is not complete")
	case len(token) < tokenHeader, !bytes.Equal(token[:2], []byte{4, 4}),
		!bytes.Equal(token[3:8], []byte{0xff, 0xff, 0xff, 0xff, 0xff}):
		return badToken("it is no MIC")
	case token[2] != c.flags|sentByAcceptor:
		return badToken("a MIC with the flags %#x", token[2])
	}
	head, sum := token[:tokenHeader], token[tokenHeader:]
	want, err := checksum(c.key, message, head, keyusage.GSSAPI_ACCEPTOR_SIGN)
	if err != nil {
		return badToken("%v", err)
	}
	if !hmac.Equal(want, sum) {
		return badToken("the checksum of a MIC is wrong")
	}
	return nil
}

// Wrap returns a message with its checksum, or, with seal, encrypted (RFC 4121
// 4.2.4, 4.2.6.2).
func (c *Context) Wrap(message []byte, seal bool) ([]byte, error) {
	if c.key.KeyValue == nil {
		return nil, errors.New("the GSS context is not complete")
	}
	if seal {
		head := c.header([]byte{5, 4, c.flags | sealed, 0xff, 0, 0, 0, 0})
		plain := append(bytes.Clone(message), head...)
		body, err := encrypt(c.key, plain, keyusage.GSSAPI_INITIATOR_SEAL)
		return append(head, body...), err
	}
	head := c.header([]byte{5, 4, c.flags, 0xff, 0, 0, 0, 0})
	sum, err := checksum(c.key, message, head, keyusage.GSSAPI_INITIATOR_SEAL)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint16(head[4:], uint16(len(sum))) // EC
	return append(append(head, message...), sum...), nil
}

// Unwrap opens a token that the server's Wrap made. encrypted says which of the
// two kinds it is. The error is ErrToken.
func (c *Context) Unwrap(token []byte) (message []byte, encrypted bool, err error) {
	defer caught(&err, ErrToken, "a wrapped message")
	switch {
	case c.key.KeyValue == nil:
		return nil, false, badToken("the context is not complete")
	case len(token) < tokenHeader, token[0] != 5, token[1] != 4, token[3] != 0xff:
		return nil, false, badToken("it is no wrapped message")
	case token[2]&^sealed != c.flags|sentByAcceptor:
		return nil, false, badToken("a wrapped message with the flags %#x", token[2])
	}
	encrypted = token[2]&sealed != 0
	extra := int(binary.BigEndian.Uint16(token[4:]))
	body := bytes.Clone(token[tokenHeader:])
	if rotated := int(binary.BigEndian.Uint16(token[6:])); len(body) > 0 { // RFC 4121 4.2.5
		rotated %= len(body)
		body = append(body[rotated:len(body):len(body)], body[:rotated]...)
	}
	head := bytes.Clone(token[:tokenHeader])
	if !encrypted {
		clear(head[4:8]) // EC and RRC
		if extra > len(body) {
			return nil, false, badToken("a wrapped message is shorter than its checksum")
		}
		message, sum := body[:len(body)-extra], body[len(body)-extra:]
		want, err := checksum(c.key, message, head, keyusage.GSSAPI_ACCEPTOR_SEAL)
		switch {
		case err != nil:
			return nil, false, badToken("%v", err)
		case !hmac.Equal(want, sum):
			return nil, false, badToken("the checksum of a wrapped message is wrong")
		}
		return message, false, nil
	}
	clear(head[6:8]) // RRC
	plain, err := decryptMessage(c.key, body, keyusage.GSSAPI_ACCEPTOR_SEAL)
	if err != nil {
		return nil, true, badToken("a message cannot be unsealed: %v", err)
	}
	end := len(plain) - tokenHeader - extra
	if end < 0 || !bytes.Equal(plain[len(plain)-tokenHeader:], head) {
		return nil, true, badToken("the header within a sealed message is another one")
	}
	return plain[:end], true, nil
}

// Package ntlm is the client's side of NTLM, version 2 (MS-NLMP): three
// messages, and the keys that come of them. It takes whatever CHALLENGE
// smbclient takes; NTLMv1 and LM responses are never sent.
package ntlm

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rc4"
	"encoding/binary"
	"errors"
	"time"
)

var (
	// ErrMalformed: what came is no CHALLENGE, or its fields point outside it.
	ErrMalformed = errors.New("malformed NTLM challenge")
	// ErrName: a user, domain or workstation cannot be sent. It is too long, or
	// the server reads only ASCII and it has other characters.
	ErrName = errors.New("a name that this server's NTLM cannot carry")
	// ErrOrder: Accept was called before Init.
	ErrOrder = errors.New("an NTLM challenge before the login began")
)

// Client is one login. Init and Accept are called once, in this order.
type Client struct {
	// User is the name without its domain. "" is an anonymous login, whatever
	// Password holds.
	User, Password, Domain string
	// Workstation is the NetBIOS name of this machine, which accounts may be
	// restricted to. It may be "".
	Workstation string

	negotiate []byte
	flags     uint32
	target    Target
	key       []byte // the exported session key
	signer    signer

	// Tests replace these.
	random func([]byte)
	now    func() time.Time
}

// oid is 1.3.6.1.4.1.311.2.2.10 in DER, tag included.
const oid = "\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a"

// version is that of Windows 7 and NTLMSSP_REVISION_W2K3 (MS-NLMP 2.2.2.10).
// Servers do not act on it.
const version = "\x06\x01\x00\x00\x00\x00\x00\x0f"

// OID returns the DER of the mechanism's OID, tag included.
func (c *Client) OID() []byte { return []byte(oid) }

// Init returns the NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1). It names no domain and
// no workstation. It never fails.
func (c *Client) Init() ([]byte, error) {
	b := append([]byte(signature), typeNegotiate, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, offered)
	const end = 40
	for range 2 {
		b = append(b, 0, 0, 0, 0, end, 0, 0, 0)
	}
	c.negotiate = append(b, version...)
	return c.negotiate, nil
}

// Accept reads the CHALLENGE_MESSAGE and returns the AUTHENTICATE_MESSAGE
// (MS-NLMP 2.2.1.2, 2.2.1.3, 3.1.5.1.2). Errors are ErrMalformed, ErrName and
// ErrOrder.
func (c *Client) Accept(message []byte) ([]byte, error) {
	if c.negotiate == nil {
		return nil, ErrOrder
	}
	ch, err := parseChallenge(message)
	if err != nil {
		return nil, err
	}
	c.target, c.flags = ch.target, negotiated(ch.flags)
	names, err := c.names()
	if err != nil {
		return nil, err
	}

	lm, nt, base := []byte{0}, []byte(nil), make([]byte, 16) // of an anonymous login
	if c.User != "" {
		var nonce [8]byte
		c.fill(nonce[:])
		when := ch.timestamp
		if !ch.target.Timestamp {
			when = filetime(c.clock())
		}
		key := ntowfv2(c.User, c.Password, c.Domain)
		lm, nt, base = respond(key, ch.server, nonce, when, ch.reply())
		clear(key)
		if ch.target.Timestamp {
			clear(lm) // 3.1.5.1.2: Z(24)
		}
		if len(nt) > 0xffff {
			return nil, ErrMalformed // its AvPairs alone have nearly 64 KB
		}
	}
	// 3.1.5.1.2: with NTLMv2 the key exchange key is the session base key.
	key, sent := base, []byte(nil)
	if c.flags&flagKeyExchange != 0 {
		key, sent = make([]byte, 16), make([]byte, 16)
		c.fill(key)
		crypt(base, sent, key)
		clear(base)
	}
	out := authenticate(c.flags, names, lm, nt, sent)
	// As smbclient and Windows do, the MIC is always there. MsvAvFlags tells
	// only servers that sent their time to look at it.
	copy(out[micOffset:], mac(key, c.negotiate, message, out))
	c.key = key
	if c.User == "" {
		return out, nil
	}
	c.signer = newSigner(key, c.flags)
	return out, nil
}

// SessionKey returns the exported session key, 16 bytes, or nil before Accept. It
// is zeroed by Wipe. Whoever listens knows that of an anonymous login.
func (c *Client) SessionKey() []byte { return c.key }

// Anonymous reports whether the login has no user: such a session is not signed.
func (c *Client) Anonymous() bool { return c.User == "" }

// MIC returns the 16 bytes of GSS_GetMIC over a message, the first that is
// signed (MS-NLMP 3.4.4.2), for SPNEGO's mechListMIC. It is nil where smbclient
// sends none: without a key, without NTLMSSP_NEGOTIATE_SIGN, for an anonymous
// login, and to a server whose CHALLENGE had no timestamp, since old ones choke
// on it.
func (c *Client) MIC(message []byte) []byte {
	if c.key == nil || c.Anonymous() || c.flags&flagSign == 0 || !c.target.Timestamp {
		return nil
	}
	return c.signer.sign(message)
}

// Target returns what the last CHALLENGE that Accept could read named.
func (c *Client) Target() Target { return c.target }

// Wipe zeroes all keys and forgets the password. A Go string cannot be zeroed:
// the caller's own copy of the password stays.
func (c *Client) Wipe() {
	clear(c.key)
	clear(c.signer.signing)
	clear(c.signer.sealing)
	c.key, c.Password, c.negotiate = nil, "", nil
}

func (c *Client) fill(b []byte) {
	if c.random != nil {
		c.random(b)
		return
	}
	rand.Read(b) // it never fails
}

func (c *Client) clock() time.Time {
	if c.now != nil {
		return c.now()
	}
	return time.Now()
}

// signer signs to the server (MS-NLMP 3.4.4.2), always as message 0.
type signer struct {
	signing, sealing []byte
	exchanged        bool
}

// newSigner derives the keys (MS-NLMP 3.4.5.2, 3.4.5.3), always with extended
// session security, as smbclient does.
func newSigner(key []byte, flags uint32) signer {
	strength := 5
	if flags&flag128 != 0 {
		strength = 16
	} else if flags&flag56 != 0 {
		strength = 7
	}
	return signer{
		signing: digest(key, "session key to client-to-server signing key magic constant\x00"),
		sealing: digest(key[:strength],
			"session key to client-to-server sealing key magic constant\x00"),
		exchanged: flags&flagKeyExchange != 0,
	}
}

func (s *signer) sign(message []byte) []byte {
	mic := make([]byte, 16)
	mic[0] = 1
	sum := mac(s.signing, make([]byte, 4), message)[:8]
	if s.exchanged {
		crypt(s.sealing, sum, sum)
	}
	copy(mic[4:], sum)
	return mic
}

func digest(key []byte, constant string) []byte {
	h := md5.New()
	h.Write(key)
	h.Write([]byte(constant))
	return h.Sum(nil)
}

// mac is HMAC-MD5 over its parts, one after the other.
func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(md5.New, key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// crypt runs RC4 with a fresh key.
func crypt(key, dst, src []byte) {
	cipher, err := rc4.NewCipher(key)
	if err != nil {
		panic(err) // a key has 16 bytes here
	}
	cipher.XORKeyStream(dst, src)
}

package smb2

import (
	"bytes"
	"crypto/rand"

	"fsmon/smbprobe/spnego"
)

// Dialects (MS-SMB2 2.2.3).
const (
	dialect202 = 0x0202
	dialect210 = 0x0210
	dialect300 = 0x0300
	dialect302 = 0x0302
	dialect311 = 0x0311
)

// Dialects returns all dialects that a Conn speaks.
func Dialects() []uint16 {
	return []uint16{dialect202, dialect210, dialect300, dialect302, dialect311}
}

const (
	signingEnabled  = 1 // SMB2_NEGOTIATE_SIGNING_ENABLED
	signingRequired = 2

	capDFS        = 0x01 // SMB2_GLOBAL_CAP_DFS
	capEncryption = 0x40 // SMB2_GLOBAL_CAP_ENCRYPTION, 3.0 and 3.0.2

	contextPreauth    = 1 // MS-SMB2 2.2.3.1
	contextEncryption = 2
	contextSigning    = 8

	hashSHA512 = 1
)

var (
	cipherNames = [...]string{
		aes128CCM: "AES-128-CCM", aes128GCM: "AES-128-GCM", aes256CCM: "AES-256-CCM",
		aes256GCM: "AES-256-GCM",
	}
	signingNames = [...]string{
		signHMAC: "HMAC-SHA256", signCMAC: "AES-128-CMAC", signGMAC: "AES-128-GMAC",
	}
)

// Negotiated is what both sides agreed on (MS-SMB2 2.2.4).
type Negotiated struct {
	Dialect         uint16
	SigningRequired bool   // the server requires signing
	cipher          uint16 // 0: none in common
	signing         uint16
}

// DialectName is "2.0.2" to "3.1.1", or empty before the negotiate answer.
func (n Negotiated) DialectName() string {
	switch n.Dialect {
	case dialect202:
		return "2.0.2"
	case dialect210:
		return "2.1"
	case dialect300:
		return "3.0"
	case dialect302:
		return "3.0.2"
	case dialect311:
		return "3.1.1"
	}
	return ""
}

// CipherName is the algorithm of encryption, such as "AES-128-GCM". It is empty
// if the two sides have none in common.
func (n Negotiated) CipherName() string { return cipherNames[n.cipher] }

// SigningName is the algorithm of signatures, such as "AES-128-CMAC" (MS-SMB2
// 3.1.4.1).
func (n Negotiated) SigningName() string { return signingNames[n.signing] }

// Negotiate agrees on a dialect out of these, and on the algorithms of
// signatures and encryption (MS-SMB2 3.2.4.2.2). It is a Conn's first request.
func (c *Conn) Negotiate(dialects []uint16) (Negotiated, error) {
	m := c.request(cmdNegotiate, 0)
	body := len(m)
	m = append(m, make([]byte, 36)...)
	b := m[body:]
	le.PutUint16(b, 36)
	le.PutUint16(b[2:], uint16(len(dialects)))
	le.PutUint16(b[4:], signingEnabled)
	le.PutUint32(b[8:], capDFS|capEncryption)
	rand.Read(b[12:28]) // ClientGuid
	newest := uint16(0)
	for _, d := range dialects {
		m = le.AppendUint16(m, d)
		newest = max(newest, d)
	}
	if newest == dialect311 {
		m = pad8(m)
		le.PutUint32(m[body+28:], uint32(len(m)-prefixLen))
		le.PutUint16(m[body+32:], 3)
		m = appendContexts(m)
	}
	a, err := c.call(m, false)
	if err != nil {
		return Negotiated{}, err
	}
	c.hash(a.message)
	n, err := parseNegotiate(&a)
	if err != nil {
		c.broken = err // there is no dialect to go on in
		return Negotiated{}, err
	}
	c.server = n
	// parseNegotiate has looked at the bounds.
	blob, _ := a.buffer(uint32(le.Uint16(a.body()[56:])), uint32(le.Uint16(a.body()[58:])))
	c.logins, _ = spnego.Offer(bytes.Clone(blob)) // smbclient goes on without it, too
	return n, nil
}

// pad8 aligns what follows to 8 bytes from the SMB2 header.
func pad8(m []byte) []byte { return append(m, make([]byte, -(len(m)-prefixLen)&7)...) }

// appendContexts appends the three negotiate contexts of a client that takes
// every algorithm (MS-SMB2 2.2.3.1.1, 2.2.3.1.2, 2.2.3.1.7). The first of a list
// is the one that the client would rather have.
func appendContexts(m []byte) []byte {
	const salt = 32
	m = appendUint16s(m, contextPreauth, 6+salt, 0, 0, 1, salt, hashSHA512)
	m = append(m, make([]byte, salt)...)
	rand.Read(m[len(m)-salt:])
	m = appendUint16s(pad8(m), contextEncryption, 2*5, 0, 0, 4,
		aes128GCM, aes128CCM, aes256GCM, aes256CCM)
	return appendUint16s(pad8(m), contextSigning, 2*4, 0, 0, 3,
		signGMAC, signCMAC, signHMAC)
}

func appendUint16s(m []byte, values ...uint16) []byte {
	for _, v := range values {
		m = le.AppendUint16(m, v)
	}
	return m
}

func parseNegotiate(a *answer) (Negotiated, error) {
	b := a.body()
	n := Negotiated{
		Dialect:         le.Uint16(b[4:]),
		SigningRequired: le.Uint16(b[2:])&signingRequired != 0,
	}
	if _, err := a.buffer(uint32(le.Uint16(b[56:])), uint32(le.Uint16(b[58:]))); err != nil {
		return n, err
	}
	switch n.Dialect {
	case dialect202, dialect210:
		n.signing = signHMAC
	case dialect300, dialect302:
		n.signing = signCMAC
		if le.Uint32(b[24:])&capEncryption != 0 {
			n.cipher = aes128CCM
		}
	case dialect311:
		n.signing = signCMAC // without a context (MS-SMB2 3.2.5.2)
		return n, n.parseContexts(a.message, le.Uint32(b[60:]), le.Uint16(b[6:]))
	default:
		return n, malformed("negotiate answer with unknown dialect 0x%04X", n.Dialect)
	}
	return n, nil
}

// parseContexts reads from the negotiate contexts (MS-SMB2 2.2.4.1) which
// algorithms the server chose. Cipher 0 means that it has none in common with
// the client (MS-SMB2 3.3.5.4).
func (n *Negotiated) parseContexts(m []byte, off uint32, count uint16) error {
	const maxContexts = 16 // MS-SMB2 defines 8
	if count > maxContexts {
		return malformed("%d negotiate contexts", count)
	}
	hashed := false
	for at := uint64(off); count > 0; count-- {
		if at < headerLen+64 || at+8 > uint64(len(m)) {
			return malformed("negotiate context outside the frame")
		}
		size := uint64(le.Uint16(m[at+2:]))
		if at+8+size > uint64(len(m)) {
			return malformed("negotiate context longer than the frame")
		}
		data := m[at+8 : at+8+size]
		one := len(data) >= 4 && le.Uint16(data) == 1
		switch kind := le.Uint16(m[at:]); kind {
		case contextPreauth:
			if len(data) < 6 || le.Uint16(data) != 1 || le.Uint16(data[4:]) != hashSHA512 {
				return malformed("preauthentication context without SHA-512")
			}
			hashed = true
		case contextEncryption:
			if !one {
				return malformed("encryption context without exactly one cipher")
			}
			if n.cipher = le.Uint16(data[2:]); int(n.cipher) >= len(cipherNames) {
				return malformed("encryption context with cipher %d, which was not offered", n.cipher)
			}
		case contextSigning:
			if !one {
				return malformed("signing context without exactly one algorithm")
			}
			if n.signing = le.Uint16(data[2:]); int(n.signing) >= len(signingNames) {
				return malformed("signing context with algorithm %d, which was not offered", n.signing)
			}
		}
		at += (8 + size + 7) &^ 7
	}
	if !hashed {
		return malformed("negotiate answer without a preauthentication context")
	}
	return nil
}

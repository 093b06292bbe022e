// Package spnego speaks the negotiation that carries a login inside SMB
// (RFC 4178, MS-SPNG): a client that offers one mechanism, and what servers
// answer to it. It reads DER by itself: encoding/asn1 works by reflection, which
// costs every watch memory, and refuses what servers send in odd forms.
package spnego

import (
	"bytes"
	"errors"
)

// ErrMalformed is what Parse and Offer return for a token that is not what
// RFC 4178 describes, or that claims more bytes than there are.
var ErrMalformed = errors.New("malformed SPNEGO token")

// The states of a negotiation (RFC 4178 4.2.2).
const (
	Absent           = -1 // The server did not say; the NTSTATUS beside it does.
	AcceptCompleted  = 0
	AcceptIncomplete = 1
	Reject           = 2
	RequestMIC       = 3
)

// oid is that of SPNEGO itself, 1.3.6.1.5.5.2.
const oid = "\x06\x06\x2b\x06\x01\x05\x05\x02"

// ntlmssp begins each message of NTLM. Servers without SPNEGO send it bare.
const ntlmssp = "NTLMSSP\x00"

// maxMechs is how many mechanisms of an offer are read. Windows offers five.
const maxMechs = 32

// The tags of RFC 4178 4.2 and 3.1, one byte each.
const (
	tagOctets     = 0x04
	tagOID        = 0x06
	tagEnumerated = 0x0a
	tagSequence   = 0x30
	tagGSS        = 0x60
	tagInit       = 0xa0 // also field 0
	tagResp       = 0xa1 // also field 1
	tagField2     = 0xa2
	tagField3     = 0xa3
)

// Init returns the NegTokenInit in its GSS wrapper (RFC 4178 4.2.1, RFC 2743
// 3.1) that offers one mechanism, with the first message of it. mech is the DER
// of the mechanism's OID, tag included.
func Init(mech, token []byte) []byte {
	fields := der(tagInit, MechTypes(mech))
	fields = append(fields, der(tagField2, der(tagOctets, token))...)
	body := append([]byte(oid), der(tagInit, der(tagSequence, fields))...)
	return der(tagGSS, body)
}

// Reply returns the client's NegTokenResp (RFC 4178 4.2.2) with the mechanism's
// next message and, unless nil, the mechListMIC. It names no state, as
// smbclient does.
func Reply(token, mic []byte) []byte {
	fields := der(tagField2, der(tagOctets, token))
	if mic != nil {
		fields = append(fields, der(tagField3, der(tagOctets, mic))...)
	}
	return der(tagResp, der(tagSequence, fields))
}

// MechTypes returns the DER of the mechTypes list that Init sent for mech. The
// mechListMIC is computed over it (RFC 4178 5).
func MechTypes(mech []byte) []byte { return der(tagSequence, mech) }

// Response is what a server answers. Every field may be absent.
type Response struct {
	// State is AcceptCompleted to RequestMIC, any other byte that the server
	// sent, or Absent.
	State int
	// Mech is the DER of the chosen mechanism's OID, tag included. NAS boxes
	// leave it out.
	Mech []byte
	// Token is the mechanism's message. MIC is the mechListMIC. Both are part
	// of what was parsed, not copies.
	Token, MIC []byte
}

// Parse reads a server's NegTokenResp (RFC 4178 4.2.2). A bare NTLM message, as
// embedded servers send it, is taken as the token, and nothing at all as an
// answer without fields. The MIC of Windows 2000, a copy of its token (MS-SPNG
// 3.3.5.1), is taken for absent. Errors are ErrMalformed.
func Parse(b []byte) (Response, error) {
	r := Response{State: Absent}
	if len(b) == 0 {
		return r, nil
	}
	if bytes.HasPrefix(b, []byte(ntlmssp)) {
		r.Token = b
		return r, nil
	}
	fields, ok := open(b, tagResp)
	for ok && len(fields) > 0 {
		var tag byte
		var field, inner []byte
		if tag, field, fields, ok = element(fields); !ok {
			break
		}
		switch tag {
		case tagInit:
			if inner, _, ok = expect(field, tagEnumerated); ok && len(inner) == 1 {
				r.State = int(inner[0])
			} else {
				ok = false
			}
		case tagResp:
			if _, inner, ok = expect(field, tagOID); ok {
				r.Mech = field[:len(field)-len(inner)]
			}
		case tagField2:
			r.Token, _, ok = expect(field, tagOctets)
		case tagField3:
			r.MIC, _, ok = expect(field, tagOctets)
		}
	}
	if !ok {
		return Response{State: Absent}, ErrMalformed
	}
	if bytes.Equal(r.MIC, r.Token) {
		r.MIC = nil
	}
	return r, nil
}

// Offer returns the mechanisms that a server names in its negotiate answer, a
// NegTokenInit2 (MS-SPNG 2.2.1): the DER of each OID, tag included, 32 at most.
// The hints after them are not read. A server that sends nothing, or a bare
// NTLM message, offers none. Errors are ErrMalformed; smbclient goes on then.
func Offer(b []byte) ([][]byte, error) {
	if len(b) == 0 || bytes.HasPrefix(b, []byte(ntlmssp)) {
		return nil, nil
	}
	fields, ok := open(b, tagInit)
	for ok && len(fields) > 0 {
		var tag byte
		var field []byte
		if tag, field, fields, ok = element(fields); !ok {
			break
		}
		if tag == tagInit {
			return mechs(field)
		}
	}
	if !ok {
		return nil, ErrMalformed
	}
	return nil, nil
}

// mechs reads a mechTypes list.
func mechs(field []byte) (list [][]byte, err error) {
	rest, _, ok := expect(field, tagSequence)
	for ok && len(rest) > 0 && len(list) < maxMechs {
		before := rest
		if _, rest, ok = expect(rest, tagOID); ok {
			list = append(list, before[:len(before)-len(rest)])
		}
	}
	if !ok {
		return nil, ErrMalformed
	}
	return list, nil
}

// open returns the fields of the sequence in a NegTokenInit or NegTokenResp,
// with or without the GSS wrapper: only the first message should have it, but
// some servers wrap every one.
func open(b []byte, tag byte) (fields []byte, ok bool) {
	if b[0] == tagGSS {
		if b, _, ok = expect(b, tagGSS); !ok {
			return nil, false
		}
		if b, ok = bytes.CutPrefix(b, []byte(oid)); !ok {
			return nil, false
		}
	}
	if b, _, ok = expect(b, tag); !ok {
		return nil, false
	}
	fields, _, ok = expect(b, tagSequence)
	return fields, ok
}

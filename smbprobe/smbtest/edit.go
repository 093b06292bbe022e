package smbtest

import (
	"bytes"
	"encoding/asn1"
)

// setupBuffer is the offset of a session setup reply's security buffer from the
// SMB2 header, as all servers here place it (MS-SMB2 2.2.6).
const setupBuffer = headerSize + 8

// Token replaces the security buffer of a session setup reply (MS-SMB2 2.2.6).
func Token(change func(token []byte) []byte) Filter {
	return func(f *Frame) Behaviour {
		token := change(bytes.Clone(f.Bytes[netbios+setupBuffer:]))
		head := bytes.Clone(f.Bytes[netbios : netbios+setupBuffer])
		le.PutUint16(head[headerSize+6:], uint16(len(token)))
		f.Bytes = frame(append(head, token...))
		return nil
	}
}

// NTLMChallenge edits a CHALLENGE_MESSAGE in place (MS-NLMP 2.2.1.2), within
// SPNEGO or without.
func NTLMChallenge(edit func(message []byte)) Filter {
	return Token(func(token []byte) []byte {
		edit(token[bytes.Index(token, []byte("NTLMSSP\x00\x02")):])
		return token
	})
}

// NoRequestTarget takes flag and name of the target out of a challenge.
func NoRequestTarget(challenge []byte) {
	clearFlag(challenge, 0x4)
	clear(challenge[12:20])
}

// NoTargetInfo takes the target information out of a challenge.
func NoTargetInfo(challenge []byte) {
	clearFlag(challenge, 0x800000)
	clear(challenge[40:48])
}

// NoTimestamp takes MsvAvTimestamp out of the target information (MS-NLMP
// 2.2.2.1).
func NoTimestamp(challenge []byte) {
	size := le.Uint16(challenge[40:])
	info := challenge[le.Uint32(challenge[44:]):][:size]
	for at := 0; at+4 <= len(info); at += 4 + int(le.Uint16(info[at+2:])) {
		if id, n := le.Uint16(info[at:]), 4+int(le.Uint16(info[at+2:])); id == 7 {
			copy(info[at:], info[at+n:])
			le.PutUint16(challenge[40:], size-uint16(n))
			le.PutUint16(challenge[42:], size-uint16(n))
			return
		}
	}
}

func clearFlag(challenge []byte, flag uint32) {
	le.PutUint32(challenge[20:], le.Uint32(challenge[20:])&^flag)
}

// NoSupportedMech takes supportedMech out of a NegTokenResp (RFC 4178 4.2.2).
func NoSupportedMech(token []byte) []byte {
	var kept []byte
	for _, field := range fields(token) {
		if field.Tag != 1 {
			kept = append(kept, field.FullBytes...)
		}
	}
	sequence := marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: kept})
	return marshal(asn1.RawValue{
		Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: sequence,
	})
}

// fields returns the fields of a NegTokenResp. What is none has no fields.
func fields(token []byte) (all []asn1.RawValue) {
	var outer, sequence asn1.RawValue
	asn1.Unmarshal(token, &outer)
	asn1.Unmarshal(outer.Bytes, &sequence)
	for rest := sequence.Bytes; len(rest) > 0; {
		var field asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &field); err != nil {
			return nil
		}
		all = append(all, field)
	}
	return all
}

func marshal(v asn1.RawValue) []byte {
	b, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// NoSPNEGO takes the security buffer out of a negotiate reply of a dialect below
// 3.1.1: the server knows NTLM alone (MS-SMB2 3.3.5.4).
func NoSPNEGO(f *Frame) Behaviour {
	p := bytes.Clone(f.Bytes[netbios : netbios+securityBuffer])
	le.PutUint16(p[headerSize+58:], 0)
	f.Bytes = frame(p)
	return nil
}

// LateSessionID is a server that names the session only when it is complete, as
// IBM i does: 0 in the first answer to a session setup, the real one in the
// second. One relay's filter serves one connection after the other.
func LateSessionID() Filter {
	const at = netbios + 40
	var real [8]byte
	return func(f *Frame) Behaviour {
		switch {
		case f.Answers(Challenge):
			copy(real[:], f.Bytes[at:])
			clear(f.Bytes[at : at+8])
		case !f.FromServer && f.Command == SessionSetup && f.SessionID == 0 && f.Index > 1:
			copy(f.Bytes[at:], real[:])
		}
		return nil
	}
}

// SessionID0 takes the session ID and the signature out of a reply.
func SessionID0(f *Frame) Behaviour {
	clear(f.Bytes[netbios+40 : netbios+48])
	return Unsigned(f)
}

// Unsigned takes the signature out of a message (MS-SMB2 2.2.1.2).
func Unsigned(f *Frame) Behaviour {
	f.Bytes[netbios+16] &^= flagSigned
	clear(f.Bytes[netbios+48 : netbios+64])
	return nil
}

// WronglySigned changes the signature of a message.
func WronglySigned(f *Frame) Behaviour {
	f.Bytes[netbios+16] |= flagSigned
	f.Bytes[netbios+48] ^= 0xff
	return nil
}

// Gone delivers nothing, and goes on with end.
func Gone(end Behaviour) Filter {
	return func(f *Frame) Behaviour {
		f.Bytes = nil
		return end
	}
}

// Pending delivers an interim answer before the final one: STATUS_PENDING,
// without a signature (MS-SMB2 3.3.4.2). Both have the same AsyncId, but only an
// unsigned final answer gets the flag that says so.
func Pending(f *Frame) Behaviour {
	h := bytes.Clone(f.Bytes[netbios : netbios+headerSize])
	le.PutUint32(h[8:], statusPending)
	h[16] = flagReply | flagAsync
	clear(h[48:])
	if f.Bytes[netbios+16]&flagSigned == 0 {
		f.Bytes[netbios+16] |= flagAsync
	}
	f.Bytes = append(frame(append(h, errorBody()...)), f.Bytes...)
	return nil
}

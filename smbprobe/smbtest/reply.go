package smbtest

import (
	"encoding/hex"
	"slices"
)

// spnego is the NegTokenInit2 with which Samba offers only NTLMSSP (RFC 4178,
// MS-SPNG 2.2.1).
var spnego, _ = hex.DecodeString("604806062b0601050502a03e303ca00e300c060a2b06010401823702020a" +
	"a32a3028a0261b246e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265")

// securityBuffer is the offset of a negotiate reply's security buffer from the
// SMB2 header.
const securityBuffer = headerSize + 64

// Status refuses the request with this NTSTATUS.
func Status(code uint32) Reply {
	return func(q Frame) []byte {
		return frame(append(header(q.Command, code, flagReply, q.MessageID), errorBody()...))
	}
}

// Nothing does not answer the request.
func Nothing(Frame) []byte { return nil }

// Raw answers every request with these bytes.
func Raw(b []byte) Reply {
	return func(Frame) []byte { return b }
}

// Cut sends only the first n bytes of a reply and keeps its length field. n
// counts from the type byte.
func Cut(n int, r Reply) Reply {
	return func(q Frame) []byte { return r(q)[:n] }
}

// Edit changes the payload of a reply, from the SMB2 header on, and corrects
// the length field.
func Edit(r Reply, change func(payload []byte) []byte) Reply {
	return func(q Frame) []byte { return frame(change(slices.Clone(r(q)[netbios:]))) }
}

// NegotiateReply accepts with this dialect and offers NTLMSSP (MS-SMB2 2.2.4).
// With 0x0311 it has the one mandatory negotiate context.
func NegotiateReply(dialect uint16) Reply {
	return func(q Frame) []byte {
		b := make([]byte, 64)
		le.PutUint16(b, 65)
		le.PutUint16(b[2:], 1) // signing enabled, not required
		le.PutUint16(b[4:], dialect)
		copy(b[8:], "smbtest hostile!") // the server's GUID
		for _, at := range []int{28, 32, 36} {
			le.PutUint32(b[at:], 65536) // largest transaction, read, write
		}
		le.PutUint16(b[56:], securityBuffer)
		le.PutUint16(b[58:], uint16(len(spnego)))
		p := slices.Concat(header(Negotiate, 0, flagReply, q.MessageID), b, spnego)
		if dialect == 0x0311 {
			p = append(p, make([]byte, -len(p)&7)...)
			le.PutUint16(p[headerSize+6:], 1)
			le.PutUint32(p[headerSize+60:], uint32(len(p)))
			p = append(p, preauthContext()...)
		}
		return frame(p)
	}
}

// preauthContext is SMB2_PREAUTH_INTEGRITY_CAPABILITIES: SHA-512 with a salt of
// 32 bytes (MS-SMB2 2.2.3.1.1).
func preauthContext() []byte {
	b := make([]byte, 8+38)
	b[0] = 1  // type
	b[2] = 38 // length of the rest after these 8 bytes
	b[8] = 1  // algorithms
	b[10] = 32
	b[12] = 1 // SHA-512
	return b
}

// SMB1Reply is the negotiate reply of a server that speaks only SMB1: status 0,
// dialect 0, no further words.
func SMB1Reply(Frame) []byte {
	b := make([]byte, 37)
	copy(b, "\xffSMB\x72")
	b[9] = 0x80 // reply
	b[32] = 1   // words: the dialect's index
	return frame(b)
}

// Malformed returns answers to a negotiate that no client may accept, by name.
// Each of them is malformed: none is a refusal, a close or SMB1.
func Malformed() map[string]Reply {
	put16 := func(at int, v uint16) func([]byte) []byte {
		return func(p []byte) []byte { le.PutUint16(p[at:], v); return p }
	}
	put32 := func(at int, v uint32) func([]byte) []byte {
		return func(p []byte) []byte { le.PutUint32(p[at:], v); return p }
	}
	ok, ok311 := NegotiateReply(0x0210), NegotiateReply(0x0311)
	const body = headerSize
	const http = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request"
	return map[string]Reply{
		"HTTP answer":                 Raw([]byte(http)),
		"TLS alert":                   Raw([]byte{0x15, 3, 1, 0, 2, 2, 10}), // unexpected message
		"frame of 0 bytes":            Raw([]byte{0, 0, 0, 0}),
		"frame of 1 byte":             Raw([]byte{0, 0, 0, 1, 0xfe}),
		"frame of 16 MB - 1":          Raw([]byte("\x00\xff\xff\xff\xfeSMB")),
		"frame of another protocol":   Edit(ok, put32(0, 0x31323334)),
		"header cut short":            Edit(ok, func(p []byte) []byte { return p[:40] }),
		"header without a body":       Edit(ok, func(p []byte) []byte { return p[:headerSize] }),
		"body cut short":              Edit(ok, func(p []byte) []byte { return p[:headerSize+36] }),
		"header of another size":      Edit(ok, put16(4, 65)),
		"reply to another command":    Edit(ok, put16(12, TreeConnect)),
		"NextCommand outside":         Edit(ok, put32(20, 0x7ffffff8)),
		"NextCommand into the header": Edit(ok, put32(20, 8)),
		"transform header": func(Frame) []byte { // MS-SMB2 2.2.41
			b := make([]byte, 52+80)
			copy(b, "\xfdSMB")
			le.PutUint32(b[36:], 80) // original message size
			le.PutUint16(b[42:], 1)  // encrypted
			return frame(b)
		},
		"unknown dialect":                             Edit(ok, put16(body+4, 0x0999)),
		"security buffer outside":                     Edit(ok, put16(body+56, 0xfff0)),
		"security buffer longer than frame":           Edit(ok, put16(body+58, 0xffff)),
		"security buffer inside the header":           Edit(ok, put16(body+56, 8)),
		"negotiate contexts outside":                  Edit(ok311, put32(body+60, 0xfffffff8)),
		"negotiate contexts inside the body":          Edit(ok311, put32(body+60, headerSize+8)),
		"negotiate contexts over the security buffer": Edit(ok311, put32(body+60, securityBuffer)),
		"negotiate context longer than frame": func(q Frame) []byte {
			b := ok311(q)
			le.PutUint16(b[len(b)-38-6:], 0xffff)
			return b
		},
		"65535 negotiate contexts": Edit(ok311, put16(body+6, 0xffff)),
	}
}

package ntlm

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// signature begins each message (MS-NLMP 2.2.1). The types follow it.
const (
	signature        = "NTLMSSP\x00"
	typeNegotiate    = 1
	typeChallenge    = 2
	typeAuthenticate = 3
)

// The flags of MS-NLMP 2.2.2.5 that are used.
const (
	flagUnicode     = 1 << 0
	flagOEM         = 1 << 1
	flagTarget      = 1 << 2 // REQUEST_TARGET
	flagSign        = 1 << 4
	flagNTLM        = 1 << 9
	flagAnonymous   = 1 << 11
	flagAlwaysSign  = 1 << 15
	flagExtended    = 1 << 19 // EXTENDED_SESSIONSECURITY
	flagTargetInfo  = 1 << 23
	flagVersion     = 1 << 25
	flag128         = 1 << 29
	flagKeyExchange = 1 << 30
	flag56          = 1 << 31

	// offered are the flags that smbclient offers too.
	offered = flagUnicode | flagTarget | flagSign | flagNTLM | flagAlwaysSign | flagExtended |
		flagVersion | flag128 | flagKeyExchange
)

// negotiated returns the flags of the AUTHENTICATE_MESSAGE for those of the
// CHALLENGE_MESSAGE. Extended session security stays even if a server does not
// name it: NTLMv2 implies it, and such servers have it all the same.
func negotiated(theirs uint32) uint32 {
	const kept = flagTarget | flagNTLM | flagExtended | flagVersion
	flags := offered & (theirs | kept)
	if theirs&flagUnicode == 0 {
		flags |= flagOEM
	}
	return flags
}

// The ids of AvPairs (MS-NLMP 2.2.2.1).
const (
	avEOL             = 0
	avNbComputerName  = 1
	avNbDomainName    = 2
	avDNSComputerName = 3
	avDNSDomainName   = 4
	avDNSTreeName     = 5
	avFlags           = 6
	avTimestamp       = 7
	avTargetName      = 9
	avChannelBindings = 10
)

// Target is what a server says of itself, unchecked, each name at most 255
// characters long. Absent ones are "".
type Target struct {
	// Name is the TargetName: the domain, or the server when it is in none.
	Name                        string
	NetBIOSDomain, NetBIOSName  string
	DNSDomain, DNSName, DNSTree string
	// Timestamp says whether the server sent its time, and with it demands a
	// MIC.
	Timestamp bool
}

// challenge is a CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2).
type challenge struct {
	flags     uint32
	server    [8]byte
	target    Target
	timestamp uint64 // a FILETIME, if target.Timestamp
	avFlags   uint32
	pairs     []byte // those that are sent back, without the flags and the end
	hasPairs  bool   // whether there was a TargetInfo at all
}

// parseChallenge reads a CHALLENGE_MESSAGE whose fixed part has 32 bytes or
// more. Short ones, without the reserved bytes, the TargetInfo and the version,
// come from NAS boxes.
func parseChallenge(b []byte) (ch challenge, err error) {
	if len(b) < 32 || string(b[:8]) != signature ||
		binary.LittleEndian.Uint32(b[8:]) != typeChallenge {
		return ch, ErrMalformed
	}
	ch.flags = binary.LittleEndian.Uint32(b[20:])
	copy(ch.server[:], b[24:])
	name, ok := field(b, 12)
	if !ok {
		return ch, ErrMalformed
	}
	if ch.flags&flagUnicode != 0 {
		ch.target.Name = text(name)
	} else {
		ch.target.Name = oemText(name)
	}
	if ch.flags&flagTargetInfo == 0 {
		return ch, nil
	}
	info, ok := field(b, 40)
	if !ok {
		return ch, ErrMalformed
	}
	ch.hasPairs = len(info) > 0
	return ch, ch.readPairs(info)
}

// field returns what the length and offset at a place in b point to (MS-NLMP
// 2.2.1.2). The offset of an empty one means nothing.
func field(b []byte, at int) ([]byte, bool) {
	if len(b) < at+8 {
		return nil, false
	}
	size := int64(binary.LittleEndian.Uint16(b[at:]))
	from := int64(binary.LittleEndian.Uint32(b[at+4:]))
	if size == 0 {
		return nil, true
	}
	if from+size > int64(len(b)) {
		return nil, false
	}
	return b[from : from+size], true
}

// readPairs reads the AvPairs of a TargetInfo. They end with MsvAvEOL or, from
// some servers, with the field.
func (ch *challenge) readPairs(b []byte) error {
	for len(b) > 0 {
		if len(b) < 4 {
			return ErrMalformed
		}
		id, size := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if id == avEOL {
			return nil
		}
		if size > len(b)-4 {
			return ErrMalformed
		}
		value, pair := b[4:4+size], b[:4+size]
		b = b[4+size:]
		switch id {
		case avNbComputerName:
			ch.target.NetBIOSName = text(value)
		case avNbDomainName:
			ch.target.NetBIOSDomain = text(value)
		case avDNSComputerName:
			ch.target.DNSName = text(value)
		case avDNSDomainName:
			ch.target.DNSDomain = text(value)
		case avDNSTreeName:
			ch.target.DNSTree = text(value)
		case avTimestamp:
			if size != 8 {
				return ErrMalformed
			}
			ch.timestamp, ch.target.Timestamp = binary.LittleEndian.Uint64(value), true
		case avFlags:
			if size != 4 {
				return ErrMalformed
			}
			ch.avFlags = binary.LittleEndian.Uint32(value)
			continue
		case avTargetName, avChannelBindings:
			continue // the client's own take their place
		}
		ch.pairs = append(ch.pairs, pair...)
	}
	return nil
}

// reply returns the AvPairs of the NTLMv2 response (MS-NLMP 3.1.5.1.2): the
// server's, MsvAvFlags 0x2 if it sent its time, and channel bindings of zeros,
// since SMB has no channel to bind to. It names no service.
func (ch *challenge) reply() []byte {
	b := bytes.Clone(ch.pairs)
	if ch.hasPairs {
		flags := ch.avFlags
		if ch.target.Timestamp {
			flags |= 2
		}
		if flags != 0 {
			b = appendPair(b, avFlags, binary.LittleEndian.AppendUint32(nil, flags))
		}
		b = appendPair(b, avChannelBindings, make([]byte, 16))
	}
	return appendPair(b, avEOL, nil)
}

func appendPair(b []byte, id uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, id)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// maxText is how many UTF-16 units of a server's name are kept. A DNS name has
// 255 at most.
const maxText = 255

// text reads UTF-16LE, the first 255 units of it.
func text(b []byte) string {
	units := make([]uint16, min(len(b)/2, maxText))
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// oemText reads a name in the server's code page, of which only ASCII is known.
func oemText(b []byte) string {
	runes := make([]rune, min(len(b), maxText))
	for i := range runes {
		if runes[i] = rune(b[i]); b[i] >= 0x80 {
			runes[i] = '\ufffd'
		}
	}
	return string(runes)
}

// unicodeBytes returns s in UTF-16LE.
func unicodeBytes(s string) []byte {
	b := make([]byte, 0, 2*len(s))
	for _, r := range s {
		for _, unit := range utf16.AppendRune(nil, r) {
			b = binary.LittleEndian.AppendUint16(b, unit)
		}
	}
	return b
}

// maxName is how many bytes of UTF-8 a name may have. Windows takes 256
// characters of a user and 255 of a domain.
const maxName = 4096

// names returns the domain, the user and the workstation as the server reads
// them, and sets NTLMSSP_ANONYMOUS if there is no user. Without Unicode a
// server reads its own code page (OEM), of which only ASCII is known.
func (c *Client) names() (names [3][]byte, err error) {
	texts := [3]string{c.Domain, c.User, c.Workstation}
	if c.User == "" {
		texts[0] = ""
		c.flags |= flagAnonymous
	}
	for i, s := range texts {
		names[i] = unicodeBytes(s)
		if c.flags&flagUnicode == 0 {
			names[i] = []byte(s)
		}
		other := func(r rune) bool { return r >= 0x80 }
		if len(s) > maxName || c.flags&flagUnicode == 0 && strings.ContainsFunc(s, other) {
			return names, ErrName
		}
	}
	return names, nil
}

// micOffset is where the 16 bytes of the MIC are, behind the version.
const micOffset = 72

// authenticate returns the AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3) with a MIC of
// zeros. The names come first of what the message points to, so that their
// UTF-16 is aligned.
func authenticate(flags uint32, names [3][]byte, lm, nt, key []byte) []byte {
	b, payload := make([]byte, micOffset+16), make([]byte, 0, 1024)
	copy(b, signature)
	b[8] = typeAuthenticate
	point := func(at int, value []byte) {
		binary.LittleEndian.PutUint16(b[at:], uint16(len(value)))
		binary.LittleEndian.PutUint16(b[at+2:], uint16(len(value)))
		binary.LittleEndian.PutUint32(b[at+4:], uint32(micOffset+16+len(payload)))
		payload = append(payload, value...)
	}
	point(28, names[0])
	point(36, names[1])
	point(44, names[2])
	point(12, lm)
	point(20, nt)
	point(52, key)
	binary.LittleEndian.PutUint32(b[60:], flags)
	copy(b[64:], version)
	return append(b, payload...)
}

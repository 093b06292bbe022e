package winsys

import (
	"fmt"
	"time"
)

// The trap's object identifiers: 7359 is the enterprise number of LifeKeeper's
// maker. The strings are numbered below its 1, the message first.
var (
	trapEnterprise = []uint32{1, 3, 6, 1, 4, 1, 7359}
	trapStrings    = []uint32{1, 3, 6, 1, 4, 1, 7359, 1}
)

// The tags of the parts of a trap (RFC 1157 4.1.6, RFC 1155 3.2.3; X.690
// 8.1.2).
const (
	tagInteger   = 0x02
	tagString    = 0x04
	tagOID       = 0x06
	tagSequence  = 0x30
	tagIPAddress = 0x40
	tagTimeTicks = 0x43
	tagTrap      = 0xa4
)

// maxTrap is the size, in bytes, that every agent must accept (RFC 1157 4).
const maxTrap = 484

// encodeTrap returns the message of an SNMP version 1 trap (RFC 1157 4.1.6).
func encodeTrap(community string, sender [4]byte, uptime time.Duration, t Trap) ([]byte, error) {
	var bindings []byte
	for i, s := range t.Strings {
		name := append(trapStrings[:len(trapStrings):len(trapStrings)], uint32(i+1))
		bindings = append(bindings, tlv(tagSequence, oid(name), tlv(tagString, []byte(s)))...)
	}
	packet := tlv(tagSequence,
		integer(tagInteger, 0), // version 1
		tlv(tagString, []byte(community)),
		tlv(tagTrap,
			oid(trapEnterprise),
			tlv(tagIPAddress, sender[:]),
			integer(tagInteger, uint32(t.Generic)),
			integer(tagInteger, uint32(t.Specific)),
			integer(tagTimeTicks, uint32(uptime/(10*time.Millisecond))),
			tlv(tagSequence, bindings)))
	if len(packet) > maxTrap {
		return nil, fmt.Errorf("it has %d bytes, more than the %d that every receiver takes",
			len(packet), maxTrap)
	}
	return packet, nil
}

// tlv encodes tag, length (X.690 8.1.3) and contents.
func tlv(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := []byte{tag}
	switch {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	default:
		b = append(b, 0x82, byte(n>>8), byte(n)) // encodeTrap refuses longer messages
	}
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// integer encodes a number that is not negative in as few bytes as possible.
// The first byte must not have the sign bit (X.690 8.3).
func integer(tag byte, v uint32) []byte {
	b := []byte{byte(v)}
	for v > 0x7f {
		v >>= 8
		b = append([]byte{byte(v)}, b...)
	}
	return tlv(tag, b)
}

// oid encodes an object identifier (X.690 8.19).
func oid(id []uint32) []byte {
	b := []byte{byte(id[0]*40 + id[1])}
	for _, v := range id[2:] {
		part := []byte{byte(v & 0x7f)}
		for v >>= 7; v > 0; v >>= 7 {
			part = append([]byte{0x80 | byte(v&0x7f)}, part...)
		}
		b = append(b, part...)
	}
	return tlv(tagOID, b)
}

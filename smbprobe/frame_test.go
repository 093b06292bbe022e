package smbprobe

import (
	"slices"
	"strings"
	"testing"
)

// capture returns the n-th SMB2 message of a capture, without its length
// prefix.
func capture(t *testing.T, name string, n int) []byte {
	t.Helper()
	stream := captures(t)[name]
	var frame []byte
	for range n + 1 {
		frame, stream = cut(stream)
	}
	if len(frame) < 4+headerLen {
		t.Fatalf("%s has no message %d", name, n)
	}
	return slices.Clone(frame[4:])
}

func TestParseNegotiate(t *testing.T) {
	ok := capture(t, "3.1.1-user-encrypted-share.bin", 0)
	first := int(le.Uint32(ok[headerLen+60:])) // negotiate context
	second := first + (8+int(le.Uint16(ok[first+2:]))+7)&^7
	n, err := parseNegotiate(ok)
	if n != (negotiated{dialect: 0x0311, cipher: cipherGCM}) || err != nil ||
		le.Uint16(ok[second:]) != contextEncryption {
		t.Fatalf("%+v, %v, second context %d", n, err, le.Uint16(ok[second:]))
	}
	for _, c := range []struct {
		name string
		edit func(m []byte) []byte
		want string // of the error; "": none
	}{
		{"required signing", func(m []byte) []byte { m[headerLen+2] |= securityRequired; return m }, ""},
		{"body of 63 bytes", func(m []byte) []byte { return m[:headerLen+63] }, "wrong size"},
		{"another body's size", func(m []byte) []byte { m[headerLen] = 9; return m }, "wrong size"},
		{"wildcard dialect", func(m []byte) []byte { le.PutUint16(m[headerLen+4:], 0x02ff); return m }, "unknown dialect 0x02FF"},
		{"security buffer in the header", func(m []byte) []byte { le.PutUint16(m[headerLen+56:], headerLen-1); return m }, "security buffer"},
		{"security buffer past the end", func(m []byte) []byte { le.PutUint16(m[headerLen+58:], uint16(len(m)-128+1)); return m }, "security buffer"},
		{"security buffer empty, anywhere", func(m []byte) []byte { le.PutUint32(m[headerLen+56:], 0x0000ffff); return m }, ""},
		{"17 contexts", func(m []byte) []byte { le.PutUint16(m[headerLen+6:], 17); return m }, "17 negotiate contexts"},
		{"a context too many", func(m []byte) []byte { m[headerLen+6]++; return m }, "outside the frame"},
		{"contexts in the body", func(m []byte) []byte { le.PutUint32(m[headerLen+60:], headerLen+63); return m }, "outside the frame"},
		{"contexts past the end", func(m []byte) []byte { le.PutUint32(m[headerLen+60:], uint32(len(m)-7)); return m }, "outside the frame"},
		{"contexts far away", func(m []byte) []byte { le.PutUint32(m[headerLen+60:], 1<<32-8); return m }, "outside the frame"},
		{"context past the end", func(m []byte) []byte { le.PutUint16(m[first+2:], uint16(len(m)-first-8+1)); return m }, "longer than the frame"},
		{"a signing algorithm", func(m []byte) []byte { le.PutUint16(m[second:], contextSigning); m[second+10] = 3; return m }, ""},
		{"no cipher", func(m []byte) []byte { le.PutUint16(m[second:], 9); return m }, ""},
		{"two ciphers", func(m []byte) []byte { m[second+8] = 2; return m }, "exactly one cipher"},
		{"a cipher cut short", func(m []byte) []byte { m[second+2] = 3; return m }, "exactly one cipher"},
	} {
		_, err := parseNegotiate(c.edit(slices.Clone(ok)))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestCanEncrypt(t *testing.T) {
	for n, want := range map[negotiated]bool{
		{dialect: 0x0202}:                    false,
		{dialect: 0x0210}:                    false,
		{dialect: 0x0300}:                    true,
		{dialect: 0x0302}:                    true,
		{dialect: 0x0311}:                    false,
		{dialect: 0x0311, cipher: cipherCCM}: true,
		{dialect: 0x0311, cipher: cipherGCM}: true,
		{dialect: 0x0311, cipher: 3}:         false, // AES-256-CCM, which the library has not
	} {
		if n.canEncrypt() != want {
			t.Errorf("%+v: %t", n, !want)
		}
	}
}

func TestParseOthers(t *testing.T) {
	challenge := capture(t, "3.1.1-user-encrypted-share.bin", 1)
	tree := capture(t, "3.1.1-user-encrypted-share.bin", 3)
	guest := capture(t, "2.1-guest.bin", 2)
	if flags, err := parseSessionSetup(guest); flags != sessionGuest || err != nil {
		t.Errorf("session setup: %#x, %v", flags, err)
	}
	kind, flags, err := parseTreeConnect(tree)
	if kind != shareTypeDisk || flags&shareEncrypt == 0 || err != nil {
		t.Errorf("tree connect: type %d, flags %#x, %v", kind, flags, err)
	}
	for _, c := range []struct {
		name  string
		m     []byte
		edit  func(m []byte) []byte
		parse func(m []byte) error
		want  string
	}{
		{"short header", tree, func(m []byte) []byte { return m[:65] }, reply, "65 bytes"},
		{"header's size", tree, func(m []byte) []byte { m[4]++; return m }, reply, "structure size 65"},
		{"short session setup", challenge, func(m []byte) []byte { return m[:71] }, setup, "wrong size"},
		{"session setup's size", challenge, func(m []byte) []byte { m[headerLen]++; return m }, setup, "wrong size"},
		{"session setup's buffer", challenge, func(m []byte) []byte { return m[:len(m)-1] }, setup, "outside the frame"},
		{"short tree connect", tree, func(m []byte) []byte { return m[:79] }, connect, "wrong size"},
		{"tree connect's size", tree, func(m []byte) []byte { m[headerLen]++; return m }, connect, "wrong size"},
	} {
		if err := c.parse(slices.Clone(c.m)); err != nil {
			t.Errorf("%s: unedited: %v", c.name, err)
		}
		err := c.parse(c.edit(slices.Clone(c.m)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func reply(m []byte) error {
	_, err := parseReply(m)
	return err
}

func setup(m []byte) error {
	_, err := parseSessionSetup(m)
	return err
}

func connect(m []byte) error {
	_, _, err := parseTreeConnect(m)
	return err
}

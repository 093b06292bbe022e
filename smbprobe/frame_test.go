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

// edit changes an SMB2 message.
type edit func(m []byte) []byte

func put8(at int, v byte) edit {
	return func(m []byte) []byte { m[at] = v; return m }
}

func put16(at, v int) edit {
	return func(m []byte) []byte { le.PutUint16(m[at:], uint16(v)); return m }
}

func put32(at int, v uint32) edit {
	return func(m []byte) []byte { le.PutUint32(m[at:], v); return m }
}

func only(n int) edit {
	return func(m []byte) []byte { return m[:n] }
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
	const body = headerLen
	for _, c := range []struct {
		name string
		edit edit
		want string // of the error; "": none
	}{
		{"required signing", put8(body+2, ok[body+2]|securityRequired), ""},
		{"body of 63 bytes", only(body + 63), "wrong size"},
		{"another body's size", put8(body, 9), "wrong size"},
		{"wildcard dialect", put16(body+4, 0x02ff), "unknown dialect 0x02FF"},
		{"security buffer in the header", put16(body+56, headerLen-1), "security buffer"},
		{"security buffer past the end", put16(body+58, len(ok)-128+1), "security buffer"},
		{"security buffer empty, anywhere", put32(body+56, 0x0000ffff), ""},
		{"17 contexts", put16(body+6, 17), "17 negotiate contexts"},
		{"a context too many", put8(body+6, ok[body+6]+1), "outside the frame"},
		{"contexts in the body", put32(body+60, headerLen+63), "outside the frame"},
		{"contexts past the end", put32(body+60, uint32(len(ok)-7)), "outside the frame"},
		{"contexts far away", put32(body+60, 1<<32-8), "outside the frame"},
		{"context past the end", put16(first+2, len(ok)-first-8+1), "longer than the frame"},
		{"a signing algorithm", func(m []byte) []byte {
			return put8(second+10, 3)(put16(second, contextSigning)(m))
		}, ""},
		{"no cipher", put16(second, 9), ""},
		{"two ciphers", put8(second+8, 2), "exactly one cipher"},
		{"a cipher cut short", put8(second+2, 3), "exactly one cipher"},
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
		edit  edit
		parse func(m []byte) error
		want  string
	}{
		{"short header", tree, only(65), reply, "65 bytes"},
		{"header's size", tree, put8(4, tree[4]+1), reply, "structure size 65"},
		{"short session setup", challenge, only(71), setup, "wrong size"},
		{"session setup's size", challenge, put8(headerLen, challenge[headerLen]+1), setup, "wrong size"},
		{"session setup's buffer", challenge, only(len(challenge) - 1), setup, "outside the frame"},
		{"short tree connect", tree, only(79), connect, "wrong size"},
		{"tree connect's size", tree, put8(headerLen, tree[headerLen]+1), connect, "wrong size"},
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

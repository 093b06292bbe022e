package smb2

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// capture returns the n-th SMB2 message of a capture, without its length
// prefix.
func capture(t testing.TB, name string, n int) []byte {
	t.Helper()
	stream, err := os.ReadFile("../testdata/answers/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		stream = stream[prefixLen+be.Uint32(stream):]
	}
	return slices.Clone(stream[prefixLen:][:be.Uint32(stream)])
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

// decode parses a whole message as call does.
func decode(m []byte) (answer, error) {
	a, err := parseAnswer(m)
	if err == nil && int(a.command) < len(bodies) {
		err = a.checkBody()
	}
	return a, err
}

func negotiated(m []byte) (Negotiated, error) {
	a, err := decode(m)
	if err != nil {
		return Negotiated{}, err
	}
	return parseNegotiate(&a)
}

func TestParseNegotiate(t *testing.T) {
	ok := capture(t, "3.1.1-user-encrypted-share.bin", 0)
	first := int(le.Uint32(ok[headerLen+60:])) // negotiate context
	second := first + (8+int(le.Uint16(ok[first+2:]))+7)&^7
	n, err := negotiated(slices.Clone(ok))
	want := Negotiated{Dialect: dialect311, cipher: aes128GCM, signing: signCMAC}
	if n != want || err != nil || le.Uint16(ok[second:]) != contextEncryption {
		t.Fatalf("%+v, %v, second context %d", n, err, le.Uint16(ok[second:]))
	}
	const body = headerLen
	for _, c := range []struct {
		name string
		edit edit
		want string // of the error; "": none
	}{
		{"required signing", put8(body+2, ok[body+2]|signingRequired), ""},
		{"body of 63 bytes", only(body + 63), "wrong size"},
		{"another body's size", put8(body, 9), "wrong size"},
		{"wildcard dialect", put16(body+4, 0x02ff), "unknown dialect 0x02FF"},
		{"security buffer in the header", put16(body+56, headerLen-1), "buffer outside"},
		{"security buffer past the end", put16(body+58, len(ok)-128+1), "buffer outside"},
		{"security buffer empty, anywhere", put32(body+56, 0x0000ffff), ""},
		{"17 contexts", put16(body+6, 17), "17 negotiate contexts"},
		{"a context too many", put8(body+6, ok[body+6]+1), "outside the frame"},
		{"contexts in the body", put32(body+60, headerLen+63), "outside the frame"},
		{"contexts past the end", put32(body+60, uint32(len(ok)-7)), "outside the frame"},
		{"contexts far away", put32(body+60, 1<<32-8), "outside the frame"},
		{"context past the end", put16(first+2, len(ok)-first-8+1), "longer than the frame"},
		{"no preauthentication", put16(first, 9), "without a preauthentication context"},
		{"another hash", put16(first+8+4, 2), "without SHA-512"},
		{"a signing algorithm", func(m []byte) []byte {
			return put8(second+10, signGMAC)(put16(second, contextSigning)(m))
		}, ""},
		{"an unknown signing algorithm", func(m []byte) []byte {
			return put8(second+10, 3)(put16(second, contextSigning)(m))
		}, "algorithm 3"},
		{"no cipher", put16(second, 9), ""},
		{"no common cipher", put8(second+10, 0), ""},
		{"an unknown cipher", put8(second+10, 5), "cipher 5"},
		{"two ciphers", put8(second+8, 2), "exactly one cipher"},
		{"a cipher cut short", put8(second+2, 3), "exactly one cipher"},
	} {
		_, err := negotiated(c.edit(slices.Clone(ok)))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// SMB 3.0 and 3.0.2 encrypt with AES-128-CCM if the server says that it can
// encrypt, and the dialects before never.
func TestCiphers(t *testing.T) {
	ok := capture(t, "3.0-user-encrypted-share.bin", 0)
	for dialect, want := range map[int]string{
		dialect202: "", dialect210: "", dialect300: "AES-128-CCM", dialect302: "AES-128-CCM",
	} {
		m := put16(headerLen+4, dialect)(slices.Clone(ok))
		if n, err := negotiated(m); n.CipherName() != want || err != nil {
			t.Errorf("%#x: cipher %q, %v, want %q", dialect, n.CipherName(), err, want)
		}
		m = put32(headerLen+24, 0)(m)
		if n, err := negotiated(m); n.CipherName() != "" || err != nil {
			t.Errorf("%#x, a server that cannot encrypt: cipher %q, %v", dialect, n.CipherName(), err)
		}
	}
}

func TestParseAnswer(t *testing.T) {
	tree := capture(t, "3.1.1-user-encrypted-share.bin", 3)
	if _, err := decode(slices.Clone(tree)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		edit edit
		want string
	}{
		{"short header", only(65), "65 bytes"},
		{"header's size", put8(4, 65), "structure size 65"},
		{"a request", put8(16, tree[16]&^flagResponse), "a request"},
		{"a chain", put8(20, headerLen), "chain"},
		{"short", only(79), "wrong size"},
		{"body's size", put8(headerLen, 17), "wrong size"},
	} {
		_, err := decode(c.edit(slices.Clone(tree)))
		if !malformedAs(err, c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestBuffer(t *testing.T) {
	a := answer{message: make([]byte, headerLen+16)}
	for _, c := range []struct {
		off, n uint32
		ok     bool
	}{
		{headerLen, 16, true}, {headerLen + 15, 1, true}, {0, 0, true}, {1 << 31, 0, true},
		{headerLen - 1, 1, false}, {headerLen, 17, false}, {headerLen + 16, 1, false},
		{1<<32 - 1, 1, false}, {headerLen, 1<<32 - 1, false}, {1<<32 - 16, 32, false},
	} {
		b, err := a.buffer(c.off, c.n)
		if (err == nil) != c.ok || c.ok && len(b) != int(c.n) {
			t.Errorf("%d bytes at %d: %d bytes, %v", c.n, c.off, len(b), err)
		}
	}
}

// referral returns RESP_GET_DFS_REFERRAL with one entry (MS-DFSC 2.2.4).
func referral(version, flags uint16, at int, target string) []byte {
	entry := make([]byte, 40)
	le.PutUint16(entry, version)
	le.PutUint16(entry[6:], flags)
	le.PutUint16(entry[at:], uint16(len(entry)))
	b := append([]byte{0, 0, 1, 0, 0, 0, 0, 0}, entry...)
	return append(appendUTF16(b, target), 0, 0)
}

func TestParseReferral(t *testing.T) {
	const target = `\files2.example.com\dàta 𝄞`
	outside := referral(3, 0, 16, target)
	le.PutUint16(outside[8+16:], 0xfff0)
	for _, c := range []struct {
		name   string
		b      []byte
		target string
		want   string // of the error
	}{
		{"version 2", referral(2, 0, 20, target), target, ""},
		{"version 3", referral(3, 0, 16, target), target, ""},
		{"version 4", referral(4, 4, 16, target), target, ""},
		{"a list of names", referral(3, 2, 16, target), "", ""},
		{"version 9", referral(9, 0, 16, target), "", ""},
		{"no entry", make([]byte, 8), "", ""},
		{"nothing", nil, "", ""},
		{"cut short", referral(3, 0, 16, target)[:20], "", "DFS referral of 20 bytes"},
		{"version 2, cut short", referral(2, 0, 20, target)[:28], "", "outside the answer"},
		{"outside", outside, "", "outside the answer"},
	} {
		got, err := parseReferral(c.b)
		if got != c.target || (c.want == "") != (err == nil) || c.want != "" && !malformedAs(err, c.want) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

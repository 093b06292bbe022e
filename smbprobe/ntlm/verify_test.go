package ntlm

// The server's side, written on its own: nothing here calls the client's code.

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	//lint:ignore SA1019 MS-NLMP 3.3.2 hashes passwords with MD4.
	"golang.org/x/crypto/md4"
)

type account struct{ user, password, domain string }

// verified is what a server learns from an AUTHENTICATE_MESSAGE.
type verified struct {
	flags                     uint32
	user, domain, workstation string
	lm, nt, key               []byte
	pairs                     map[uint16][]byte
	ids                       []uint16
}

func wide(s string) (b []byte) {
	for _, unit := range utf16.Encode([]rune(s)) {
		b = append(b, byte(unit), byte(unit>>8))
	}
	return b
}

func narrow(b []byte, unicode bool) string {
	if !unicode {
		return string(b)
	}
	var units []uint16
	for ; len(b) > 1; b = b[2:] {
		units = append(units, uint16(b[0])|uint16(b[1])<<8)
	}
	return string(utf16.Decode(units))
}

func hmacMD5(key []byte, parts ...[]byte) []byte {
	h := hmac.New(md5.New, key)
	h.Write(bytes.Join(parts, nil))
	return h.Sum(nil)
}

func hash(parts ...[]byte) []byte {
	sum := md5.Sum(bytes.Join(parts, nil))
	return sum[:]
}

func arc4(t *testing.T, key, b []byte) []byte {
	t.Helper()
	stream, err := rc4.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(b))
	stream.XORKeyStream(out, b)
	return out
}

// verify checks an AUTHENTICATE_MESSAGE as a server does: the proof, the LMv2
// response if there is one, and the MIC if negotiate is not nil.
func verify(t *testing.T, who account, negotiate, challenge, b []byte) (v verified) {
	t.Helper()
	if len(b) < 64 || !bytes.Equal(b[:12], []byte("NTLMSSP\x00\x03\x00\x00\x00")) {
		t.Fatalf("no AUTHENTICATE_MESSAGE: % x", b)
	}
	at := func(place int) []byte {
		n := int(binary.LittleEndian.Uint16(b[place:]))
		from := int(binary.LittleEndian.Uint32(b[place+4:]))
		if from+n > len(b) {
			t.Fatalf("the field at %d points to %d+%d of %d bytes", place, from, n, len(b))
		}
		return b[from : from+n]
	}
	v.flags = binary.LittleEndian.Uint32(b[60:])
	uni := v.flags&1 != 0
	v.lm, v.nt = at(12), at(20)
	v.domain, v.user, v.workstation = narrow(at(28), uni), narrow(at(36), uni), narrow(at(44), uni)
	base := make([]byte, 16)
	if who.user == "" {
		if len(v.nt) != 0 || !bytes.Equal(v.lm, []byte{0}) ||
			v.user != "" || v.domain != "" || v.flags&0x800 == 0 {
			t.Errorf("not anonymous: %+v", v)
		}
	} else {
		if v.user != who.user || v.domain != who.domain {
			t.Errorf("login of %q in %q, want %q in %q", v.user, v.domain, who.user, who.domain)
		}
		secret := md4.New()
		secret.Write(wide(who.password))
		owf := hmacMD5(secret.Sum(nil), wide(strings.ToUpper(who.user)+who.domain))
		if len(v.nt) < 44 {
			t.Fatalf("NT response of %d bytes", len(v.nt))
		}
		proof := hmacMD5(owf, challenge[24:32], v.nt[16:])
		if !bytes.Equal(proof, v.nt[:16]) {
			t.Error("wrong NTProofStr")
		}
		base = hmacMD5(owf, proof)
		if len(v.lm) != 24 {
			t.Fatalf("LM response of %d bytes", len(v.lm))
		}
		nonce := v.nt[32:40]
		if lm := append(hmacMD5(owf, challenge[24:32], nonce), nonce...); !bytes.Equal(v.lm, lm) &&
			!bytes.Equal(v.lm, make([]byte, 24)) {
			t.Error("wrong LMv2 response")
		}
		v.pairs = map[uint16][]byte{}
		for rest := v.nt[44:]; ; {
			id, n := binary.LittleEndian.Uint16(rest), int(binary.LittleEndian.Uint16(rest[2:]))
			if id == 0 {
				if n != 0 || !bytes.Equal(rest[4:], make([]byte, 4)) {
					t.Errorf("the AvPairs end with % x", rest)
				}
				break
			}
			if _, twice := v.pairs[id]; twice {
				t.Errorf("AvPair %d is there twice", id)
			}
			v.pairs[id], v.ids = rest[4:4+n], append(v.ids, id)
			rest = rest[4+n:]
		}
	}
	v.key = base
	if v.flags&(1<<30) != 0 {
		v.key = arc4(t, base, at(52))
	} else if len(at(52)) != 0 {
		t.Error("a session key without key exchange")
	}
	if negotiate != nil {
		zeroed := bytes.Clone(b)
		clear(zeroed[72:88])
		if !bytes.Equal(b[72:88], hmacMD5(v.key, negotiate, challenge, zeroed)) {
			t.Error("wrong MIC")
		}
	}
	return v
}

// getMIC is GSS_GetMIC of the client's first message.
func (v verified) getMIC(t *testing.T, message []byte) []byte {
	const direction = "session key to client-to-server "
	signing := hash(v.key, []byte(direction+"signing key magic constant\x00"))
	weak := v.key[:5]
	if v.flags&(1<<29) != 0 {
		weak = v.key
	}
	sealing := hash(weak, []byte(direction+"sealing key magic constant\x00"))
	sum := hmacMD5(signing, []byte{0, 0, 0, 0}, message)[:8]
	if v.flags&(1<<30) != 0 {
		sum = arc4(t, sealing, sum)
	}
	return append(append([]byte{1, 0, 0, 0}, sum...), 0, 0, 0, 0)
}

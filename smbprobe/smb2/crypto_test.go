package smb2

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimSuffix(s, "-"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sameHex(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if g := strings.ToUpper(hex.EncodeToString(got)); g != strings.ToUpper(want) {
		t.Errorf("%s: %s, want %s", what, g, want)
	}
}

func aesBlock(t testing.TB, key string) cipher.Block {
	t.Helper()
	b, err := aes.NewCipher(fromHex(t, key))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCMACStandard: SP 800-38B appendix D.1, which RFC 4493 4 repeats.
func TestCMACStandard(t *testing.T) {
	const m = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	c := newCMAC(aesBlock(t, "2b7e151628aed2a6abf7158809cf4f3c"))
	sameHex(t, "K1", c.k1[:], "fbeed618357133667c85e08f7236a8de")
	sameHex(t, "K2", c.k2[:], "f7ddac306ae266ccf90bc11ee46d513b")
	for n, want := range map[int]string{
		0:  "bb1d6929e95937287fa37d129b756746",
		16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827",
		64: "51f0bebf7e3b9d92fc49741779363cfe",
	} {
		sameHex(t, "CMAC", c.sum(nil, fromHex(t, m)[:n]), want)
	}
}

// TestCCMStandard: SP 800-38C appendix C, examples 1 to 3, and RFC 3610 8,
// packet vectors 1, 2 and 7.
func TestCCMStandard(t *testing.T) {
	const key = "404142434445464748494a4b4c4d4e4f"
	const rfc = "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
	for _, c := range []struct {
		key, nonce, data, message, sealed string
		tag                               int
	}{
		{key, "10111213141516", "0001020304050607", "20212223", "7162015b4dac255d", 4},
		{key, "1011121314151617", "000102030405060708090a0b0c0d0e0f",
			"202122232425262728292a2b2c2d2e2f",
			"d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd", 6},
		{key, "101112131415161718191a1b", "000102030405060708090a0b0c0d0e0f10111213",
			"202122232425262728292a2b2c2d2e2f3031323334353637",
			"e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951", 8},
		{rfc, "00000003020100a0a1a2a3a4a5", "0001020304050607",
			"08090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
			"588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0", 8},
		{rfc, "00000004030201a0a1a2a3a4a5", "0001020304050607",
			"08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			"72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916", 8},
		{rfc, "00000009080706a0a1a2a3a4a5", "0001020304050607",
			"08090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
			"0135d1b2c95f41d5d1d4fec185d166b8094e999dfed96c048c56602c97acbb7490", 10},
	} {
		nonce, data := fromHex(t, c.nonce), fromHex(t, c.data)
		a := &ccm{block: aesBlock(t, c.key), nonce: len(nonce), tag: c.tag}
		sealed := a.Seal(nil, nonce, fromHex(t, c.message), data)
		sameHex(t, "sealed", sealed, c.sealed)
		m, err := a.Open(sealed[:0], nonce, sealed, data)
		if err != nil {
			t.Error(err)
		}
		sameHex(t, "opened", m, c.message)
	}
}

func TestPythonsOpinion(t *testing.T) {
	b, err := os.ReadFile("testdata/python.txt")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		switch f[0] {
		case "ccm":
			nonce, data := fromHex(t, f[4]), fromHex(t, f[5])
			sealed := append(fromHex(t, f[7]), fromHex(t, f[8])...)
			a := &ccm{block: aesBlock(t, f[3]), nonce: len(nonce), tag: len(f[8]) / 2}
			if f[2] == "valid" {
				sameHex(t, line, a.Seal(nil, nonce, fromHex(t, f[6]), data), hex.EncodeToString(sealed))
			}
			m, err := a.Open(nil, nonce, sealed, data)
			if (err == nil) != (f[2] == "valid") {
				t.Errorf("%v for %s", err, line)
			} else if err == nil {
				sameHex(t, line, m, strings.TrimSuffix(f[6], "-"))
			}
		case "cmac":
			got := newCMAC(aesBlock(t, f[3])).sum(nil, fromHex(t, f[4]))
			if bytes.Equal(got, fromHex(t, f[5])) != (f[2] == "valid") {
				t.Errorf("%x for %s", got, line)
			}
		default:
			continue
		}
		count++
	}
	if count < 100 {
		t.Errorf("only %d vectors", count)
	}
}

func FuzzSum(f *testing.F) {
	f.Add(uint16(signGMAC), bytes.Repeat([]byte{1}, 100))
	f.Fuzz(func(t *testing.T, algorithm uint16, m []byte) {
		s, err := newSigner(algorithm%3, make([]byte, 16))
		if err != nil {
			t.Fatal(err)
		}
		if len(m) < headerLen {
			return // parseAnswer refuses such a message
		}
		was := bytes.Clone(m)
		first := s.sum(m)
		if !bytes.Equal(m, was) || s.sum(m) != first {
			t.Error("sum changed the message or itself")
		}
		m[50] ^= 1
		if s.sum(m) != first {
			t.Error("the signature counts")
		}
		m[len(m)-1] ^= 0x80
		if len(m) > headerLen && s.sum(m) == first {
			t.Error("the last byte does not count")
		}
	})
}

func BenchmarkSum(b *testing.B) {
	for i, name := range []string{"HMAC", "CMAC", "GMAC"} {
		b.Run(name, func(b *testing.B) {
			s, _ := newSigner(uint16(i), make([]byte, 16))
			m := make([]byte, 200)
			b.ReportAllocs()
			for b.Loop() {
				s.sum(m)
			}
		})
	}
}

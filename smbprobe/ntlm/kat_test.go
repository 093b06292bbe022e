package ntlm

import (
	"bytes"
	"crypto/rc4"
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func same(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if !bytes.Equal(got, unhex(t, want)) {
		t.Errorf("%s is % x\nwant %s", what, got, want)
	}
}

// The values of MS-NLMP 4.2.1 and 4.2.4.
const (
	exampleChallenge = `
		4e 54 4c 4d 53 53 50 00 02 00 00 00 0c 00 0c 00 38 00 00 00 33 82 8a e2
		01 23 45 67 89 ab cd ef 00 00 00 00 00 00 00 00 24 00 24 00 44 00 00 00
		06 00 70 17 00 00 00 0f 53 00 65 00 72 00 76 00 65 00 72 00
		02 00 0c 00 44 00 6f 00 6d 00 61 00 69 00 6e 00
		01 00 0c 00 53 00 65 00 72 00 76 00 65 00 72 00 00 00 00 00`
	exampleAuthenticate = `
		4e 54 4c 4d 53 53 50 00 03 00 00 00 18 00 18 00 6c 00 00 00 54 00 54 00
		84 00 00 00 0c 00 0c 00 48 00 00 00 08 00 08 00 54 00 00 00 10 00 10 00
		5c 00 00 00 10 00 10 00 d8 00 00 00 35 82 88 e2 05 01 28 0a 00 00 00 0f
		44 00 6f 00 6d 00 61 00 69 00 6e 00 55 00 73 00 65 00 72 00
		43 00 4f 00 4d 00 50 00 55 00 54 00 45 00 52 00
		86 c3 50 97 ac 9c ec 10 25 54 76 4a 57 cc cc 19 aa aa aa aa aa aa aa aa
		68 cd 0a b8 51 e5 1c 96 aa bc 92 7b eb ef 6a 1c 01 01 00 00 00 00 00 00
		00 00 00 00 00 00 00 00 aa aa aa aa aa aa aa aa 00 00 00 00
		02 00 0c 00 44 00 6f 00 6d 00 61 00 69 00 6e 00
		01 00 0c 00 53 00 65 00 72 00 76 00 65 00 72 00 00 00 00 00 00 00 00 00
		c5 da d2 54 4f c9 79 90 94 ce 1c e9 0b c9 d0 3e`
	exampleLM    = "86 c3 50 97 ac 9c ec 10 25 54 76 4a 57 cc cc 19 aa aa aa aa aa aa aa aa"
	examplePairs = `02 00 0c 00 44 00 6f 00 6d 00 61 00 69 00 6e 00
		01 00 0c 00 53 00 65 00 72 00 76 00 65 00 72 00 00 00 00 00`
)

// MS-NLMP 4.2.4.1, 4.2.4.2: keys, temp, responses.
func TestExampleResponses(t *testing.T) {
	key := ntowfv2("User", "Password", "Domain")
	same(t, "NTOWFv2", key, "0c 86 8a 40 3b fd 7a 93 a3 00 1e f2 2e f0 2e 3f")

	server := [8]byte(unhex(t, "01 23 45 67 89 ab cd ef"))
	client := [8]byte(bytes.Repeat([]byte{0xaa}, 8))
	lm, nt, base := respond(key, server, client, 0, unhex(t, examplePairs))
	same(t, "LMv2 response", lm, exampleLM)
	same(t, "NTProofStr", nt[:16], "68 cd 0a b8 51 e5 1c 96 aa bc 92 7b eb ef 6a 1c")
	same(t, "temp", nt[16:], `01 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00
		aa aa aa aa aa aa aa aa 00 00 00 00`+examplePairs+`00 00 00 00`)
	same(t, "session base key", base, "8d e4 0c ca db c1 4a 82 f1 5c b0 ad 0d e9 5c a3")

	encrypted := make([]byte, 16)
	crypt(base, encrypted, bytes.Repeat([]byte{0x55}, 16))
	same(t, "encrypted session key", encrypted, "c5 da d2 54 4f c9 79 90 94 ce 1c e9 0b c9 d0 3e")
}

// MS-NLMP 4.2.4.4: signing and sealing. The example signs after it sealed with
// the same RC4 stream, which a mechListMIC never does.
func TestExampleSignature(t *testing.T) {
	s := newSigner(bytes.Repeat([]byte{0x55}, 16), flag128|flagKeyExchange)
	same(t, "sealing key", s.sealing, "59 f6 00 97 3c c4 96 0a 25 48 0a 7c 19 6e 4c 58")
	same(t, "signing key", s.signing, "47 88 dc 86 1b 47 82 f3 5d 43 fd 98 fe 1a 2d 39")

	message := unicodeBytes("Plaintext")
	stream, err := rc4.NewCipher(s.sealing)
	if err != nil {
		t.Fatal(err)
	}
	sealed := make([]byte, len(message))
	stream.XORKeyStream(sealed, message)
	same(t, "sealed data", sealed, "54 e5 01 65 bf 19 36 dc 99 60 20 c1 81 1b 0f 06 fb 5f")

	s.exchanged = false // the bare checksum, to be encrypted by the rest of the stream
	mic := s.sign(message)
	stream.XORKeyStream(mic[4:12], mic[4:12])
	same(t, "signature", mic, "01 00 00 00 7f b3 8e c5 c5 5d 49 76 00 00 00 00")
}

// MS-NLMP 4.2.4.3: the example's messages. The verifier that judges our own
// messages in the other tests must take the example's answer, and the client
// the example's challenge.
func TestExampleMessages(t *testing.T) {
	challenge := unhex(t, exampleChallenge)
	who := account{"User", "Password", "Domain"}
	v := verify(t, who, nil, challenge, unhex(t, exampleAuthenticate))
	same(t, "session key of the example", v.key, strings.Repeat("55", 16))
	if v.workstation != "COMPUTER" {
		t.Errorf("workstation %q", v.workstation)
	}

	c := Client{User: "User", Password: "Password", Domain: "Domain", Workstation: "COMPUTER",
		random: func(b []byte) { copy(b, bytes.Repeat([]byte{byte(0xaa - 0x55*(len(b)/16))}, 16)) }}
	first, _ := c.Init()
	answer, err := c.Accept(challenge)
	if err != nil {
		t.Fatal(err)
	}
	v = verify(t, who, first, challenge, answer)
	same(t, "LMv2 response", v.lm, exampleLM)
	same(t, "session key", c.SessionKey(), strings.Repeat("55", 16))
	want := Target{Name: "Server", NetBIOSDomain: "Domain", NetBIOSName: "Server"}
	if got := c.Target(); got != want {
		t.Errorf("target %+v, want %+v", got, want)
	}
}

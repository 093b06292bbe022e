package smb2

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// Published sessions of Windows: "Encryption in SMB 3.0: A protocol perspective"
// (2012), "SMB 3.1.1 Encryption in Windows 10" and "SMB 3.1.1 Pre-authentication
// integrity in Windows 10" (2015), Microsoft Open Specifications blog.
var (
	windows300 = struct{ session, signing, encrypt, decrypt string }{
		"B4546771B515F766A86735532DD6C4F0", "F773CD23C18FD1E08EE510CADA7CF852",
		"261B72350558F2E9DCF613070383EDBF", "8FE2B57EC34D2DB5B1A9727F526BBDB5",
	}
	windows311 = struct{ session, preauth, encrypt, decrypt string }{
		"419FDDF34C1E001909D362AE7FB6AF79",
		"B23F3CBFD69487D9832B79B1594A367CDD950909B774C3A4C412B4FCEA9EDDDBA7DB256BA2EA30E9" +
			"77F11F9B113247578E0E915C6D2A513B8F2FCA5707DC8770",
		"A2F5E80E5D59103034F32E52F698E5EC", "748C50868C90F302962A5C35F5F9A8BF",
	}
)

func TestDeriveKeys(t *testing.T) {
	k := deriveKeys(0x0300, aes128CCM, fromHex(t, windows300.session), nil)
	sameHex(t, "3.0 signing", k.signing, windows300.signing)
	sameHex(t, "3.0 encrypt", k.encrypt, windows300.encrypt)
	sameHex(t, "3.0 decrypt", k.decrypt, windows300.decrypt)

	preauth := fromHex(t, windows311.preauth)
	k = deriveKeys(0x0311, aes128GCM, fromHex(t, windows311.session), preauth)
	sameHex(t, "3.1.1 encrypt", k.encrypt, windows311.encrypt)
	sameHex(t, "3.1.1 decrypt", k.decrypt, windows311.decrypt)

	k = deriveKeys(0x0311, aes128GCM, fromHex(t, "270E1BA896585EEB7AF3472D3B4C75A7"),
		fromHex(t, "0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB79"+
			"28622DDDAD522D9751640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01"))
	sameHex(t, "3.1.1 signing", k.signing, "73FE7A9A77BEF0BDE49C650D8CCB5F76")

	k = deriveKeys(0x0210, 0, fromHex(t, windows311.session+"FF"), nil)
	sameHex(t, "2.1 signing", k.signing, windows311.session)
	k.wipe()
	sameHex(t, "wiped", k.signing, strings.Repeat("00", 16))

	// A long key: AES-128 and signing take 16 bytes of it, AES-256 all.
	long := fromHex(t, windows311.session+windows311.session)
	k = deriveKeys(0x0311, aes128GCM, long, preauth)
	signing := hex.EncodeToString(k.signing)
	sameHex(t, "long, AES-128", k.encrypt, windows311.encrypt)
	k = deriveKeys(0x0311, aes256GCM, long, preauth)
	sameHex(t, "long, signing", k.signing, signing)
	// KBKDFHMAC of Python's cryptography 48.0.0.
	sameHex(t, "long, encrypt", k.encrypt,
		"68506646580038548058b5aaf02a9fa534da05ef838cf02f366d22a98a80073b")
	sameHex(t, "long, decrypt", k.decrypt,
		"6d87aacecf23225229426c8b27fadef1b833af7d92a7cd9df0d94f5d6612ca37")
}

func TestSealedByWindows(t *testing.T) {
	for _, c := range []struct {
		cipher                           uint16
		encrypt, decrypt, sealed, opened string
	}{
		{aes128CCM, "", windows300.encrypt, // WRITE
			"FD534D4281A286535415445DAE393921E44FA42E66E69A111892584FB5ED524A" +
				"744DA3EE87000000000001001100001400E4080025C8FEE16605A437832D1CD5" +
				"2DA9F4645333482A175FE5384563F45FCDAFAEF38BC62BA4D5C62897996625A4" +
				"4C29BE5658DE2E6117585779E7B59FFD971278D08580D7FA899E410E910EABF5" +
				"AA1DB43050B33B49182637759AC15D84BFCDF5B6B238993C0F4CF4D6012023F6" +
				"C627297075D84B7803912D0A9639634453595EF3E33FFE4E7AC2AB",
			"FE534D4240000100000000000900400008000000000000000400000000000000" +
				"FFFE0000010000001100001400E4080000000000000000000000000000000000" +
				"3100700017000000000000000000000015010000390000020100000039020000" +
				"00000000000000007000000000000000536D623320656E6372797074696F6E20" +
				"74657374696E67"},
		{aes128CCM, "", windows300.decrypt, // answer to WRITE
			"FD534D42A6015530A18F6D9AFFE22AFAE8E66484860000000000000011000014" +
				"00E4080050000000000001001100001400E40800DBF46435C5F14169293CE079" +
				"E344479BF670227E49873F458672C3098DAC467DD5809F369D67409166515787" +
				"1483E01F7BECD02064EAC3E235F913668BBC2F097980D4B378F1993EFF6E60D1" +
				"77309E5B",
			"FE534D4240000100000000000900210009000000000000000400000000000000" +
				"FFFE0000010000001100001400E4080000000000000000000000000000000000" +
				"11000000170000000000000000000000"},
		{aes128GCM, windows311.encrypt, windows311.encrypt, // WRITE
			"FD534D42BD73D97D2BC9001BCAFAC0FDFF5FEEBCC7D6822D269CAF48904C664C0000000087000000" +
				"0000010025000000001000006ECDD2A7AFC7B47763057A041B8FD4DAFFE990B70C9E09D36C084E02" +
				"D14EF247F8BDE38ACF6256F8B1D3B56F77FBDEB312FEA5E92CBCC1ED8FB2EBBFAA75E49A4A394BB4" +
				"4576545567C24D4C014D47C9FBDFDAFD2C4F9B72F8D256452620A299F48E29E53D6B61D1C13A19E9" +
				"1AF013F00D17E3ABC2FC3D36C8C1B6B93973253852DBD442E46EE8",
			"FE534D4240000100000000000900010008000000000000000500000000000000FFFE000001000000" +
				"25000000001000000000000000000000000000000000000031007000170000000000000000000000" +
				"0600000004000000010000000400000000000000000000007000000000000000536D623320656E63" +
				"72797074696F6E2074657374696E67"},
		{aes128GCM, "", windows311.decrypt, // answer to WRITE
			"FD534D42ACBE1CB7ED343ADF1725EF144D90D4B0E06831DD2E8EB7B4000000000000000050000000" +
				"00000100250000000010000026BBBF949983A6C1C796559D0F2C510CB651D1F7B6AC8DED32A2A0B8" +
				"F2D793A815C6F6B848D69767A215841A42D400AE6DDB5F0B44173A014973321FDD7950DA6179159B" +
				"82E03C9E18A050FF0EA1C967",
			"FE534D4240000100000000000900010001000000000000000500000000000000FFFE000001000000" +
				"25000000001000000000000000000000000000000000000011000000170000000000000000000000"},
	} {
		s, err := newSealer(c.cipher, fromHex(t, c.decrypt), fromHex(t, c.decrypt))
		if err != nil {
			t.Fatal(err)
		}
		f := fromHex(t, c.sealed)
		m, err := s.open(bytes.Clone(f))
		if err != nil {
			t.Error(err)
			continue
		}
		sameHex(t, "opened", m, c.opened)
		if c.encrypt == "" {
			continue
		}
		// The same nonce, message and session give the same frame.
		counter := s.next[:8]
		copy(s.next[:], f[sealNonce:sealSize])
		for i := range counter {
			counter[i]--
			if counter[i] != 0xff {
				break
			}
		}
		sameHex(t, "sealed", s.seal(nil, 0x100000000025, m), c.sealed)
	}
}

func testSealer(t testing.TB, id uint16) *sealer {
	key := bytes.Repeat([]byte{byte(id)}, 16+int(id-1)/2*16)
	s, err := newSealer(id, key, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealThenOpen(t *testing.T) {
	for id := uint16(aes128CCM); id <= aes256GCM; id++ {
		s := testSealer(t, id)
		seen := map[string]bool{}
		for n := range 200 {
			m := bytes.Repeat([]byte{byte(n)}, n)
			f := s.seal([]byte("net!"), 7, m)
			if string(f[:4]) != "net!" || len(f) != 4+transformLen+n {
				t.Fatalf("cipher %d: frame of %d bytes for %d", id, len(f), n)
			}
			seen[string(f[4+sealNonce:4+sealSize])] = true
			got, err := s.open(f[4:])
			if err != nil || !bytes.Equal(got, m) {
				t.Fatalf("cipher %d, %d bytes: %x, %v", id, n, got, err)
			}
		}
		if len(seen) != 200 {
			t.Errorf("cipher %d: a nonce came twice", id)
		}
		f := s.seal(nil, 7, []byte("forty bytes and a bit, which is not a block"))
		for bit := range len(f) * 8 {
			g := bytes.Clone(f)
			g[bit/8] ^= 1 << (bit % 8)
			if _, err := s.open(g); err == nil {
				t.Errorf("cipher %d: opened with bit %d flipped", id, bit)
			}
		}
		for n := range f {
			if _, err := s.open(bytes.Clone(f[:n])); err == nil {
				t.Errorf("cipher %d: opened after %d bytes", id, n)
			}
		}
	}
	if _, err := newSealer(aes256CCM, make([]byte, 16), make([]byte, 16)); err == nil {
		t.Error("AES-256 with 16 bytes of key")
	}
	if _, err := newSealer(5, make([]byte, 16), make([]byte, 16)); err == nil {
		t.Error("a sealer for cipher 5")
	}
}

func FuzzOpen(f *testing.F) {
	for id := uint16(aes128CCM); id <= aes256GCM; id++ {
		f.Add(id, testSealer(f, id).seal(nil, 1, []byte("message")))
	}
	f.Fuzz(func(t *testing.T, id uint16, b []byte) {
		s := testSealer(t, id%4+1)
		if m, err := s.open(b); err == nil && len(m) != len(b)-transformLen {
			t.Errorf("message of %d bytes from a frame of %d", len(m), len(b))
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for i, name := range []string{"AES-128-CCM", "AES-128-GCM", "AES-256-CCM", "AES-256-GCM"} {
		b.Run(name, func(b *testing.B) {
			s, m, f := testSealer(b, uint16(i+1)), make([]byte, 200), make([]byte, 0, 252)
			b.ReportAllocs()
			for b.Loop() {
				s.seal(f, 1, m)
			}
		})
	}
}

// TestSessionsOfSamba: every cipher and signing algorithm with the keys that
// smbclient derived and the frames that it and smbd exchanged.
func TestSessionsOfSamba(t *testing.T) {
	b, err := os.ReadFile("testdata/samba.txt")
	if err != nil {
		t.Fatal(err)
	}
	var signed, sealed int
	var signer *signer
	var fromClient, fromServer *sealer
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		switch f[0] {
		case "session":
			id := fromHex(t, f[2])
			dialect, cipher := be.Uint16(id), uint16(f[3][0]-'0')
			algorithm := uint16(f[4][0] - '0')
			k := deriveKeys(dialect, cipher, fromHex(t, f[5]), fromHex(t, f[6]))
			if dialect >= 0x0300 {
				sameHex(t, f[1]+" signing", k.signing, f[7])
			}
			if signer, err = newSigner(algorithm, k.signing); err != nil {
				t.Fatal(err)
			}
			if cipher == 0 {
				continue
			}
			sameHex(t, f[1]+" encrypt", k.encrypt, f[8])
			sameHex(t, f[1]+" decrypt", k.decrypt, f[9])
			if fromClient, err = newSealer(cipher, k.decrypt, k.encrypt); err != nil {
				t.Fatal(err)
			}
			if fromServer, err = newSealer(cipher, k.encrypt, k.decrypt); err != nil {
				t.Fatal(err)
			}
		case "signed":
			m := fromHex(t, f[2])
			got := signer.sum(m)
			sameHex(t, "signature", got[:], hex.EncodeToString(m[48:64]))
			signed++
		case "sealed":
			s := fromServer
			if f[1] == "c" {
				s = fromClient
			}
			if m, err := s.open(fromHex(t, f[2])); err != nil || string(m[:4]) != "\xfeSMB" {
				t.Errorf("%v for %s", err, line)
			}
			sealed++
		}
	}
	if signed < 20 || sealed < 20 {
		t.Errorf("only %d signed and %d sealed frames", signed, sealed)
	}
}

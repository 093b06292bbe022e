package ntlm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

// captures are the challenges of Samba 4.17 and of impacket 0.10.
func captures(t testing.TB) (all [][]byte) {
	t.Helper()
	names, err := filepath.Glob("testdata/*.bin")
	if err != nil || len(names) < 5 {
		t.Fatalf("%d captures: %v", len(names), err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// Real challenges are answered with a proof and a MIC that hold.
func TestCaptures(t *testing.T) {
	for _, challenge := range captures(t) {
		c := Client{User: "user", Password: "pass", Domain: "dom", Workstation: "WATCH"}
		first, _ := c.Init()
		answer, err := c.Accept(challenge)
		if err != nil {
			t.Fatal(err)
		}
		v := verify(t, account{"user", "pass", "dom"}, first, challenge, answer)
		if !bytes.Equal(c.SessionKey(), v.key) {
			t.Errorf("session key % x, the server has % x", c.SessionKey(), v.key)
		}
		if target := c.Target(); !target.Timestamp || target.NetBIOSName == "" {
			t.Errorf("target %+v", target)
		}
	}
}

func seed(f *testing.F) {
	for _, b := range captures(f) {
		f.Add(b)
	}
	f.Add(unhex(f, exampleChallenge))
	f.Add(form{"", noInfo, 32, "NAS", nil}.challenge())
	f.Add(form{"", noInfo &^ flagUnicode, 40, "N\xc4S", nil}.challenge())
	pairs := list(av(6, []byte{1, 0, 0, 0}), av(9, wide("x")), stamp)
	f.Add(form{"", usual &^ flagKeyExchange, 48, "", pairs}.challenge())
}

// Whatever the challenge: an error of ours, or an answer that a server takes.
func FuzzAccept(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, challenge []byte) {
		for _, user := range []string{"", "user"} {
			c := Client{User: user, Password: "pass"}
			first, _ := c.Init()
			answer, err := c.Accept(challenge)
			if err != nil {
				if !errors.Is(err, ErrMalformed) || answer != nil || c.SessionKey() != nil {
					t.Fatal(err)
				}
				continue
			}
			if user == "" {
				verify(t, account{}, first, challenge, answer)
				continue
			}
			// A server may name a pair twice, and gets it back twice.
			if !repeated(challenge) {
				v := verify(t, account{"user", "pass", ""}, first, challenge, answer)
				if !bytes.Equal(v.key, c.SessionKey()) {
					t.Error("session keys differ")
				}
			}
			c.MIC(challenge)
			c.Wipe()
		}
	})
}

func repeated(challenge []byte) bool {
	if len(challenge) < 48 {
		return false
	}
	n := int(binary.LittleEndian.Uint16(challenge[40:]))
	from := int(binary.LittleEndian.Uint32(challenge[44:]))
	if from+n > len(challenge) {
		return false
	}
	seen := map[uint16]bool{}
	for b := challenge[from : from+n]; len(b) >= 4; {
		id, size := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if id == 0 || 4+size > len(b) {
			break
		}
		if seen[id] {
			return true
		}
		seen[id], b = true, b[4+size:]
	}
	return false
}

// What a server names is text of at most 255 characters.
func FuzzTarget(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, challenge []byte) {
		ch, err := parseChallenge(challenge)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
		if len(ch.pairs) > len(challenge) {
			t.Errorf("%d bytes of pairs in %d", len(ch.pairs), len(challenge))
		}
		s := ch.target
		names := []string{s.Name, s.NetBIOSDomain, s.NetBIOSName, s.DNSDomain, s.DNSName, s.DNSTree}
		for _, name := range names {
			if utf8.RuneCountInString(name) > 255 || !utf8.ValidString(name) {
				t.Errorf("%q", name)
			}
		}
	})
}

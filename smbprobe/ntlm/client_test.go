package ntlm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// form is a CHALLENGE_MESSAGE of some server.
type form struct {
	name  string
	flags uint32
	fixed int    // the fixed part's size in bytes
	title string // the TargetName
	pairs []byte
}

const (
	usual  = 0x62898215 // Samba's: TARGET_INFO, TARGET_TYPE_SERVER, key exchange, 128
	noInfo = usual &^ flagTargetInfo
)

func (f form) challenge() []byte {
	b := make([]byte, f.fixed)
	copy(b, "NTLMSSP\x00\x02")
	title := wide(f.title)
	if f.flags&1 == 0 {
		title = []byte(f.title)
	}
	binary.LittleEndian.PutUint16(b[12:], uint16(len(title)))
	binary.LittleEndian.PutUint16(b[14:], uint16(len(title)))
	binary.LittleEndian.PutUint32(b[16:], uint32(f.fixed))
	binary.LittleEndian.PutUint32(b[20:], f.flags)
	copy(b[24:], "\x01\x23\x45\x67\x89\xab\xcd\xef")
	if f.fixed >= 48 {
		binary.LittleEndian.PutUint16(b[40:], uint16(len(f.pairs)))
		binary.LittleEndian.PutUint16(b[42:], uint16(len(f.pairs)))
		binary.LittleEndian.PutUint32(b[44:], uint32(f.fixed+len(title)))
	}
	return append(append(b, title...), f.pairs...)
}

func av(id uint16, value []byte) []byte {
	head := []byte{byte(id), byte(id >> 8), byte(len(value)), byte(len(value) >> 8)}
	return append(head, value...)
}

func list(pairs ...[]byte) []byte { return bytes.Join(pairs, nil) }

var (
	stamp  = av(7, []byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0xd9, 0x01})
	domain = av(2, wide("WORK"))
	server = av(1, wide("NAS"))
	end    = av(0, nil)
)

// Every form that smbclient takes is taken, with every size of the fixed part
// that fits it, and the server's side agrees about proof, MIC and session key.
func TestForms(t *testing.T) {
	forms := []form{
		{"as Samba sends it", usual, 56, "NAS", list(domain, server, stamp, end)},
		{"without REQUEST_TARGET", usual &^ flagTarget, 56, "", list(domain, server, stamp, end)},
		{"without a timestamp", usual, 48, "NAS", list(domain, server, end)},
		{"without a version", usual &^ flagVersion, 48, "NAS", list(domain, stamp, end)},
		{"without MsvAvEOL", usual, 56, "NAS", list(domain, server, stamp)},
		{"bytes after MsvAvEOL", usual, 56, "NAS", list(domain, stamp, end, []byte{1, 2, 3})},
		{"MsvAvEOL alone", usual, 48, "NAS", end},
		{"an empty TARGET_INFO", usual, 48, "NAS", nil},
		{"without TARGET_INFO", noInfo, 48, "NAS", nil},
		{"without TARGET_INFO, 40 bytes", noInfo, 40, "NAS", nil},
		{"without TARGET_INFO, 32 bytes", noInfo, 32, "NAS", nil},
		{"32 bytes and no name", noInfo &^ flagTarget, 32, "", nil},
		{"without 128", usual &^ flag128, 56, "NAS", list(domain, stamp, end)},
		{"without key exchange", usual &^ flagKeyExchange, 56, "NAS", list(domain, stamp, end)},
		{"without signing", usual &^ (flagSign | flagAlwaysSign), 56, "NAS",
			list(domain, stamp, end)},
		{"without extended session security", usual &^ flagExtended, 56, "NAS",
			list(domain, stamp, end)},
		{"OEM", usual&^flagUnicode | flagOEM, 56, "NAS", list(domain, server, stamp, end)},
		{"neither OEM nor Unicode", noInfo &^ flagUnicode, 32, "NAS", nil},
		{"no flag but NTLM", flagNTLM, 32, "", nil},
		{"every flag", 0xffffffff, 56, "NAS", list(domain, stamp, end)},
		{"flags and client's pairs", usual, 56, "NAS",
			list(av(6, []byte{1, 0, 0, 0}), av(9, wide("cifs/x")), av(10, make([]byte, 16)),
				stamp, end)},
		{"unknown and empty pairs", usual, 56, "NAS",
			list(av(99, []byte{1}), av(3, nil), domain, stamp, end)},
	}
	who := account{"User", "Password", "Domain"}
	for _, f := range forms {
		for _, anonymous := range []bool{false, true} {
			t.Run(fmt.Sprint(f.name, ", anonymous ", anonymous), func(t *testing.T) {
				c := &Client{User: who.user, Password: who.password, Domain: who.domain,
					Workstation: "WATCH"}
				expected := who
				if anonymous {
					c.User, expected = "", account{}
				}
				check(t, c, expected, f)
			})
		}
	}
}

func check(t *testing.T, c *Client, who account, f form) {
	t.Helper()
	first, err := c.Init()
	if err != nil {
		t.Fatal(err)
	}
	challenge := f.challenge()
	before := bytes.Clone(challenge)
	answer, err := c.Accept(challenge)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, challenge) {
		t.Error("the challenge was changed")
	}
	v := verify(t, who, first, challenge, answer)
	if v.workstation != "WATCH" || v.flags&flagExtended == 0 {
		t.Errorf("workstation %q, flags %#x", v.workstation, v.flags)
	}
	if v.flags&^uint32(offered|flagOEM|flagAnonymous) != 0 {
		t.Errorf("flags %#x were never offered", v.flags)
	}
	for _, flag := range []uint32{flagSign, flagAlwaysSign, flag128, flagKeyExchange, flagUnicode} {
		if v.flags&flag != f.flags&flag {
			t.Errorf("flags %#x answer %#x", v.flags, f.flags)
		}
	}
	if (v.flags&flagOEM == 0) != (f.flags&flagUnicode != 0) {
		t.Errorf("flags %#x: neither or both of Unicode and OEM", v.flags)
	}
	timed := bytes.Contains(f.pairs, stamp)
	if got := c.Target(); got.Name != f.title || got.Timestamp != timed {
		t.Errorf("target %+v", got)
	}
	mics := [][]byte{c.MIC([]byte("mechs")), v.getMIC(t, []byte("mechs"))}
	if !bytes.Equal(c.SessionKey(), v.key) || len(v.key) != 16 {
		t.Errorf("session key % x, the server has % x", c.SessionKey(), v.key)
	}
	if who.user == "" {
		if mics[0] != nil {
			t.Error("an anonymous login signs")
		}
		return
	}
	if !timed || f.flags&flagSign == 0 {
		mics[1] = nil
	}
	if !bytes.Equal(mics[0], mics[1]) {
		t.Errorf("MIC % x, the server expects % x", mics[0], mics[1])
	}
	if bytes.Equal(v.lm, make([]byte, 24)) != timed ||
		(v.pairs[6] != nil && v.pairs[6][0]&2 != 0) != timed {
		t.Errorf("timestamp %v: LMv2 % x, MsvAvFlags % x", timed, v.lm, v.pairs[6])
	}
	if timed && !bytes.Equal(v.nt[24:32], stamp[4:]) {
		t.Errorf("time % x", v.nt[24:32])
	}
	if len(f.pairs) > 0 && f.flags&flagTargetInfo != 0 {
		if v.pairs[9] != nil || !bytes.Equal(v.pairs[10], make([]byte, 16)) {
			t.Errorf("AvPairs %v: % x", v.ids, v.pairs)
		}
	} else if len(v.ids) != 0 {
		t.Errorf("AvPairs %v of nothing", v.ids)
	}
}

// A challenge that is none, or that points outside of itself, is ErrMalformed.
func TestMalformed(t *testing.T) {
	whole := form{"", usual, 56, "NAS", list(domain, server, stamp, end)}.challenge()
	put := func(at int, value ...byte) []byte {
		b := bytes.Clone(whole)
		copy(b[at:], value)
		return b
	}
	pairs := func(p []byte) []byte { return form{"", usual, 56, "NAS", p}.challenge() }
	cases := map[string][]byte{
		"nothing":                      nil,
		"31 bytes":                     whole[:31],
		"another signature":            put(0, 'X'),
		"another type":                 put(8, 1),
		"name beyond the end":          put(16, 0xff, 0xff),
		"name at the end of 32 bits":   put(16, 0xff, 0xff, 0xff, 0xff),
		"pairs beyond the end":         put(44, 0xff, 0xff),
		"pairs too long":               put(40, 0xff, 0xff),
		"TARGET_INFO without field":    form{"", usual, 40, "", nil}.challenge(),
		"a pair longer than the field": pairs([]byte{1, 0, 9, 0, 'a', 0}),
		"half a pair":                  pairs([]byte{1, 0, 0}),
		"a timestamp of 4 bytes":       pairs(av(7, make([]byte, 4))),
		"flags of 8 bytes":             pairs(av(6, make([]byte, 8))),
		"no room for an answer":        pairs(av(99, make([]byte, 65500))),
	}
	for name, b := range cases {
		c := Client{User: "u", Password: "p"}
		c.Init()
		answer, err := c.Accept(b)
		if !errors.Is(err, ErrMalformed) || answer != nil || c.SessionKey() != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := new(Client).Accept(whole); !errors.Is(err, ErrOrder) {
		t.Error("Accept before Init:", err)
	}
}

// Users, passwords and domains of every kind.
func TestNames(t *testing.T) {
	plain := form{"", usual, 56, "NAS", list(domain, stamp, end)}
	for _, who := range []account{
		{"user", "", ""},
		{"Ünïcödé", "pässwörd", "Dömäin"},
		{"山田", "パスワード", "社内"},
		{"user", "\U0001f511 key \U00010428", "\U0001f3e0"},
		{"user", strings.Repeat("long", 5000), "D"},
		{"user@example.org", "p", ""},
	} {
		c := &Client{User: who.user, Password: who.password, Domain: who.domain}
		first, _ := c.Init()
		challenge := plain.challenge()
		answer, err := c.Accept(challenge)
		if err != nil {
			t.Errorf("%q: %v", who.user, err)
			continue
		}
		if v := verify(t, who, first, challenge, answer); !bytes.Equal(v.key, c.SessionKey()) {
			t.Errorf("%q: session keys differ", who.user)
		}
	}

	oem := form{"", usual &^ flagUnicode, 56, "N\xc4S", list(domain, stamp, end)}
	for name, c := range map[string]Client{
		"a user that is not ASCII": {User: "Ünïcödé"},
		"a long user":              {User: strings.Repeat("u", 5000)},
		"a long domain":            {User: "u", Domain: strings.Repeat("d", 5000)},
	} {
		c.Init()
		if _, err := c.Accept(oem.challenge()); !errors.Is(err, ErrName) || c.SessionKey() != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.Target().Name != "N\ufffdS" {
			t.Errorf("%s: target %q", name, c.Target().Name)
		}
	}
}

// Windows' upper case; Samba's table agrees about these.
func TestUpper(t *testing.T) {
	for lower, want := range map[rune]rune{
		'a': 'A', 'A': 'A', 'é': 'É', 'ÿ': 'Ÿ', 'я': 'Я', 'σ': 'Σ',
		'ａ': 'Ａ', 'ß': 'ß', 'ı': 'ı', 'ſ': 'ſ',
		'µ': 'µ', 'ς': 'Σ', 'ა': 'ა', 'ǅ': 'ǅ', '\U00010428': '\U00010428',
	} {
		if got := upper(lower); got != want {
			t.Errorf("%q becomes %q, want %q", lower, got, want)
		}
	}
}

// The target's names are capped, the strings of a hostile server included.
func TestTarget(t *testing.T) {
	names := list(av(1, wide("NAS")), av(2, wide("WORK")), av(3, wide("nas.example.org")),
		av(4, wide("example.org")), av(5, wide(strings.Repeat("x", 300))), stamp, end)
	c := Client{User: "u"}
	c.Init()
	if _, err := c.Accept(form{"", usual, 56, "WORK", names}.challenge()); err != nil {
		t.Fatal(err)
	}
	want := Target{Name: "WORK", NetBIOSDomain: "WORK", NetBIOSName: "NAS",
		DNSDomain: "example.org", DNSName: "nas.example.org",
		DNSTree: strings.Repeat("x", 255), Timestamp: true}
	if got := c.Target(); got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

// Without the server's time the client's own is sent, in units of 100 ns since
// 1601.
func TestTime(t *testing.T) {
	second := time.Date(1970, 1, 1, 0, 0, 1, 700, time.UTC)
	c := Client{User: "u", now: func() time.Time { return second }}
	first, _ := c.Init()
	challenge := form{"", noInfo, 32, "", nil}.challenge()
	answer, err := c.Accept(challenge)
	if err != nil {
		t.Fatal(err)
	}
	v := verify(t, account{"u", "", ""}, first, challenge, answer)
	if got := binary.LittleEndian.Uint64(v.nt[24:]); got != 116444736010000007 {
		t.Errorf("time %d", got)
	}
}

// Two logins share no random bytes, and Wipe leaves no key.
func TestWipe(t *testing.T) {
	var keys [2][]byte
	for i := range keys {
		c := Client{User: "u", Password: "secret"}
		c.Init()
		if _, err := c.Accept(form{"", usual, 56, "", list(stamp, end)}.challenge()); err != nil {
			t.Fatal(err)
		}
		key, sealing, signing := c.SessionKey(), c.signer.sealing, c.signer.signing
		keys[i] = bytes.Clone(key)
		c.Wipe()
		for _, b := range [][]byte{key, sealing, signing} {
			if len(b) != 16 || !bytes.Equal(b, make([]byte, 16)) {
				t.Errorf("% x was left", b)
			}
		}
		if c.SessionKey() != nil || c.MIC(nil) != nil || c.Password != "" {
			t.Error("the login still has secrets")
		}
	}
	if bytes.Equal(keys[0], keys[1]) {
		t.Error("two logins have one session key")
	}
}

package spnego

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The mechanisms that servers offer, as DER.
const (
	ntlm       = "060a2b06010401823702020a"
	kerberos   = "06092a864886f712010202"
	msKerberos = "06092a864882f712010202"
	negoEx     = "060a2b06010401823702021e"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// captures are what servers answered: Samba 4.17 and impacket 0.10, each to a
// user and to an anonymous login.
func captures(t testing.TB, kind string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*-" + kind + ".bin")
	if err != nil || len(names) != 4 {
		t.Fatalf("%d captures of kind %s: %v", len(names), kind, err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(name), "-"+kind+".bin")] = b
	}
	return all
}

// A NegTokenInit of RFC 4178 for encoding/asn1, which judges what Init and
// Reply write.
type negTokenInit struct {
	Mechs []asn1.ObjectIdentifier `asn1:"explicit,tag:0"`
	Token []byte                  `asn1:"explicit,tag:2"`
}

type negTokenResp struct {
	Token []byte `asn1:"explicit,tag:2"`
	MIC   []byte `asn1:"explicit,optional,tag:3"`
}

// What is sent is DER, at every size of length field.
func TestEncoding(t *testing.T) {
	mech := unhex(t, ntlm)
	for _, size := range []int{0, 1, 60, 100, 127, 128, 200, 255, 256, 4000, 65535, 65536, 100000} {
		token := bytes.Repeat([]byte{7}, size)

		var wrapper asn1.RawValue
		if rest, err := asn1.Unmarshal(Init(mech, token), &wrapper); err != nil || len(rest) > 0 {
			t.Fatal(size, err)
		}
		var self asn1.ObjectIdentifier
		inner, err := asn1.Unmarshal(wrapper.Bytes, &self)
		if err != nil || self.String() != "1.3.6.1.5.5.2" ||
			wrapper.Class != 1 || wrapper.Tag != 0 {
			t.Fatal(size, self, err)
		}
		var first negTokenInit
		rest, err := asn1.UnmarshalWithParams(inner, &first, "explicit,tag:0")
		if err != nil || len(rest) > 0 {
			t.Fatal(size, err)
		}
		if len(first.Mechs) != 1 || first.Mechs[0].String() != "1.3.6.1.4.1.311.2.2.10" ||
			!bytes.Equal(first.Token, token) {
			t.Errorf("size %d: %v", size, first.Mechs)
		}

		for _, mic := range [][]byte{nil, bytes.Repeat([]byte{9}, 16)} {
			var next negTokenResp
			b := Reply(token, mic)
			rest, err := asn1.UnmarshalWithParams(b, &next, "explicit,tag:1")
			if err != nil || len(rest) > 0 {
				t.Fatal(size, err)
			}
			if !bytes.Equal(next.Token, token) || !bytes.Equal(next.MIC, mic) {
				t.Errorf("size %d: MIC % x", size, next.MIC)
			}
			r, err := Parse(b)
			if err != nil || r.State != Absent || !bytes.Equal(r.Token, token) ||
				!bytes.Equal(r.MIC, mic) {
				t.Errorf("size %d is read as %d bytes, state %d, MIC % x, error %v",
					size, len(r.Token), r.State, r.MIC, err)
			}
		}
	}
}

// The MIC is computed over the list that Init sends, its own tag included (RFC
// 4178 5).
func TestMechTypes(t *testing.T) {
	got := MechTypes(unhex(t, ntlm))
	if want := unhex(t, "300c"+ntlm); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	if !bytes.Contains(Init(unhex(t, ntlm), []byte("token")), got) {
		t.Error("Init sends another list")
	}
}

func TestParse(t *testing.T) {
	const challenge = "4e544c4d5353500002000000"
	cases := []struct {
		name, in         string
		state            int
		mech, token, mic string
	}{
		{"nothing", "", Absent, "", "", ""},
		{"NTLM without SPNEGO", challenge, Absent, "", challenge, ""},
		{"all fields",
			"a137 3035 a003 0a0101 a10c" + ntlm + "a20e 040c" + challenge +
				"a310 040e 0102030405060708090a0b0c0d0e",
			AcceptIncomplete, ntlm, challenge, "0102030405060708090a0b0c0d0e"},
		{"without supportedMech",
			"a117 3015 a003 0a0101 a20e 040c" + challenge, AcceptIncomplete, "", challenge, ""},
		{"without state", "a112 3010 a20e 040c" + challenge, Absent, "", challenge, ""},
		{"no field", "a102 3000", Absent, "", "", ""},
		{"completed", "a107 3005 a003 0a0100", AcceptCompleted, "", "", ""},
		{"rejected", "a107 3005 a003 0a0102", Reject, "", "", ""},
		{"demands a MIC", "a107 3005 a003 0a0103", RequestMIC, "", "", ""},
		{"a state of the future", "a107 3005 a003 0a01c8", 200, "", "", ""},
		{"another order",
			"a117 3015 a20e 040c" + challenge + "a003 0a0101", AcceptIncomplete, "", challenge, ""},
		{"an unknown field", "a10b 3009 a902 0500 a003 0a0100", AcceptCompleted, "", "", ""},
		{"long lengths", "a18400000009 308200 05 a003 0a0100", AcceptCompleted, "", "", ""},
		{"bytes behind it", "a107 3005 a003 0a0100 ffff", AcceptCompleted, "", "", ""},
		{"in a GSS wrapper", "6011 06062b0601050502 a107 3005 a003 0a0100",
			AcceptCompleted, "", "", ""},
		{"Windows 2000's MIC",
			"a122 3020 a20e 040c" + challenge + "a30e 040c" + challenge, Absent, "", challenge, ""},
	}
	for _, c := range cases {
		r, err := Parse(unhex(t, c.in))
		if err != nil || r.State != c.state || !bytes.Equal(r.Mech, unhex(t, c.mech)) ||
			!bytes.Equal(r.Token, unhex(t, c.token)) || !bytes.Equal(r.MIC, unhex(t, c.mic)) {
			t.Errorf("%s: %+v, %v", c.name, r, err)
		}
	}
	for name, in := range map[string]string{
		"a byte":               "a1",
		"another token":        "a002 3000",
		"another inside":       "a102 3100",
		"too long":             "a108 3005 a003 0a0100",
		"field too long":       "a107 3005 a004 0a0100",
		"indefinite":           "a180 3005 a003 0a0100",
		"length of 5 bytes":    "a1850000000007 3005 a003 0a0100",
		"length below zero":    "a188ffffffffffffffff 3005 a003 0a0100",
		"length of 4 GB":       "a184ffffffff 30",
		"length cut off":       "a182 00",
		"an empty state":       "a106 3004 a002 0a00",
		"a state of two bytes": "a108 3006 a004 0a020000",
		"a token of integers":  "a107 3005 a203 020100",
		"no OID":               "a107 3005 a103 020100",
		"an empty field":       "a104 3002 a200",
		"half a field":         "a103 3001 a0",
		"an empty wrapper":     "6000",
		"wrapper of another":   "600d 06062a0601050502 a103 300100",
		"a wrapped nothing":    "6008 06062b0601050502",
		"SMB":                  "fe534d42",
	} {
		r, err := Parse(unhex(t, in))
		if !errors.Is(err, ErrMalformed) || r.Token != nil || r.State != Absent {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestOffer(t *testing.T) {
	// MS-SPNG 2.2.1: Windows' list, and negHints behind it.
	hints := der(0xa0, der(0x1b, []byte("not_defined_in_RFC4178@please_ignore")))
	list := der(0x30, unhex(t, negoEx+msKerberos+kerberos+ntlm))
	fields := append(der(0xa0, list), der(0xa3, der(0x30, hints))...)
	windows := hex.EncodeToString(der(0x60, append([]byte(oid), der(0xa0, der(0x30, fields))...)))
	cases := map[string]struct {
		in   string
		want []string
	}{
		"nothing":               {"", nil},
		"NTLM without SPNEGO":   {"4e544c4d5353500001000000", nil},
		"Windows":               {windows, []string{negoEx, msKerberos, kerberos, ntlm}},
		"without a wrapper":     {"a012 3010 a00e 300c" + ntlm, []string{ntlm}},
		"an empty list":         {"a006 3004 a002 3000", nil},
		"no list":               {"a002 3000", nil},
		"hints before the list": {"a016 3014 a302 0500 a00e 300c" + ntlm, []string{ntlm}},
		"27 mechanisms": {"a03c" + "303a" + "a038" + "3036" + strings.Repeat("0600", 27),
			slices.Repeat([]string{"0600"}, 27)},
		"more than are read": {"a058" + "3056" + "a054" + "3052" + strings.Repeat("0600", 41),
			slices.Repeat([]string{"0600"}, 32)},
	}
	for name, c := range cases {
		mechs, err := Offer(unhex(t, c.in))
		var got []string
		for _, mech := range mechs {
			got = append(got, hex.EncodeToString(mech))
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for name, in := range map[string]string{
		"a response":      "a102 3000",
		"a byte":          "60",
		"a list of bytes": "a009 3007 a005 3003 040100",
		"cut off":         "a012 3010 a00e 300c 060a2b",
	} {
		if mechs, err := Offer(unhex(t, in)); !errors.Is(err, ErrMalformed) || mechs != nil {
			t.Errorf("%s: % x, %v", name, mechs, err)
		}
	}
}

// What real servers sent is read in full.
func TestCaptures(t *testing.T) {
	for name, b := range captures(t, "offer") {
		mechs, err := Offer(b)
		if err != nil || len(mechs) != 1 || !bytes.Equal(mechs[0], unhex(t, ntlm)) {
			t.Errorf("%s offers % x, %v", name, mechs, err)
		}
	}
	for name, b := range captures(t, "challenge") {
		r, err := Parse(b)
		if err != nil || r.State != AcceptIncomplete || !bytes.Equal(r.Mech, unhex(t, ntlm)) ||
			!bytes.HasPrefix(r.Token, []byte("NTLMSSP\x00\x02")) || r.MIC != nil {
			t.Errorf("%s challenges with %+v, %v", name, r, err)
		}
	}
	for name, b := range captures(t, "accepted") {
		r, err := Parse(b)
		if err != nil || r.State != AcceptCompleted || r.Token != nil ||
			(len(r.MIC) == 16) != (name == "samba") {
			t.Errorf("%s accepts with %+v, %v", name, r, err)
		}
	}
}

// Whatever the bytes, what is returned is part of them and small.
func FuzzParse(f *testing.F) {
	for _, kind := range []string{"challenge", "accepted", "offer"} {
		for _, b := range captures(f, kind) {
			f.Add(b)
		}
	}
	f.Add(Reply([]byte("token"), []byte("mic")))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
		if r.State < Absent || r.State > 255 {
			t.Error("state", r.State)
		}
		for _, part := range [][]byte{r.Mech, r.Token, r.MIC} {
			if len(part) > 0 && !bytes.Contains(b, part) {
				t.Errorf("% x is not in the token", part)
			}
		}
	})
}

func FuzzOffer(f *testing.F) {
	for _, b := range captures(f, "offer") {
		f.Add(b)
	}
	f.Add(Init([]byte("\x06\x01\x2a"), []byte("token")))
	f.Fuzz(func(t *testing.T, b []byte) {
		mechs, err := Offer(b)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
		if len(mechs) > maxMechs {
			t.Error(len(mechs), "mechanisms")
		}
		for _, mech := range mechs {
			if len(mech) < 2 || mech[0] != tagOID || !bytes.Contains(b, mech) {
				t.Errorf("% x is no mechanism of the offer", mech)
			}
		}
	})
}

package kerberos

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/keyusage"
	"github.com/oiweiwei/gokrb5.fork/v9/keytab"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

var fuzzKey = types.EncryptionKey{KeyType: 17, KeyValue: []byte("0123456789abcdef")}

// fuzzContext is a context that has sent its request.
func fuzzContext(t testing.TB, subkey bool) *Context {
	c := (&Ticket{key: fuzzKey, ticket: []byte{0x61, 0}, realm: "R",
		name: types.PrincipalName{NameType: 1, NameString: []string{"u"}}}).Context()
	if _, err := c.Init(); err != nil {
		t.Fatal(err)
	}
	if subkey {
		c.key = fuzzKey
	}
	return c
}

// Whatever a server answers to a login, the context takes no key from it, unless
// it was made with the key of the ticket.
func FuzzAccept(f *testing.F) {
	rep, err := marshalTagged(tagAPRep, apReply{PVNO: 5, MsgType: tagAPRep,
		EncPart: types.EncryptedData{EType: 17, Cipher: make([]byte, 60)}})
	if err != nil {
		f.Fatal(err)
	}
	framed, _ := tagged(0, append([]byte(oid+"\x02\x00"), rep...))
	refusal, err := marshalTagged(tagKRBError, krbError{
		PVNO: 5, MsgType: tagKRBError, ErrorCode: SkewTooGreat, STime: time.Unix(1, 0).UTC(), Realm: "R",
		SName: types.PrincipalName{NameType: 1, NameString: []string{"s"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{rep, framed, refusal, nil, {0x60, 0x84, 0xff, 0xff, 0xff, 0xff}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, token []byte) {
		c := fuzzContext(t, false)
		next, err := c.Accept(token)
		var refusal *Error
		if err == nil || next != nil || c.SessionKey() != nil ||
			!errors.Is(err, ErrToken) && !errors.As(err, &refusal) {
			t.Errorf("%x, %v", next, err)
		}
		_ = err.Error()
	})
}

// No token that a server sends in place of a signed or sealed message is taken
// for one.
func FuzzTokens(f *testing.F) {
	for _, b := range [][]byte{
		append([]byte{5, 4, 3, 0xff, 0, 0, 0, 0}, make([]byte, 70)...),
		append([]byte{5, 4, 1, 0xff, 0, 12, 0, 28}, make([]byte, 70)...),
		append([]byte{4, 4, 1, 0xff, 0xff, 0xff, 0xff, 0xff}, make([]byte, 20)...), nil,
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, token []byte) {
		c := fuzzContext(t, true)
		if m, _, err := c.Unwrap(token); !errors.Is(err, ErrToken) {
			t.Errorf("%q, %v", m, err)
		}
		if err := c.VerifyMIC([]byte("m"), token); !errors.Is(err, ErrToken) {
			t.Error(err)
		}
	})
}

// Whatever a KDC answers, also in the part that it has sealed, a ticket made of
// it has an end and a key of AES.
func FuzzKDCReply(f *testing.F) {
	krbtgt := types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", "R"}}
	part, err := asn1.Marshal(encKDCReply{
		Key: fuzzKey, Nonce: 1, EndTime: time.Unix(1, 0).UTC(), AuthTime: time.Unix(1, 0).UTC(),
		Flags: types.NewKrbFlags(), SRealm: "R", LastReqs: []asn1.RawValue{}, SName: krbtgt,
	})
	if err != nil {
		f.Fatal(err)
	}
	sealedPart, _ := tagged(tagEncASRepPart, part)
	ticket, err := marshalTagged(tagTicket, ticketHead{VNO: 5, Realm: "R", SName: krbtgt,
		EncPart: types.EncryptedData{EType: 18, Cipher: []byte("x")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealedPart, ticket)
	f.Add([]byte{0x79, 0x80}, []byte{0x61, 0x80})
	f.Add(ticket, sealedPart)
	f.Fuzz(func(t *testing.T, part, ticket []byte) {
		cipher, err := encrypt(fuzzKey, part, keyusage.AS_REP_ENCPART)
		if err != nil {
			t.Fatal(err)
		}
		body := kdcRequestBody{Nonce: 1, SName: krbtgt}
		whole, err := marshalTagged(tagASRep, kdcReply{PVNO: 5, MsgType: tagASRep, CRealm: "R",
			CName: types.PrincipalName{NameType: 1, NameString: []string{"u"}}, Ticket: raw(5, ticket),
			EncPart: types.EncryptedData{EType: fuzzKey.KeyType, Cipher: cipher}})
		if err != nil {
			return
		}
		for _, b := range [][]byte{whole, part, ticket} {
			var reply kdcReply
			if parseTagged(b, tagASRep, &reply) != nil {
				continue
			}
			if got, err := reply.open(fuzzKey, keyusage.AS_REP_ENCPART, body); err == nil &&
				(!isAES(got.key.KeyType) || len(got.ticket) == 0) {
				t.Errorf("%+v", got)
			}
		}
		var pas types.PADataSequence
		if parsePAData(part, &pas) == nil {
			k := key{password: "x", realm: "R"}
			if info, err := k.choose(pas, 18); err == nil && !isAES(info.EType) {
				t.Errorf("%+v", info)
			}
		}
		var refusal krbError
		if refusal.parse(part) == nil {
			_ = refusal.asError("kdc").Error()
		}
	})
}

// No credentials cache makes the reader leave its bounds, or hold more than the
// file has.
func FuzzCCache(f *testing.F) {
	f.Add(cacheOf("krbtgt", "R"))
	f.Add([]byte{5, 4, 0, 0})
	f.Add([]byte{5, 4, 0xff, 0xff})
	f.Add(bytes.Repeat([]byte{5, 4, 0, 0}, 20))
	f.Fuzz(func(t *testing.T, data []byte) {
		owner, list, err := parseCCache(data)
		if err != nil {
			return
		}
		size := len(owner.String())
		for _, c := range list {
			size += len(c.ticket) + len(c.key.KeyValue)
		}
		if size > len(data)+8*len(owner.NameString)+8 {
			t.Errorf("%d bytes of a file of %d", size, len(data))
		}
	})
}

// cacheOf is a credentials cache with one ticket.
func cacheOf(server ...string) []byte {
	be := binary.BigEndian
	data := func(b []byte, s string) []byte { return append(be.AppendUint32(b, uint32(len(s))), s...) }
	name := func(b []byte, parts ...string) []byte {
		b = be.AppendUint32(be.AppendUint32(b, 1), uint32(len(parts)))
		b = data(b, "R")
		for _, p := range parts {
			b = data(b, p)
		}
		return b
	}
	b := name([]byte{5, 4, 0, 0}, "u")
	b = name(name(b, "u"), server...)
	b = data(be.AppendUint16(b, 18), "key")
	for range 4 {
		b = be.AppendUint32(b, 1<<31)
	}
	b = append(b, 0, 0, 0, 0, 0)
	b = be.AppendUint32(be.AppendUint32(b, 0), 0)
	return data(data(b, "ticket"), "")
}

func TestCCache(t *testing.T) {
	whole := cacheOf("krbtgt", "R")
	owner, list, err := parseCCache(whole)
	if err != nil || owner.String() != "u@R" || len(list) != 1 ||
		list[0].server.String() != "krbtgt/R@R" || string(list[0].ticket) != "ticket" ||
		list[0].end.Unix() != 1<<31 {
		t.Errorf("%v, %+v, %v", owner, list, err)
	}
	start := len(cacheOf("x")) - len(cacheOf("x")[4+8+4+1+4+1:])
	for n := range whole {
		if n != start && n != len(whole) {
			if _, list, err := parseCCache(whole[:n]); err == nil && len(list) > 0 {
				t.Errorf("cut to %d bytes: %+v", n, list)
			}
		}
	}
}

// A damaged keytab is an error that quotes none of its keys, and of several
// versions of a key the newest counts.
func TestKeytab(t *testing.T) {
	kt := keytab.New()
	for _, version := range []uint8{2, 3, 1} {
		secret := "S3cr3t" + string('0'+rune(version))
		if err := kt.AddEntry("u", "R", secret, time.Unix(1, 0), version, 18); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := kt.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	kt, err = parseKeytab("FILE", whole)
	if err != nil {
		t.Fatal(err)
	}
	k := key{name: types.PrincipalName{NameString: []string{"u"}}, realm: "R", keytab: kt}
	for kvno, entry := range map[int]int{0: 1, 1: 2, 2: 0, 3: 1, 9: 1} {
		got, err := k.of(types.ETypeInfo2Entry{EType: 18}, kvno)
		if err != nil || !bytes.Equal(got.KeyValue, kt.Entries[entry].Key.KeyValue) {
			t.Errorf("version %d: another key, %v", kvno, err)
		}
	}
	for n := range whole {
		_, err := parseKeytab("FILE", whole[:n])
		if err != nil && err.Error() != "no key: FILE is no sound keytab" {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

// A keytab never panics the watch.
func FuzzKeytab(f *testing.F) {
	f.Add([]byte{5, 2, 0, 0, 0, 10, 0, 1, 0, 1, 'R', 0, 1, 'u', 0, 0})
	f.Add([]byte{5, 2})
	f.Add([]byte{5, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		kt, err := parseKeytab("FILE", data)
		if err != nil {
			if !errors.Is(err, ErrSecret) {
				t.Error(err)
			}
			return
		}
		(&key{name: types.PrincipalName{NameString: []string{"u"}}, realm: "R", keytab: kt}).enctypes()
	})
}

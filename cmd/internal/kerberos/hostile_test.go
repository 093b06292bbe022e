package kerberos

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"fsmon/smbprobe/kerberostest"
)

// hostile is a KDC that answers every request with these bytes.
func hostile(t *testing.T, answer []byte) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				var size [4]byte
				if _, err := io.ReadFull(c, size[:]); err == nil {
					io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(size[:])))
					c.Write(answer)
				}
			}()
		}
	}()
	return l.Addr().String()
}

func framed(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }

// Whatever a KDC answers is an error that names it, and a sound KDC after it is
// asked when it does not answer at all.
func TestHostileKDC(t *testing.T) {
	krbErr := func(code int32, data []byte) []byte {
		b, err := marshalTagged(tagKRBError, krbError{
			PVNO: 5, MsgType: tagKRBError, ErrorCode: code, EData: data,
			STime: time.Now().UTC().Truncate(time.Second), Realm: "R", CRealm: "LAB.TEST",
			SName: types.PrincipalName{NameType: 1, NameString: []string{"s"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return framed(b)
	}
	iterations := []byte{0x30, 0x26, 0x30, 0x24, 0xa1, 0x03, 2, 1, 19, 0xa2, 0x1d, 4, 0x1b,
		0x30, 0x19, 0x30, 0x17, 0xa0, 3, 2, 1, 18, 0xa1, 6, 0x1b, 4, 's', 'a', 'l', 't',
		0xa2, 6, 4, 4, 0xff, 0xff, 0xff, 0xff, 0, 0}
	for name, c := range map[string]struct {
		answer []byte
		says   string
	}{
		"nothing":        {nil, "EOF"},
		"a huge length":  {[]byte{0xff, 0xff, 0xff, 0xff}, "an answer of 4294967295 bytes is not that of a KDC"},
		"cut":            {[]byte{0, 0, 1, 0, 0x6b}, "EOF"},
		"an empty one":   {framed(nil), "its answer is none of a KDC"},
		"garbage":        {framed(bytes.Repeat([]byte{0x6b, 0x80, 0xff}, 50)), "its answer is none of a KDC"},
		"HTTP":           {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), "is not that of a KDC"},
		"no method data": {krbErr(preauthRequired, []byte{0x30, 0x84}), "malformed pre-authentication data"},
		"no AES":         {krbErr(preauthRequired, nil), "malformed pre-authentication data"},
		"iterations":     {krbErr(preauthRequired, iterations), "too many iterations"},
		"unavailable":    {krbErr(unavailable, nil), "KDC_ERR_SVC_UNAVAILABLE"},
		"a loop":         {krbErr(wrongRealm, nil), "KDC_ERR_WRONG_REALM"},
		"unknown code":   {krbErr(99, nil), "KRB-ERROR 99"},
	} {
		addr := hostile(t, c.answer)
		e := refusal(t, client(t, Config{Principal: "probe", Password: "pw"}, addr), spn)
		if e.KDC != addr || !strings.Contains(e.Error(), c.says) {
			t.Errorf("%s: %v", name, e)
		}
	}
	good := kerberostest.New(t, lab)
	for name, answer := range map[string][]byte{"nothing": nil, "unavailable": krbErr(unavailable, nil)} {
		probe := Config{Principal: "probe", Password: "pw"}
		if _, err := get(t, client(t, probe, hostile(t, answer), good.Addr), spn); err != nil {
			t.Errorf("%s, then a sound one: %v", name, err)
		}
	}
}

// A cancelled probe leaves a silent KDC at once.
func TestCancelled(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err = client(t, Config{Principal: "probe", Password: "pw"}, silent.Addr().String()).Ticket(ctx, spn)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What is given after --kdc.
func TestHostPort(t *testing.T) {
	for kdc, want := range map[string]string{"h": "h:88", "h:1": "h:1", "[2001:db8::1]": "[2001:db8::1]:88",
		"2001:db8::1": "[2001:db8::1]:88", "[2001:db8::1]:1": "[2001:db8::1]:1", "udp/h": "h:88",
		"": "", "h:": "", "h:0": "", "h:65536": "", "a b": "", "h/x": "", "h:x": "", ":88": "", "a:b:c": ""} {
		got, err := hostPort(kdc)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", kdc, got, err)
		}
	}
}

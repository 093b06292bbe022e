package kerberos

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"fsmon/smbprobe/kerberostest"
)

func isDot(r rune) bool { return r == '.' }

// nameServer answers every question about _kerberos._tcp.LAB.TEST with these
// hosts and ports, and says of all other names that there are none.
func nameServer(t *testing.T, kdcs map[string]uint16) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	usual := net.DefaultResolver
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: dial}
	t.Cleanup(func() {
		net.DefaultResolver = usual
		conn.Close()
	})
	be := binary.BigEndian
	go func() {
		for {
			b := make([]byte, 512)
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			end := 12 + bytes.IndexByte(b[12:n], 0) + 5 // one question, with type and class
			answer := slices.Clone(b[:end])
			copy(answer[2:], []byte{0x84, 3, 0, 1, 0, 0, 0, 0, 0, 0}) // RFC 1035 4.1.1: no such name
			if strings.HasPrefix(string(b[12:]), "\x09_kerberos\x04_tcp\x03LAB\x04TEST\x00") {
				answer[3] = 0
				be.PutUint16(answer[6:], uint16(len(kdcs)))
				for host, port := range kdcs {
					target := ""
					for label := range strings.FieldsFuncSeq(host, isDot) {
						target += string(rune(len(label))) + label
					}
					answer = append(answer, 0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 9) // RFC 2782
					answer = be.AppendUint16(answer, uint16(6+len(target)+1))
					answer = append(answer, 0, 0, 0, 0)
					answer = append(be.AppendUint16(answer, port), target+"\x00"...)
				}
			}
			conn.WriteTo(answer, from)
		}
	}()
}

// Where neither the command line nor krb5.conf names a KDC, DNS may.
func TestDNS(t *testing.T) {
	k := kerberostest.New(t, lab)
	_, port, _ := net.SplitHostPort(k.Addr)
	n, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	nameServer(t, map[string]uint16{"localhost": uint16(n)})
	ticket, err := get(t, client(t, Config{Principal: "probe", Password: "pw"}), spn)
	if err != nil || ticket.Principal != "probe@LAB.TEST" {
		t.Errorf("%+v, %v", ticket, err)
	}
	e := refusal(t, client(t, Config{Principal: "probe", Password: "pw", Realm: "NO.TEST"}), spn)
	var dns *net.DNSError
	if !errors.Is(e, ErrNoKDC) || !errors.As(e, &dns) ||
		!strings.Contains(e.Error(), "DNS has no _kerberos._tcp.NO.TEST") {
		t.Error(e)
	}
	nameServer(t, map[string]uint16{".": 0}) // RFC 2782: there decidedly is none
	e = refusal(t, client(t, Config{Principal: "probe", Password: "pw"}), spn)
	if !errors.Is(e, ErrNoKDC) || !strings.Contains(e.Error(), "(its records name no host)") {
		t.Error(e)
	}
}

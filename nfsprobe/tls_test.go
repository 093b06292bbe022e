//go:build linux

package nfsprobe

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// vault is a server behind TLS.
type vault struct {
	*nfstest.Hostile
	authority *nfstest.Authority
	config    Config // of a probe that is served
}

// fileServer is a certificate for the name that the probes expect.
func fileServer() x509.Certificate { return x509.Certificate{DNSNames: []string{"files.test"}} }

// newVault puts TLS in front of a hostile server.
func newVault(
	t *testing.T, version string, spoil func(a *nfstest.Authority, b *nfstest.TLS),
) vault {
	t.Helper()
	h, c := hostile(t)
	a := nfstest.NewAuthority(t)
	b := nfstest.TLS{Config: &tls.Config{Certificates: []tls.Certificate{a.Issue(fileServer())}}}
	if spoil != nil {
		spoil(a, &b)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nfstest.TLSProxy(t, l, func() (net.Conn, error) {
		return net.Dial("tcp", net.JoinHostPort(h.Address, strconv.Itoa(h.NFSPort)))
	}, b)
	c.Version, c.Port, c.MountPort = version, l.Addr().(*net.TCPAddr).Port, h.MountPort
	c.TLS = &tls.Config{ServerName: "files.test", RootCAs: a.Pool()}
	return vault{h, a, c}
}

// Every version is served behind TLS, and nothing of it is in clear.
func TestSecured(t *testing.T) {
	for version, spoken := range map[string]string{"3": "3", "4.0": "4.0", "4.1": "4.1",
		"4.2": "4.2", "auto": "3"} {
		t.Run(version, func(t *testing.T) {
			v := newVault(t, version, nil)
			p := New(v.config)
			for range 2 {
				r, err := probeWith(t, p)
				if err != nil || r.Version != spoken || len(r.Warnings) > 0 {
					t.Fatalf("version %q, %v, %q", r.Version, err, r.Warnings)
				}
				said := learnt(r, StartTLS)
				for _, want := range []string{"TLS 1.3, TLS_", "certificate of files.test until 20"} {
					if !strings.Contains(said, want) {
						t.Errorf("%q does not say %q", said, want)
					}
				}
				for _, s := range r.Wire {
					mountPort := uint16(v.MountPort)
					if s.From.Port() == mountPort || s.To.Port() == mountPort {
						continue // in clear, as the Linux client does
					}
					if bytes.Contains(s.Data, []byte("export")) {
						t.Errorf("in clear: %q", s.Data)
					}
				}
			}
			noState(t, v.Hostile)
		})
	}
}

// readHello reads the client's first record.
func readHello(c net.Conn) {
	header := make([]byte, 5)
	io.ReadFull(c, header)
	io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint16(header[3:])))
}

// What can be wrong before and in the handshake.
func TestHandshakeFails(t *testing.T) {
	yesterday, tomorrow := time.Now().AddDate(0, 0, -1), time.Now().AddDate(0, 0, 1)
	certificate := func(change func(c *x509.Certificate)) func(*nfstest.Authority, *nfstest.TLS) {
		return func(a *nfstest.Authority, b *nfstest.TLS) {
			c := fileServer()
			change(&c)
			b.Config.Certificates = []tls.Certificate{a.Issue(c)}
		}
	}
	answer := func(answer nfstest.Answer) func(*nfstest.Authority, *nfstest.TLS) {
		return func(_ *nfstest.Authority, b *nfstest.TLS) { b.Answer = answer }
	}
	start := func(start func(net.Conn) bool) func(*nfstest.Authority, *nfstest.TLS) {
		return func(_ *nfstest.Authority, b *nfstest.TLS) { b.Start = start }
	}
	reply := nfstest.Record(nfstest.StartTLS(1))
	for name, c := range map[string]struct {
		spoil func(*nfstest.Authority, *nfstest.TLS)
		cause error
	}{
		"it ignores AUTH_TLS": {answer(nfstest.Accepted(rpcv2.SUCCESS)), ErrNoTLS},
		"it refuses AUTH_TLS": {answer(nfstest.Denied(rpcv2.AUTH_REJECTEDCRED)), ErrNoTLS},
		"it has no such version": {answer(nfstest.Versions(3, 3)),
			&RPCError{Stat: "PROG_MISMATCH", Low: 3, High: 3}},
		"it answers another call": {answer(func(c net.Conn, call nfstest.Call, _ func() []byte) bool {
			c.Write(nfstest.Record(nfstest.StartTLS(call.XID + 1)))
			return true
		}), &MalformedError{"a reply to call"}},
		"it closes":          {answer(nfstest.Close), broken("read", io.EOF)},
		"it resets":          {answer(nfstest.Reset), broken("read", syscall.ECONNRESET)},
		"it cuts its answer": {answer(nfstest.Cut(20)), broken("read", io.EOF)},
		"it closes in the handshake": {start(func(net.Conn) bool { return false }),
			broken("read", io.EOF)},
		"it cuts a record of the handshake": {start(func(c net.Conn) bool {
			readHello(c)
			c.Write([]byte{22, 3, 3, 0, 100, 2})
			return false
		}), broken("read", io.EOF)},
		"in clear behind STARTTLS": {answer(func(c net.Conn, call nfstest.Call, _ func() []byte) bool {
			c.Write(append(nfstest.Record(nfstest.StartTLS(call.XID)), reply...))
			return true
		}), ErrBrokenTLS},
		"in clear instead of a handshake": {start(func(c net.Conn) bool {
			readHello(c)
			c.Write(reply)
			return nfstest.Hang(c, nfstest.Call{}, nil)
		}), ErrBrokenTLS},
		"an older version": {func(_ *nfstest.Authority, b *nfstest.TLS) {
			b.Config.MaxVersion = tls.VersionTLS12
		}, ErrAlert},
		"another protocol": {func(_ *nfstest.Authority, b *nfstest.TLS) {
			b.Config.NextProtos = []string{"h2"}
		}, ErrAlert},
		"no certificate": {func(_ *nfstest.Authority, b *nfstest.TLS) { b.Config.Certificates = nil },
			ErrAlert},
		"expired": {certificate(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = yesterday, yesterday
		}), ErrCertificateExpired},
		"too early": {certificate(func(c *x509.Certificate) { c.NotBefore = tomorrow }),
			ErrCertificateEarly},
		"another name": {certificate(func(c *x509.Certificate) { c.DNSNames = []string{"other.test"} }),
			ErrCertificateName},
		"a common name only": {certificate(func(c *x509.Certificate) {
			c.Subject.CommonName, c.DNSNames = "files.test", nil
		}), ErrCertificateName},
		"not for servers": {certificate(func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}), ErrCertificate},
		"an unknown authority": {func(_ *nfstest.Authority, b *nfstest.TLS) {
			b.Config.Certificates = []tls.Certificate{nfstest.NewAuthority(t).Issue(fileServer())}
		}, ErrCertificateIssuer},
	} {
		for _, version := range []string{"3", "4.1"} {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				v := newVault(t, version, c.spoil)
				r, err := probe(t, v.config)
				fails(t, err, StartTLS, c.cause)
				if learnt(r, Connect) == "" {
					t.Error("the connect was no rung of its own")
				}
				noState(t, v.Hostile)
			})
		}
	}
}

// A server that stops in the middle ends the probe at its deadline, and at the
// step that it had come to.
func TestHandshakeStalls(t *testing.T) {
	hang := func(c net.Conn) bool { return nfstest.Hang(c, nfstest.Call{}, nil) }
	for name, c := range map[string]struct {
		spoil func(_ *nfstest.Authority, b *nfstest.TLS)
		step  Step
	}{
		"at AUTH_TLS": {func(_ *nfstest.Authority, b *nfstest.TLS) {
			b.Answer = nfstest.Hang
		}, StartTLS},
		"in the handshake": {func(_ *nfstest.Authority, b *nfstest.TLS) { b.Start = hang }, StartTLS},
		"in the server's half": {func(_ *nfstest.Authority, b *nfstest.TLS) {
			b.Start = func(c net.Conn) bool {
				readHello(c)
				c.Write([]byte{22, 3, 3, 0, 100, 2})
				return hang(c)
			}
		}, StartTLS},
		"behind the handshake": {func(_ *nfstest.Authority, b *nfstest.TLS) {
			b.Established = func(c net.Conn, _ *tls.Conn, _ string) bool { return hang(c) }
		}, Null},
	} {
		for _, version := range []string{"3", "4.1"} {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				v := newVault(t, version, c.spoil)
				_, err := probeUntilDeadline(t, New(v.config), c.step)
				fails(t, err, c.step, context.DeadlineExceeded)
				noState(t, v.Hostile)
			})
		}
	}
}

// What a server may send behind the handshake and must not.
func TestBrokenTLS(t *testing.T) {
	sealed := func(kind byte, content ...byte) func(*testing.T, net.Conn, *tls.Conn, string) {
		return func(t *testing.T, raw net.Conn, secured *tls.Conn, secrets string) {
			raw.Write(seal(t, secured.ConnectionState().CipherSuite, secrets, kind, content))
		}
	}
	const alert, handshake = 21, 22
	for name, c := range map[string]struct {
		send  func(t *testing.T, raw net.Conn, secured *tls.Conn, secrets string)
		cause error
	}{
		"close_notify in a record of RPC": {func(_ *testing.T, _ net.Conn, secured *tls.Conn, _ string) {
			secured.Write(nfstest.Record(make([]byte, 100))[:50])
			secured.CloseWrite()
		}, broken("read", io.EOF)},
		"half of a record": {func(_ *testing.T, raw net.Conn, _ *tls.Conn, _ string) {
			raw.Write([]byte{23, 3, 3, 0, 100, 1, 2, 3})
			raw.Close()
		}, broken("read", io.EOF)},
		"an answer in clear": {func(_ *testing.T, raw net.Conn, _ *tls.Conn, _ string) {
			raw.Write(nfstest.Record(nfstest.StartTLS(1)))
		}, ErrBrokenTLS},
		"a record that was changed": {func(_ *testing.T, raw net.Conn, _ *tls.Conn, _ string) {
			raw.Write(append([]byte{23, 3, 3, 0, 100}, make([]byte, 100)...))
		}, ErrBrokenTLS},
		"a renegotiation":      {sealed(handshake, 0, 0, 0, 0), ErrBrokenTLS}, // HelloRequest
		"an unknown handshake": {sealed(handshake, 99, 0, 0, 0), ErrBrokenTLS},
		"an alert":             {sealed(alert, 2, 80), ErrAlert}, // internal_error
		"a close_notify":       {sealed(alert, 1, 0), broken("read", io.EOF)},
	} {
		for _, version := range []string{"3", "4.1"} {
			t.Run(name+" "+version, func(t *testing.T) {
				t.Parallel()
				v := newVault(t, version, func(_ *nfstest.Authority, b *nfstest.TLS) {
					b.Established = func(raw net.Conn, secured *tls.Conn, secrets string) bool {
						c.send(t, raw, secured, secrets)
						return nfstest.Hang(raw, nfstest.Call{}, nil)
					}
				})
				_, err := probe(t, v.config)
				fails(t, err, Null, c.cause)
				noState(t, v.Hostile)
			})
		}
	}
}

// seal makes the first record that a server sends behind the handshake (RFC
// 8446 5.2, 7.3).
func seal(t *testing.T, suite uint16, secrets string, kind byte, content []byte) []byte {
	t.Helper()
	if suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Fatalf("the cipher is %s", tls.CipherSuiteName(suite))
	}
	_, line, _ := strings.Cut(secrets, "SERVER_TRAFFIC_SECRET_0 ")
	line, _, _ = strings.Cut(line, "\n")
	secret, err := hex.DecodeString(line[strings.LastIndexByte(line, ' ')+1:])
	if err != nil {
		t.Fatal(err)
	}
	derive := func(label string, length int) []byte {
		label = "tls13 " + label
		info := append(binary.BigEndian.AppendUint16(nil, uint16(length)), byte(len(label)))
		key, err := hkdf.Expand(sha256.New, secret, string(append(append(info, label...), 0)), length)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	block, err := aes.NewCipher(derive("key", 16))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	inner := append(content, kind)
	header := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(inner)+gcm.Overhead()))
	return gcm.Seal(header, derive("iv", 12), inner, header)
}

func FuzzParseStartTLS(f *testing.F) {
	f.Add(nfstest.StartTLS(7))
	f.Add(nfstest.StartTLS(8))
	for _, words := range [][]uint32{{7, 1, 0, 0, 0, 0}, {7, 1, 1, 1, 5}, {7, 1, 0, 0, 0xffffffff},
		{7, 1, 0, 1, 8, 0x53544152, 0x54544c53, 0}, {7, 1, 0, 0, 0, 2, 4, 4}} {
		f.Add(xdr(words...))
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		err := parseStartTLS(bytes.Clone(record), 7)
		var refused *RPCError
		if err == nil && !bytes.Contains(record, []byte(startTLS)) {
			t.Errorf("%x is taken for an offer", record)
		}
		if !errors.As(err, &refused) {
			decoded(t, err, ErrNoTLS)
		}
	})
}

// FuzzHandshake is about what is made of errors of crypto/tls: whatever a
// server sends, the probe fails with an error of its own types.
func FuzzHandshake(f *testing.F) {
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40})
	f.Add([]byte{21, 3, 3, 0, 2, 2, 116})
	f.Add([]byte{22, 3, 3, 0, 4, 0, 0, 0, 0})
	f.Add([]byte{23, 3, 3, 0, 1, 0})
	f.Add(nfstest.Record(nfstest.StartTLS(7)))
	f.Add(append([]byte{22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3}, make([]byte, 36)...))
	config := Config{Address: "files.test"}.tls(new(tls.Config))
	f.Fuzz(func(t *testing.T, sent []byte) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go func() {
			go io.Copy(io.Discard, theirs)
			theirs.Write(sent)
			theirs.Close()
		}()
		_, err := newClient(ours, noCredential).handshake(t.Context(), config)
		var op *net.OpError
		var insecure *TLSError
		switch {
		case errors.As(err, &insecure):
		case errors.As(err, &op) && (op.Op == "read" || op.Op == "write"):
		default:
			t.Errorf("%T %v", err, err)
		}
	})
}

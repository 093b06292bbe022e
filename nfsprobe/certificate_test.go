//go:build linux

package nfsprobe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// A server may want to know who the client is.
func TestClientCertificate(t *testing.T) {
	for name, c := range map[string]struct {
		asks  tls.ClientAuthType
		give  func(a *nfstest.Authority) []tls.Certificate
		cause error // nil: it is served
	}{
		"asked for, none": {tls.RequestClientCert, nil, nil},
		"required, none":  {tls.RequireAndVerifyClientCert, nil, ErrClientCertificate},
		"required and given": {tls.RequireAndVerifyClientCert,
			func(a *nfstest.Authority) []tls.Certificate {
				return []tls.Certificate{a.Issue(x509.Certificate{})}
			}, nil},
		"of another authority": {tls.RequireAndVerifyClientCert,
			func(a *nfstest.Authority) []tls.Certificate {
				return []tls.Certificate{nfstest.NewAuthority(t).Issue(x509.Certificate{})}
			}, ErrClientRefused},
		"expired": {tls.RequireAndVerifyClientCert,
			func(a *nfstest.Authority) []tls.Certificate {
				return []tls.Certificate{a.Issue(x509.Certificate{NotAfter: time.Now()})}
			}, ErrClientRefused},
	} {
		for _, version := range []string{"3", "4.1"} {
			t.Run(name+" "+version, func(t *testing.T) {
				var own []tls.Certificate
				v := newVault(t, version, func(a *nfstest.Authority, b *nfstest.TLS) {
					b.Config.ClientAuth, b.Config.ClientCAs = c.asks, a.Pool()
					if c.give != nil {
						own = c.give(a)
					}
				})
				v.config.TLS.Certificates = own
				r, err := probe(t, v.config)
				if c.cause != nil {
					fails(t, err, Null, c.cause)
					return
				}
				said := learnt(r, StartTLS)
				if err != nil || strings.Contains(said, "asks for a client") != (own == nil) {
					t.Errorf("%v, %q", err, said)
				}
				noState(t, v.Hostile)
			})
		}
	}
	// A server that lets every client in, but not to every export.
	for version, refuse := range map[string]func(h *nfstest.Hostile){
		"3":   on(nfstest.Getattr3, nfstest.GetattrStatus(nfsv3.NFS3ERR_ACCES)),
		"4.1": failing(nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_WRONGSEC),
	} {
		for _, asks := range []tls.ClientAuthType{tls.RequestClientCert, tls.NoClientCert} {
			v := newVault(t, version, func(_ *nfstest.Authority, b *nfstest.TLS) {
				b.Config.ClientAuth = asks
			})
			refuse(v.Hostile)
			_, err := probe(t, v.config)
			if err == nil || errors.Is(err, ErrTLS) ||
				errors.Is(err, ErrClientCertificate) != (asks == tls.RequestClientCert) {
				t.Errorf("%s, %v: %v", version, asks, err)
			}
		}
	}
}

// Whose certificate ends soon is warned of, in the same words each time.
func TestCertificateEnds(t *testing.T) {
	end := time.Now().Add(soon - time.Hour)
	date := end.UTC().Format("2006-01-02 15:04 UTC")
	v := newVault(t, "3", func(a *nfstest.Authority, b *nfstest.TLS) {
		c := fileServer()
		c.NotAfter = end
		b.Config.Certificates = []tls.Certificate{a.Issue(c)}
	})
	v.config.TLS.Certificates = []tls.Certificate{v.authority.Issue(x509.Certificate{NotAfter: end,
		DNSNames: []string{"watch.test"}})}
	want := "the server's certificate (files.test) ends on " + date +
		" the client certificate (watch.test) ends on " + date
	r, err := probe(t, v.config)
	if got := strings.Join(r.Warnings, " "); err != nil || got != want {
		t.Errorf("%v, %q\nwant %q", err, got, want)
	}
}

// The name is the one of the address if there is no other, also of an address
// with a zone.
func TestServerName(t *testing.T) {
	for address, want := range map[string]string{"files.test": "files.test", "192.0.2.1": "192.0.2.1",
		"fe80::1%eth0": "fe80::1"} {
		p := New(Config{Address: address, TLS: new(tls.Config)})
		if got := p.config.TLS.ServerName; got != want {
			t.Errorf("%s: %q", address, got)
		}
	}
}

// Whoever has a new authority takes it for the next probe.
func TestSecure(t *testing.T) {
	v := newVault(t, "4.2", nil)
	right := v.config.TLS
	v.config.TLS = &tls.Config{ServerName: "files.test", RootCAs: x509.NewCertPool()}
	p := New(v.config)
	_, err := probeWith(t, p)
	fails(t, err, StartTLS, ErrCertificateIssuer)
	p.Secure(right)
	if _, err := probeWith(t, p); err != nil {
		t.Error(err)
	}
}

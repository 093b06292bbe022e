//go:build linux

package nfsprobe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// hardened is hostileGSS behind TLS. A server that takes TLS alone is at
// h.NFSPort.
func hardened(
	t testing.TB, version, security string,
) (*nfstest.Hostile, *nfstest.GSS, Config) {
	t.Helper()
	h, gss, c := hostileGSS(t, version, security)
	a := nfstest.NewAuthority(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	nfstest.TLSProxy(t, l, func() (net.Conn, error) {
		return net.Dial("tcp", net.JoinHostPort(h.Address, strconv.Itoa(h.NFSPort)))
	}, nfstest.TLS{Config: &tls.Config{Certificates: []tls.Certificate{a.Issue(fileServer())}}})
	c.Port = l.Addr().(*net.TCPAddr).Port
	c.TLS = &tls.Config{ServerName: "files.test", RootCAs: a.Pool()}
	return h, gss, c
}

// Kerberos goes within TLS, and nothing of it is in clear on the wire.
func TestSecuritiesOverTLS(t *testing.T) {
	for _, version := range versions {
		for _, security := range kerberized {
			h, gss, c := hardened(t, version, security)
			last := nfstest.Compound
			if version == "3" {
				last = nfstest.Access3
			}
			// In between, the server loses the context.
			h.On(last, nfstest.Times(1, func(conn net.Conn, call nfstest.Call, healthy func() []byte) bool {
				gss.Forget()
				return nfstest.Denied(rpcv2.RPCSEC_GSS_CTXPROBLEM)(conn, call, healthy)
			}, nfstest.Healthy))
			r, err := probe(t, c)
			if made, held := gss.Contexts(); err != nil || made != 2 || held != 0 ||
				len(r.Warnings) != 1 || learnt(r, BeginContext) == "" ||
				!strings.HasPrefix(learnt(r, StartTLS), "TLS 1.3, ") {
				t.Errorf("%s, %s: %v, %+v; %d contexts made, %d left", version, security, err, r, made, held)
			}
			askedSecurely(t, h)
			noState(t, h)
			for _, s := range r.Wire {
				mountPort := uint16(h.MountPort)
				if s.From.Port() != mountPort && s.To.Port() != mountPort &&
					(bytes.Contains(s.Data, []byte("export")) || bytes.Contains(s.Data, []byte("context 1"))) {
					t.Errorf("%s, %s: in clear: %q", version, security, s.Data)
				}
			}
			// What protects the reply is checked within TLS, too.
			h.On(last, nfstest.Flipped(20))
			_, err = probe(t, c)
			var broken *ProtectionError
			if !errors.As(err, &broken) || broken.What != "verifier" {
				t.Errorf("%s, %s: %v", version, security, err)
			}
		}
	}
	h, _, c := hardened(t, "4.1", "krb5p")
	h.On(nfstest.GSSInit, nfstest.Hang)
	_, err := probeUntilDeadline(t, New(c), BeginContext)
	fails(t, err, BeginContext, context.DeadlineExceeded)
}

// An export that wants both TLS and Kerberos says of TLS only that it refuses.
func TestNeedsTLSToo(t *testing.T) {
	for version, refuse := range map[string]func(*nfstest.Hostile){
		"3":   on(nfstest.Access3, nfstest.AccessStatus(nfsv3.NFS3ERR_ACCES)),
		"4.2": failing(nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_WRONGSEC),
	} {
		h, _, c := hostileGSS(t, version, "krb5p")
		refuse(h)
		h.On(nfstest.Null3, speaksTLS)
		h.On(nfstest.Null4, speaksTLS)
		_, err := probe(t, c)
		if !errors.Is(err, ErrTLS) || errors.As(err, new(*FlavorError)) {
			t.Errorf("%s: %v", version, err)
		}
	}
}

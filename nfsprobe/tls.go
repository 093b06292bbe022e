package nfsprobe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// alpn is the protocol that TLS carries (RFC 9289 7.2). Servers need not answer
// with it.
const alpn = "sunrpc"

// soon is before the end of a certificate when the report warns of it.
const soon = 14 * 24 * time.Hour

// TLSError is TLS that could not be had, or that broke. The connection is of no
// further use.
type TLSError struct {
	Fault error // one of those below
	Err   error
}

func (e *TLSError) Error() string   { return e.Fault.Error() + ": " + e.Err.Error() }
func (e *TLSError) Unwrap() []error { return []error{e.Fault, e.Err} }

var (
	// ErrNoTLS: the server does not speak TLS.
	ErrNoTLS = errors.New("the server offers no TLS")
	// ErrCertificateExpired, ErrCertificateEarly, ErrCertificateName and
	// ErrCertificateIssuer: a certificate of the server is past its end, before
	// its start, for another name, or from an authority that is not known. A
	// certificate that cannot be accepted for another reason is
	// ErrCertificate.
	ErrCertificateExpired = errors.New("the server's certificate has expired")
	ErrCertificateEarly   = errors.New("the server's certificate is not valid yet")
	ErrCertificateName    = errors.New("the server's certificate is for another name")
	ErrCertificateIssuer  = errors.New("the server's certificate is from an unknown authority")
	ErrCertificate        = errors.New("the server's certificate cannot be accepted")
	// ErrClientCertificate: the server wants a certificate of the client, and
	// there is none. ErrClientRefused: it does not accept the one it got.
	ErrClientCertificate = errors.New("the server requires a client certificate")
	ErrClientRefused     = errors.New("the server does not accept the client certificate")
	// ErrAlert: the server ended TLS with another alert (RFC 8446 6.2).
	ErrAlert = errors.New("the server ended TLS with an alert")
	// ErrBrokenTLS: what came is not TLS, or breaks its rules.
	ErrBrokenTLS = errors.New("broken TLS")
)

// tls completes what is configured.
func (c Config) tls(given *tls.Config) *tls.Config {
	if given == nil {
		return nil
	}
	full := given.Clone()
	// Of older versions RFC 9289 5 allows none.
	full.MinVersion, full.NextProtos = tls.VersionTLS13, []string{alpn}
	if full.ServerName == "" {
		full.ServerName, _, _ = strings.Cut(c.Address, "%") // without a zone
	}
	return full
}

// secure puts TLS on a connection to NFS (RFC 9289 4.1).
func (a *attempt) secure(ctx context.Context, r *Report, c *client) error {
	return a.climb(ctx, r, StartTLS, func() (string, error) {
		if err := c.askTLS(ctx, a.nullVersion()); err != nil {
			return "", err
		}
		config := a.TLS.Clone()
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(config.Certificates) > 0 {
				return &config.Certificates[0], nil
			}
			a.certificateWanted = true
			return new(tls.Certificate), nil
		}
		state, err := c.handshake(ctx, config)
		if err != nil {
			return "", err
		}
		r.warnOfEnds("the server's certificate", state.VerifiedChains[0])
		for _, own := range config.Certificates {
			r.warnOfEnds("the client certificate", []*x509.Certificate{own.Leaf})
		}
		own := state.PeerCertificates[0]
		learnt := fmt.Sprintf("%s, %s, certificate of %s until %s", tls.VersionName(state.Version),
			tls.CipherSuiteName(state.CipherSuite), certificateName(own), date(own.NotAfter))
		if a.certificateWanted {
			learnt += ", which asks for a client certificate"
		}
		return learnt, nil
	})
}

// handshake makes the connection one with TLS.
func (c *client) handshake(
	ctx context.Context, config *tls.Config,
) (state tls.ConnectionState, err error) {
	if n := c.in.Buffered(); n > 0 { // it would be taken for what TLS protects
		return state, &TLSError{ErrBrokenTLS, fmt.Errorf("%d bytes in clear behind %s", n, startTLS)}
	}
	if err := c.bound(ctx); err != nil {
		return state, whyEnded(ctx, err)
	}
	secured := tls.Client(c.Conn, config)
	if err := secured.Handshake(); err != nil {
		return state, whyEnded(ctx, netError("read", c, err))
	}
	c.Conn = secured
	c.in.Reset(secured)
	return secured.ConnectionState(), nil
}

// warnOfEnds warns of certificates that end soon.
func (r *Report) warnOfEnds(whose string, chain []*x509.Certificate) {
	for _, one := range chain {
		if time.Until(one.NotAfter) < soon {
			r.warnOnce(fmt.Sprintf("%s (%s) ends on %s", whose, certificateName(one), date(one.NotAfter)))
		}
		whose = "the authority of " + whose
	}
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// certificateName is the first name in a certificate that clients look at, or
// else its common name.
func certificateName(c *x509.Certificate) string {
	name := c.Subject.CommonName
	switch {
	case len(c.DNSNames) > 0:
		name = c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		name = c.IPAddresses[0].String()
	}
	return printable(name)
}

// clientAlerts are the alerts about a certificate of the client (RFC 8446 6.2),
// as crypto/tls words them.
var clientAlerts = []string{"bad certificate", "unsupported certificate", "revoked certificate",
	"expired certificate", "unknown certificate", "unknown certificate authority",
	"access denied"}

// tlsError makes a *TLSError of an error of TLS, and returns all others as they
// are.
func tlsError(err error) error {
	var (
		known     *TLSError
		untrusted *tls.CertificateVerificationError
		header    tls.RecordHeaderError
		op        *net.OpError
	)
	fault := error(nil)
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &untrusted):
		return certificateError(untrusted.Err)
	case errors.As(err, &op) && op.Op == "remote error":
		err = op.Err
		switch alert := strings.TrimPrefix(err.Error(), "tls: "); {
		case alert == "certificate required":
			fault = ErrClientCertificate
		case slices.Contains(clientAlerts, alert):
			fault = ErrClientRefused
		default:
			fault = ErrAlert
		}
	case errors.As(err, &op) && op.Op == "local error":
		fault, err = ErrBrokenTLS, op.Err
	case errors.As(err, &header), strings.HasPrefix(err.Error(), "tls: "):
		fault = ErrBrokenTLS
	default:
		return err
	}
	return &TLSError{fault, err}
}

// certificateError says why a certificate of the server was not accepted, in
// words that are the same each time.
func certificateError(err error) *TLSError {
	var (
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
		issuer  x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		whose := certificateName(invalid.Cert)
		if start := invalid.Cert.NotBefore; time.Now().Before(start) {
			return &TLSError{ErrCertificateEarly, fmt.Errorf("%s begins on %s", whose, date(start))}
		}
		return &TLSError{ErrCertificateExpired,
			fmt.Errorf("%s ended on %s", whose, date(invalid.Cert.NotAfter))}
	case errors.As(err, &name):
		return &TLSError{ErrCertificateName, err}
	case errors.As(err, &issuer):
		return &TLSError{ErrCertificateIssuer, err}
	}
	return &TLSError{ErrCertificate, err}
}

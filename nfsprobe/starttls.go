package nfsprobe

import (
	"context"
	"errors"
	"fmt"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// authTLS is the flavor of a NULL call that asks whether a server speaks TLS;
// one that does answers with a verifier of startTLS (RFC 9289 4.1).
const (
	authTLS  = rpcv2.AuthFlavor(7)
	startTLS = "STARTTLS"
)

// needsTLS adds ErrTLS to a refusal, if it may be for want of TLS and the
// server speaks TLS. It asks over a connection of its own, and only then. With
// TLS the want may be a certificate of the client.
func (a *attempt) needsTLS(ctx context.Context, r *Report, err error) error {
	var failed *Error
	if !errors.As(err, &failed) || !mayNeedTLS(failed) || r.NFSPort == 0 {
		return err
	}
	switch {
	case a.certificateWanted:
		failed.Err = &TLSError{ErrClientCertificate, bare(failed.Err)}
	case a.TLS == nil && a.offersTLS(ctx, r.NFSPort):
		failed.Err = fmt.Errorf("%w: %w", ErrTLS, bare(failed.Err))
	}
	return err
}

// mayNeedTLS reports whether a server may have meant that it wants TLS: the
// Linux server answers WRONGSEC, in version 3 ACCES to a handle that its mount
// service has just given out; RFC 9289 4.2 has AUTH_TOOWEAK.
func mayNeedTLS(failed *Error) bool {
	var refused *RPCError
	if errors.As(failed, &refused) {
		return refused.Auth == "AUTH_TOOWEAK"
	}
	return refused4(failed, nfsv4.NFS4ERR_WRONGSEC) ||
		errors.Is(failed, Status3(nfsv3.NFS3ERR_ACCES)) &&
			(failed.Step == Getattr || failed.Step == Access)
}

// bare is err without the guess that it was about Kerberos.
func bare(err error) error {
	var status *Status4
	var refused *RPCError
	switch {
	case errors.As(err, &status):
		return status
	case errors.As(err, &refused):
		return refused
	}
	return err
}

// offersTLS asks over a connection of its own whether the server speaks TLS.
func (a *attempt) offersTLS(ctx context.Context, port int) bool {
	_, err := guarded(func() (string, error) {
		conn, err := a.connect(ctx, port, false)
		if err != nil {
			return "", err
		}
		c := newClient(conn, noCredential)
		defer c.Close()
		return "", c.askTLS(ctx, a.nullVersion())
	})
	return err == nil
}

// nullVersion is the version of NFS of which NULL is called.
func (a *attempt) nullVersion() uint32 {
	if a.Version == "3" {
		return nfs3Version
	}
	return nfs4Version
}

// askTLS calls NULL of a version of NFS with AUTH_TLS. nil: the server speaks
// TLS, and its next bytes on this connection are those of a handshake.
func (c *client) askTLS(ctx context.Context, version uint32) error {
	own := c.cred
	c.cred = rpcv2.OpaqueAuth{Flavor: authTLS}
	p := c.queue(nfsProgram, version, procNull, nil)
	c.cred = own
	if err := c.receive(ctx, p); err != nil {
		return err
	}
	return parseStartTLS(p.reply, p.xid)
}

// parseStartTLS checks the answer to NULL with AUTH_TLS (RFC 9289 4.1). A
// server that does not speak TLS refuses the flavor, or ignores it.
func parseStartTLS(record []byte, xid uint32) error {
	offered := false
	_, err := checkReply(record, xid, func(v rpcv2.OpaqueAuth) error {
		offered = v.Flavor == rpcv2.AUTH_NONE && string(v.Body) == startTLS
		return nil
	})
	var refused *RPCError
	switch {
	case errors.As(err, &refused) && refused.Stat == "AUTH_ERROR":
		return &TLSError{ErrNoTLS, err}
	case err == nil && !offered:
		return &TLSError{ErrNoTLS, errors.New("no " + startTLS + " in its answer to AUTH_TLS")}
	}
	return err
}

package nfsprobe

import (
	"bytes"
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
// server speaks TLS. It asks over a connection of its own, and only then.
func (a *attempt) needsTLS(ctx context.Context, r *Report, err error) error {
	var failed *Error
	if !errors.As(err, &failed) || !mayNeedTLS(failed) || r.NFSPort == 0 {
		return err
	}
	speaks, _ := guarded(func() (string, error) { return a.askTLS(ctx, r.NFSPort) })
	if speaks == "" {
		return err
	}
	failed.Err = fmt.Errorf("%w: %w", ErrTLS, bare(failed.Err))
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

// askTLS calls NULL with AUTH_TLS and returns startTLS if the server answers
// so.
func (a *attempt) askTLS(ctx context.Context, port int) (answer string, err error) {
	conn, err := a.connect(ctx, port, false)
	if err != nil {
		return "", err
	}
	c := newClient(conn, rpcv2.OpaqueAuth{Flavor: authTLS})
	defer c.Close()
	if err := c.bound(ctx); err != nil {
		return "", err
	}
	version := uint32(nfs4Version)
	if a.Version == "3" {
		version = nfs3Version
	}
	call, err := c.encode(nfsProgram, version, procNull, nil)
	if err != nil {
		return "", err
	}
	if _, err := c.Write(call); err != nil {
		return "", err
	}
	record, err := readRecord(c.in)
	if err != nil {
		return "", err
	}
	var m rpcv2.RpcMsg
	if _, err := m.ReadFrom(message{bytes.NewReader(record)}); err != nil {
		return "", err
	}
	if reply, is := m.Body.(*rpcv2.RpcMsgBody_REPLY); is && m.Xid == c.xid {
		if ok, is := reply.Rbody.(*rpcv2.ReplyBody_MSG_ACCEPTED); is &&
			string(ok.Areply.Verf.Body) == startTLS {
			return startTLS, nil
		}
	}
	return "", nil
}

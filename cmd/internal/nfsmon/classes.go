package nfsmon

import (
	"errors"
	"strings"

	"fsmon/cmd/internal/cli"
	"fsmon/nfsprobe"
)

// classOf is the class of a failed probe; network is that of its error number,
// if it has one. At the steps that open files the server has let the watch in,
// so a refusal is about the disk. That a directory is not there (NOENT) is
// about the server: its disk may not be mounted.
func classOf(probe *nfsprobe.Error, network cli.Class) cli.Class {
	var (
		status nfsprobe.Status
		rpc    *nfsprobe.RPCError
	)
	switch {
	case probe.Step == nfsprobe.Socket:
		return cli.Local
	case fileLooks[probe.Step] != nil:
		return cli.Server
	case errors.Is(probe, nfsprobe.ErrClientCertificate), errors.Is(probe, nfsprobe.ErrClientRefused):
		return cli.Account
	case errors.Is(probe, nfsprobe.ErrCertificateExpired),
		errors.Is(probe, nfsprobe.ErrCertificateEarly), errors.Is(probe, nfsprobe.ErrCertificateName),
		errors.Is(probe, nfsprobe.ErrCertificateIssuer), errors.Is(probe, nfsprobe.ErrCertificate):
		return cli.Access
	case errors.As(probe, new(*nfsprobe.FlavorError)):
		return cli.Access
	case errors.As(probe, new(*nfsprobe.ProtectionError)), errors.As(probe, new(*nfsprobe.GSSError)),
		probe.Step == nfsprobe.BeginContext && errors.As(probe, &rpc),
		errors.As(probe, &rpc) && strings.HasPrefix(rpc.Auth, "RPCSEC_GSS_"):
		// Its key or its clock is wrong, or it loses what it has made: that is
		// not about who asks.
		return cli.Server
	case errors.Is(probe, nfsprobe.ErrNoTLS):
		return cli.Server
	case errors.Is(probe, nfsprobe.ErrKerberos), errors.Is(probe, nfsprobe.ErrPortOrKerberos),
		errors.Is(probe, nfsprobe.ErrTLS):
		return cli.Access
	case errors.As(probe, &status):
		switch status.Name() {
		case "PERM", "ACCES", "ACCESS", "WRONGSEC":
			return cli.Access
		}
		return cli.Server
	case errors.As(probe, &rpc) && rpc.Stat == "AUTH_ERROR":
		return cli.Access
	}
	return network
}

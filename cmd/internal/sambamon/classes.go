package sambamon

import (
	"errors"

	"fsmon/cmd/internal/cli"
	"fsmon/smbprobe"
)

// classes has the statuses that are not about the server. That a share is not
// there (BAD_NETWORK_NAME) is about the server: its disk may not be mounted.
var classes = map[smbprobe.Status]cli.Class{
	0xC0000064: cli.Account, // NO_SUCH_USER
	0xC000006A: cli.Account, // WRONG_PASSWORD
	0xC000006D: cli.Account, // LOGON_FAILURE
	0xC000006E: cli.Account, // ACCOUNT_RESTRICTION
	0xC000006F: cli.Account, // INVALID_LOGON_HOURS
	0xC0000070: cli.Account, // INVALID_WORKSTATION
	0xC0000071: cli.Account, // PASSWORD_EXPIRED
	0xC0000072: cli.Account, // ACCOUNT_DISABLED
	0xC0000155: cli.Account, // LOGON_NOT_GRANTED
	0xC000015B: cli.Account, // LOGON_TYPE_NOT_GRANTED
	0xC0000193: cli.Account, // ACCOUNT_EXPIRED
	0xC0000198: cli.Account, // NOLOGON_INTERDOMAIN_TRUST_ACCOUNT
	0xC0000199: cli.Account, // NOLOGON_WORKSTATION_TRUST_ACCOUNT
	0xC000019A: cli.Account, // NOLOGON_SERVER_TRUST_ACCOUNT
	0xC0000224: cli.Account, // PASSWORD_MUST_CHANGE
	0xC0000234: cli.Account, // ACCOUNT_LOCKED_OUT
	0xC0000413: cli.Account, // AUTHENTICATION_FIREWALL_FAILED
	0xC0000418: cli.Account, // NTLM_BLOCKED
	0xC0000022: cli.Access,  // ACCESS_DENIED
	0xC00000CA: cli.Access,  // NETWORK_ACCESS_DENIED
	0xC00000CB: cli.Access,  // BAD_DEVICE_TYPE
}

const logonFailure = smbprobe.Status(0xC000006D)

// classOf is the class of a failed probe; network is that of its error number,
// if it has one. At the steps that open files the server has let the watch in,
// so a refusal is about the disk: Samba says ACCESS_DENIED of one that has
// become read-only, too.
func (f *flags) classOf(probe *smbprobe.Error, network cli.Class) cli.Class {
	var (
		status    smbprobe.Status
		netbios   *smbprobe.NetBIOSError
		shareType *smbprobe.ShareTypeError
		refusal   *smbprobe.RefusedError
	)
	switch {
	case probe.Step == smbprobe.Socket:
		return cli.Local
	case probe.Step.OpensFiles():
		return cli.Server
	case errors.As(probe, &shareType):
		return cli.Access
	case errors.As(probe, &netbios) && netbios.Code == 0x81: // hosts deny
		return cli.Access
	case f.kerberos && ticketRefused(probe):
		// Its key or its clock is wrong, or its key is gone: that is not about who
		// asks, whom the KDC has vouched for.
		return cli.Server
	case errors.As(probe, &refusal), errors.Is(probe, smbprobe.ErrOtherLogin):
		return cli.Account
	case errors.As(probe, &status) && probe.Step == smbprobe.SessionSetup &&
		classes[status] == cli.Access:
		return cli.Account // it may not log on
	case errors.As(probe, &status):
		return classes[status]
	}
	return network
}

// ticketRefused reports that the server could not read the ticket, or takes
// none: with a message of Kerberos, as Windows, or with LOGON_FAILURE, as Samba,
// which has other statuses for users that it does not let in.
func ticketRefused(probe *smbprobe.Error) bool {
	return probe.Step == smbprobe.SessionSetup &&
		(errors.As(probe, new(*smbprobe.RefusedError)) || errors.Is(probe, smbprobe.ErrOtherLogin) ||
			errors.Is(probe, logonFailure))
}

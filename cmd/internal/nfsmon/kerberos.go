package nfsmon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fsmon/cmd/internal/cli"
	"fsmon/cmd/internal/kerberos"
	"fsmon/nfsprobe"
)

// tickets is what gets the tickets for the server at an address, as --sec and
// the options of Kerberos say; nil: none are needed. Its error is wrong usage or
// configuration.
func (f *flags) tickets(address string) (*cli.Tickets, error) {
	if err := nfsprobe.CheckSecurity(f.sec); err != nil {
		return nil, fmt.Errorf("--sec: %q is not accepted (%w)", f.sec, err)
	}
	given := f.kerberos.Given()
	if given == "" && f.credentials != "" {
		given = "--credentials"
	}
	switch {
	case f.sec == "sys" && given != "":
		return nil, fmt.Errorf("%s: needs --sec krb5, krb5i or krb5p", given)
	case f.sec == "sys":
		return nil, nil
	}
	var login *cli.Rotation
	if f.credentials != "" {
		var err error
		if login, err = cli.ReadCredentials(f.credentials); err != nil {
			return nil, err
		}
		f.user = login.Login().User
	}
	return f.kerberos.Tickets("nfs", address, login)
}

// logsIn gets what a probe makes its security contexts with.
func logsIn(tickets *cli.Tickets) func(context.Context) (nfsprobe.Login, error) {
	return func(ctx context.Context) (nfsprobe.Login, error) {
		t, err := tickets.Ticket(ctx)
		if err != nil {
			return nfsprobe.Login{}, err
		}
		return nfsprobe.Login{
			User: t.Principal, Learnt: cli.Learnt(t), Warnings: tickets.TicketWarnings(t),
			Context: func() nfsprobe.GSSContext { return t.Context() },
			Forget:  func() bool { return tickets.Forget(t) },
		}, nil
	}
}

// explainSecurity explains what failed for want of a security context, or in
// one. ok: it was that.
func (f *flags) explainSecurity(d *cli.Diagnosis, probe *nfsprobe.Error) (text string, ok bool) {
	var (
		flavor  *nfsprobe.FlavorError
		refused *nfsprobe.GSSError
		broken  *nfsprobe.ProtectionError
		rpc     *nfsprobe.RPCError
		code    *kerberos.Error
	)
	switch {
	case errors.As(probe, &flavor):
		d.Name, d.Look = flavor.Error(), fmt.Sprintf(lookFlavor, f.sec)
		return "mount error(export does not offer " + flavor.Wanted + ")", true
	case errors.As(probe, &broken):
		d.Name, d.Look = "wrong "+broken.What+" of a reply", lookProtection
		if broken.What == "verifier" || broken.What == "token" {
			return "RPC: Authentication error; why = Invalid server verifier", true
		}
		return "RPC: Can't decode result", true
	case errors.As(probe, &refused):
		if !errors.As(refused.Err, &code) {
			code = &kerberos.Error{Code: int32(refused.Code())}
		}
		d.Name, d.Code = code.Name(), fmt.Sprintf("GSS 0x%X, minor 0x%X", refused.Major, refused.Minor)
		if d.Name == "" {
			d.Name = "no security context"
		}
		d.Look = lookContext
		if code.Code == kerberos.SkewTooGreat {
			d.Look = lookServerSkew
		}
		return "RPC: Authentication error; why = " + d.Name, true
	case errors.As(probe, &rpc) && rpc.Stat == "AUTH_ERROR" && f.usesKerberos() &&
		probe.Step >= nfsprobe.BeginContext && probe.Step != nfsprobe.Unmount:
		d.Name, d.Look = rpc.Error(), lookContext
		if probe.Step > nfsprobe.BeginContext && strings.HasPrefix(rpc.Auth, "RPCSEC_GSS_") {
			d.Look = lookLost
		}
		return "RPC: " + rpc.Error(), true
	case errors.As(probe, &rpc) && rpc.Stat == "GARBAGE_ARGS" && f.usesKerberos():
		d.Name, d.Look = rpc.Error(), fmt.Sprintf(lookGarbage, f.sec)
		return "RPC: " + rpc.Error(), true
	}
	return "", false
}

func (f *flags) usesKerberos() bool { return f.sec != "" && f.sec != "sys" }

const (
	lookFlavor = "The directory is exported, but not for --sec %s: look at the export's sec= in " +
		"exportfs -v, and give --sec one of those that clients use."
	lookContext = "The KDC gave a ticket, but the server does not take it. Look whether --spn is " +
		"the server's name in the realm, whether its keytab has the current key for that (klist " +
		"-kte, compare kvno), whether gssproxy or rpc.svcgssd runs there, and whether its clock is right."
	lookLost = "The server lost the security context of this probe, and the second one that it was " +
		"asked for. Look at its log and its memory, and whether it keeps enough of them (NFS-Ganesha: " +
		"RPC_GSS_Max_Ctx)."
	// Seen with Debian's kernel 6.1: after five seconds it closes the connection.
	lookNoHelper = " It was about to read the watch's ticket, for which a Linux server needs " +
		"gssproxy or rpc.svcgssd: look whether that runs and answers."
	lookServerSkew = "The clocks of the server and of this machine are too far apart: five minutes " +
		"are allowed. Look at the time service of both (chronyc tracking)."
	lookKerberosUser = "The server takes who logs in for a user of its own (nfsidmap -l, idmapd.conf), " +
		"mostly for nobody, and that one may not. Give that user the marker to read (chmod a+r), or a " +
		"directory to write to (chown nobody), or let the server know who logs in."
	lookProtection = "What came is not what the server of this security context sends: it was " +
		"changed or repeated on its way, or the server signs or seals wrongly. Try another --sec, " +
		"and look at what stands in between and at the server's log."
	lookGarbage = "The server cannot read what --sec %s protects, and so serves no client that uses " +
		"it, though it makes security contexts: a mistake of the server. A Linux kernel (6.1.192-2 of " +
		"Debian) did so with krb5p. Look at uname -r there, and try another kernel."
)

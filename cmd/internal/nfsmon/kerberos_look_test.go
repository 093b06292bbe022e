package nfsmon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"fsmon/cmd/internal/cli"
	"fsmon/cmd/internal/kerberos"
	"fsmon/nfsprobe"
)

// What may fail because of Kerberos: its message, name, class and advice.
func TestKerberosIsExplained(t *testing.T) {
	t.Parallel()
	denied := func(why string) error { return &nfsprobe.RPCError{Stat: "AUTH_ERROR", Auth: why} }
	skew := &kerberos.Error{Code: kerberos.SkewTooGreat}
	const minor = 0x96c73a00
	for name, c := range map[string]struct {
		step        nfsprobe.Step
		err         error
		class       cli.Class
		text, cause string
		look        string
	}{
		"no ticket": {nfsprobe.Ticket, &kerberos.Error{KDC: "kdc:88", Err: context.DeadlineExceeded},
			cli.KDC, "No Kerberos ticket for the watch of [/e] (KDC kdc:88: context deadline exceeded). " +
				"The file server was not asked.",
			"ETIMEDOUT", "No KDC gives tickets"},
		"no KDC": {nfsprobe.Ticket, &kerberos.Error{Err: kerberos.ErrNoKDC}, cli.KDC,
			"No Kerberos ticket for the watch of [/e] (no KDC is known). The file server was not asked.",
			"no KDC is known", "--kdc HOST"},
		"another flavor": {nfsprobe.Mount, &nfsprobe.FlavorError{Wanted: "krb5p", Offered: "krb5"},
			cli.Access, "clp_nfsmon: mount error(export does not offer krb5p)",
			"export does not offer krb5p (it offers krb5)", "not for --sec krb5p"},
		"another flavor, version 4": {nfsprobe.Lookup, fmt.Errorf("%w: %w",
			&nfsprobe.FlavorError{Wanted: "krb5p"}, &nfsprobe.Status4{Op: "LOOKUP", Code: 10016}),
			cli.Access, "clp_nfsmon: mount error(export does not offer krb5p)",
			"export does not offer krb5p", "exportfs -v"},
		"a refused context": {nfsprobe.BeginContext, &nfsprobe.GSSError{Major: 13 << 16, Minor: minor + 41},
			cli.Server, "clp_nfsmon: RPC: Authentication error; why = KRB_AP_ERR_MODIFIED",
			"KRB_AP_ERR_MODIFIED", "klist -kte"},
		"a server's clock": {nfsprobe.BeginContext, &nfsprobe.GSSError{Major: 13 << 16, Minor: minor + 37},
			cli.Server, "clp_nfsmon: RPC: Authentication error; why = KRB_AP_ERR_SKEW",
			"KRB_AP_ERR_SKEW", "The clocks of the server and of this machine"},
		"a server's clock, by its token": {nfsprobe.BeginContext,
			&nfsprobe.GSSError{Major: 13 << 16, Minor: 1, Err: skew}, cli.Server,
			"clp_nfsmon: RPC: Authentication error; why = KRB_AP_ERR_SKEW", "KRB_AP_ERR_SKEW", "clocks"},
		"a context without a code": {nfsprobe.BeginContext, &nfsprobe.GSSError{Major: 13 << 16},
			cli.Server, "clp_nfsmon: RPC: Authentication error; why = no security context",
			"no security context", "gssproxy"},
		"a denied context": {nfsprobe.BeginContext, denied("AUTH_REJECTEDCRED"), cli.Server,
			"clp_nfsmon: RPC: Authentication error; why = AUTH_REJECTEDCRED",
			"Authentication error; why = AUTH_REJECTEDCRED", "--spn is the server's name"},
		"a context that is lost again": {nfsprobe.Access, denied("RPCSEC_GSS_CREDPROBLEM"), cli.Server,
			"clp_nfsmon: RPC: Authentication error; why = RPCSEC_GSS_CREDPROBLEM",
			"Authentication error; why = RPCSEC_GSS_CREDPROBLEM", "RPC_GSS_Max_Ctx"},
		"a key that the server does not have yet": {nfsprobe.BeginContext,
			&nfsprobe.GSSError{Major: 13 << 16, Minor: minor + 44}, cli.Server,
			"clp_nfsmon: RPC: Authentication error; why = KRB_AP_ERR_BADKEYVER",
			"KRB_AP_ERR_BADKEYVER", "compare kvno"},
		"a server whose helper hangs": {nfsprobe.BeginContext,
			&net.OpError{Op: "read", Err: io.EOF}, cli.Server,
			"clp_nfsmon: RPC: Unable to receive: errno = Connection reset by peer", "ECONNRESET", "rpc.svcgssd"},
		"a server whose helper hangs longer": {nfsprobe.BeginContext, context.DeadlineExceeded, cli.Server,
			"clp_nfsmon: RPC: Timed out", "ETIMEDOUT", "rpc.svcgssd"},
		"a denied MNT": {nfsprobe.Mount, denied("AUTH_BADCRED"), cli.Access,
			"clp_nfsmon: RPC: Authentication error; why = AUTH_BADCRED",
			"Authentication error; why = AUTH_BADCRED", "client list of no export"},
		"a wrong verifier": {nfsprobe.Access,
			&nfsprobe.ProtectionError{What: "verifier", Err: errors.New("x")}, cli.Server,
			"clp_nfsmon: RPC: Authentication error; why = Invalid server verifier",
			"wrong verifier of a reply", "changed or repeated"},
		"a wrong seal": {nfsprobe.Access,
			&nfsprobe.ProtectionError{What: "seal", Err: errors.New("x")}, cli.Server,
			"clp_nfsmon: RPC: Can't decode result", "wrong seal of a reply", "changed or repeated"},
		"who is nobody": {nfsprobe.WriteTest, fmt.Errorf("CREATE: %w", nfsprobe.Status3(13)), cli.Server,
			"The file server has failed the write test of [/e] (CREATE: NFS3ERR_ACCES).", "NFS3ERR_ACCES",
			"mostly for nobody"},
		"a broken kernel": {nfsprobe.Getattr, &nfsprobe.RPCError{Stat: "GARBAGE_ARGS"}, cli.Server,
			"clp_nfsmon: RPC: Server can't decode arguments", "Server can't decode arguments",
			"what --sec krb5p protects"},
	} {
		f := &flags{dir: "/e", sec: "krb5p"}
		d := f.diagnose(fmt.Errorf("wrapped: %w", &nfsprobe.Error{Step: c.step, Err: c.err,
			Connected: c.step != nfsprobe.Ticket, SourcePort: 812}))
		if d.Step != c.step.String() || cmp.Or(d.Class, cli.Server) != c.class || d.Name != c.cause ||
			!strings.Contains(d.Look, c.look) || d.Alerts[0].Text != c.text {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

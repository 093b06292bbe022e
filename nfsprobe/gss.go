package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// Login is a ticket of Kerberos for the server, for one probe. User, Learnt and
// Warnings are for the report.
type Login struct {
	User     string // the principal
	Learnt   string
	Warnings []string
	// Context begins a security context, with an authenticator of its own.
	Context func() GSSContext
	// Forget is told that the server refuses the ticket. It reports whether
	// another may be better: one that was kept may be older than the server's
	// key.
	Forget func() bool
}

// GSSContext is the initiator's end of a security context (RFC 2743, RFC 4121).
// Its methods are called by one goroutine at a time, Init and Accept once and
// in this order. The others are called only if Accept returned nil.
type GSSContext interface {
	Init() (token []byte, err error)
	Accept(token []byte) (next []byte, err error) // next is not sent: Kerberos has none
	MIC(message []byte) []byte                    // nil: it failed
	VerifyMIC(message, mic []byte) error
	Wrap(message []byte, seal bool) ([]byte, error)
	Unwrap(token []byte) (message []byte, sealed bool, err error)
	Wipe() // zeroes the keys, at the end
}

// securities are the values of Config.Security after sys, by their service of
// RPCSEC_GSS: none, integrity, privacy (RFC 2203 5.2.2, RFC 2623 2.2.2).
var securities = []string{"sys", "krb5", "krb5i", "krb5p"}

const (
	serviceIntegrity = 2
	servicePrivacy   = 3
)

// krb5Flavor plus a service of RPCSEC_GSS is the pseudo-flavor of Kerberos with
// it: 390003 is krb5, 390004 krb5i, 390005 krb5p (RFC 2623 2.2.2).
const krb5Flavor = 390002

// CheckSecurity returns an error if a name cannot be Config.Security.
func CheckSecurity(name string) error {
	if !slices.Contains(securities, name) {
		return errors.New("sys, krb5, krb5i or krb5p")
	}
	return nil
}

// service is the service of RPCSEC_GSS that is configured; 0: no Kerberos.
func (c *Config) service() uint32 { return uint32(max(0, slices.Index(securities, c.Security))) }

// FlavorError: the export does not take the security flavor of the probe.
type FlavorError struct {
	Wanted  string // such as "krb5p"
	Offered string // such as "sys:krb5"; empty: the server does not say
}

func (e *FlavorError) Error() string {
	text := "export does not offer " + e.Wanted
	if e.Offered != "" {
		text += " (it offers " + e.Offered + ")"
	}
	return text
}

// GSSError: the server refused the security context (RFC 2203 5.2.3.1).
type GSSError struct {
	Major, Minor uint32 // of GSS (RFC 2743 1.2.1.1)
	Err          error  // what the server's token said; nil: it sent none
}

// krb5Minor plus a Kerberos error code (RFC 4120 7.5.9) is the minor status of
// MIT's library.
const krb5Minor = 0x96c73a00

// Code is the Kerberos error code, such as 37 for a clock skew; 0: unknown.
func (e *GSSError) Code() int {
	if code := e.Minor - krb5Minor; code > 0 && code < 128 {
		return int(code)
	}
	return 0
}

func (e *GSSError) Error() string {
	text := fmt.Sprintf("the server refuses the security context: GSS major status 0x%X, minor "+
		"0x%X", e.Major, e.Minor)
	if code := e.Code(); code != 0 {
		text += fmt.Sprintf(" (Kerberos error %d)", code)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *GSSError) Unwrap() error { return e.Err }

// ProtectionError is a reply that is not what the server of the security
// context has sent to this call: tampered with, replayed, or a mistake of the
// server.
type ProtectionError struct {
	// What is wrong: "verifier", "checksum", "seal", "sequence number", or
	// "token" of the server's answer to the context.
	What string
	Err  error
}

func (e *ProtectionError) Error() string {
	return fmt.Sprintf("the %s of the reply is wrong: %v", e.What, e.Err)
}

func (e *ProtectionError) Unwrap() error { return e.Err }

// getTicket gets a ticket, or the one that is kept.
func (a *attempt) getTicket(ctx context.Context, r *Report) error {
	if a.service() == 0 {
		return nil
	}
	return a.climb(ctx, r, Ticket, func() (learnt string, err error) {
		a.login, err = a.Ticket(ctx)
		r.Warnings = append(r.Warnings, a.login.Warnings...)
		return a.login.Learnt, err
	})
}

// begin makes the security context of a connection.
func (a *attempt) begin(ctx context.Context, r *Report, c *client, version uint32) error {
	if a.service() == 0 {
		return nil
	}
	begin := func(ctx context.Context) error {
		err := c.begin(ctx, version, a.service(), a.login)
		if !refusedContext(err) || !a.login.Forget() {
			return err
		}
		login, noTicket := a.Ticket(ctx)
		if noTicket != nil {
			return err
		}
		a.login = login
		return c.begin(ctx, version, a.service(), login)
	}
	if err := a.climb(ctx, r, BeginContext, func() (string, error) {
		if err := begin(ctx); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s, sequence window %d", a.Security, c.gss.window), nil
	}); err != nil {
		return err
	}
	c.renew = func(ctx context.Context, lost error) error {
		r.warn("the server had lost the security context (%v), so a new one was made", lost)
		return begin(ctx)
	}
	return nil
}

// release ends the security context of a connection. It returns before, the
// error of the probe so far, if there is one.
func (a *attempt) release(ctx context.Context, r *Report, c *client, before error) error {
	switch {
	case c.gss == nil:
	case before == nil:
		return a.climb(ctx, r, DestroyContext, func() (string, error) {
			return r.goodbye(DestroyContext, c.destroy(ctx))
		})
	default:
		// Its own error would add nothing: the context ends with the ticket.
		guarded(func() (string, error) { return "", c.destroy(ctx) })
	}
	return before
}

// refusedContext reports that the server would not make a context.
func refusedContext(err error) bool {
	var refused *GSSError
	var denied *RPCError
	return errors.As(err, &refused) || errors.As(err, &denied) && denied.Stat == "AUTH_ERROR"
}

// lostContext reports that the server does not know the context any more, as
// after a restart (RFC 2203 5.3.3.3).
func lostContext(err error) bool {
	var refused *RPCError
	return errors.As(err, &refused) &&
		(refused.Auth == rpcv2.AuthStat_name[rpcv2.RPCSEC_GSS_CREDPROBLEM] ||
			refused.Auth == rpcv2.AuthStat_name[rpcv2.RPCSEC_GSS_CTXPROBLEM])
}

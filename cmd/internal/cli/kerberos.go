package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"fsmon/cmd/internal/kerberos"
)

// Kerberos is the options of a login by Kerberos, the same in all commands. Its
// fields are those of kerberos.Config.
type Kerberos struct {
	Keytab, CCache, Principal, SPN, Realm string
	KDCs                                  []string
}

// Declare declares --keytab, --ccache, --principal, --spn, --realm and --kdc.
func (k *Kerberos) Declare(o *Options) {
	o.String(&k.Keytab, "keytab", "", "the name of a file")
	o.String(&k.Principal, "principal", "", "a principal, NAME or NAME@REALM")
	o.String(&k.CCache, "ccache", "", "the name of a file")
	o.String(&k.SPN, "spn", "", "a service's principal, SERVICE/HOST")
	o.String(&k.Realm, "realm", "", "a realm's name")
	o.List(&k.KDCs, "kdc", 8, "HOST or HOST:PORT, up to 8 with commas")
}

// Given is the first of these options that was given; empty: none.
func (k *Kerberos) Given() string {
	for _, o := range [][2]string{{"--keytab", k.Keytab}, {"--ccache", k.CCache},
		{"--principal", k.Principal}, {"--spn", k.SPN}, {"--realm", k.Realm},
		{"--kdc", strings.Join(k.KDCs, ",")}} {
		if o[1] != "" {
			return o[0]
		}
	}
	return ""
}

// Tickets gets the tickets of one watch.
type Tickets struct {
	client  *kerberos.Client
	login   *Rotation // nil: there is no password
	user    string    // of --principal; empty: the login's
	realm   string
	service string // "cifs", "nfs"
	spn     string
}

// Tickets makes the source of tickets for a service ("cifs", "nfs") on a host:
// the target's address as the user gave it. A login that is not nil has the
// password. The error is wrong usage or configuration.
func (k *Kerberos) Tickets(service, host string, login *Rotation) (*Tickets, error) {
	sources := 0
	for _, given := range []bool{k.Keytab != "", k.CCache != "", login != nil} {
		if given {
			sources++
		}
	}
	c := kerberos.Config{Principal: k.Principal, Realm: k.Realm, KDCs: k.KDCs,
		Keytab: k.Keytab, CCache: k.CCache}
	t := &Tickets{login: login, user: k.Principal, realm: k.Realm, service: service, spn: k.SPN}
	switch {
	case sources == 0:
		return nil, errors.New("Kerberos needs --keytab, --ccache or a password (--credentials)")
	case sources > 1:
		return nil, errors.New("--keytab, --ccache and a password do not go together (one way to " +
			"log in)")
	case k.CCache != "" && k.Principal != "":
		return nil, errors.New("--principal: does not go with --ccache (which has its owner's " +
			"tickets)")
	case login != nil:
		c.Principal, c.Realm = t.principal(login.Login())
		c.Password = login.Login().Password
	}
	if t.spn == "" {
		if _, err := netip.ParseAddr(host); err == nil {
			return nil, fmt.Errorf("--spn: is needed, such as --spn %s/files.example.com "+
				"(tickets are for names, and %s is an address)", service, host)
		}
		t.spn = service + "/" + strings.TrimSuffix(host, ".")
	}
	if class, name, _ := strings.Cut(t.spn, "/"); class == "" || name == "" {
		return nil, fmt.Errorf("--spn: %q is not accepted (SERVICE/HOST, such as "+
			"%s/files.example.com)",
			t.spn, service)
	}
	var err error
	t.client, err = kerberos.New(c)
	return t, err
}

// principal is who logs in with a password. A domain with a dot is a realm, too.
func (t *Tickets) principal(l Login) (principal, realm string) {
	if t.user != "" {
		return t.user, t.realm
	}
	realm = t.realm
	if realm == "" && strings.Contains(l.Domain, ".") && !strings.Contains(l.User, "@") {
		realm = strings.ToUpper(l.Domain)
	}
	return l.User, realm
}

// At is the same source for another address of the service: with a name, for the
// service of that name.
func (t *Tickets) At(address string) *Tickets {
	other := *t
	if _, err := netip.ParseAddr(address); err != nil {
		other.spn = t.service + "/" + strings.TrimSuffix(address, ".")
	}
	return &other
}

// Ticket gets a ticket, or takes a kept one. The KDCs have half of the time until
// the deadline of ctx. Its error is a *kerberos.Error.
func (t *Tickets) Ticket(ctx context.Context) (ticket *kerberos.Ticket, err error) {
	get := func() (refused bool) {
		ticket, err = t.client.Ticket(ctx, t.spn)
		return passwordRefused(err)
	}
	if t.login == nil {
		get()
	} else {
		t.login.Try(get, func(l Login) {
			principal, _ := t.principal(l)
			t.client.Login(principal, l.Password)
		})
	}
	return ticket, err
}

// Forget drops a ticket that the server has refused. It reports whether a newer
// one may be another, so that it is worth while to ask again at once.
func (t *Tickets) Forget(ticket *kerberos.Ticket) bool { return t.client.Forget(ticket) }

// Learnt is what the rung of the ticket shows.
func Learnt(t *kerberos.Ticket) string {
	return fmt.Sprintf("%s for %s, %s, until %s", t.Principal, t.SPN, t.Enctype,
		t.End.Local().Format(time.DateTime))
}

// TicketWarnings is what is worth a warning beside a ticket, or without one (nil).
func (t *Tickets) TicketWarnings(ticket *kerberos.Ticket) (all []string) {
	if ticket != nil && ticket.Late != nil {
		all = append(all, fmt.Sprintf("the KDC gives no newer ticket, and this one ends at %s (%v)",
			ticket.End.Local().Format(time.DateTime), ticket.Late))
	}
	return append(all, t.client.Notes()...)
}

func passwordRefused(err error) bool {
	var e *kerberos.Error
	return errors.As(err, &e) &&
		(e.Code == kerberos.PreauthFailed || e.Code == kerberos.BadIntegrity)
}

// ExplainTicket fills in a diagnosis for what kept a watch from a ticket, and
// returns the message. target is the share or directory.
func (d *Diagnosis) ExplainTicket(err error, target string) Alert {
	var e *kerberos.Error
	if !errors.As(err, &e) {
		e = &kerberos.Error{Err: err}
	}
	d.Class, d.Brief = KDC, "no ticket"
	switch {
	case e.Code != 0:
		d.Name, d.Code = e.Name(), fmt.Sprintf("KRB-ERROR %d", e.Code)
		if d.Name == "" {
			d.Name = "KRB-ERROR"
		}
		d.Look = ticketLooks[e.Code]
		d.LogonRefused = passwordRefused(e)
	case errors.Is(e, kerberos.ErrNoKDC):
		d.Name, d.Look = kerberos.ErrNoKDC.Error(), lookNoKDC
	case errors.Is(e, kerberos.ErrExpired):
		d.Name, d.Look = "expired ticket", lookExpired
	case errors.Is(e, kerberos.ErrSecret):
		d.Name, d.Look = kerberos.ErrSecret.Error(), lookSecret
	case d.ExplainNetwork(e.Err, Connecting):
		d.Class, d.Look = KDC, lookKDC
		var dns *net.DNSError
		if errors.As(e.Err, &dns) {
			d.Look = "This machine cannot resolve the name of the KDC. Look at its spelling, at " +
				"/etc/hosts and at the name server, or give --kdc an IP address."
		}
	}
	if d.Look == "" {
		d.Look = "Look at the KDC's log, or on a domain controller at the security log."
	}
	d.Look += " " + notAsked
	return NoTicket.Alert(target, e.Error())
}

const (
	notAsked = "The file server was not asked."
	lookKDC  = "No KDC gives tickets: look whether it runs (krb5kdc, or a domain controller), " +
		"whether its port 88 is reached over TCP, and whether --kdc or krb5.conf names others " +
		"that could."
	lookNoKDC = "Give --kdc HOST, or name the KDCs in [realms] of krb5.conf, and look at the " +
		"spelling of the realm (capitals, usually)."
	lookExpired = "Who renews this credentials cache (kinit, k5start, sssd)? A keytab (--keytab) " +
		"needs nobody."
	lookSecret = "Look at the keytab with klist -kte FILE (it needs an AES key of the " +
		"principal), at the cache with klist -c FILE, and at the rights to the file."
)

// ticketLooks says what a code of the KDC means and what to look at.
var ticketLooks = map[int32]string{
	kerberos.ClientExpired: "The account has expired in the realm. Extend it, or watch with " +
		"another one.",
	kerberos.ClientUnknown: "The KDC does not know who logs in: look at the spelling of the " +
		"principal and the realm (capitals count), and whether the account exists (kadmin: " +
		"getprinc; AD: Get-ADUser).",
	kerberos.ServerUnknown: "The KDC does not know the service: look at the spelling of --spn, " +
		"which is for a name, not an address or alias, and whether it is registered (kadmin: " +
		"getprinc; AD: setspn -Q).",
	kerberos.Policy: "A policy of the KDC forbids it, for example one of hours, of workstations " +
		"or of how to log in.",
	kerberos.NoEnctype: "The account, the service or the KDC has no AES key, and no other is " +
		"used: in AD look at msDS-SupportedEncryptionTypes and set the password anew; in MIT " +
		"Kerberos at supported_enctypes.",
	kerberos.ClientRevoked: "The account is disabled or locked out, or may not log on now. Look " +
		"at it on the KDC (kadmin: getprinc; AD: Get-ADUser), and mind the lockout policy.",
	kerberos.KeyExpired: "The account's password has expired. Set a new one, and one that does " +
		"not expire for an account that only watches.",
	kerberos.PreauthFailed: lookWrongKey,
	kerberos.BadIntegrity:  lookWrongKey,
	kerberos.SkewTooGreat: "The clocks of this machine and the KDC are too far apart: five " +
		"minutes are allowed. Look at the time service of both (chronyc tracking, w32tm /query " +
		"/status).",
}

const lookWrongKey = "The key is not the account's: a wrong password, or a keytab from before " +
	"the last change of the password (compare kvno with klist -kt). Make the keytab anew, or " +
	"correct the file after --credentials."

// Package kerberos gets tickets from key distribution centres (RFC 4120) and
// uses them to log in (RFC 4121): with a keytab, a credentials cache or a
// password, under a deadline, with AES alone. It speaks to KDCs over TCP.
//
// Cryptography, keytabs and the types of ASN.1 are those of gokrb5. Its client
// is not used: it knows no deadline, loses error codes, and brings encoding/gob
// and the tables of HTTP/2, which cost every watch 120 kB of private memory.
package kerberos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/oiweiwei/gokrb5.fork/v9/iana/nametype"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// Config says who logs in and who gives the tickets. Exactly one of Keytab,
// CCache and Password is set.
type Config struct {
	Principal string   // NAME or NAME@REALM; empty: the first of the keytab, the owner of the cache
	Realm     string   // empty: that of the principal, else default_realm of krb5.conf
	KDCs      []string // HOST or HOST:PORT, for the realm; empty: krb5.conf, else DNS
	Keytab    string   // a file
	CCache    string   // a file, "FILE:" before it or not
	Password  string
	// Conf names files like krb5.conf(5), with colons in between. They need not be
	// there. Empty: $KRB5_CONFIG, or else /etc/krb5.conf.
	Conf string
}

// Client gets tickets and keeps them. Its methods may be called from any
// goroutine.
type Client struct {
	busy chan struct{} // holds a value while a KDC is asked
	get  func(ctx context.Context, spn string) (*Ticket, error)

	mu      sync.Mutex
	config  Config
	notes   []string
	tickets map[string]*kept // by SPN
	order   order
}

// kept is a ticket that is kept until it ends.
type kept struct {
	*Ticket
	again time.Time // not before: ask for a newer one
	late  error     // why the last time gave none
}

// New checks a configuration and reads the keytab or the cache once, to find
// mistakes early. Its error is wrong usage or configuration, and names the
// option of the commands.
func New(c Config) (*Client, error) {
	c.CCache = strings.TrimPrefix(c.CCache, "FILE:")
	kind, _, typed := strings.Cut(c.CCache, ":")
	switch {
	case typed && !strings.Contains(kind, "/"):
		return nil, fmt.Errorf("--ccache: the type %s is not read, only a file", kind)
	case c.Keytab == "" && c.CCache == "" && c.Principal == "":
		return nil, errors.New("--principal: is needed")
	}
	var kdcs []string
	for _, kdc := range c.KDCs {
		host, err := hostPort(kdc)
		if err != nil {
			return nil, fmt.Errorf("--kdc: %w", err)
		}
		kdcs = append(kdcs, host)
	}
	c.KDCs = kdcs
	cl := &Client{busy: make(chan struct{}, 1), config: c, tickets: map[string]*kept{}}
	cl.get = cl.acquire
	if c.CCache != "" {
		if _, _, err := readCCache(c.CCache); err != nil {
			return nil, fmt.Errorf("--ccache: %w", err)
		}
		return cl, nil
	}
	conf := readConf(c.confPath())
	cl.notes = conf.notes
	switch _, err := c.key(conf); {
	case errors.Is(err, ErrSecret):
		return nil, fmt.Errorf("--keytab: %w", err)
	case err != nil:
		return nil, fmt.Errorf("--realm: %w", err)
	}
	return cl, nil
}

// Login replaces principal and password, and forgets the tickets.
func (cl *Client) Login(principal, password string) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.config.Principal, cl.config.Password = principal, password
	cl.tickets = map[string]*kept{} // a new one: Ticket may be about to add to the old one
}

// Notes says what of krb5.conf could not be read the last time, for people.
func (cl *Client) Notes() []string {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.notes
}

// Forget drops the kept ticket for an SPN, since the server refuses it. It
// reports whether a newer one may be another: not for one that was just got.
func (cl *Client) Forget(t *Ticket) bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if k := cl.tickets[t.SPN]; k == nil || !k.got.Equal(t.got) {
		return true
	}
	delete(cl.tickets, t.SPN)
	return time.Since(t.got) > time.Second
}

// Ticket is permission to use one service. Its exported fields hold no secret.
type Ticket struct {
	Principal string    // NAME@REALM that logs in
	SPN       string    // as it was asked for: "cifs/files.example.com"
	Enctype   string    // of the ticket: "aes256-cts-hmac-sha1-96"
	End       time.Time // it is of no use after that
	// Late is why the KDC gave no newer ticket though this one ends soon; nil:
	// it does not, or was not asked yet.
	Late error

	name   types.PrincipalName
	realm  string
	server name
	key    types.EncryptionKey
	ticket []byte // DER
	issued time.Time
	got    time.Time
}

// Context begins a login at the service. Each login needs one of its own.
func (t *Ticket) Context() *Context { return &Context{ticket: t} }

// Ticket returns a ticket for a service, such as "cifs/files.example.com" or
// "nfs/files.example.com@REALM". It is kept until it ends: from the last quarter
// of its life on, but not longer than an hour, a newer one is asked for now and
// then, and only when that fails does the kept one have Late. The KDCs get at
// most half of the time until the deadline of ctx, each an equal share of it.
// The error is an *Error.
func (cl *Client) Ticket(ctx context.Context, spn string) (*Ticket, error) {
	now := time.Now()
	if _, k := cl.kept(spn); k != nil && now.Before(k.again) && now.Before(k.End) {
		return k.ticket(), nil
	}
	half, cancel := context.WithTimeout(ctx, share(ctx, 2))
	defer cancel()
	select {
	case cl.busy <- struct{}{}:
		defer func() { <-cl.busy }()
	case <-half.Done():
		return nil, &Error{Err: ended(half, half.Err())}
	}
	tickets, k := cl.kept(spn) // another goroutine may have asked
	if k != nil && now.Before(k.again) && now.Before(k.End) {
		return k.ticket(), nil
	}
	t, err := cl.get(half, spn)
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if err == nil {
		t.SPN, t.got = spn, now
		tickets[spn] = &kept{Ticket: t, again: t.End.Add(-window(t))}
		return t, nil
	}
	if now = time.Now(); k == nil || !now.Before(k.End) {
		delete(tickets, spn)
		return nil, err
	}
	k.late, k.again = err, now.Add(window(k.Ticket)/10)
	return k.ticket(), nil
}

// window is how long before a ticket's end a newer one is asked for.
func window(t *Ticket) time.Duration { return min(time.Hour, t.End.Sub(t.got)/4) }

// kept returns the kept ticket for an SPN, if there is one, and all of them.
func (cl *Client) kept(spn string) (all map[string]*kept, one *kept) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.tickets, cl.tickets[spn]
}

// ticket is the kept ticket, with Late.
func (k *kept) ticket() *Ticket {
	if k.late == nil {
		return k.Ticket
	}
	t := *k.Ticket
	t.Late = k.late
	return &t
}

// acquire asks the KDCs for a ticket.
func (cl *Client) acquire(ctx context.Context, spn string) (t *Ticket, err error) {
	cl.mu.Lock()
	c, order := cl.config, cl.order
	cl.mu.Unlock()
	x := &exchange{ctx: ctx, conf: readConf(c.confPath()), order: &order}
	defer func() {
		if v := recover(); v != nil {
			t, err = nil, x.failed(fmt.Errorf("the Kerberos library panicked on its answer: %v", v))
		}
		cl.mu.Lock()
		cl.order, cl.notes = order, x.conf.notes
		cl.mu.Unlock()
	}()
	host, realm, _ := strings.Cut(spn, "@")
	service := types.NewPrincipalName(nametype.KRB_NT_SRV_HST, host)
	if realm == "" && len(service.NameString) > 1 {
		realm = x.conf.realmOf(service.NameString[1])
	}
	tgt, t, err := c.start(x, service)
	if t == nil && err == nil {
		t, err = x.ticket(tgt, service, realm)
	}
	if err != nil {
		var known *Error
		if !errors.As(err, &known) {
			known = &Error{Err: err}
		}
		return nil, known
	}
	t.Principal = name{t.name, t.realm}.String()
	return t, nil
}

// start returns a ticket-granting ticket, or, from a cache, perhaps the ticket
// for the service.
func (c Config) start(x *exchange, service types.PrincipalName) (tgt, t *Ticket, err error) {
	if c.CCache != "" {
		tgt, t, err = fromCCache(c.CCache, service)
		if tgt != nil {
			x.conf.add(tgt.server.realm, c.KDCs)
		}
		return tgt, t, err
	}
	k, err := c.key(x.conf)
	if err != nil {
		return nil, nil, err
	}
	x.conf.add(k.realm, c.KDCs)
	tgt, err = x.login(k)
	return tgt, nil, err
}

// add lets the KDCs of the command line stand for those of the configuration.
func (c conf) add(realm string, kdcs []string) {
	if len(kdcs) > 0 {
		c.kdcs[realm] = kdcs
	}
}

func (c Config) confPath() string {
	return cmp.Or(c.Conf, os.Getenv("KRB5_CONFIG"), "/etc/krb5.conf")
}

// key is who logs in with what. Its error is a mistake of the configuration, but
// for ErrSecret.
func (c Config) key(conf conf) (*key, error) {
	k := &key{path: c.Keytab, password: c.Password}
	principal, realm := c.Principal, c.Realm
	if c.Keytab != "" {
		data, err := ReadSecret(c.Keytab, maxKeyFile)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSecret, err)
		}
		if k.keytab, err = parseKeytab(c.Keytab, data); err != nil {
			return nil, err
		}
		if principal == "" {
			if len(k.keytab.Entries) == 0 {
				return nil, fmt.Errorf("%w: %s is empty", ErrSecret, c.Keytab)
			}
			principal = k.keytab.Entries[0].Principal.String()
		}
	}
	principal, own := cutRealm(principal)
	if realm = cmp.Or(realm, own, conf.realm); realm == "" {
		return nil, fmt.Errorf("none is known for %s (nor has NAME@REALM one, nor %s a "+
			"default_realm)", principal, c.confPath())
	}
	k.name, k.realm = types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, principal), realm
	return k, nil
}

// cutRealm takes NAME@REALM apart.
func cutRealm(principal string) (user, realm string) {
	at := strings.LastIndexByte(principal, '@')
	if at <= 0 || at == len(principal)-1 {
		return principal, ""
	}
	return principal[:at], principal[at+1:]
}

func readCCache(path string) (name, []credential, error) {
	data, err := ReadSecret(path, maxKeyFile)
	if err != nil {
		return name{}, nil, fmt.Errorf("%w: %w", ErrSecret, err)
	}
	owner, list, err := parseCCache(data)
	if err != nil {
		return name{}, nil, fmt.Errorf("%w: %s: %w", ErrSecret, path, err)
	}
	return owner, list, nil
}

// fromCCache finds the ticket for a service in a cache, or else the
// ticket-granting ticket.
func fromCCache(path string, service types.PrincipalName) (tgt, t *Ticket, err error) {
	owner, list, err := readCCache(path)
	if err != nil {
		return nil, nil, err
	}
	why := fmt.Errorf("%w: %s holds no ticket-granting ticket of %s", ErrSecret, path, owner)
	for _, c := range list {
		isTGT := len(c.server.NameString) == 2 && c.server.NameString[0] == "krbtgt" &&
			c.server.NameString[1] == owner.realm
		fits := c.server.PrincipalName.Equal(service)
		var head ticketHead
		switch {
		case !isTGT && !fits, !isAES(c.key.KeyType):
			continue
		case !time.Now().Before(c.end):
			if isTGT {
				why = fmt.Errorf("the ticket-granting ticket of %s in %s has %w at %s",
					owner, path, ErrExpired, c.end.Format(time.DateTime))
			}
			continue
		case parseTagged(c.ticket, tagTicket, &head) != nil:
			continue
		}
		found := &Ticket{name: owner.PrincipalName, realm: owner.realm, server: c.server,
			key: c.key, ticket: c.ticket, issued: c.start, End: c.end,
			Enctype: enctypeName(head.EncPart.EType)}
		if fits {
			return nil, found, nil
		}
		tgt = found
	}
	if tgt == nil {
		return nil, nil, why
	}
	return tgt, nil, nil
}

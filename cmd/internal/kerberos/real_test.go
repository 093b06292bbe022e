package kerberos

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fsmon/smbprobe/kerberostest"
)

const spn = "cifs/files.lab.test"

var lab = kerberostest.Config{
	Users: map[string]string{"probe": "pw", "other": "pw2"}, Services: []string{spn},
}

// client is one of a KDC, without a krb5.conf.
func client(t *testing.T, c Config, kdcs ...string) *Client {
	t.Helper()
	c.KDCs, c.Conf = kdcs, filepath.Join(t.TempDir(), "none")
	if c.Realm == "" && c.CCache == "" {
		c.Realm = kerberostest.Realm
	}
	cl, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

func get(t *testing.T, cl *Client, spn string) (*Ticket, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return cl.Ticket(ctx, spn)
}

// refusal gets no ticket.
func refusal(t *testing.T, cl *Client, spn string) *Error {
	t.Helper()
	ticket, err := get(t, cl, spn)
	var known *Error
	if !errors.As(err, &known) {
		t.Fatalf("ticket %v, error %v", ticket, err)
	}
	return known
}

// Each kind of credentials and each kind of AES leads to a ticket that the
// service accepts, and to messages that both sides can read.
func TestTickets(t *testing.T) {
	for enctype, mit := range map[string]string{
		"aes256-cts-hmac-sha1-96": "aes256-cts-hmac-sha1-96", "aes128-cts-hmac-sha1-96": "aes128-cts-hmac-sha1-96",
		"aes256-cts-hmac-sha384-192": "aes256-sha2", "aes128-cts-hmac-sha256-128": "aes128-sha2",
	} {
		t.Run(enctype, func(t *testing.T) {
			c := lab
			c.Enctypes = mit + ":normal"
			k := kerberostest.New(t, c)
			for name, c := range map[string]Config{
				"password": {Principal: "probe", Password: "pw"},
				"keytab":   {Keytab: k.UserKeytab(t, "probe")},
				"ccache":   {CCache: "FILE:" + k.Kinit(t, "probe", "pw")},
			} {
				ticket, err := get(t, client(t, c, k.Addr), spn)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if ticket.Principal != "probe@LAB.TEST" || ticket.SPN != spn || ticket.Enctype != enctype ||
					time.Until(ticket.End) < 9*time.Hour {
					t.Errorf("%s: %+v", name, ticket)
				}
				for _, subkey := range []bool{false, true} {
					converse(t, ticket, &kerberostest.Acceptor{Keytab: k.Keytab, Subkey: subkey})
				}
			}
		})
	}
}

// What the KDC refuses has its code.
func TestRefusals(t *testing.T) {
	k := kerberostest.New(t, lab)
	if _, err := k.Admin(t.Context(), "addprinc -pw pw -expire yesterday old\n"+
		"addprinc -pw pw -pwexpire yesterday stale\naddprinc -pw pw -requires_preauth plain\n"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		Config
		spn  string
		code int32
	}{
		"wrong password": {Config{Principal: "probe", Password: "wrong"}, spn, PreauthFailed},
		// Then only this side can find it.
		"no preauthentication": {Config{Principal: "plain", Password: "wrong"}, spn, BadIntegrity},
		"unknown principal":    {Config{Principal: "nobody", Password: "pw"}, spn, ClientUnknown},
		"unknown service": {Config{Principal: "probe", Password: "pw"}, "cifs/elsewhere",
			ServerUnknown},
		"expired account":  {Config{Principal: "old", Password: "pw"}, spn, ClientExpired},
		"expired password": {Config{Principal: "stale", Password: "pw"}, spn, KeyExpired},
	} {
		e := refusal(t, client(t, c.Config, k.Addr), c.spn)
		if e.Code != c.code || e.KDC != k.Addr {
			t.Errorf("%s: %v (%+v)", name, e, e)
		}
	}
	// The keytab of another password.
	stale := k.UserKeytab(t, "other")
	if _, err := k.Admin(t.Context(), "cpw -pw new other\n"); err != nil {
		t.Fatal(err)
	}
	if e := refusal(t, client(t, Config{Keytab: stale}, k.Addr), spn); e.Code != PreauthFailed {
		t.Errorf("wrong keytab: %v", e)
	}
	e := refusal(t, client(t, Config{Keytab: stale, Principal: "probe"}, k.Addr), spn)
	if !errors.Is(e, ErrSecret) || !strings.Contains(e.Error(), "no AES key for probe@LAB.TEST") {
		t.Errorf("a keytab without the principal: %v", e)
	}
}

// A clock that is an hour off is named, with the side and the distance.
func TestSkew(t *testing.T) {
	c := lab
	c.Skew = -time.Hour
	k := kerberostest.New(t, c)
	e := refusal(t, client(t, Config{Principal: "probe", Password: "pw"}, k.Addr), spn)
	if e.Code != SkewTooGreat || e.Skew < 59*time.Minute ||
		!strings.Contains(e.Error(), "clock is 1h0m0s ahead") {
		t.Errorf("%v, skew %s", e, e.Skew)
	}
}

// A frozen KDC costs its share of half the deadline, and the next one is asked.
func TestFrozen(t *testing.T) {
	k := kerberostest.New(t, lab)
	other := kerberostest.New(t, lab)
	if err := other.Freeze(); err != nil {
		t.Fatal(err)
	}
	cl := client(t, Config{Principal: "probe", Password: "pw"}, other.Addr)
	inTime(t, cl, time.Second, "a frozen KDC", func(err error) bool {
		return errors.Is(err, context.DeadlineExceeded)
	})
	both := client(t, Config{Principal: "probe", Password: "pw"}, other.Addr, k.Addr)
	inTime(t, both, 4*time.Second, "one frozen, one alive", func(err error) bool {
		return err == nil
	})
	if first := both.order.first; first != k.Addr {
		t.Errorf("the first to be asked is %s, not %s", first, k.Addr)
	}
	if err := k.Kill(); err != nil {
		t.Fatal(err)
	}
	e := refusal(t, client(t, Config{Principal: "probe", Password: "pw"}, k.Addr), spn)
	if !strings.Contains(e.Error(), "refused") {
		t.Errorf("a dead KDC: %v", e)
	}
}

// inTime asks for a ticket and wants an end before the deadline. On a busy
// machine it tries again with longer ones.
func inTime(t *testing.T, cl *Client, deadline time.Duration, what string, want func(error) bool) {
	t.Helper()
	for ; ; deadline *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		_, err := cl.Ticket(ctx, spn)
		late := ctx.Err()
		cancel()
		switch {
		case late == nil && want(err):
			return
		case deadline > time.Minute:
			t.Errorf("%s: %v, and the context %v", what, err, late)
			return
		}
	}
}

// A cache whose ticket has ended says so; one that is renewed is read again.
func TestExpiredCache(t *testing.T) {
	k := kerberostest.New(t, lab)
	path := k.Kinit(t, "probe", "pw", "-l", "1s")
	cl := client(t, Config{CCache: path}, k.Addr)
	time.Sleep(1100 * time.Millisecond) // the ticket's life
	if e := refusal(t, cl, spn); !errors.Is(e, ErrExpired) || e.KDC != "" {
		t.Errorf("%v (%+v)", e, e)
	}
	k.Kinit(t, "probe", "pw")
	if _, err := get(t, cl, spn); err != nil {
		t.Error(err)
	}
}

// Without flags the realm and its KDCs come from krb5.conf.
func TestConfIsUsed(t *testing.T) {
	k := kerberostest.New(t, lab)
	cl, err := New(Config{Principal: "probe", Password: "pw", Conf: k.Conf})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, cl, spn); err != nil {
		t.Error(err)
	}
}

// A service of another realm, by what krb5.conf says of its domain, and by the
// SPN itself.
func TestOtherRealm(t *testing.T) {
	const foreign = "cifs/files.other.test"
	own := kerberostest.New(t, lab)
	other := kerberostest.New(t, kerberostest.Config{Realm: "OTHER.TEST", Services: []string{foreign}})
	for _, k := range []*kerberostest.KDC{own, other} {
		if _, err := k.Admin(t.Context(), "addprinc -pw trust krbtgt/OTHER.TEST@LAB.TEST\n"); err != nil {
			t.Fatal(err)
		}
	}
	realms := "[realms]\nLAB.TEST = {\n kdc = " + own.Addr + "\n}\n" +
		"OTHER.TEST = {\n kdc = " + other.Addr + "\n}\n"
	for name, c := range map[string]struct{ spn, conf string }{
		"domain_realm": {foreign, realms + "[domain_realm]\n.other.test = OTHER.TEST\n"},
		"SPN":          {foreign + "@OTHER.TEST", realms},
	} {
		conf := writeConf(t, t.TempDir(), "krb5.conf", c.conf)
		cl, err := New(Config{Principal: "probe@LAB.TEST", Password: "pw", Conf: conf})
		if err != nil {
			t.Fatal(err)
		}
		ticket, err := get(t, cl, c.spn)
		if err != nil || ticket.Principal != "probe@LAB.TEST" || ticket.server.realm != "OTHER.TEST" {
			t.Errorf("%s: %+v, %v", name, ticket, err)
			continue
		}
		converse(t, ticket, &kerberostest.Acceptor{Keytab: other.Keytab, Subkey: true})
	}
}

// Files that others may read are refused, whatever else is wrong with them.
func TestSecretsOfOthers(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for _, c := range []Config{{Keytab: path, Realm: "R"}, {CCache: path}} {
			if _, err := New(c); !errors.Is(err, ErrSecret) || !strings.Contains(err.Error(), "chmod 600") {
				t.Errorf("mode %04o: %v", mode, err)
			}
		}
	}
}

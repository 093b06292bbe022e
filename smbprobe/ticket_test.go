package smbprobe

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"fsmon/smbprobe/ntlm"
	"fsmon/smbprobe/smbtest"
)

// other is a login by NTLM that is not what the probe would do by itself.
type other struct {
	ntlm.Client
	oid    []byte // nil: that of NTLM
	refuse error  // of Accept
	noKey  bool
	wiped  bool
}

func (o *other) OID() []byte {
	if o.oid != nil {
		return o.oid
	}
	return o.Client.OID()
}

func (o *other) Accept(token []byte) ([]byte, error) {
	if o.refuse != nil {
		return nil, o.refuse
	}
	return o.Client.Accept(token)
}

func (o *other) SessionKey() []byte {
	if o.noKey {
		return nil
	}
	return o.Client.SessionKey()
}

func (o *other) Ticket(context.Context) (Login, error) {
	o.User, o.Password = "games", "pw-games"
	return Login{Initiator: o, User: "games@REALM", Learnt: "a ticket", Warnings: []string{"it ends"},
		Wipe: func() { o.wiped = true }}, nil
}

// none has no ticket, and this is why.
type none struct{ error }

func (n none) Ticket(context.Context) (Login, error) { return Login{}, n.error }

// A login of another kind than NTLM is used, reported and wiped, and what goes
// wrong with it has its own error.
func TestLogin(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	probe := func(o *other) (Report, error) {
		return New(Config{Address: s.Address, Port: s.Port, Share: "priv", Tickets: o}).Probe(
			t.Context())
	}
	o := &other{}
	r, err := probe(o)
	if err != nil || !o.wiped || r.Rungs[0].Step != Ticket || r.Rungs[0].Learnt != "a ticket" ||
		len(r.Warnings) != 1 || r.Identity != "user" {
		t.Errorf("%+v, %v", r, err)
	}
	learnt := ""
	for _, rung := range r.Rungs {
		learnt += rung.Learnt + "\n"
	}
	if !strings.Contains(learnt, "Kerberos user games@REALM") {
		t.Errorf("learnt %q", learnt)
	}

	cause := errors.New("skew")
	_, err = probe(&other{refuse: &RefusedError{Err: cause}})
	var refused *RefusedError
	fails(t, err, SessionSetup, cause)
	if !errors.As(err, &refused) {
		t.Error(err)
	}
	var malformed *MalformedError
	if _, err = probe(&other{refuse: cause}); !errors.As(err, &malformed) {
		t.Error(err)
	}
	if _, err = probe(&other{noKey: true}); err == nil || !errors.As(err, &malformed) {
		t.Error(err)
	}
	_, err = probe(&other{oid: []byte("\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")})
	fails(t, err, SessionSetup, ErrOtherLogin)
}

// Without a ticket nobody asks the server.
func TestNoTicket(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cause := errors.New("no KDC")
	r, err := New(Config{Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Share: "x",
		Tickets: none{cause}}).Probe(t.Context())
	fails(t, err, Ticket, cause)
	if len(r.Rungs) != 1 || r.Address != "" || len(r.Wire) != 0 {
		t.Errorf("%+v", r)
	}
}

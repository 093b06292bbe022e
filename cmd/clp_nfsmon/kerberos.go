package main

import (
	"context"
	"fmt"
	"time"

	"fsmon/kerberos"
	"fsmon/nfsprobe"
)

// tickets makes the tickets of a client those of a probe, for one service.
func tickets(client *kerberos.Client, spn string) func(context.Context) (nfsprobe.ServiceTicket, error) {
	return func(ctx context.Context) (nfsprobe.ServiceTicket, error) {
		t, err := client.Ticket(ctx, spn)
		if err != nil {
			return nil, err
		}
		return ticket{t, client}, nil
	}
}

type ticket struct {
	*kerberos.Ticket
	client *kerberos.Client
}

func (t ticket) Context() nfsprobe.GSSContext { return t.Ticket.Context() }
func (t ticket) Forget() bool                 { return t.client.Forget(t.Ticket) }

func (t ticket) String() string {
	return fmt.Sprintf("%s for %s, %s, until %s", t.SPN, t.Principal, t.Enctype,
		t.End.Local().Format(time.DateTime))
}

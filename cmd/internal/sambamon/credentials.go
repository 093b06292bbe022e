package sambamon

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"fsmon/cmd/internal/cli"
	"fsmon/cmd/internal/kerberos"
	"fsmon/smbprobe"
)

// prober is the probe of one watch, with the rotation of its credentials. A
// probe that was cancelled may still be ending while the next one runs.
type prober struct {
	smb     *smbprobe.Prober
	login   *cli.Rotation
	tickets *cli.Tickets // nil: NTLM

	mu     sync.Mutex
	domain string           // that the server belongs to
	last   *kerberos.Ticket // that the last probe has used
}

// Probe asks once. When the login is refused and there may be a newer password
// or ticket, it asks again at once, within the same deadline.
func (p *prober) Probe(ctx context.Context) (cli.Report, error) {
	var report smbprobe.Report
	var err error
	probe := func() bool {
		report, err = p.smb.Probe(ctx)
		return refused(err)
	}
	if p.tickets == nil {
		p.login.Try(probe, func(l cli.Login) { p.smb.Login(l.User, l.Password, l.Domain) })
	} else if probe() && p.forget() {
		probe()
	}
	p.mu.Lock()
	p.domain = report.Domain
	p.mu.Unlock()
	w := forWatch(report)
	if err != nil { // else nobody wants it, and memory counts
		for _, s := range report.Wire {
			w.Wire = append(w.Wire, cli.Segment(s))
		}
	}
	return w, err
}

// keep lets the write test's file stay between probes.
func (p *prober) keep() (cleanUp func(context.Context) error) {
	p.smb.Keep()
	return p.smb.CleanUp
}

// Ticket gets what the probe logs in with.
func (p *prober) Ticket(ctx context.Context) (smbprobe.Login, error) {
	t, err := p.tickets.Ticket(ctx)
	if err != nil {
		return smbprobe.Login{Warnings: p.tickets.TicketWarnings(nil)}, err
	}
	p.mu.Lock()
	p.last = t
	p.mu.Unlock()
	c := t.Context()
	return smbprobe.Login{Initiator: initiator{c}, User: t.Principal, Learnt: cli.Learnt(t),
		Warnings: p.tickets.TicketWarnings(t), Wipe: c.Wipe}, nil
}

// initiator is a login by Kerberos, as smbprobe has it.
type initiator struct{ *kerberos.Context }

func (i initiator) Accept(token []byte) ([]byte, error) {
	next, err := i.Context.Accept(token)
	var refusal *kerberos.Error
	if errors.As(err, &refusal) {
		err = &smbprobe.RefusedError{Err: refusal}
	}
	return next, err
}

// forget drops the ticket that the server has refused: its key may have changed.
// It reports whether a newer ticket may be another.
func (p *prober) forget() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last != nil && p.tickets.Forget(p.last)
}

// unseen says what an anonymous login does not see. With a user it sees
// everything.
func (p *prober) unseen() (note, warning string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const blind = "an anonymous watch asks for no password to be checked, so it does not see when " +
		"users cannot log in"
	switch {
	case p.tickets != nil, p.login.Login().User != "":
		return "", ""
	case p.domain != "":
		return "", fmt.Sprintf("the server belongs to the domain %s, and %s, for example because "+
			"no domain controller answers: give it a user (-u or --credentials)", p.domain, blind)
	}
	return "Without -u, " + blind + ". -u or --credentials gives it a user.", ""
}

// refused reports whether the server did not accept user, password or ticket.
func refused(err error) bool {
	var status smbprobe.Status
	var refusal *smbprobe.RefusedError
	return errors.As(err, &refusal) || errors.As(err, &status) && status.LogonRefused()
}

func forWatch(r smbprobe.Report) cli.Report {
	w := cli.Report{Target: r.Address, Warnings: r.Warnings, RootID: r.RootID}
	if r.Dialect != "" {
		w.Dialect = "SMB " + r.Dialect
	}
	for _, r := range r.Rungs {
		rung := cli.Rung{Name: r.Step.String(), Took: r.Took, Learnt: r.Learnt}
		w.Rungs = append(w.Rungs, rung)
	}
	return w
}

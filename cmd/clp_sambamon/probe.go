package main

import (
	"context"
	"errors"

	"fsmon/cmd/internal/watch"
	"fsmon/smbprobe"
)

// prober is the probe of one watch, with the rotation of its credentials.
type prober struct {
	smb  *smbprobe.Prober
	last login
	// reread returns the login as the credentials file has it now; nil when
	// there is no such file.
	reread func() (login, error)
}

// Probe asks once. When the login is refused and the credentials file has
// changed since, it asks again at once, within the same deadline: a rotated
// password is not a failure of the server.
func (p *prober) Probe(ctx context.Context) (watch.Report, error) {
	report, err := p.smb.Probe(ctx)
	var status smbprobe.Status
	if p.reread != nil && errors.As(err, &status) && status.LogonRefused() {
		if now, rerr := p.reread(); rerr == nil && now != p.last {
			p.last = now
			p.smb.Login(now.user, now.password, now.domain)
			report, err = p.smb.Probe(ctx)
		}
	}
	return forWatch(report), err
}

func forWatch(r smbprobe.Report) watch.Report {
	w := watch.Report{Target: r.Address, Warnings: r.Warnings}
	for _, rung := range r.Rungs {
		w.Rungs = append(w.Rungs, watch.Rung{Name: rung.Step.String(), Took: rung.Took, Learnt: rung.Learnt})
	}
	return w
}

package main

import (
	"context"
	"errors"
	"sync"

	"fsmon/cmd/internal/watch"
	"fsmon/smbprobe"
)

// prober is the probe of one watch, with the rotation of its credentials. A
// probe that was cancelled may still be ending while the next one runs.
type prober struct {
	smb *smbprobe.Prober
	// reread returns the login as the credentials file has it now; nil when
	// there is no such file.
	reread func() (login, error)

	mu   sync.Mutex
	last login
}

// Probe asks once. When the login is refused and the credentials file has
// changed since, it asks again at once, within the same deadline: a rotated
// password is not a failure of the server.
func (p *prober) Probe(ctx context.Context) (watch.Report, error) {
	report, err := p.smb.Probe(ctx)
	var status smbprobe.Status
	if p.reread != nil && errors.As(err, &status) && status.LogonRefused() {
		if p.rotated() {
			report, err = p.smb.Probe(ctx)
		}
	}
	w := forWatch(report)
	if err != nil { // else nobody wants it, and memory counts
		for _, s := range report.Wire {
			w.Wire = append(w.Wire, watch.Segment(s))
		}
	}
	return w, err
}

// rotated takes over a login that has changed.
func (p *prober) rotated() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, err := p.reread()
	if err != nil || now == p.last {
		return false
	}
	p.last = now
	p.smb.Login(now.user, now.password, now.domain)
	return true
}

func forWatch(r smbprobe.Report) watch.Report {
	w := watch.Report{Target: r.Address, Warnings: r.Warnings}
	for _, rung := range r.Rungs {
		w.Rungs = append(w.Rungs, watch.Rung{Name: rung.Step.String(), Took: rung.Took, Learnt: rung.Learnt})
	}
	return w
}

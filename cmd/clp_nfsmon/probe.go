package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fsmon/cmd/internal/watch"
	"fsmon/nfsprobe"
)

func probe(nfs *nfsprobe.Prober) watch.Probe {
	return func(ctx context.Context) (watch.Report, error) {
		report, err := nfs.Probe(ctx)
		if err != nil {
			err = &failedProbe{err, report.Address != "", ordinaryPort(report)}
		}
		return forWatch(report, nfs.Pinned()), err
	}
}

// ordinaryPort: a source port that every user may have.
func ordinaryPort(r nfsprobe.Report) bool {
	return r.Identity != "" && !strings.Contains(r.Identity, "privileged port")
}

// failedProbe is the *nfsprobe.Error of a failed probe, with what the report
// knows beyond it.
type failedProbe struct {
	error
	connected    bool // one connection at least stood
	ordinaryPort bool // the last one came from a port that every user may have
}

func (f *failedProbe) Unwrap() error { return f.error }

// Error names the port where that may be the cause just as well as Kerberos is.
func (f *failedProbe) Error() string {
	text := f.error.Error()
	if portOrKerberos(f) {
		text = strings.Replace(text, nfsprobe.ErrKerberos.Error(), "a privileged source port is wanted, or the "+nfsprobe.ErrKerberos.Error(), 1)
	}
	return text
}

// portOrKerberos: some servers (NFS-Ganesha) answer AUTH_TOOWEAK also to a
// source port that is not privileged. A list of flavors is about Kerberos only.
func portOrKerberos(err error) bool {
	var failed *failedProbe
	var rpc *nfsprobe.RPCError
	return errors.As(err, &failed) && failed.ordinaryPort && errors.Is(failed.error, nfsprobe.ErrKerberos) && errors.As(failed.error, &rpc)
}

func forWatch(r nfsprobe.Report, pinned string) watch.Report {
	w := watch.Report{Target: r.Address, Warnings: r.Warnings}
	if pinned != "" {
		w.Note = "NFS version " + pinned
	}
	switch {
	case r.NotVersion3 == nil:
	case pinned == "": // it failed on something that this machine lacked
		w.Warnings = append(slices.Clip(w.Warnings), fmt.Sprintf("version 3 failed, so version %s was taken, this once (%v)", r.Version, r.NotVersion3))
	default:
		w.Warnings = append(slices.Clip(w.Warnings), fmt.Sprintf("version 3 failed, so version %s is watched from now on (%v)", r.Version, r.NotVersion3))
	}
	for _, rung := range r.Rungs {
		learnt := rung.Learnt
		if rung.Step == nfsprobe.Connect && learnt != "" && r.Identity != "" {
			learnt += ", as " + r.Identity
		}
		w.Rungs = append(w.Rungs, watch.Rung{Name: rung.Step.String(), Took: rung.Took, Learnt: learnt})
	}
	for _, s := range r.Wire {
		w.Wire = append(w.Wire, watch.Segment(s))
	}
	return w
}

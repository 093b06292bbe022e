package main

import (
	"context"

	"fsmon/cmd/internal/watch"
	"fsmon/nfsprobe"
)

func probe(nfs *nfsprobe.Prober) watch.Probe {
	return func(ctx context.Context) (watch.Report, error) {
		report, err := nfs.Probe(ctx)
		return forWatch(report, nfs.Pinned()), err
	}
}

func forWatch(r nfsprobe.Report, pinned string) watch.Report {
	w := watch.Report{Target: r.Address, Warnings: r.Warnings}
	if pinned != "" {
		w.Note = "NFS version " + pinned
	}
	for _, rung := range r.Rungs {
		w.Rungs = append(w.Rungs, watch.Rung{Name: rung.Step.String(), Took: rung.Took, Learnt: rung.Learnt})
	}
	for _, s := range r.Wire {
		w.Wire = append(w.Wire, watch.Segment(s))
	}
	return w
}

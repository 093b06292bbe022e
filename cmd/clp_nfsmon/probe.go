package main

import (
	"context"
	"fmt"
	"slices"

	"fsmon/cmd/internal/cli"
	"fsmon/nfsprobe"
)

func probe(nfs *nfsprobe.Prober) cli.Probe {
	return func(ctx context.Context) (cli.Report, error) {
		report, err := nfs.Probe(ctx)
		return forWatch(report, nfs.Pinned()), err
	}
}

func forWatch(r nfsprobe.Report, pinned string) cli.Report {
	w := cli.Report{Target: r.Address, Warnings: r.Warnings}
	if pinned != "" {
		w.Note = "NFS version " + pinned
	}
	switch {
	case r.NotVersion3 == nil:
	case pinned == "": // it failed on something that this machine lacked
		w.Warnings = append(slices.Clip(w.Warnings), fmt.Sprintf("version 3 failed, so version "+
			"%s was taken, this once (%v)", r.Version, r.NotVersion3))
	default:
		w.Warnings = append(slices.Clip(w.Warnings), fmt.Sprintf("version 3 failed, so version "+
			"%s is watched from now on (%v)", r.Version, r.NotVersion3))
	}
	for _, rung := range r.Rungs {
		learnt := rung.Learnt
		if rung.Step == nfsprobe.Connect && learnt != "" && r.Identity != "" {
			learnt += ", as " + r.Identity
		}
		w.Rungs = append(w.Rungs,
			cli.Rung{Name: rung.Step.String(), Took: rung.Took, Learnt: learnt})
	}
	for _, s := range r.Wire {
		w.Wire = append(w.Wire, cli.Segment(s))
	}
	return w
}

package nfsmon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fsmon/cmd/internal/cli"
	"fsmon/nfsprobe"
)

func (f *flags) probe(nfs *nfsprobe.Prober) cli.Probe {
	return func(ctx context.Context) (cli.Report, error) {
		report, err := nfs.Probe(ctx)
		if err == nil {
			report.Wire = nil // nobody wants it, and memory counts
		}
		return f.forWatch(&report, nfs.Pinned()), err
	}
}

// usualGrace is how long a restarted server of version 4 waits for its clients
// by default (Linux and NFS-Ganesha), the time of a lease.
const usualGrace = 90 * time.Second

// opens reports whether the probe opens or locks files, which a server in grace
// does not allow.
func (f *flags) opens() bool { return f.writeTest || f.lockTest }

func (f *flags) forWatch(r *nfsprobe.Report, pinned string) cli.Report {
	w := cli.Report{Target: r.Address, Warnings: r.Warnings, Grace: r.Grace,
		RootForm: r.Version[:min(1, len(r.Version))], RootID: r.RootID}
	if r.Version != "" {
		w.Dialect = "NFS " + r.Version
	}
	if pinned != "" {
		w.Note = "NFS version " + pinned
	}
	var not3 *nfsprobe.Error
	if errors.As(r.NotVersion3, &not3) {
		// The brief text is the same for every probe, so that it is said once.
		why, _ := f.failedStep(not3)
		text := "version 3 is not offered (%s), so version %s is watched from now on"
		if pinned == "" {
			text = "version 3 failed (%s), so version %s is watched for now, and 3 is tried again " +
				"with each probe"
		}
		w.Warnings = append(slices.Clip(w.Warnings), fmt.Sprintf(text, why.Brief, r.Version))
	}
	if f.opens() && strings.HasPrefix(r.Version, "4") && f.verdict < usualGrace {
		w.Warnings = append(slices.Clip(w.Warnings), fmt.Sprintf("a verdict may come after %s, "+
			"while a restarted server of version 4 is in grace for %s: larger -c, -i or -r leave "+
			"it that time", f.verdict, usualGrace))
	}
	w.Rungs = make([]cli.Rung, 0, 12) // most probes need no more
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

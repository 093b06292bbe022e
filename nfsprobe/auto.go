package nfsprobe

import (
	"context"
	"errors"
	"slices"
	"time"
)

const (
	// latePart is the part of the deadline after which a version 3 that has not
	// answered is given up, if version 4 has succeeded. The rest is for UMNT.
	latePart = 0.9
	// laterPart and laterTime are that limit, the shorter of both, after a
	// probe that was healthy with version 4 alone: a port mapper that never
	// answers must not make every probe late.
	laterPart = 0.25
	laterTime = 5 * time.Second
	// finishTime is how long version 4 may go on after version 3 has succeeded,
	// so that it leaves no session behind. It is at most half of what is left
	// of the deadline, so that a version 4 that hangs does not make a success
	// late.
	finishTime = time.Second
)

// probeBoth tries versions 3 and 4 side by side. If both succeed, version 3
// counts; if both fail, its error does.
func (a *attempt) probeBoth(ctx context.Context, r *Report) error {
	three, four := *a, *a
	three.Version, four.Version = "3", "4"
	r3, r4 := *r, *r
	r3.Rungs, r4.Rungs = slices.Clone(r.Rungs), slices.Clone(r.Rungs)
	r3.Warnings, r4.Warnings = slices.Clone(r.Warnings), slices.Clone(r.Warnings)
	ctx3, end3 := context.WithCancelCause(ctx)
	defer end3(nil)
	ctx4, end4 := context.WithCancel(ctx)
	defer end4()
	var late <-chan time.Time
	if end, ok := ctx.Deadline(); ok {
		left := float64(time.Until(end))
		wait := time.Duration(latePart * left)
		if a.only4 {
			wait = min(time.Duration(laterPart*left), laterTime)
		}
		timer := time.NewTimer(wait)
		defer timer.Stop()
		late = timer.C
	}

	ended3, ended4 := make(chan struct{}), make(chan struct{})
	var err3, err4 error
	// Only one version at a time opens files.
	four.opens = func(ctx context.Context) bool {
		select {
		case <-late:
			end3(errNoAnswer)
		case <-ended3:
			return err3 != nil
		case <-ctx.Done():
		}
		return true
	}
	go func() {
		defer close(ended4)
		if err4 = four.probeOne(ctx4, ctx4, &r4); err4 != nil {
			return
		}
		select {
		case <-late:
			end3(errNoAnswer)
		case <-ended3:
		}
	}()
	err3 = three.probeOne(ctx3, ctx, &r3)
	close(ended3)
	if err3 == nil {
		wait := finishTime
		if end, ok := ctx.Deadline(); ok {
			wait = min(wait, time.Until(end)/2)
		}
		defer time.AfterFunc(wait, end4).Stop()
	}
	<-ended4

	switch {
	case err3 == nil:
		*r = r3
		return nil
	case err4 == nil:
		*r = r4
		r.NotVersion3 = err3
		return nil
	}
	*r = r3
	var failed *Error
	if errors.As(err3, &failed) {
		failed.Other = err4
	}
	return err3
}

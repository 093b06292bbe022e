package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"fsmon/cmd/internal/lab/proc"
)

// patience is how long a way may take to notice a fault.
const patience = 30 * time.Second

// notice is how a way ended that met a fault. The zero value was not measured.
type notice struct {
	// from its start, a watch's from the fault; at least patience if it was
	// killed
	took time.Duration
	code int // exit code; -1: ended by a signal
}

// bar is the length of its bar in the chart, in seconds, and the text beside it
// if that is not the length.
func (n notice) bar() (length float64, said string) {
	switch {
	case n == notice{}:
		return 0, "not measured"
	case n.took >= patience:
		return patience.Seconds(), "> 30"
	case n.code == 0:
		return 0, "never: said OK"
	}
	return n.took.Seconds(), ""
}

// fault breaks Samba and NFS, and lets all ways meet that at once. The watches
// have found their servers healthy before.
func (s servers) fault(ctx context.Context, which int, rows []row,
	samba, nfs func() error) (err error) {
	var watches []*proc.Watch
	defer func() {
		for _, w := range watches {
			err = errors.Join(err, w.End())
		}
	}()
	watchOf := map[*row]*proc.Watch{}
	for i := range rows {
		r := &rows[i]
		if !r.faults || r.watch == nil {
			continue
		}
		w, err := startWatch(s.samba.Dir, fmt.Sprintf("fault%d-%d", which, i), r.watch, "-i", "1",
			"-c", "1", "-r", "1")
		if err != nil {
			return err
		}
		watches, watchOf[r] = append(watches, w), w
	}
	healthy := func(w *proc.Watch) (bool, error) { return w.Probes >= 2 && w.Failed == "", nil }
	if err := until(ctx, s.samba.Dir, watches, healthy); err != nil {
		return err
	}

	sambaAt := time.Now()
	if err := samba(); err != nil {
		return err
	}
	nfsAt := time.Now()
	if err := nfs(); err != nil {
		return err
	}
	var all sync.WaitGroup
	defer all.Wait()
	for i := range rows {
		r := &rows[i]
		n := &r.notices[which]
		switch w := watchOf[r]; {
		case !r.faults:
		case w != nil:
			at := nfsAt
			if r.smb {
				at = sambaAt
			}
			all.Go(func() { *n = noticed(ctx, w, at) })
		default:
			wait, err := ask(ctx, r.line)
			if err != nil {
				return err
			}
			all.Go(func() { *n = wait() })
		}
	}
	all.Wait()
	return ctx.Err()
}

// ask starts a tool. The function that it returns waits for the end.
func ask(ctx context.Context, line []string) (wait func() notice, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	p, err := proc.Start(exec.Command(line[0], line[1:]...))
	if err != nil {
		cancel()
		return nil, err
	}
	return func() notice {
		defer cancel()
		p.Until(ctx, func() bool { return !p.Alive() }) // an error: it is killed
		// with what it left behind, which may keep its output
		p.KillGroup()
		p.Wait(context.Background())
		return notice{p.Ended().Sub(p.Began()), p.Code()}
	}, nil
}

// noticed waits for the watch's end.
func noticed(ctx context.Context, w *proc.Watch, fault time.Time) notice {
	ctx, cancel := context.WithDeadline(ctx, fault.Add(patience))
	defer cancel()
	if w.Until(ctx, func() bool { return !w.Alive() }) != nil {
		return notice{patience, -1}
	}
	return notice{w.Ended().Sub(fault), w.Code()}
}

// recovered returns when each of our checks has found its server healthy again.
func recovered(ctx context.Context, rows []row) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for _, r := range rows {
		if !r.ours || r.line == nil {
			continue
		}
		for {
			_, err := run(ctx, r.line)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return errors.Join(ctx.Err(), err)
			}
		}
	}
	return nil
}

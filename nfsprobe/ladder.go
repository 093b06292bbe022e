package nfsprobe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"
)

// climb runs one step and enters it into the report as a rung. If a step is run
// again (with a lower minor version, say), it continues its rung. An error
// becomes an *Error of this step, a panic a malformed answer.
func (a *attempt) climb(
	ctx context.Context, r *Report, step Step, do func() (learnt string, err error),
) error {
	began := time.Now()
	learnt, err := guarded(do)
	at, again := slices.BinarySearchFunc(r.Rungs, step, func(rung Rung, s Step) int {
		return cmp.Compare(rung.Step, s)
	})
	if !again {
		r.Rungs = slices.Insert(r.Rungs, at, Rung{Step: step})
	}
	r.Rungs[at].Took += time.Since(began)
	r.Rungs[at].Learnt = learnt
	if err == nil {
		return nil
	}
	return a.failed(ctx, r, step, err)
}

// queueNull queues NULL of a version of NFS.
func (c *client) queueNull(version uint32) *pending {
	return c.queue(nfsProgram, version, procNull, nil)
}

// null awaits the reply to NULL, and so the first sign of life of the NFS
// server. What else is queued is sent with it.
func (a *attempt) null(ctx context.Context, r *Report, c *client, p *pending) error {
	return a.climb(ctx, r, Null, func() (string, error) {
		_, err := c.await(ctx, p)
		return "", err
	})
}

// guarded calls do and turns a panic into an error: do decodes what a server
// sent.
func guarded(do func() (string, error)) (learnt string, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return do()
}

func panicked(v any) error { return malformed("the decoder panicked on it: %v", v) }

// failed makes an *Error of a step's error.
func (a *attempt) failed(ctx context.Context, r *Report, step Step, err error) error {
	var already *Error
	if errors.As(err, &already) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errNoAnswer) && step != Ticket ||
		errors.Is(err, context.Canceled) {
		err = whyEnded(ctx, err)
	}
	var refused *RPCError
	if errors.As(err, &refused) && refused.Auth == "AUTH_TOOWEAK" && step != PortMap &&
		!a.portWanted {
		why := ErrKerberos
		switch {
		case a.service() != 0 && step != MountConnect && step != Mount:
			why = &FlavorError{Wanted: a.Security}
		case r.ordinaryPort():
			why = ErrPortOrKerberos
		}
		err = fmt.Errorf("%w: %w", why, err)
	}
	if a.short && mayBeAboutPort(err) {
		err = fmt.Errorf("no privileged source port is free (%w), and the server refuses an "+
			"ordinary one: %v", syscall.EADDRINUSE, err)
	}
	if local(err) {
		step = Socket
	}
	version := cmp.Or(r.Version, a.Version)
	if version == "auto" {
		version = ""
	}
	return &Error{
		Step: step, Version: version, Err: err,
		Connected: r.Address != "", SourcePort: r.SourcePort,
	}
}

// mayBeAboutPort reports whether a server may refuse an ordinary source port in
// this way. NFS-Ganesha hides the directory in version 4.
func mayBeAboutPort(err error) bool {
	var refused *RPCError
	var status Status
	if errors.As(err, &refused) {
		return refused.Stat == "AUTH_ERROR"
	}
	return errors.As(err, &status) &&
		slices.Contains([]string{"PERM", "ACCES", "ACCESS", "NOENT"}, status.Name())
}

// goodbye handles the error of a step that only cleans up at the server. The
// export was served before, so a refusal or a closed connection is a warning:
// servers may close connections that have nothing more to say, and if this one
// has died, the next probe finds out. Silence and malformed answers remain
// failures.
func (r *Report) goodbye(step Step, err error) (learnt string, _ error) {
	var (
		refused *RPCError
		status  *Status4
	)
	switch {
	case errors.As(err, &status):
		err = status // its text names the operation
		fallthrough
	case errors.As(err, &refused):
		r.warn("%s was refused: %v", step, err)
		return "refused", nil
	case closed(err):
		// The text has no ports in it, so that it is the same for every probe
		// and is reported once.
		r.warn("the server closed the connection instead of answering %s, "+
			"and may keep what it knows of the probe for a while", step)
		return "connection closed", nil
	}
	return "", err
}

// closed reports whether the other end closed or reset the connection.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}

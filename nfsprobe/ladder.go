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

// climb runs one step and enters it into the report as a rung. A step that is
// run again (a minor version lower, say) goes on with the rung it has. Its
// error becomes an *Error of this step; a panic is a malformed answer.
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

// guarded: the decoders of what a server sent run in it.
func guarded(do func() (string, error)) (learnt string, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(v)
		}
	}()
	return do()
}

func panicked(v any) error { return malformed("the decoder panicked on it: %v", v) }

// failed makes an *Error of whatever a step failed on.
func (a *attempt) failed(ctx context.Context, r *Report, step Step, err error) error {
	var already *Error
	if errors.As(err, &already) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errNoAnswer) ||
		errors.Is(err, context.Canceled) {
		err = whyEnded(ctx, err)
	}
	var refused *RPCError
	if errors.As(err, &refused) && refused.Auth == "AUTH_TOOWEAK" && step != PortMap &&
		!a.portWanted {
		why := ErrKerberos
		if r.ordinaryPort() {
			why = ErrPortOrKerberos
		}
		err = fmt.Errorf("%w: %w", why, err)
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
		Connected: r.Address != "", OrdinaryPort: r.ordinaryPort(),
	}
}

// goodbye turns a goodbye that was refused, or met a closed connection, into a
// warning: the export was served, and a server may close what has been idle for
// long, or what has nothing more to say. If it has died, the next probe finds it
// dead. Silence and what cannot be decoded remain failures.
func (r *Report) goodbye(step Step, err error) (learnt string, _ error) {
	var (
		refused *RPCError
		status  *Status4
	)
	switch {
	case errors.As(err, &status):
		err = status // which names the operation that the server refused
		fallthrough
	case errors.As(err, &refused):
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s was refused: %v", step, err))
		return "refused", nil
	case closed(err):
		// The same text every time, whatever the ports: it is told once.
		r.Warnings = append(r.Warnings,
			fmt.Sprintf("the server closed the connection instead of answering %s, "+
				"and may keep what it knows of the probe for a while", step))
		return "connection closed", nil
	}
	return "", err
}

// closed: the other end closed or reset the connection.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}

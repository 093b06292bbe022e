package smbprobe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
)

// resolveShare is the part of what is left of the deadline that a silent
// resolver may use up when an address from an earlier success is known.
const resolveShare = 4

// resolve turns the configured address into IP addresses. After the first
// success a resolver that fails does not fail the probe: the last good address
// is used and a warning says so, since a DNS outage is not a dead file server.
func (p *attempt) resolve(ctx context.Context, r *Report) ([]netip.Addr, error) {
	host := p.Address
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	began := time.Now()
	rctx, cancel := ctx, context.CancelFunc(func() {})
	if end, ok := ctx.Deadline(); ok && p.lastGood.IsValid() {
		rctx, cancel = context.WithTimeout(ctx, time.Until(end)/resolveShare)
	}
	defer cancel()
	addrs, err := p.lookup(rctx, host)
	if err == nil && len(addrs) == 0 {
		err = &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if err != nil {
		if p.lastGood.IsValid() && ctx.Err() == nil {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%q does not resolve, so its last good address %s is used", host, p.lastGood))
			err, addrs = nil, []netip.Addr{p.lastGood}
		} else if errors.Is(ctx.Err(), context.Canceled) {
			err = ctx.Err()
		} else if ctx.Err() != nil {
			err = fmt.Errorf("%q: %w", host, errNoAnswer)
		}
	}
	rung := Rung{Step: Resolve, Took: time.Since(began)}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap() // the resolver gives IPv4 in the form of IPv6
	}
	if err == nil {
		rung.Learnt = addrs[0].String()
	}
	r.Rungs = append(r.Rungs, rung)
	if err != nil {
		if want := wanting(err); want != nil {
			return nil, &Error{Step: Socket, Err: want}
		}
		return nil, &Error{Step: Resolve, Err: err}
	}
	return addrs, nil
}

// dial connects to the first address that answers. Each has an equal part of
// what is left of the deadline, so that one blackholed address cannot use up
// the time of a good one behind it.
func (p *attempt) dial(ctx context.Context, r *Report) (net.Conn, error) {
	addrs, err := p.resolve(ctx, r)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	var cause error
	for i, a := range addrs {
		actx, cancel := ctx, context.CancelFunc(func() {})
		if end, ok := ctx.Deadline(); ok && i < len(addrs)-1 {
			actx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(len(addrs)-i))
		}
		var d net.Dialer
		conn, err := d.DialContext(actx, "tcp", net.JoinHostPort(a.String(), strconv.Itoa(p.Port)))
		cancel()
		if err == nil {
			r.Address = conn.RemoteAddr().String()
			r.Rungs = append(r.Rungs, Rung{Step: Connect, Took: time.Since(began), Learnt: r.Address})
			return conn, nil
		}
		// The first failure is the cause, unless it says less about the server
		// than a later one: an address family that this machine has no way for.
		if cause == nil || pathless(cause) && !pathless(err) {
			cause = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	r.Rungs = append(r.Rungs, Rung{Step: Connect, Took: time.Since(began)})
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, &Error{Step: Connect, Err: ctx.Err()}
	case ctx.Err() != nil || errors.Is(cause, os.ErrDeadlineExceeded):
		// The dialer's own deadline may fire a moment before the context's.
		return nil, &Error{Step: Connect, Err: errNoAnswer}
	case local(cause):
		return nil, &Error{Step: Socket, Err: cause}
	}
	return nil, &Error{Step: Connect, Err: cause}
}

func pathless(err error) bool {
	return local(err) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH)
}

// wanting returns what this machine lacks if that may be why a name did not
// resolve. The resolver does not say so when it could open no socket and no
// file, so that is tried again here.
func wanting(err error) error {
	if local(err) {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	null.Close()
	return nil
}

// local reports whether an error is a want of this machine and says nothing
// about the server: no descriptors, no memory, no local port.
func local(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

package smbprobe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// A resolver that does not answer gets 1/resolveShare of the remaining time if
// an address from an earlier success is known.
const resolveShare = 4

// resolve turns the configured address into IP addresses. Once a probe has
// succeeded, a failing resolver no longer fails the probe: a DNS outage is not
// a dead file server. The last good address is used, with a warning.
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
			r.warn("%q does not resolve, so its last good address %s is used", host, p.lastGood)
			err, addrs = nil, []netip.Addr{p.lastGood}
		} else if errors.Is(ctx.Err(), context.Canceled) {
			err = ctx.Err()
		} else if ctx.Err() != nil {
			err = fmt.Errorf("%q: %w", host, errNoAnswer)
		}
	}
	rung := Rung{Step: Resolve, Took: time.Since(began)}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap() // the resolver returns IPv4 as ::ffff:a.b.c.d
	}
	if err == nil {
		rung.Learnt = addrs[0].String()
	}
	r.Rungs = append(r.Rungs, rung)
	if err != nil {
		if local := localCause(err); local != nil {
			return nil, &Error{Step: Socket, Err: local}
		}
		return nil, &Error{Step: Resolve, Err: err}
	}
	return addrs, nil
}

// dial connects to the first address that answers. Each address gets an equal
// part of the remaining time, so that one address that drops all packets leaves
// time for a good one after it. On the NetBIOS port it also makes the session.
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
		d := net.Dialer{KeepAlive: -1} // a probe has a deadline
		addr := net.JoinHostPort(a.String(), strconv.Itoa(p.Port))
		conn, err := d.DialContext(actx, "tcp", addr)
		cancel()
		if err == nil {
			r.Address = conn.RemoteAddr().String()
			rung := Rung{Step: Connect, Took: time.Since(began), Learnt: r.Address}
			r.Rungs = append(r.Rungs, rung)
			if p.onNetBIOS() {
				return p.netbiosSession(ctx, conn, r)
			}
			return conn, nil
		}
		// The first failure is the cause. But if this machine has no route to
		// that address, a later failure says more about the server.
		if cause == nil || noRoute(cause) && !noRoute(err) {
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
		// The dialer's own deadline may pass a moment before the context's.
		return nil, &Error{Step: Connect, Err: errNoAnswer}
	case isLocal(cause):
		return nil, &Error{Step: Socket, Err: cause}
	}
	return nil, &Error{Step: Connect, Err: cause}
}

func noRoute(err error) bool {
	return isLocal(err) ||
		errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH)
}

// localCause returns what is wrong on this machine if that may be why a name
// did not resolve, else nil. The resolver does not say when it could open no
// socket and no file, so localCause tries to open a file.
func localCause(err error) error {
	if isLocal(err) {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	null.Close()
	return nil
}

// isLocal reports whether the fault is on this machine and says nothing about
// the server: no descriptors, no memory, no local port.
func isLocal(err error) bool {
	return slices.ContainsFunc([]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
		syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT,
	}, func(e syscall.Errno) bool { return errors.Is(err, e) })
}

package nfsprobe

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

// resolveShare: if an address from an earlier success is known, a silent
// resolver may take one part in resolveShare of what is left of the deadline.
const resolveShare = 4

// resolve turns the configured address into IP addresses. After the first
// success a resolver that fails does not fail the probe, since a DNS outage is
// not a dead file server: the last good address is used, with a warning.
func (a *attempt) resolve(ctx context.Context, r *Report) error {
	host := a.Address
	if ip, err := netip.ParseAddr(host); err == nil {
		a.addrs = []netip.Addr{ip.Unmap()}
		return nil
	}
	return a.climb(ctx, r, Resolve, func() (string, error) {
		rctx, cancel := ctx, context.CancelFunc(func() {})
		if end, ok := ctx.Deadline(); ok && a.lastGood.IsValid() {
			rctx, cancel = context.WithTimeout(ctx, time.Until(end)/resolveShare)
		}
		defer cancel()
		addrs, err := a.lookup(rctx, host)
		if err == nil && len(addrs) == 0 {
			err = &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			if err = whyEnded(ctx, err); errors.Is(err, errNoAnswer) {
				err = fmt.Errorf("%q: %w", host, err)
			}
			return "", err
		case a.lastGood.IsValid():
			r.warn("%q does not resolve, so its last good address %s is used", host, a.lastGood)
			addrs = []netip.Addr{a.lastGood}
		default:
			if want := localCause(err); want != nil {
				err = want
			}
			return "", err
		}
		for i := range addrs {
			addrs[i] = addrs[i].Unmap() // the resolver returns IPv4 mapped to IPv6
		}
		a.addrs = addrs
		return addrs[0].String(), nil
	})
}

// dial connects to a port of the server, from a privileged source port if it
// may, and secures the connection to NFS if that is configured. The step is the
// connect alone. The caller closes the connection.
func (a *attempt) dial(ctx context.Context, r *Report, step Step, port int) (*client, error) {
	var c *client
	err := a.climb(ctx, r, step, func() (learnt string, err error) {
		conn, err := a.connect(ctx, port, !a.Unprivileged)
		if err != nil {
			return "", err
		}
		if a.short {
			r.warnOnce("all privileged source ports are in use, so an ordinary one is used")
		}
		c = newClient(conn, authSysOwn())
		r.Address = conn.remote.String()
		if step == Connect && a.service() != 0 {
			c.user = fmt.Sprintf("%s (%s)", a.login.User, a.Security)
		}
		c.identify(r)
		return r.Address, nil
	})
	if err == nil && a.TLS != nil && step == Connect {
		if err = a.secure(ctx, r, c); err != nil {
			c.Close()
		}
	}
	return c, err
}

// connect connects to the first address that answers. Each has an equal part of
// what is left of the deadline, so that an address without an answer cannot use
// up the time of a good one behind it. All later connections of the probe go to
// the same address.
func (a *attempt) connect(ctx context.Context, port int, reserved bool) (*recorded, error) {
	var cause error
	for i, addr := range a.addrs {
		actx, cancel := ctx, context.CancelFunc(func() {})
		if end, ok := ctx.Deadline(); ok && i < len(a.addrs)-1 {
			actx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(len(a.addrs)-i))
		}
		conn, err := a.connectFrom(actx, netip.AddrPortFrom(addr, uint16(port)), reserved)
		cancel()
		if err == nil {
			a.addrs = []netip.Addr{addr}
			return &recorded{Conn: conn, wire: a.wire, local: addrPort(conn.LocalAddr()),
				remote: addrPort(conn.RemoteAddr())}, nil
		}
		// The first failure is the cause, unless it only says that this machine
		// has no route to the address.
		if cause == nil || pathless(cause) && !pathless(err) {
			cause = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, whyEnded(ctx, cause)
}

// connectFrom connects to one address. A privileged source port that is in use
// costs no time: the prober's other one is tried at once. If that is in use too,
// the prober changes to other ports. If none is left, an ordinary one is used.
//
// A connection ends with FIN, which a server cannot miss, but which keeps the
// port in TIME_WAIT for a minute. With TCP timestamps that does not matter;
// without them some 180 watches of one server would use up all ports. So a spare
// port is given back with RST, which leaves nothing behind.
func (a *attempt) connectFrom(
	ctx context.Context, to netip.AddrPort, reserved bool,
) (net.Conn, error) {
	address := net.JoinHostPort(to.Addr().String(), strconv.Itoa(int(to.Port())))
	for tries := 0; mayBind && reserved && tries < 2*ports && ctx.Err() == nil; tries++ {
		i := tries % 2
		source := a.sources.get(i)
		if source == int(to.Port()) {
			continue // the port would connect to itself
		}
		d := net.Dialer{LocalAddr: &net.TCPAddr{Port: source}, Control: shared, KeepAlive: -1}
		conn, err := d.DialContext(ctx, "tcp", address)
		switch {
		case err == nil && source >= firstSpare:
			conn.(*net.TCPConn).SetLinger(0)
			return conn, nil
		case forbidden(err):
			reserved = false
		case !taken(err):
			return conn, err
		// Another program has it.
		case errors.Is(err, syscall.EADDRINUSE):
			a.sources.replace(i, source, false)
		// Both are in use for this very connection, or were a moment ago.
		case i == 1:
			a.sources.replace(i, source, true)
		}
	}
	a.short = mayBind && reserved && ctx.Err() == nil
	d := net.Dialer{KeepAlive: -1} // every wait has a deadline anyway
	return d.DialContext(ctx, "tcp", address)
}

// forbidden reports that this process may not bind the source port. (A firewall
// may cause the same errno in connect.)
func forbidden(err error) bool {
	var call *os.SyscallError
	return errors.As(err, &call) && call.Syscall == "bind" && errors.Is(call.Err, os.ErrPermission)
}

// taken reports that the source port is in use, or was for the same connection
// a moment ago.
func taken(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

func pathless(err error) bool {
	return local(err) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH)
}

// localCause returns the local error that may be why a name did not resolve, or
// nil. The resolver does not tell when it could open no socket or file, so this
// tries to open one.
func localCause(err error) error {
	if local(err) {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err == nil {
		null.Close()
	} else if local(err) {
		return err
	}
	return nil
}

// local reports whether the fault is on this machine and says nothing about the
// server: no descriptors, no memory, no local port.
func local(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS,
		syscall.ENOMEM, syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT,
		syscall.EPROTONOSUPPORT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

package smbprobe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/smbprobe/smbtest"
)

type lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// answer is a resolver that gives these addresses.
func answer(addrs ...string) lookup {
	return func(context.Context, string) ([]netip.Addr, error) {
		var parsed []netip.Addr
		for _, a := range addrs {
			parsed = append(parsed, netip.MustParseAddr(a))
		}
		return parsed, nil
	}
}

func silentResolver(ctx context.Context, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

var notFound = &net.DNSError{Err: "no such host", Name: "fileserver.example", IsNotFound: true}

func unknownHost(context.Context, string) ([]netip.Addr, error) { return nil, notFound }

// named returns a prober that has the server's name, which l resolves.
func named(t *testing.T, addr string, l lookup) *Prober {
	t.Helper()
	c := at(t, addr, "share")
	c.Address = "fileserver.example"
	p := New(c)
	p.lookup = l
	return p
}

func TestResolve(t *testing.T) {
	p := named(t, samba(t).Addr(), func(_ context.Context, host string) ([]netip.Addr, error) {
		if host != "fileserver.example" {
			t.Errorf("asked for %q", host)
		}
		return answer("::ffff:127.0.0.1")(nil, host)
	})
	r, err := probeWith(t, p)
	if err != nil || r.Rungs[0].Step != Resolve || r.Rungs[0].Learnt != "127.0.0.1" {
		t.Errorf("rungs %v, %v", r.Rungs, err)
	}
}

func TestResolveFails(t *testing.T) {
	for name, l := range map[string]lookup{"unknown": unknownHost, "no address": answer()} {
		t.Run(name, func(t *testing.T) {
			_, err := probeWith(t, named(t, samba(t).Addr(), l))
			fails(t, err, Resolve, notFound)
		})
	}
	t.Run("silent", func(t *testing.T) {
		p := named(t, samba(t).Addr(), silentResolver)
		failsAtDeadline(t, p, Resolve, context.DeadlineExceeded)
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		resolver := func(ctx context.Context, host string) ([]netip.Addr, error) {
			cancel()
			return silentResolver(ctx, host)
		}
		_, err := probeIn(t, ctx, named(t, samba(t).Addr(), resolver))
		fails(t, err, Resolve, context.Canceled)
	})
	t.Run("no descriptors", func(t *testing.T) {
		resolver := func(context.Context, string) ([]netip.Addr, error) {
			return nil, &net.OpError{Op: "dial", Net: "udp", Err: syscall.EMFILE}
		}
		_, err := probeWith(t, named(t, samba(t).Addr(), resolver))
		fails(t, err, Socket, syscall.EMFILE)
	})
}

func TestResolverOutage(t *testing.T) {
	s := smbtest.Samba(t, smbtest.Config{})
	const warning = `"fileserver.example" does not resolve, ` +
		"so its last good address 127.0.0.1 is used"
	p := named(t, s.Addr(), unknownHost)
	_, err := probeWith(t, p)
	fails(t, err, Resolve, notFound)

	// The address of a server that was not healthy is not remembered.
	unhealthy := named(t, s.Addr(), answer("127.0.0.1"))
	unhealthy.Login("root", "wrong", "")
	_, err = probeWith(t, unhealthy)
	fails(t, err, SessionSetup, logonFailure)
	unhealthy.lookup = unknownHost
	_, err = probeWith(t, unhealthy)
	fails(t, err, Resolve, notFound)

	p.lookup = answer("127.0.0.1")
	if _, err := probeWith(t, p); err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]lookup{
		"unknown":    unknownHost,
		"no address": answer(),
		"silent": func(ctx context.Context, _ string) ([]netip.Addr, error) {
			if end, ok := ctx.Deadline(); !ok || time.Until(end) > patience/2 {
				t.Errorf("may take %v of %v", time.Until(end), patience)
			}
			return nil, context.DeadlineExceeded
		},
	} {
		p.lookup = l
		r, err := probeWith(t, p)
		if err != nil || len(r.Warnings) != 1 || r.Warnings[0] != warning {
			t.Errorf("%s: %v, warnings %q", name, err, r.Warnings)
		}
	}

	// A dead server is reported, whatever the resolver does.
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	r, err := probeWith(t, p)
	fails(t, err, Connect, broken("dial", syscall.ECONNREFUSED))
	if len(r.Warnings) != 1 {
		t.Errorf("warnings %q", r.Warnings)
	}
}

// A resolver that hangs leaves the probe most of its time.
func TestResolverHangs(t *testing.T) {
	p := named(t, samba(t).Addr(), answer("127.0.0.1"))
	if _, err := probeWith(t, p); err != nil {
		t.Fatal(err)
	}
	p.lookup = silentResolver
	if r, _, err := probeInTime(t, p, isHealthy); err != nil || len(r.Warnings) != 1 {
		t.Errorf("%v, warnings %q", err, r.Warnings)
	}
}

// The server listens only on 127.0.0.1. Its port is closed on all other
// addresses of this machine.
func TestAddresses(t *testing.T) {
	s := samba(t)
	for _, c := range []struct {
		addrs string
		cause error // nil: healthy
	}{
		{"127.0.0.1", nil},
		{"127.0.0.2 127.0.0.1", nil},
		{"127.0.0.2 127.0.0.3 127.0.0.1", nil},
		{"127.0.0.2 127.0.0.3", broken("dial", syscall.ECONNREFUSED)},
		// No connect to 255.255.255.255 is possible: ENETUNREACH, which says
		// nothing about the server.
		{"255.255.255.255 127.0.0.1", nil},
		{"255.255.255.255", broken("dial", syscall.ENETUNREACH)},
		{"255.255.255.255 127.0.0.2", broken("dial", syscall.ECONNREFUSED)},
		{"127.0.0.2 255.255.255.255", broken("dial", syscall.ECONNREFUSED)},
	} {
		r, err := probeWith(t, named(t, s.Addr(), answer(strings.Fields(c.addrs)...)))
		if c.cause != nil {
			fails(t, err, Connect, c.cause)
		} else if err != nil || r.Address != s.Addr() {
			t.Errorf("%s: address %q, %v", c.addrs, r.Address, err)
		}
	}
}

func TestConnectFails(t *testing.T) {
	_, err := probe(t, Config{Address: "127.0.0.2", Port: samba(t).Port, Share: "share"})
	fails(t, err, Connect, broken("dial", syscall.ECONNREFUSED))

	expired, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = probeIn(t, expired, New(at(t, samba(t).Addr(), "share")))
	fails(t, err, Connect, context.DeadlineExceeded)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = probeIn(t, cancelled, New(at(t, samba(t).Addr(), "share")))
	fails(t, err, Connect, context.Canceled)
}

// A fault of this machine is not taken for the server's.
func TestLocal(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT,
	} {
		if err := fmt.Errorf("probe: %w", &net.OpError{Op: "dial", Err: errno}); !isLocal(err) {
			t.Errorf("%v: not local", err)
		}
	}
	for _, errno := range []syscall.Errno{
		syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
		syscall.ETIMEDOUT, syscall.ECONNRESET,
	} {
		if isLocal(&net.OpError{Op: "dial", Err: errno}) {
			t.Errorf("%v: local", errno)
		}
	}
}

func TestUNCHost(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":          "192.0.2.1",
		"fileserver.example": "fileserver.example",
		"2001:db8::1":        "2001-db8--1.ipv6-literal.net",
		"fe80::1%eth0":       "fe80--1seth0.ipv6-literal.net",
	} {
		if got := uncHost(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if p := New(Config{Address: "192.0.2.1"}); p.config.Port != 445 {
		t.Errorf("default port %d", p.config.Port)
	}
}

package nfsprobe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

type lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// answer returns a resolver that returns these addresses.
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

// named returns a hostile server and a prober of version 3 that finds it by
// name with this resolver.
func named(t testing.TB, l lookup) (*nfstest.Hostile, *Prober) {
	t.Helper()
	h, c := hostile(t)
	c.Address = "fileserver.example"
	p := New(c)
	p.lookup = l
	return h, p
}

func TestResolve(t *testing.T) {
	_, p := named(t, func(_ context.Context, host string) ([]netip.Addr, error) {
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
			_, p := named(t, l)
			_, err := probeWith(t, p)
			fails(t, err, Resolve, notFound)
		})
	}
	t.Run("silent", func(t *testing.T) {
		_, p := named(t, silentResolver)
		_, err := probeUntilDeadline(t, p, Resolve)
		fails(t, err, Resolve, context.DeadlineExceeded)
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, p := named(t, func(ctx context.Context, host string) ([]netip.Addr, error) {
			cancel()
			return silentResolver(ctx, host)
		})
		_, err := probeIn(t, ctx, p)
		fails(t, err, Resolve, context.Canceled)
	})
	t.Run("no descriptors", func(t *testing.T) {
		_, p := named(t, func(context.Context, string) ([]netip.Addr, error) {
			return nil, &net.OpError{Op: "dial", Net: "udp", Err: syscall.EMFILE}
		})
		_, err := probeWith(t, p)
		fails(t, err, Socket, syscall.EMFILE)
	})
}

func TestResolverOutage(t *testing.T) {
	const warning = `"fileserver.example" does not resolve, so its last good address 127.0.0.1 is used`
	h, p := named(t, answer("127.0.0.1"))
	h.On(nfstest.Mnt, nfstest.MountStatus(13))
	_, err := probeWith(t, p)
	fails(t, err, Mount, MountStatus(13))

	// The address of a server that was not healthy is not a good one.
	p.lookup = unknownHost
	_, err = probeWith(t, p)
	fails(t, err, Resolve, notFound)

	h.On(nfstest.Mnt, nfstest.Healthy)
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
	h.On(nfstest.Getport, nfstest.Close)
	r, err := probeWith(t, p)
	if len(r.Warnings) != 1 {
		t.Errorf("warnings %q", r.Warnings)
	}
	if err == nil {
		t.Error("a dead server is a dead server, whatever the resolver does")
	}
}

// The server listens on 127.0.0.1 only, so connections to this machine's other
// addresses are refused.
func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		addrs string
		cause error // nil: healthy
	}{
		{"127.0.0.1", nil},
		{"127.0.0.2 127.0.0.1", nil},
		{"127.0.0.2 127.0.0.3 127.0.0.1", nil},
		{"127.0.0.2 127.0.0.3", broken("dial", syscall.ECONNREFUSED)},
		// Nobody can connect to 255.255.255.255: ENETUNREACH says nothing about
		// the server.
		{"255.255.255.255 127.0.0.1", nil},
		{"255.255.255.255", broken("dial", syscall.ENETUNREACH)},
		{"255.255.255.255 127.0.0.2", broken("dial", syscall.ECONNREFUSED)},
		{"127.0.0.2 255.255.255.255", broken("dial", syscall.ECONNREFUSED)},
	} {
		h, p := named(t, answer(strings.Fields(c.addrs)...))
		r, err := probeWith(t, p)
		if c.cause != nil {
			fails(t, err, PortMap, c.cause)
		} else if err != nil || r.Address != net.JoinHostPort(h.Address, strconv.Itoa(h.NFSPort)) {
			t.Errorf("%s: address %q, %v", c.addrs, r.Address, err)
		}
	}
}

func TestConnectFails(t *testing.T) {
	h, c := hostile(t)
	c.Address = "127.0.0.2"
	_, err := probe(t, c)
	fails(t, err, PortMap, broken("dial", syscall.ECONNREFUSED))
	c.Address, c.MountPort, c.Port = "127.0.0.1", h.MountPort, 1
	r, err := probe(t, c)
	fails(t, err, Connect, broken("dial", syscall.ECONNREFUSED))
	if h.Count(nfstest.Umnt) != 1 || len(r.Warnings) != 0 {
		t.Errorf("%d UMNT, warnings %q", h.Count(nfstest.Umnt), r.Warnings)
	}

	// A server that accepts connections and closes them at once.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	c.MountPort = l.Addr().(*net.TCPAddr).Port
	_, err = probe(t, c)
	var op *net.OpError
	if fails(t, err, Mount, err); !errors.As(err, &op) || op.Op != "read" && op.Op != "write" {
		t.Error(err)
	}

	expired, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err = probeIn(t, expired, New(c))
	fails(t, err, MountConnect, context.DeadlineExceeded)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = probeIn(t, cancelled, New(c))
	fails(t, err, MountConnect, context.Canceled)
}

// Faults of this machine are told apart from those of the server.
func TestLocal(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS,
		syscall.ENOMEM, syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT} {
		if err := fmt.Errorf("probe: %w", &net.OpError{Op: "dial", Err: errno}); !local(err) {
			t.Errorf("%v: not local", err)
		}
	}
	for _, errno := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EHOSTUNREACH,
		syscall.ENETUNREACH, syscall.ETIMEDOUT, syscall.ECONNRESET} {
		if local(&net.OpError{Op: "dial", Err: errno}) {
			t.Errorf("%v: local", errno)
		}
	}
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)}
	if forbidden(refused) ||
		!forbidden(&net.OpError{Op: "dial", Err: os.NewSyscallError("bind", syscall.EACCES)}) {
		t.Error("only bind says that a source port is forbidden")
	}
}

func TestMachineName(t *testing.T) {
	if name := machineName(); name == "" || len(name) > 255 || strings.ContainsFunc(name,
		func(c rune) bool {
			return c <= ' ' || c > '~'
		}) {
		t.Errorf("%q", name)
	}
	if cred := authSys(1, 2); cred.Flavor != 1 || len(cred.Body) < 24 {
		t.Errorf("%+v", cred)
	}
	var already *Error
	if err := (&attempt{}).failed(t.Context(), new(Report), Null,
		&Error{Step: Mount, Err: ErrKerberos}); !errors.As(err, &already) || already.Step != Mount {
		t.Error(err)
	}
}

// A server is healthy if its next address has NFS, though the port mapper at
// the first does not know it. (Over IPv6 there may be a port mapper only.)
func TestAddressWithoutNFS(t *testing.T) {
	h, p := named(t, answer("127.0.0.2", "127.0.0.1"))
	other, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", strconv.Itoa(h.PortmapPort)))
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	go func() {
		for {
			conn, err := other.Accept()
			if err != nil {
				close(asked)
				return
			}
			record, err := readRecord(conn)
			if err == nil {
				_, err = conn.Write(record4(binary.BigEndian.Uint32(record),
					&rpcv2.ReplyBody_MSG_ACCEPTED{
						Areply: rpcv2.AcceptedReply{ReplyData: &rpcv2.AcceptedReplyData_SUCCESS{}}},
					xdr(0)))
			}
			conn.Close()
			asked <- err
		}
	}()
	r, err := probeWith(t, p)
	if err != nil || r.Address != net.JoinHostPort(h.Address, strconv.Itoa(h.NFSPort)) {
		t.Errorf("address %q, %v", r.Address, err)
	}
	if err := <-asked; err != nil {
		t.Error(err)
	}
	h.On(nfstest.Getport, nfstest.Port(0))
	r, err = probeWith(t, p)
	fails(t, err, PortMap, ErrNotRegistered)
	if text := learnt(r, PortMap); text != "" {
		t.Errorf("learnt %q", text)
	}
	<-asked
	other.Close()
	for range asked {
	}
}

package nfsprobe

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/buildbarn/go-xdr/pkg/runtime"
)

// The port mapper, version 2, and rpcbind, versions 3 and 4 (RFC 1833).
const (
	portMapperPort    = 111
	portMapperProgram = 100000
	portMapperVersion = 2
	rpcbindVersion    = 4
	procGetPort       = 3 // GETADDR in versions 3 and 4
	protocolTCP       = 6
	maxUniversal      = 256 // bytes of a universal address; an IPv6 one with its port is below 64
)

// words are unsigned integers in XDR.
type words []uint32

func (w words) WriteTo(o io.Writer) (int64, error) {
	return int64(4 * len(w)), binary.Write(o, binary.BigEndian, []uint32(w))
}

// askPorts enters the ports of the mount service and of NFS version 3 into the
// report, and asks the port mapper for those that are not configured.
func (a *attempt) askPorts(ctx context.Context, r *Report) error {
	r.MountPort, r.NFSPort = a.MountPort, a.Port
	if r.MountPort != 0 && r.NFSPort != 0 {
		return nil
	}
	return a.climb(ctx, r, PortMap, func() (string, error) {
		if err := a.askPortMapper(ctx, r, cmp.Or(a.portMapper, portMapperPort)); err != nil {
			return "", err
		}
		return fmt.Sprintf("mount port %d, NFS port %d", r.MountPort, r.NFSPort), nil
	})
}

// askPortMapper asks the first address that answers, and the next ones if the
// programs are not registered there. A server may have addresses, mostly IPv6,
// at which its port mapper answers and its NFS does not.
func (a *attempt) askPortMapper(ctx context.Context, r *Report, port int) (cause error) {
	for rest := a.addrs; ; {
		a.addrs = rest
		err := a.askOne(ctx, r, port)
		if err == nil {
			return nil
		}
		if cause == nil {
			cause = err
		}
		if !errors.Is(err, ErrNotRegistered) || ctx.Err() != nil {
			return cause
		}
		if rest = rest[slices.Index(rest, a.addrs[0])+1:]; len(rest) == 0 {
			return cause
		}
	}
}

// askOne asks for both ports in one write.
func (a *attempt) askOne(ctx context.Context, r *Report, port int) error {
	conn, err := a.connect(ctx, port, false)
	if err != nil {
		return err
	}
	c := newClient(conn, noCredential)
	defer c.Close()
	r.Address, r.MountPort, r.NFSPort = conn.remote.String(), a.MountPort, a.Port
	var due []func() error
	for _, ask := range []struct {
		program uint32
		into    *int
	}{{mountProgram, &r.MountPort}, {nfsProgram, &r.NFSPort}} {
		if *ask.into != 0 {
			continue
		}
		answer := c.queuePort(ask.program, 3, conn.remote.Addr().Is6())
		due = append(due, func() (err error) {
			*ask.into, err = answer(ctx)
			return err
		})
	}
	for _, answer := range due {
		if err := answer(); err != nil {
			return err
		}
	}
	return nil
}

// queuePort queues the question for the TCP port of a version of a program, and
// returns what awaits the answer. A port mapper may return the port of another
// version; then the first call fails with PROG_MISMATCH. Over IPv4 rpcbind's own
// versions are asked only if it was built without version 2, over IPv6 there are
// no others; version 3 is asked if there is no 4.
func (c *client) queuePort(
	program, version uint32, ipv6 bool,
) (answer func(context.Context) (int, error)) {
	getAddr := func(rpcbind uint32, network string) *pending {
		return c.queue(portMapperProgram, rpcbind, procGetPort, rpcb{program, version, network})
	}
	address := func(ctx context.Context, p *pending, network string) (int, error) {
		results, err := c.await(ctx, p)
		var refused *RPCError
		if errors.As(err, &refused) && refused.Stat == "PROG_MISMATCH" {
			results, err = c.await(ctx, getAddr(rpcbindVersion-1, network))
		}
		if err != nil {
			return 0, err
		}
		return parseGetAddr(results)
	}
	if ipv6 {
		p := getAddr(rpcbindVersion, "tcp6")
		return func(ctx context.Context) (int, error) { return address(ctx, p, "tcp6") }
	}
	p := c.queue(portMapperProgram, portMapperVersion, procGetPort,
		words{program, version, protocolTCP, 0})
	return func(ctx context.Context) (int, error) {
		results, err := c.await(ctx, p)
		if err == nil {
			return parseGetPort(results)
		}
		var refused *RPCError
		if !errors.As(err, &refused) || refused.Stat != "PROG_MISMATCH" ||
			refused.Low > rpcbindVersion || refused.High < rpcbindVersion-1 {
			return 0, err
		}
		return address(ctx, getAddr(rpcbindVersion, "tcp"), "tcp")
	}
}

// rpcb is the argument of GETADDR (RFC 1833 2.1) for TCP; address and owner are
// empty.
type rpcb struct {
	program, version uint32
	network          string // its netid: "tcp", or "tcp6"
}

func (b rpcb) WriteTo(w io.Writer) (int64, error) {
	var args bytes.Buffer
	words{b.program, b.version}.WriteTo(&args)
	for _, s := range []string{b.network, "", ""} {
		runtime.WriteASCIIString(&args, maxUniversal, s)
	}
	return args.WriteTo(w)
}

// parseGetPort decodes the results of GETPORT (RFC 1833 3.2).
func parseGetPort(results io.Reader) (int, error) {
	port, _, err := runtime.ReadUnsignedInt(results)
	switch {
	case err != nil:
		return 0, malformed("GETPORT: %v", err)
	case port == 0:
		return 0, ErrNotRegistered
	case port > 65535:
		return 0, malformed("GETPORT: port %d", port)
	}
	return int(port), nil
}

// parseGetAddr decodes the results of GETADDR (RFC 1833 2.2.1): a universal
// address, whose last two numbers are the bytes of the port (RFC 5665 5.2.3.4).
func parseGetAddr(results io.Reader) (int, error) {
	b, _, err := runtime.ReadVariableLengthOpaque(results, maxUniversal)
	if err != nil {
		return 0, malformed("GETADDR: %v", err)
	}
	if len(b) == 0 {
		return 0, ErrNotRegistered
	}
	parts := strings.Split(string(b), ".")
	port := 0
	for _, part := range parts[max(0, len(parts)-2):] {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || len(parts) < 3 {
			return 0, malformed("GETADDR: universal address %q", b)
		}
		port = port<<8 | int(n)
	}
	if port == 0 {
		return 0, ErrNotRegistered
	}
	return port, nil
}

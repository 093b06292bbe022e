package kerberos

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultPort = "88" // RFC 4120 7.2.2
	// maxReply caps what a KDC may answer, in bytes. Large PACs have some 64 KiB.
	maxReply = 1 << 20
	// withoutADeadline is for the KDCs, when the caller has set none.
	withoutADeadline = 10 * time.Second
)

// exchange is the talk with KDCs that leads to one ticket.
type exchange struct {
	ctx   context.Context // of the KDCs' part of the deadline
	conf  conf
	order *order
	asked string // the KDC that was asked last
}

// ask sends a request to the KDCs of a realm, one after the other, until one
// answers. Each gets an equal share of the time that is left (RFC 4120 7.2.2:
// TCP alone).
func (x *exchange) ask(realm string, request []byte) ([]byte, error) {
	hosts, err := x.conf.find(x.ctx, realm)
	if err != nil {
		return nil, &Error{Err: err}
	}
	hosts = x.order.sort(hosts)
	for i, host := range hosts {
		x.asked = host
		var reply []byte
		reply, err = x.askOne(host, request, len(hosts)-i)
		if err == nil {
			var refusal krbError
			if refusal.parse(reply) != nil || refusal.ErrorCode != unavailable {
				x.order.first = host
				return reply, nil
			}
			err = refusal.asError("")
		}
		if x.ctx.Err() != nil {
			break
		}
	}
	return nil, x.failed(err)
}

// failed names the KDC that was asked last.
func (x *exchange) failed(err error) error {
	var known *Error
	if errors.As(err, &known) {
		known.KDC = x.asked
		return known
	}
	return &Error{KDC: x.asked, Err: err}
}

func (x *exchange) askOne(host string, request []byte, shares int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(x.ctx, share(x.ctx, shares))
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, ended(ctx, err)
	}
	defer conn.Close()
	end, _ := ctx.Deadline()
	conn.SetDeadline(end)
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	message := binary.BigEndian.AppendUint32(nil, uint32(len(request)))
	if _, err := conn.Write(append(message, request...)); err != nil {
		return nil, ended(ctx, err)
	}
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, ended(ctx, err)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxReply {
		return nil, fmt.Errorf("an answer of %d bytes is not that of a KDC", size)
	}
	reply := make([]byte, size)
	if _, err := io.ReadFull(conn, reply); err != nil {
		return nil, ended(ctx, err)
	}
	return reply, nil
}

// ended is the end of the context, if that is why the connection failed.
func ended(ctx context.Context, err error) error {
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Canceled
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return noAnswer{}
	}
	return err
}

// noAnswer is context.DeadlineExceeded with a text for people.
type noAnswer struct{}

func (noAnswer) Error() string { return "no answer within its share of the deadline" }
func (noAnswer) Unwrap() error { return context.DeadlineExceeded }

// share is one of n equal parts of the time until the context's deadline.
func share(ctx context.Context, n int) time.Duration {
	left := withoutADeadline
	if end, ok := ctx.Deadline(); ok {
		left = time.Until(end)
	}
	return left / time.Duration(n)
}

// order remembers which KDC has answered last, so that one that is down costs
// its share once, not in every exchange.
type order struct{ first string }

func (o *order) sort(hosts []string) []string {
	at := slices.Index(hosts, o.first)
	if at <= 0 {
		return hosts
	}
	sorted := append([]string{o.first}, hosts[:at]...)
	return append(sorted, hosts[at+1:]...)
}

// find returns the KDCs of a realm as HOST:PORT: from the configuration, or
// from DNS (RFC 4120 7.2.3.2).
func (c conf) find(ctx context.Context, realm string) ([]string, error) {
	if hosts := c.kdcs[realm]; len(hosts) > 0 {
		return hosts, nil
	}
	if c.noDNS {
		return nil, fmt.Errorf("%w for the realm %s: --kdc names none, [realms] of krb5.conf "+
			"neither, and dns_lookup_kdc is off", ErrNoKDC, realm)
	}
	_, records, err := net.DefaultResolver.LookupSRV(ctx, "kerberos", "tcp", realm)
	var hosts []string
	for _, r := range records {
		if target := strings.TrimSuffix(r.Target, "."); target != "" {
			hosts = append(hosts, net.JoinHostPort(target, strconv.Itoa(int(r.Port))))
		}
	}
	if len(hosts) == 0 {
		if err == nil {
			err = errors.New("its records name no host")
		}
		return nil, fmt.Errorf("%w for the realm %s: --kdc names none, [realms] of krb5.conf "+
			"neither, and DNS has no _kerberos._tcp.%s (%w)", ErrNoKDC, realm, realm, err)
	}
	return hosts, nil
}

// hostPort adds the port of a KDC to a host that has none. The error is wrong
// usage.
func hostPort(kdc string) (string, error) {
	kdc = strings.TrimPrefix(strings.TrimPrefix(kdc, "tcp/"), "udp/")
	host, port, err := net.SplitHostPort(kdc)
	if err != nil {
		host, port = strings.Trim(kdc, "[]"), defaultPort
	}
	n, err := strconv.Atoi(port)
	switch {
	case host == "", strings.ContainsAny(host, "/ \t[]"),
		strings.Contains(host, ":") && net.ParseIP(host) == nil:
		return "", fmt.Errorf("%q is no HOST or HOST:PORT", kdc)
	case err != nil, n < 1, n > 65535:
		return "", fmt.Errorf("%q has no port from 1 to 65535", kdc)
	}
	return net.JoinHostPort(host, port), nil
}

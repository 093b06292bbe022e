package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Every answer of a network has a name, a number if there is one, and an
// advice. Other errors have none of these.
func TestExplainNetwork(t *testing.T) {
	t.Parallel()
	dial := func(errno syscall.Errno) error {
		err := os.NewSyscallError("connect", errno)
		return fmt.Errorf("step: %w", &net.OpError{Op: "dial", Net: "tcp", Err: err})
	}
	for name, c := range map[string]struct {
		err        error
		at         Stage
		want, look string
	}{
		"refused": {dial(unix.ECONNREFUSED), Connecting, "ECONNREFUSED errno 111",
			"Nothing listens"},
		"unreachable": {dial(unix.EHOSTUNREACH), Connecting, "EHOSTUNREACH errno 113",
			"ip neigh"},
		"no network": {dial(unix.ENETUNREACH), Connecting, "ENETUNREACH errno 101",
			"ip route"},
		"blackhole": {context.DeadlineExceeded, Connecting, "ETIMEDOUT errno 110",
			"firewall drops"},
		"kernel's timeout": {dial(unix.ETIMEDOUT), Connecting, "ETIMEDOUT errno 110",
			"firewall drops"},
		"hang": {fmt.Errorf("x: %w", os.ErrDeadlineExceeded), Connected,
			"ETIMEDOUT errno 110", "it hangs"},
		"silent name server": {context.DeadlineExceeded, Resolving, "ETIMEDOUT errno 110",
			"name server does not answer"},
		"name server times": {&net.DNSError{Err: "i/o timeout", IsTimeout: true}, Resolving,
			"ETIMEDOUT errno 110", "name server does not answer"},
		"unknown name": {&net.DNSError{Err: "no such host", IsNotFound: true}, Resolving,
			"host name not found ", "spelling"},
		"failing name server": {&net.DNSError{Err: "server misbehaving"}, Resolving,
			"name server failure ", "server misbehaving"},
		"reset": {&net.OpError{Op: "read", Err: unix.ECONNRESET}, Connected,
			"ECONNRESET errno 104", "closed the connection"},
		"closed": {fmt.Errorf("x: %w", io.EOF), Connected, "ECONNRESET errno 104",
			"closed the connection"},
		"broken pipe": {&net.OpError{Op: "write", Err: unix.EPIPE}, Connected,
			"EPIPE errno 32", "closed the connection"},
		"no descriptors": {dial(unix.EMFILE), Connecting, "EMFILE errno 24", "ulimit -n"},
		"no local port": {dial(unix.EADDRNOTAVAIL), Connecting, "EADDRNOTAVAIL errno 99",
			"ip_local_port_range"},
		"IPv6 without a zone": {dial(unix.EINVAL), Connecting, "EINVAL errno 22", "fe80"},
		"what nobody expected": {dial(unix.EDOM), Connecting, "EDOM errno 33",
			"numerical argument out of domain"},
		"no network error": {errors.New("x"), Connected, " ", ""},
	} {
		var e Diagnosis
		ok := e.ExplainNetwork(c.err, c.at)
		got := e.Name + " " + e.Code
		if got != c.want || !strings.Contains(e.Look, c.look) || ok != (c.look != "") {
			t.Errorf("%s: %q, %v, %q; want %q with %q", name, got, ok, e.Look, c.want, c.look)
		}
	}
	var paths []string // the errors that are no fault of the server
	for errno, look := range errnoLooks {
		var e Diagnosis
		e.ExplainNetwork(errno, Connecting)
		if e.Look != look || unix.ErrnoName(errno) == "" || !strings.HasSuffix(look, ".") {
			t.Errorf("%v: %+v", errno, e)
		}
		if e.Class == Path {
			paths = append(paths, e.Name)
		} else if e.Class != Server {
			t.Errorf("%v: class %q", errno, e.Class)
		}
	}
	slices.Sort(paths)
	const want = "EACCES EAFNOSUPPORT EHOSTUNREACH EINVAL ENETDOWN ENETUNREACH EPERM EPROTONOSUPPORT"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("of class path are %s, want %s", got, want)
	}
	var dns Diagnosis
	dns.ExplainNetwork(&net.DNSError{IsNotFound: true}, Resolving)
	var silent Diagnosis
	silent.ExplainNetwork(context.DeadlineExceeded, Resolving)
	if dns.Class != Path || silent.Class != Path {
		t.Errorf("name servers: %+v, %+v", dns, silent)
	}
}

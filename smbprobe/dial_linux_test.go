package smbprobe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

// blackhole makes connections to host and port hang: it fills the queue of a
// listener, which has one place, and Linux drops all further requests.
func blackhole(t *testing.T, host string, port int) {
	t.Helper()
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	failed := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) })
	if failed != nil || err != nil {
		t.Fatal(failed, err)
	}
	dial(t, addr)
}

func TestBlackhole(t *testing.T) {
	s := samba(t)
	blackhole(t, "127.0.0.4", s.Port)
	blackhole(t, "127.0.0.5", s.Port)

	one := New(Config{Address: "127.0.0.4", Port: s.Port, Share: "share"})
	failsAtDeadline(t, one, Connect, context.DeadlineExceeded)
	two := named(t, s.Addr(), answer("127.0.0.4", "127.0.0.5"))
	failsAtDeadline(t, two, Connect, context.DeadlineExceeded)

	ctx, cancel := context.WithCancel(t.Context())
	p := named(t, s.Addr(), func(context.Context, string) ([]netip.Addr, error) {
		go cancel()
		return answer("127.0.0.4")(nil, "")
	})
	_, err := probeIn(t, ctx, p)
	fails(t, err, Connect, context.Canceled)

	// The good address gets its part of the time, and is remembered.
	p = named(t, s.Addr(), answer("127.0.0.4", "127.0.0.1"))
	if r, _, err := probeInTime(t, p, isHealthy); err != nil || r.Address != s.Addr() {
		t.Errorf("address %q, %v", r.Address, err)
	}
	p.lookup = unknownHost
	if r, err := probeWith(t, p); err != nil || r.Address != s.Addr() {
		t.Errorf("without a resolver: address %q, %v", r.Address, err)
	}
}

func init() { childRoles["without descriptors"] = withoutDescriptors }

// withoutDescriptors probes as a process that cannot open any more files, and
// prints how that ended.
func withoutDescriptors() {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the runtime's poller needs a descriptor too
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{}); err != nil {
		fmt.Println(err)
		return
	}
	addr := l.Addr().(*net.TCPAddr)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = New(Config{Address: addr.IP.String(), Port: addr.Port, Share: "share"}).Probe(ctx)
	printLocalFault(err)

	// A resolver without descriptors says only that it failed.
	p := New(Config{Address: "files.example", Port: addr.Port, Share: "share"})
	p.lookup = func(context.Context, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{
			Err: "dial udp: too many open files", Name: "files.example", IsTemporary: true,
		}
	}
	_, err = p.Probe(ctx)
	printLocalFault(err)
}

func printLocalFault(err error) {
	var failed *Error
	if errors.As(err, &failed) && failed.Step == Socket && errors.Is(err, syscall.EMFILE) {
		fmt.Println("no descriptors")
		return
	}
	fmt.Println(err)
}

func TestWithoutDescriptors(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childEnv+"=without descriptors")
	if out, err := cmd.Output(); err != nil || string(out) != "no descriptors\nno descriptors\n" {
		t.Errorf("the probe ended with %q, %v", out, err)
	}
}

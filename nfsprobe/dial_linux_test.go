package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// blackhole makes connections to host and port hang: the only place in the
// listener's queue is taken, so Linux drops further SYNs.
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
	if cerr := raw.Control(func(fd uintptr) {
		err = syscall.Listen(int(fd), 0)
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
}

func TestBlackhole(t *testing.T) {
	h, p := named(t, answer("127.0.0.4", "127.0.0.5"))
	blackhole(t, "127.0.0.4", h.PortmapPort)
	blackhole(t, "127.0.0.5", h.PortmapPort)
	_, err := probeUntilDeadline(t, p, PortMap)
	fails(t, err, PortMap, context.DeadlineExceeded)

	ctx, cancel := context.WithCancel(t.Context())
	p.lookup = func(context.Context, string) ([]netip.Addr, error) {
		go cancel()
		return answer("127.0.0.4")(nil, "")
	}
	_, err = probeIn(t, ctx, p)
	fails(t, err, PortMap, context.Canceled)

	// The good address has its part of the deadline, serves the other
	// connections too, and is remembered.
	p.lookup = answer("127.0.0.4", "127.0.0.1")
	want := net.JoinHostPort("127.0.0.1", strconv.Itoa(h.NFSPort))
	same := func() *Prober { return p }
	if r, err := probeInTime(t, 4*time.Second, same); err != nil || r.Address != want {
		t.Errorf("address %q, %v", r.Address, err)
	}
	p.lookup = unknownHost
	if r, err := probeWith(t, p); err != nil || r.Address != want {
		t.Errorf("without a resolver: address %q, %v", r.Address, err)
	}

	for step, c := range map[Step]struct {
		last nfstest.Proc // the last call that is answered
		set  func(c *Config, port int)
	}{
		MountConnect: {nfstest.Getport, func(c *Config, port int) { c.MountPort = port }},
		Connect:      {nfstest.Mnt, func(c *Config, port int) { c.Port = port }},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		blackhole(t, "127.0.0.1", port)
		h, config := hostile(t)
		c.set(&config, port)
		retry(t, func() error {
			deadline := newExpiring()
			h.On(c.last, func(conn net.Conn, call nfstest.Call, healthy func() []byte) bool {
				time.AfterFunc(300*time.Millisecond, deadline.expire) // it connects meanwhile
				return nfstest.Healthy(conn, call, healthy)
			})
			_, err := probeIn(t, deadline, New(config))
			var failed *Error
			if !errors.As(err, &failed) || failed.Step != step {
				return fmt.Errorf("%v, want a failure of %v", err, step)
			}
			fails(t, err, step, context.DeadlineExceeded)
			return nil
		})
	}
}

// asRoot skips a test without root, or fails it if CI=true.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("these tests need root")
		}
		t.Skip("root binds privileged ports")
	}
}

// sources3 returns the source ports that the mount service and NFS server saw,
// in order.
func sources3(h *nfstest.Hostile) (ports []uint16) {
	for _, call := range h.Calls() {
		if call.Proc == nfstest.Mnt || call.Proc == nfstest.Null3 {
			ports = append(ports, call.From.Port())
		}
	}
	return ports
}

// A prober keeps to one privileged source port for the mount service and the
// NFS server, and to two if both versions speak to the NFS port.
func TestSourcePorts(t *testing.T) {
	asRoot(t)
	for version, most := range map[string]int{"3": 1, "auto": 2} {
		h, c := hostile(t)
		c.MountPort, c.Port, c.Version = h.MountPort, h.NFSPort, version
		p := New(c)
		p.ports.port = [2]int{700, 800}
		for range 40 {
			p.pinned = "" // so that both versions are tried
			if r, err := probeWith(t, p); err != nil || !strings.Contains(r.Identity,
				fmt.Sprintf("uid %d, privileged port ", os.Getuid())) {
				t.Fatalf("identity %q, %v", r.Identity, err)
			}
			disconnected(t, h) // at both ends, so that the port is free
		}
		seen := map[uint16]bool{}
		for _, call := range h.Calls() {
			if seen[call.From.Port()] = true; call.From.Port() != 700 && call.From.Port() != 800 {
				t.Errorf("%v from port %d", call.Proc, call.From.Port())
			}
		}
		if len(seen) > most {
			t.Errorf("%s: from %v", version, seen)
		}

		c.Unprivileged = true
		r, err := probe(t, c)
		if last := sources3(h); err != nil || last[len(last)-1] < 1024 ||
			strings.Contains(r.Identity, "privileged") {
			t.Errorf("from %d, identity %q, %v", last[len(last)-1], r.Identity, err)
		}
	}
}

// What a prober chooses is privileged, not a daemon's, and not the same twice.
func TestSources(t *testing.T) {
	var s sources
	for range 3 * ports {
		a, b := s.get(0), s.get(1)
		for _, port := range []int{a, b} {
			if port < 665 || port > 1023 || slices.Contains(servicePorts, port) || a == b {
				t.Fatalf("ports %d and %d", a, b)
			}
		}
		s.replace(1, a, false) // it is not a, so nothing changes
		if s.get(1) != b {
			t.Error("replaced by somebody else")
		}
		s.replace(0, a, false)
		s.replace(1, b, true)
	}
}

// A source port in use costs no time, and what is found instead is kept. If all
// are in use, an ordinary one is used; if the server refuses that, the fault is
// local.
func TestSourcePortsTaken(t *testing.T) {
	asRoot(t)
	h, c := hostile(t)
	c.MountPort, c.Port = h.MountPort, h.NFSPort
	p := New(c)
	var listeners []net.Listener
	take := func(port int) {
		if l, err := net.Listen("tcp", ":"+strconv.Itoa(port)); err == nil {
			listeners = append(listeners, l)
		} else if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
	defer func() {
		for _, l := range listeners {
			l.Close()
		}
	}()
	for port := firstPort; port < firstPort+ports; port++ {
		if port != 700 && port != 1000 {
			take(port)
		}
	}
	for range 2 {
		if r, err := probeWith(t, p); err != nil || len(r.Warnings) > 0 {
			t.Errorf("%v, warnings %q", err, r.Warnings)
		}
		disconnected(t, h)
	}
	found := sources3(h)
	for _, port := range found {
		if port != 700 && port != 1000 || port != found[0] {
			t.Errorf("from ports %v", found)
		}
	}
	take(700)
	take(1000)
	r, err := probeWith(t, p)
	if err != nil || r.SourcePort < 1024 || !slices.Equal(r.Warnings, []string{"all privileged " +
		"source ports are in use, so an ordinary one is used"}) {
		t.Errorf("%v, from %d, warnings %q", err, r.SourcePort, r.Warnings)
	}
	for _, refuse := range []nfstest.Answer{nfstest.Denied(rpcv2.AUTH_TOOWEAK),
		nfstest.MountStatus(mount.MNT3ERR_ACCES)} {
		h.On(nfstest.Mnt, refuse)
		_, err = probeWith(t, p)
		fails(t, err, Socket, syscall.EADDRINUSE)
	}
	h.On(nfstest.Mnt, nfstest.MountStatus(mount.MNT3ERR_IO))
	_, err = probeWith(t, p)
	fails(t, err, Mount, MountStatus(mount.MNT3ERR_IO))
}

// The source port is never the port that is called: it would connect to itself.
func TestNoSelfConnect(t *testing.T) {
	asRoot(t)
	_, c := hostile(t)
	for port := firstPort; port < firstPort+ports; port++ {
		c.MountPort, c.Port = port, port
		p := New(c)
		p.ports.port[0] = port
		r, err := probeWith(t, p)
		if r.Address != "" {
			t.Fatalf("port %d: connected to %s, %v", port, r.Address, err)
		}
	}
}

// A daemon can listen on a port that a probe used as source port a moment ago.
func TestDaemonOnSourcePort(t *testing.T) {
	asRoot(t)
	h, c := hostile(t)
	if _, err := probe(t, c); err != nil {
		t.Fatal(err)
	}
	disconnected(t, h)
	for _, port := range sources3(h) {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(int(port)))
		if err != nil {
			t.Errorf("port %d: %v", port, err)
			continue
		}
		l.Close()
	}
}

// Many probes in a row do not use up the privileged ports.
func TestManySourcePorts(t *testing.T) {
	asRoot(t)
	h, c := hostile(t)
	c.MountPort, c.Port = h.MountPort, h.NFSPort
	p := New(c)
	for i := range 2 * ports {
		if _, err := probeWith(t, p); err != nil {
			t.Fatalf("probe %d: %v", i, err)
		}
	}
}

// AUTH_TOOWEAK to an ordinary source port may be about the port. It is if the
// export's flavors include AUTH_SYS.
func TestTooWeak(t *testing.T) {
	tooWeak := &RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_TOOWEAK"}
	for _, c := range []struct {
		flavors      []int32
		unprivileged bool
		cause        error
		text         string
	}{
		{[]int32{1}, true, tooWeak, ""},
		{[]int32{390003, 1}, true, tooWeak, ""},
		{[]int32{0}, true, tooWeak, ""},
		{nil, true, ErrPortOrKerberos,
			"a privileged source port is wanted, or the export requires Kerberos: "},
		{nil, false, ErrKerberos, "export requires Kerberos: "},
		{[]int32{1}, false, ErrKerberos, "export requires Kerberos: "},
	} {
		if !c.unprivileged {
			asRoot(t)
		}
		h, config := hostile(t)
		config.Unprivileged = c.unprivileged
		h.On(nfstest.Mnt, nfstest.Mounted([]byte("h"), c.flavors...))
		h.On(nfstest.Getattr3, nfstest.Denied(rpcv2.AUTH_TOOWEAK))
		r, err := probe(t, config)
		fails(t, err, Getattr, c.cause)
		fails(t, err, Getattr, tooWeak)
		if text := fmt.Sprintf("getattr: %s%v", c.text, tooWeak); err == nil ||
			err.Error() != text {
			t.Errorf("%+v: %v, want %s", c, err, text)
		}
		if (r.SourcePort > 1023) != c.unprivileged || !strings.HasSuffix(r.Identity,
			fmt.Sprint(" port ", r.SourcePort)) {
			t.Errorf("from port %d, as %s", r.SourcePort, r.Identity)
		}
	}
}

// The zone of a link-local address is kept everywhere.
func TestLinkLocal(t *testing.T) {
	mine, err := os.Readlink("/proc/self/ns/net")
	if machine, _ := os.Readlink("/proc/1/ns/net"); err == nil && mine == machine {
		err = errors.New("the tests have no network of their own, with which the address would go")
	}
	if err == nil {
		err = exec.Command("ip", "addr", "replace", "fe80::2049/64", "dev", "lo", "nodad").Run()
	}
	switch {
	case err != nil && os.Getenv("CI") != "true":
		t.Skipf("no link-local address (it takes root and the Debian package iproute2): %v", err)
	case err != nil:
		t.Fatal(err)
	}
	h := nfstest.NewHostile(t, nfstest.HostileConfig{Address: "fe80::2049%lo"})
	// A new address may have its route a moment later.
	for end := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", fmt.Sprintf("[%s]:%d", h.Address, h.PortmapPort))
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	for _, version := range []string{"3", "4.1"} {
		p := New(Config{Address: "fe80::2049%lo", Dir: "/export", Version: version, Port: h.NFSPort,
			portMapper: h.PortmapPort})
		for range 2 {
			if r, err := probeWith(t, p); err != nil ||
				r.Address != fmt.Sprintf("[fe80::2049%%lo]:%d", h.NFSPort) {
				t.Errorf("version %s: address %q, %v", version, r.Address, err)
			}
		}
		if p.lastGood.Zone() != "lo" {
			t.Errorf("remembered %v", p.lastGood)
		}
	}
}

package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe"
	"fsmon/nfsprobe/nfstest"
)

// These tests run the built command against real servers and hostile ones, as
// a user would, and look at what a user sees.

func TestMain(m *testing.M) {
	cmdtest.Main(m, map[string]string{"clp_nfsmon": ".", "clp_sambamon": "../clp_sambamon"})
}

// newLab is where a test's commands run: in the network of a server.
func newLab(t testing.TB, network *nfstest.Lab) *cmdtest.Lab {
	l := cmdtest.NewLab(t, "clp_nfsmon")
	l.Exec = network.Command
	return l
}

// must is for what the harness does.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// export names an export of the lab at its loopback address, in options.
func export(network *nfstest.Lab, name string, more ...string) []string {
	return append([]string{"-a", "127.0.0.1", "-d", network.Path(name), "--nfs4-path", "/" + name}, more...)
}

// version is the options of one version; --nfs4-path does not go with 3.
func version(network *nfstest.Lab, name, version string, more ...string) []string {
	more = append([]string{"--nfs-version", version}, more...)
	if version == "3" {
		return append([]string{"-a", "127.0.0.1", "-d", network.Path(name)}, more...)
	}
	return export(network, name, more...)
}

// takes is near for tests that run beside others: a busy machine may add to a
// time, but never take from it.
func takes(t testing.TB, what string, got, want time.Duration) {
	t.Helper()
	t.Logf("%s: %.3f s", what, got.Seconds())
	if got < want-50*time.Millisecond || got > want+2*time.Second {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// tap is a relay in front of a server that tells when each connection began,
// and whether the server answered on it. It changes nothing, so a frozen server
// behind it is frozen.
type tap struct {
	t    testing.TB
	port string

	mu   sync.Mutex
	seen []sighting
}

type sighting struct {
	began    time.Time
	answered bool
}

func newTap(t testing.TB, network *nfstest.Lab, upstream netip.AddrPort) *tap {
	t.Helper()
	listener, err := network.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &tap{t: t}
	_, r.port, _ = net.SplitHostPort(listener.Addr().String())
	var all sync.WaitGroup
	done := make(chan struct{})
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			began := time.Now()
			var server net.Conn
			if doErr := network.Do(func() { server, err = new(net.Dialer).Dial("tcp", upstream.String()) }); doErr != nil || err != nil {
				client.Close()
				continue
			}
			r.mu.Lock()
			nth := len(r.seen)
			r.seen = append(r.seen, sighting{began: began})
			r.mu.Unlock()
			ended := make(chan struct{}, 2)
			all.Go(func() { io.Copy(server, client); ended <- struct{}{} })
			all.Go(func() { io.Copy(client, noting{server, r, nth}); ended <- struct{}{} })
			all.Go(func() {
				select {
				case <-ended:
				case <-done:
				}
				client.Close()
				server.Close()
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		close(done)
		all.Wait()
	})
	return r
}

// noting notes that a server answered.
type noting struct {
	net.Conn
	tap *tap
	nth int
}

func (n noting) Read(p []byte) (int, error) {
	got, err := n.Conn.Read(p)
	if got > 0 {
		n.tap.mu.Lock()
		n.tap.seen[n.nth].answered = true
		n.tap.mu.Unlock()
	}
	return got, err
}

// stalled is when the connections began on which nothing was answered.
func (r *tap) stalled() (began []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.seen {
		if !s.answered {
			began = append(began, s.began)
		}
	}
	return began
}

func netipOf(address string) netip.AddrPort { return netip.MustParseAddrPort(address) }

// hosts counts the hostile servers of this test binary.
var hosts atomic.Uint32

// hostile starts a hostile server with the usual ports at an address of its own.
func hostile(t testing.TB, network *nfstest.Lab) *nfstest.Hostile {
	n := hosts.Add(1)
	return nfstest.NewHostile(t, nfstest.HostileConfig{
		Listen:  network.Listen,
		Address: fmt.Sprintf("127.0.%d.%d", 1+n/250, 1+n%250), PortmapPort: 111, MountPort: 20048, NFSPort: nfsprobe.DefaultPort,
	})
}

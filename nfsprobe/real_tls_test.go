//go:build linux

package nfsprobe

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"fsmon/nfsprobe/nfstest"
)

// A real server behind TLS is served in every version, with all that a probe
// can do, and judged as without when it hangs or is gone.
func TestRealTLS(t *testing.T) {
	l := realLab(t, nfstest.Config{Locks: true})
	a := nfstest.NewAuthority(t)
	listener, err := l.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	nfstest.TLSProxy(t, listener, func() (net.Conn, error) {
		return net.Dial("tcp", l.AddrPort().String())
	}, nfstest.TLS{Config: &tls.Config{Certificates: []tls.Certificate{a.Issue(fileServer())}}})
	probers := map[string]*Prober{}
	for version, spoken := range map[string]string{"3": "3", "4.0": "4.0", "4.1": "4.1",
		"4.2": "4.2", "auto": "3"} {
		c := export(l, "export", version)
		c.Port, c.MountPort = listener.Addr().(*net.TCPAddr).Port, 20048
		c.WriteTest, c.LockTest = true, true
		c.TLS = &tls.Config{ServerName: "files.test", RootCAs: a.Pool()}
		p := New(c)
		probers[version] = p
		for range 2 {
			r, err := probeWith(t, p)
			if err != nil || r.Version != spoken || !strings.Contains(learnt(r, StartTLS), "TLS 1.3") {
				t.Errorf("%s: version %q, %v, %q", version, r.Version, err, learnt(r, StartTLS))
			}
		}
		c.TLS = nil
		_, err := probe(t, c)
		if err == nil {
			t.Errorf("%s: served without TLS", version)
		}
	}
	must(t, l.Freeze(nfstest.Ganesha))
	for version, step := range map[string]Step{"3": Mount, "4.0": Null, "4.2": Null} {
		_, err := probeUntilDeadline(t, probers[version], step)
		fails(t, err, step, context.DeadlineExceeded)
	}
	must(t, l.Thaw(nfstest.Ganesha))
	for version, p := range probers {
		if _, err := probeWith(t, p); err != nil {
			t.Errorf("%s, thawed: %v", version, err)
		}
	}
}

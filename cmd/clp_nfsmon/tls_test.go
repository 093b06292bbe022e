package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
)

// fileServer is the certificate of a server that clients know as files.test.
func fileServer() x509.Certificate { return x509.Certificate{DNSNames: []string{"files.test"}} }

// tlsFaults are what may be wrong with a server behind TLS.
var tlsFaults = map[string]func(a *nfstest.Authority, b *nfstest.TLS){
	"": func(*nfstest.Authority, *nfstest.TLS) {},
	"expired": certified(func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().AddDate(-1, 0, 0), time.Now().AddDate(0, 0, -1)
	}),
	"too early":    certified(func(c *x509.Certificate) { c.NotBefore = time.Now().AddDate(0, 0, 1) }),
	"ends soon":    certified(func(c *x509.Certificate) { c.NotAfter = time.Now().AddDate(0, 0, 13) }),
	"another name": certified(func(c *x509.Certificate) { c.DNSNames[0] = "other.test" }),
	"for clients": certified(func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}),
	"no TLS": func(_ *nfstest.Authority, b *nfstest.TLS) {
		b.Answer = nfstest.Denied(rpcv2.AUTH_REJECTEDCRED)
	},
	"wants a certificate": func(a *nfstest.Authority, b *nfstest.TLS) {
		b.Config.ClientAuth, b.Config.ClientCAs = tls.RequireAndVerifyClientCert, a.Pool()
	},
	"wants another certificate": func(a *nfstest.Authority, b *nfstest.TLS) {
		b.Config.ClientAuth, b.Config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	},
	"has no certificate": func(_ *nfstest.Authority, b *nfstest.TLS) { b.Config.Certificates = nil },
	"stays in clear": func(_ *nfstest.Authority, b *nfstest.TLS) {
		b.Start = func(c net.Conn) bool {
			c.Write(nfstest.Record(nfstest.StartTLS(1)))
			return nfstest.Hang(c, nfstest.Call{}, nil)
		}
	},
	"closes": func(_ *nfstest.Authority, b *nfstest.TLS) {
		b.Start = func(net.Conn) bool { return false }
	},
	"hangs": func(_ *nfstest.Authority, b *nfstest.TLS) {
		b.Start = func(c net.Conn) bool { return nfstest.Hang(c, nfstest.Call{}, nil) }
	},
}

func certified(
	change func(c *x509.Certificate),
) func(a *nfstest.Authority, b *nfstest.TLS) {
	return func(a *nfstest.Authority, b *nfstest.TLS) {
		c := fileServer()
		change(&c)
		b.Config.Certificates = []tls.Certificate{a.Issue(c)}
	}
}

// secured puts TLS before the NFS server at an address of a network, and
// returns the proxy's port.
func secured(
	t testing.TB, network *nfstest.Lab, address string, behaviour nfstest.TLS,
) (port string) {
	t.Helper()
	return securedAt(t, network, net.JoinHostPort(address, "2049"), behaviour)
}

func securedAt(
	t testing.TB, network *nfstest.Lab, server string, behaviour nfstest.TLS,
) (port string) {
	t.Helper()
	address, _, err := net.SplitHostPort(server)
	must(t, err)
	l, err := network.Listen("tcp", net.JoinHostPort(address, "0"))
	must(t, err)
	nfstest.TLSProxy(t, l, func() (c net.Conn, err error) {
		derr := network.Do(func() { c, err = net.Dial("tcp", server) })
		if derr != nil {
			err = derr
		}
		return c, err
	}, behaviour)
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// tls is nfs tls HOW.
func (h *site) tls(s *cmdtest.Story, how string) {
	a := nfstest.NewAuthority(s.T)
	b := nfstest.TLS{Config: &tls.Config{Certificates: []tls.Certificate{a.Issue(fileServer())}}}
	tlsFaults[how](a, &b)
	address := "127.0.0.1"
	if h.hostile != nil {
		address = h.hostile.Address
	}
	dir := s.T.TempDir()
	a.Files(dir, a.Issue(x509.Certificate{DNSNames: []string{"watch.test"}}))
	s.Script.Setenv("TLS", dir)
	s.Script.Setenv("TLS_PORT", secured(s.T, h.Lab, address, b))
}

// A certificate of another authority is no failed probe for a watch whose file
// has that authority already. Without it the watch fails until it is there.
func TestRenewedCertificate(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	h := hostile(t, network)
	old, later := nfstest.NewAuthority(t), nfstest.NewAuthority(t)
	var current atomic.Pointer[tls.Certificate]
	use := func(a *nfstest.Authority) {
		c := a.Issue(fileServer())
		current.Store(&c)
	}
	use(old)
	port := secured(t, network, h.Address, nfstest.TLS{Config: &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return current.Load(), nil
		},
	}})
	dir := t.TempDir()
	ca, _, _ := old.Files(dir, old.Issue(fileServer()))
	l := newLab(t, network)
	w := l.Watch("-a", h.Address, "-d", "/export", "-n", port, "--nfs-version", "4.2", "-i", "1",
		"-r", "30", "-c", "1000", "--tls", "--tls-ca", ca, "--tls-name", "files.test")
	w.Message(cmdtest.SettledOn)
	renew := func(a *nfstest.Authority) {
		fresh := t.TempDir()
		made, _, _ := a.Files(fresh, a.Issue(fileServer()))
		must(t, os.Rename(made, filepath.Join(dir, "ca.pem")))
	}
	renew(later)
	use(later)
	l.Healthy()
	l.Healthy()
	w.Told("started watching settled")
	use(old)
	failed := w.Message(cmdtest.ProbeFailed)
	if !strings.Contains(failed.Text, "TLS, the server's certificate is from an unknown authority") {
		t.Error(failed.Text)
	}
	renew(old)
	w.Message(cmdtest.Recovered)
	l.Silent("-stop")
	w.Exits(0)
}

// What of the files of --tls is wrong usage.
func TestTLSFiles(t *testing.T) {
	t.Parallel()
	l := cmdtest.NewLab(t, "clp_nfsmon")
	a := nfstest.NewAuthority(t)
	dir := t.TempDir()
	ca, cert, key := a.Files(dir, a.Issue(fileServer()))
	otherKey := func() string {
		_, _, key := a.Files(t.TempDir(), a.Issue(fileServer()))
		return key
	}()
	open := filepath.Join(dir, "open.pem")
	text, err := os.ReadFile(key)
	must(t, err)
	must(t, os.WriteFile(open, text, 0o640))
	must(t, os.Chmod(open, 0o640))
	for name, c := range map[string]struct{ args, says string }{
		"no file":         {"--tls --tls-ca /nowhere", "--tls-ca: open /nowhere"},
		"no certificate":  {"--tls --tls-ca " + key, "has no certificate in PEM"},
		"a directory":     {"--tls --tls-ca " + dir, "not a regular file"},
		"without --tls":   {"--tls-ca " + ca, "need --tls"},
		"only a name":     {"--tls-name x", "need --tls"},
		"a cert alone":    {"--tls --tls-cert " + cert, "need each other"},
		"a key alone":     {"--tls --tls-key " + key, "need each other"},
		"another's key":   {"--tls --tls-cert " + cert + " --tls-key " + otherKey, "does not match"},
		"a key of others": {"--tls --tls-cert " + cert + " --tls-key " + open, "mode 0640; chmod 600"},
	} {
		p := l.Run(append([]string{"-check", "-d", "/export"}, strings.Fields(c.args)...)...)
		p.Exits(2)
		if !strings.Contains(p.Errors(), c.says) || strings.Contains(p.Errors(), "PRIVATE") {
			t.Errorf("%s: %s", name, p.Errors())
		}
	}
}

package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/kerberostest"
)

// hardened is a realm whose file server is behind TLS.
type hardened struct {
	*realm
	t         testing.TB
	authority *nfstest.Authority
	ca        string // a file
}

func newHardened(t testing.TB) *hardened {
	h := &hardened{newRealm(t, kerberostest.Config{}), t, nfstest.NewAuthority(t), ""}
	h.ca, _, _ = h.authority.Files(t.TempDir(), h.authority.Issue(fileServer()))
	return h
}

// behind puts TLS before the NFS port, with one of tlsFaults ("": none), and a
// relay in between, which sees what TLS carries. It returns the options of a
// probe that goes there.
func (h *hardened) behind(fault string, filter nfstest.Filter) []string {
	b := nfstest.TLS{Config: &tls.Config{
		Certificates: []tls.Certificate{h.authority.Issue(fileServer())}}}
	tlsFaults[fault](h.authority, &b)
	server := net.JoinHostPort("127.0.0.1", h.relay(h.t, filter))
	return []string{"-n", securedAt(h.t, h.Lab, server, b), "--tls",
		"--tls-ca", h.ca, "--tls-name", "files.test"}
}

// Kerberos within TLS, in every version and flavor, and a watch whose server is
// frozen for a while.
func TestKerberosOverTLS(t *testing.T) {
	t.Parallel()
	h := newHardened(t)
	l := newLab(t, h.Lab)
	well := h.behind("", nil)
	for _, v := range []string{"3", "4.0", "4.1", "4.2", "auto"} {
		for _, sec := range []string{"krb5", "krb5i", "krb5p"} {
			must(t, os.Chmod(h.Path(sec), 0o777)) // the server takes who logs in for nobody
			p := l.Check(h.options(sec, v, sec, slices.Concat(well, []string{"--write-test", "-r", "30"})...)...)
			p.Exits(0)
			said, rest := cmdtest.Flat(p.Output()), ""
			for _, want := range []string{" ticket ", " connect ", "TLS 1.3, TLS_", " null ",
				sec + ", sequence window ", " getattr ", " write test ", " destroy context ", "healthy"} {
				if _, rest, _ = strings.Cut(said, want); rest == "" {
					t.Fatalf("%s, %s: no %q, or not in this order, in\n%s", v, sec, want, p.Output())
				}
				said = rest
			}
		}
	}
	w := l.Watch(h.options("krb5p", "4.1", "krb5p", append(well, "-i", "1", "-c", "1000",
		"-r", "6")...)...)
	l.Healthy()
	must(t, h.Freeze(nfstest.Ganesha))
	failed := w.Message(cmdtest.ProbeFailed)
	if !strings.Contains(failed.Text, "RPC: Timed out: ") {
		t.Error(failed)
	}
	must(t, h.Thaw(nfstest.Ganesha))
	w.Message(cmdtest.Recovered)
	l.Silent("-stop")
	w.Exits(0)
	l.Hides("secret", w)
}

// What is wrong is named by the first step that it breaks: the watch's own keytab
// at the ticket, then the certificate at TLS, then the server's keytab at the
// context.
func TestKerberosOrTLS(t *testing.T) {
	t.Parallel()
	h := newHardened(t)
	l := newLab(t, h.Lab)
	old := filepath.Join(t.TempDir(), "old.keytab")
	content, err := os.ReadFile(h.keytab)
	must(t, err)
	must(t, os.WriteFile(old, content, 0o600))
	_, err = h.kdc.Admin(t.Context(), "cpw -randkey probe\n")
	must(t, err)
	h.keytab = h.kdc.UserKeytab(t, "probe")
	const certificate = "failed at tls: the server's certificate is for another name"
	check := func(v, keytab, fault string, want ...string) {
		t.Helper()
		args := h.options("krb5p", v, "krb5p", append(h.behind(fault, nil), "-r", "30")...)
		args[slices.Index(args, h.keytab)] = keytab
		p := l.Check(args...)
		p.Exits(1)
		said := cmdtest.Flat(p.Output())
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("%s, %q: no %q in\n%s", v, fault, w, p.Output())
			}
		}
	}
	for _, stale := range []bool{false, true} {
		if stale {
			h.rekey(t)
		}
		for _, v := range []string{"3", "4.1"} {
			check(v, old, "another name", "failed at ticket: KDC_ERR_PREAUTH_FAILED", "Class kdc: ",
				"The file server was not asked.")
			check(v, h.keytab, "another name", certificate, "Class access: ", "--tls-name",
				"ticket", "probe@LAB.TEST for "+service)
			if stale {
				check(v, h.keytab, "", "failed at security context: ", "AUTH_REJECTEDCRED", "current key",
					"Class server: ", "TLS 1.3, TLS_")
			}
		}
	}
}

// Frozen at each step, a server that is asked with Kerberos over TLS has failed
// at that step when the deadline comes.
func TestKerberosOverTLSFrozen(t *testing.T) {
	t.Parallel()
	h := newHardened(t)
	l := newLab(t, h.Lab)
	steps := map[string][]string{ // by the index of the reply that does not come
		"3":   {"null", "security context", "getattr", "access", "destroy context"},
		"4.0": {"null", "security context", "lookup", "destroy context"},
		"4.1": {"null", "security context", "exchange id", "create session", "lookup",
			"destroy session", "destroy client id", "destroy context"},
	}
	steps["4.2"] = steps["4.1"]
	type frozen struct {
		version, step string
		options       []string
	}
	var cases []frozen
	for v, all := range steps {
		cases = append(cases, frozen{v, "tls", h.behind("hangs", nil)})
		for at, step := range all {
			cases = append(cases, frozen{v, step, h.behind("", func(p *nfstest.Passing) nfstest.End {
				late := p.Index >= at
				switch { // the replies to GETATTR and ACCESS come in any order
				case step == "getattr":
					late = p.Proc == nfstest.Getattr3 || p.Index > 3
				case step == "access":
					late = p.Proc == nfstest.Access3 || p.Index > 3
				}
				if p.FromServer && late {
					p.Bytes = nil
				}
				return nil
			})})
		}
	}
	// On a busy machine a probe may not come to its step in time.
	for deadline := 3; len(cases) > 0; deadline *= 4 {
		var checks []*cmdtest.Process
		for _, c := range cases {
			checks = append(checks, l.Start(append(h.options("krb5p", c.version, "krb5p",
				append(c.options, "-r", fmt.Sprint(deadline))...), "-check")...))
		}
		var again []frozen
		for i, c := range cases {
			checks[i].Exits(1)
			said := cmdtest.Flat(checks[i].Output())
			if !strings.Contains(said, "failed at "+c.step+": ETIMEDOUT") {
				again = append(again, c)
				if deadline > 12 {
					t.Errorf("%s, %s:\n%s", c.version, c.step, checks[i].Output())
				}
			} else if !strings.Contains(said, "Class server: ") {
				t.Error(checks[i].Output())
			}
		}
		if cases = again; deadline > 12 {
			break
		}
	}
}

// systemd (257, not 252) hands secrets over with mode 0440 to a service with
// User=. Elsewhere no group may read them, and nowhere all.
func TestHandedSecrets(t *testing.T) {
	t.Parallel()
	h := newHardened(t)
	l := newLab(t, h.Lab)
	dir := t.TempDir()
	_, cert, key := h.authority.Files(dir, h.authority.Issue(fileServer()))
	keytab := filepath.Join(dir, "keytab")
	must(t, os.Rename(h.keytab, keytab))
	h.keytab = keytab
	args := h.options("krb5p", "4.1", "krb5p", append(h.behind("wants a certificate", nil),
		"--tls-cert", cert, "--tls-key", key, "-r", "30")...)
	for _, secret := range []string{key, keytab} {
		for _, c := range []struct {
			mode   os.FileMode
			handed string // CREDENTIALS_DIRECTORY
			code   int
		}{{0o440, dir, 0}, {0o444, dir, 2}, {0o440, "/", 2}} {
			must(t, os.Chmod(secret, c.mode))
			l.Env = []string{"CREDENTIALS_DIRECTORY=" + c.handed}
			p := l.Check(args...)
			p.Exits(c.code)
			if refused := strings.Contains(p.Errors(), "have rights to "+secret); refused != (c.code == 2) {
				t.Errorf("%+v: %s", c, p.Errors())
			}
		}
		must(t, os.Chmod(secret, 0o400))
	}
}

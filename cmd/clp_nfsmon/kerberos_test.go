package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/kerberostest"
)

// realm is a network with Ganesha, whose exports want Kerberos, and a KDC.
type realm struct {
	*nfstest.Lab
	kdc    *kerberostest.KDC
	keytab string // of who watches
}

// service is the file server's name in the realm.
const service = "nfs/files.lab.test"

// newRealm starts KDC and servers. Exports are named as the flavor that they
// want; any takes all.
func newRealm(t testing.TB, c kerberostest.Config) *realm {
	return newRealmWith(t, c, nfstest.Config{})
}

func newRealmWith(t testing.TB, c kerberostest.Config, servers nfstest.Config) *realm {
	exports := []nfstest.Export{{Name: "any", SecType: "sys, krb5, krb5i, krb5p"}}
	for _, sec := range []string{"krb5", "krb5i", "krb5p"} {
		exports = append(exports, nfstest.Export{Name: sec, SecType: sec})
	}
	servers.Empty, servers.Exports = true, exports
	r := &realm{Lab: nfstest.New(t, servers)}
	c.Users, c.In = map[string]string{"probe": "secret"}, r.Do
	c.Services = []string{service, "nfs/other.lab.test"}
	r.kdc = kerberostest.New(t, c)
	r.keytab = r.kdc.UserKeytab(t, "probe")
	r.serve(t, service)
	return r
}

// serve starts Ganesha, with the key that a service has now alone.
func (r *realm) serve(t testing.TB, service string) {
	t.Helper()
	keytab := filepath.Join(r.kdc.Dir, "ganesha.keytab")
	os.Remove(keytab)
	_, err := r.kdc.Admin(t.Context(), fmt.Sprintf("ktadd -norandkey -k %s %s\n", keytab, service))
	must(t, err)
	r.Kerberos(keytab, r.kdc.Conf)
	must(t, r.Restart(nfstest.Rpcbind))
	must(t, r.Restart(nfstest.Ganesha))
}

// rekey gives the file server's service another key, which it does not have yet.
func (r *realm) rekey(t testing.TB) {
	t.Helper()
	_, err := r.kdc.Admin(t.Context(), "cpw -randkey "+service+"\n")
	must(t, err)
}

// login is the options of who watches with a keytab.
func (r *realm) login(sec string) []string {
	return []string{"--sec", sec, "--keytab", r.keytab, "--kdc", r.kdc.Addr, "--spn", service}
}

// options are those of an export in one version.
func (r *realm) options(name, v, sec string, more ...string) []string {
	return slices.Concat(version(r.Lab, name, v), r.login(sec), more)
}

// relay puts a relay before the NFS port, at a port that it returns.
func (r *realm) relay(t testing.TB, filter nfstest.Filter) string {
	listener, err := r.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	nfstest.Relay(t, listener, func() (c net.Conn, err error) {
		if failed := r.Do(func() { c, err = net.Dial("tcp", "127.0.0.1:2049") }); failed != nil {
			return nil, failed
		}
		return c, err
	}, filter)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// Every flavor in every version: an export that wants it, and none that does
// not.
func TestKerberosHealthy(t *testing.T) {
	t.Parallel()
	r := newRealm(t, kerberostest.Config{})
	l := newLab(t, r.Lab)
	for _, v := range []string{"3", "4.0", "4.1", "4.2", "auto"} {
		for _, sec := range []string{"krb5", "krb5i", "krb5p"} {
			must(t, os.Chmod(r.Path(sec), 0o777)) // the server takes who logs in for nobody
			more := []string{"-r", "30"}
			if v == "4.0" || v == "3" {
				more = append(more, "--write-test")
			}
			p := l.Check(r.options(sec, v, sec, more...)...)
			p.Exits(0)
			said := cmdtest.Flat(p.Output())
			for _, want := range []string{"probe@LAB.TEST for " + service + ", aes256-cts-hmac-sha1-96, until 20",
				" security context ", sec + ", sequence window ", ", as probe@LAB.TEST (" + sec + "), privileged port",
				" destroy context "} {
				if !strings.Contains(said, want) {
					t.Errorf("%s, %s: no %q in\n%s", v, sec, want, p.Output())
				}
			}
			wrong := map[string]string{"krb5": "krb5p", "krb5i": "krb5", "krb5p": "krb5i"}[sec]
			p = l.Check(r.options(wrong, v, sec, "-r", "30")...)
			p.Exits(1)
			said = cmdtest.Flat(p.Output())
			for _, want := range []string{"export does not offer " + sec + " (it offers " + wrong + ")",
				"Class access: ", "exportfs -v, and give --sec one of those"} {
				if !strings.Contains(said, want) {
					t.Errorf("%s, %s on %s: no %q in\n%s", v, sec, wrong, want, p.Output())
				}
			}
		}
	}
	for _, v := range []string{"3", "4.1"} {
		p := l.Check(version(r.Lab, "krb5", v, "-r", "30")...)
		p.Exits(1)
		if said := cmdtest.Flat(p.Output()); !strings.Contains(said, "export requires Kerberos") ||
			!strings.Contains(said, "--sec as the export's sec= has it") {
			t.Errorf("%s without --sec:\n%s", v, p.Output())
		}
		p = l.Check(r.options("export", v, "krb5p", "-r", "30")...)
		p.Exits(1)
		if said := cmdtest.Flat(p.Output()); !strings.Contains(said, "(it offers sys:none)") {
			t.Errorf("%s with --sec:\n%s", v, p.Output())
		}
	}
	l.Hides("secret")
}

// The other ways to log in: a password, and a ticket cache, which may have
// expired.
func TestKerberosLogins(t *testing.T) {
	t.Parallel()
	r := newRealm(t, kerberostest.Config{})
	l := newLab(t, r.Lab)
	file := filepath.Join(r.kdc.Dir, "credentials")
	must(t, os.WriteFile(file, []byte("username=probe\npassword=secret\n"), 0o600))
	export := append(version(r.Lab, "krb5i", "4.1", "-r", "30"), "--sec", "krb5i", "--spn", service,
		"--kdc", r.kdc.Addr)
	password := append(export, "--credentials", file, "--realm", kerberostest.Realm)
	p := l.Check(password...)
	p.Exits(0)
	if !strings.Contains(cmdtest.Flat(p.Output()), `Should the password of "probe" become wrong`) {
		t.Error(p.Output())
	}
	must(t, os.WriteFile(file, []byte("username=probe\npassword=secreter\n"), 0o600))
	p = l.Check(password...)
	p.Exits(1)
	if said := cmdtest.Flat(p.Output()); !strings.Contains(said, "failed at ticket: KDC_ERR_PREAUTH_FAILED") ||
		!strings.Contains(said, "lock the account out") {
		t.Error(p.Output())
	}
	cache := r.kinit(t)
	p = l.Check(append(export, "--ccache", cache)...)
	p.Exits(0)
	if !strings.Contains(p.Output(), "probe@LAB.TEST for "+service) {
		t.Error(p.Output())
	}
	cache = r.kinit(t, "-l", "2s")
	cmdtest.Eventually(t, "a cache that has expired", func() bool {
		p := l.Check(append(export, "--ccache", cache)...)
		code, _ := p.Exit()
		said := cmdtest.Flat(p.Output())
		return code == 1 && strings.Contains(said, "failed at ticket: expired ticket") &&
			strings.Contains(said, "The file server was not asked.") && strings.Contains(said, "Class kdc: ")
	})
	l.Hides("secret", p)
}

// kinit makes a ticket cache.
func (r *realm) kinit(t testing.TB, args ...string) (cache string) {
	must(t, r.Do(func() { cache = r.kdc.Kinit(t, "probe", "secret", args...) }))
	return cache
}

// What keeps a watch from a context, each with its step, class and advice.
func TestKerberosFailures(t *testing.T) {
	t.Parallel()
	r := newRealm(t, kerberostest.Config{})
	l := newLab(t, r.Lab)
	refused := func(what string, args []string, want ...string) {
		t.Helper()
		p := l.Check(args...)
		p.Exits(1)
		said := cmdtest.Flat(p.Output())
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("%s: no %q in\n%s", what, w, p.Output())
			}
		}
	}
	well := r.options("krb5p", "4.1", "krb5p", "-r", "30")
	l.Check(well...).Exits(0)
	spn := func(name string) []string {
		args := slices.Clone(well)
		args[slices.Index(args, service)] = name
		return args
	}
	refused("an unknown service", spn("nfs/nosuch.lab.test"),
		"failed at ticket: KDC_ERR_S_PRINCIPAL_UNKNOWN", "spelling of --spn",
		"The file server was not asked.", "Class kdc: ")
	refused("another's service", spn("nfs/other.lab.test"), "failed at security context: ",
		"AUTH_REJECTEDCRED", "--spn is the server's name", "Class server: ", "as probe@LAB.TEST (krb5p)")
	must(t, r.kdc.Freeze())
	frozen := slices.Clone(well)
	frozen[slices.Index(frozen, "30")] = "4"
	began := time.Now()
	refused("a frozen KDC", frozen, "failed at ticket: ETIMEDOUT", "No KDC gives tickets",
		"The file server was not asked.", "Class kdc: ")
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("the KDC had %v", took)
	}
	must(t, r.kdc.Thaw())
	r.rekey(t)
	refused("an old keytab", well, "failed at security context: ", "AUTH_REJECTEDCRED",
		"current key", "Class server: ")
	r.serve(t, service)
	l.Check(well...).Exits(0)
}

// A KDC whose clock is another.
func TestKerberosSkew(t *testing.T) {
	t.Parallel()
	r := newRealm(t, kerberostest.Config{Skew: time.Hour})
	p := newLab(t, r.Lab).Check(r.options("krb5", "3", "krb5", "-r", "30")...)
	p.Exits(1)
	if said := cmdtest.Flat(p.Output()); !strings.Contains(said, "failed at ticket: KRB_AP_ERR_SKEW") ||
		!strings.Contains(said, "Class kdc: ") {
		t.Error(p.Output())
	}
}

// While a ticket is valid, the KDC is not needed; after that it is its fault. A
// server that was restarted has lost nothing that the watch needs.
func TestKerberosWatch(t *testing.T) {
	t.Parallel()
	r := newRealm(t, kerberostest.Config{})
	labs, watches := map[string]*cmdtest.Lab{}, map[string]*cmdtest.Process{}
	watch := func(v string) {
		labs[v] = newLab(t, r.Lab)
		watches[v] = labs[v].Watch(r.options("krb5p", v, "krb5p", "-i", "1", "-c", "1000", "-r", "30")...)
	}
	healthy := func(l *cmdtest.Lab) { l.Healthy() }
	all := func(do func(l *cmdtest.Lab)) {
		for _, l := range labs {
			do(l)
		}
	}
	for _, v := range []string{"3", "4.0", "4.1"} {
		watch(v)
	}
	all(healthy)
	must(t, r.kdc.Freeze())
	all(healthy)
	must(t, r.kdc.Thaw())                            // Ganesha asks it when it starts
	all(func(l *cmdtest.Lab) { l.Silent("-pause") }) // so that no probe meets it
	must(t, r.Restart(nfstest.Ganesha))
	all(func(l *cmdtest.Lab) { l.Silent("-continue") })
	all(healthy)
	all(func(l *cmdtest.Lab) { l.Silent("-stop") })
	for _, w := range watches {
		w.Exits(0)
		w.Told("started watching settled paused continued stopping")
	}

	const life = 8 * time.Second
	_, err := r.kdc.Admin(t.Context(), fmt.Sprintf("modprinc -maxlife \"%d seconds\" probe\n", life/time.Second))
	must(t, err)
	watch("4.2")
	labs["4.2"].Healthy()
	must(t, r.kdc.Kill())
	w := watches["4.2"]
	failed := w.Message(cmdtest.ProbeFailed)
	if !strings.Contains(failed.Text, ", no ticket: ") || !strings.Contains(failed.Text, "connection refused") {
		t.Errorf("%+v", failed)
	}
	w.Apart("started", "probe-failed", life-time.Second) // KDCs count whole seconds
	must(t, r.kdc.Start(t.Context()))
	w.Message(cmdtest.Recovered)
	labs["4.2"].Silent("-stop")
	w.Exits(0)

	must(t, r.kdc.Kill())
	l := newLab(t, r.Lab)
	w = l.Watch(r.options("krb5p", "3", "krb5p", "-i", "1", "-c", "1", "-r", "30", "--tolerate", "kdc")...)
	told := w.Message(cmdtest.Refused)
	if !strings.Contains(told.Text, "not counted") || !strings.Contains(told.Text, "(class kdc), no ticket: ") {
		t.Errorf("%+v", told)
	}
	must(t, r.kdc.Start(t.Context()))
	l.Healthy()
	l.Silent("-stop")
	w.Exits(0)
	w.Told("started refused watching settled stopping")
}

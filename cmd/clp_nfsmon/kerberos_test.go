package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/kerberos/kerberostest"
	"fsmon/nfsprobe/nfstest"
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
	exports := []nfstest.Export{{Name: "any", SecType: "sys, krb5, krb5i, krb5p"}}
	for _, sec := range []string{"krb5", "krb5i", "krb5p"} {
		exports = append(exports, nfstest.Export{Name: sec, SecType: sec})
	}
	r := &realm{Lab: nfstest.New(t, nfstest.Config{Empty: true, Exports: exports})}
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
	l.Check(append(export, "--credentials", file, "--realm", kerberostest.Realm)...).Exits(0)
	cache := r.kinit(t)
	p := l.Check(append(export, "--ccache", cache)...)
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
		"AUTH_REJECTEDCRED", "--spn is the server's name", "Class account: ")
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
		"current key", "Class account: ")
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
}

// What a real server sends is spoilt on its way, or does not come.
func TestKerberosOnTheWire(t *testing.T) {
	t.Parallel()
	r := newRealm(t, kerberostest.Config{})
	const context = 1 // the reply to INIT, after that to NULL
	flip := func(at int) func(p *nfstest.Passing) {
		return func(p *nfstest.Passing) { p.Bytes[len(p.Bytes)+at] ^= 1 }
	}
	drop := func(p *nfstest.Passing) { p.Bytes = nil }
	for name, c := range map[string]struct {
		version, sec string
		reply        int // index; of version 3 GETATTR (2) and ACCESS (3), in whatever order
		spoil        func(p *nfstest.Passing)
		step, cause  string
	}{
		"checksum, 3":   {"3", "krb5i", 2, flip(-8), "getattr", "wrong checksum of a reply"},
		"checksum, 4.1": {"4.1", "krb5i", 4, flip(-8), "lookup", "wrong checksum of a reply"},
		"seal, 3":       {"3", "krb5p", 2, flip(-8), "getattr", "wrong seal of a reply"},
		"seal, 4.0":     {"4.0", "krb5p", 2, flip(-8), "lookup", "wrong seal of a reply"},
		"verifier":      {"4.0", "krb5", 2, func(p *nfstest.Passing) { p.Bytes[4+20+20] ^= 1 }, "lookup", "wrong verifier of a reply"},
		"token":         {"4.0", "krb5", context, flip(-8), "security context", "wrong token of a reply"},
		"replayed":      {"4.1", "krb5p", 3, nil, "create session", "wrong verifier of a reply"},
		"no context":    {"4.1", "krb5p", context, drop, "security context", "ETIMEDOUT"},
		"no answer":     {"3", "krb5i", 3, drop, "access", "ETIMEDOUT"},
		"no farewell":   {"4.0", "krb5i", 3, drop, "destroy context", "ETIMEDOUT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			before := map[int][]byte{} // the last reply of a connection
			port := r.relay(t, func(p *nfstest.Passing) nfstest.End {
				mu.Lock()
				defer mu.Unlock()
				if !p.FromServer {
					return nil
				}
				reply := slices.Clone(p.Bytes)
				switch {
				case c.version == "3" && c.reply == 2 && !p.Answers(nfstest.Getattr3),
					c.version == "3" && c.reply == 3 && !p.Answers(nfstest.Access3),
					c.version != "3" && p.Index != c.reply:
				case c.spoil != nil:
					c.spoil(p)
				default:
					p.Bytes = slices.Clone(before[p.Conn])
					binary.BigEndian.PutUint32(p.Bytes[4:], p.XID)
				}
				before[p.Conn] = reply
				return nil
			})
			deadlines := []int{30}
			if c.cause == "ETIMEDOUT" { // on a busy machine it may not come that far in time
				deadlines = []int{3, 12, 48}
			}
			for i, deadline := range deadlines {
				began := time.Now()
				p := newLab(t, r.Lab).Check(r.options("any", c.version, c.sec, "-n", port,
					"-r", strconv.Itoa(deadline))...)
				p.Exits(1)
				took, said := time.Since(began), cmdtest.Flat(p.Output())
				there := strings.Contains(said, "failed at "+c.step+": "+c.cause) &&
					strings.Contains(said, "Class server: ")
				if there && c.cause == "ETIMEDOUT" && took < time.Duration(deadline)*time.Second*4/5 {
					t.Errorf("it had %v of %d s", took, deadline)
				}
				if there {
					break
				}
				if i == len(deadlines)-1 {
					t.Error(p.Output())
				}
			}
		})
	}
}

// The evidence of a verdict holds the packets without what logs in.
func TestKerberosEvidence(t *testing.T) {
	t.Parallel()
	r := newRealm(t, kerberostest.Config{})
	l := newLab(t, r.Lab)
	dir := t.TempDir()
	port := r.relay(t, func(p *nfstest.Passing) nfstest.End {
		if p.FromServer && p.Index == 4 { // behind NULL, INIT, EXCHANGE_ID and CREATE_SESSION
			p.Bytes[len(p.Bytes)-8] ^= 1
		}
		return nil
	})
	w := l.Watch(r.options("krb5i", "4.1", "krb5i", "-n", port, "-i", "1", "-c", "1", "-r", "30",
		"--evidence-dir", dir)...)
	w.Exits(1)
	if verdict := w.Last(cmdtest.RPCFailed); verdict.Text != "clp_nfsmon: RPC: Can't decode result" ||
		!strings.HasPrefix(verdict.Detail, "lookup: the checksum of the reply is wrong: ") {
		t.Errorf("%+v", verdict)
	}
	captures, _ := filepath.Glob(filepath.Join(dir, "*", "*", "*.pcap"))
	if len(captures) != 1 {
		t.Fatal(captures)
	}
	packets, err := os.ReadFile(captures[0])
	must(t, err)
	for what, there := range map[string]bool{
		"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02": false, // begins every token of a login
		"\x04\x04\x00\xff\xff\xff\xff\xff":     false, // every checksum of the watch
		"\x04\x04\x01\xff\xff\xff\xff\xff":     false, // every checksum of the server
		"\x04\x04\x05\xff\xff\xff\xff\xff":     false,
		"\x00\x00\x00\x05krb5i\x00":            true, // the name that was looked up
	} {
		if strings.Contains(string(packets), what) != there {
			t.Errorf("%q in the packets: %v", what, !there)
		}
	}
	l.Hides("secret", w)
}

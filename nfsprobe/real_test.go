//go:build linux

package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"

	"fsmon/nfsprobe/nfstest"
)

// realLab starts a lab in the tests' own network. There can be only one at a
// time, so tests with it are not parallel.
func realLab(t testing.TB, c nfstest.Config) *nfstest.Lab {
	t.Helper()
	c.InPlace = true
	return nfstest.New(t, c)
}

// export is the configuration of a probe for an export of the lab.
func export(l *nfstest.Lab, name, version string) Config {
	return Config{Address: "127.0.0.1", Dir: l.Path(name), Path4: "/" + name, Version: version}
}

// must ends the test if its own preparations fail.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Every version works at every kind of address, and leaves nothing at the
// server.
func TestRealHealthy(t *testing.T) {
	l := realLab(t, nfstest.Config{})
	for version, spoken := range map[string]string{"3": "3", "4.0": "4.0", "4.1": "4.1",
		"4.2": "4.2", "4": "4.2", "auto": "3", "": "3"} {
		for _, address := range []string{"127.0.0.1", "::1", "localhost", nfstest.Address} {
			for _, name := range []string{"export", "export/sub", "squashed", "secure"} {
				t.Run(fmt.Sprintf("%s %s %s", version, address, name), func(t *testing.T) {
					c := export(l, name, version)
					c.Address = address
					p := New(c)
					for range 2 { // the second probe knows what the first learnt
						r, err := probeWith(t, p)
						if err != nil || r.Version != spoken || p.Pinned() != spoken ||
							len(r.Warnings) > 0 {
							t.Errorf("got %q, %v, pinned to %q, warnings %q, want version %s",
								r.Version, err, p.Pinned(), r.Warnings, spoken)
						}
						if !strings.Contains(r.Identity, "privileged port") {
							t.Errorf("root spoke as %q", r.Identity)
						}
						mountPort := 0
						if spoken == "3" {
							mountPort = 20048
						}
						if r.NFSPort != 2049 || r.MountPort != mountPort ||
							!strings.HasSuffix(r.Address, ":2049") {
							t.Errorf("NFS port %d, mount port %d, address %s", r.NFSPort,
								r.MountPort, r.Address)
						}
					}
				})
			}
		}
	}
	if left, err := l.Clients(); err != nil || len(left) > 0 {
		t.Errorf("the server still knows %q (%v)", left, err)
	}
}

// Servers with some of the versions only.
func TestRealVersions(t *testing.T) {
	version3, version4, version41 := nfstest.Config{NoV4: true}, nfstest.Config{NoV3: true},
		nfstest.Config{Minors: []int{1}}
	unsupported := &RPCError{Stat: "PROG_MISMATCH", Low: 3, High: 3}
	mismatch := &Status4{"COMPOUND", uint32(nfsv4.NFS4ERR_MINOR_VERS_MISMATCH)}
	for _, c := range []struct {
		name, version, spoken string
		server                nfstest.Config
		step                  Step // at which it fails
		cause                 error
	}{
		{"3 only", "3", "3", version3, 0, nil},
		{"3 only", "auto", "3", version3, 0, nil},
		{"3 only", "4", "", version3, Null, unsupported},
		{"3 only", "4.2", "", version3, Null, unsupported},
		{"4 only", "4", "4.2", version4, 0, nil},
		{"4 only", "auto", "4.2", version4, 0, nil},
		{"4 only", "3", "", version4, PortMap, ErrNotRegistered},
		{"4.1 only", "4", "4.1", version41, 0, nil},
		{"4.1 only", "4.1", "4.1", version41, 0, nil},
		{"4.1 only", "4.2", "", version41, ExchangeID, mismatch},
		{"4.1 only", "4.0", "", version41, Lookup, mismatch},
		{"4.0 only", "4", "4.0", nfstest.Config{Minors: []int{0}}, 0, nil},
		{"4.0 only", "4.1", "", nfstest.Config{Minors: []int{0}}, ExchangeID, mismatch},
	} {
		t.Run(c.name+" "+c.version, func(t *testing.T) {
			r, err := probe(t, export(realLab(t, c.server), "export", c.version))
			if c.cause != nil {
				fails(t, err, c.step, c.cause)
			} else if err != nil || r.Version != c.spoken {
				t.Errorf("got version %q, %v, want %s", r.Version, err, c.spoken)
			}
		})
	}
}

func TestRealPorts(t *testing.T) {
	t.Run("told by the port mapper", func(t *testing.T) {
		l := realLab(t, nfstest.Config{NFSPort: 23049, MountPort: 7})
		for _, address := range []string{"127.0.0.1", "::1"} {
			c := export(l, "export", "3")
			c.Address = address
			if r, err := probe(t, c); err != nil || r.NFSPort != 23049 || r.MountPort != 7 {
				t.Errorf("%s: NFS port %d, mount port %d, %v", address, r.NFSPort, r.MountPort, err)
			}
		}
		_, err := probe(t, export(l, "export", "4"))
		fails(t, err, Connect, broken("dial", syscall.ECONNREFUSED))
	})
	t.Run("told by the user, without a port mapper", func(t *testing.T) {
		l := realLab(t, nfstest.Config{NFSPort: 23049, MountPort: 23048, NoPortmap: true})
		for version, spoken := range map[string]string{"3": "3", "4.0": "4.0", "4.1": "4.1",
			"4.2": "4.2", "auto": "3"} {
			c := export(l, "export", version)
			c.Port, c.MountPort = 23049, 23048
			if r, err := probe(t, c); err != nil || r.Version != spoken {
				t.Errorf("%s: got version %q, %v", version, r.Version, err)
			}
		}
		c := export(l, "export", "3")
		c.Port = 23049
		_, err := probe(t, c)
		fails(t, err, PortMap, broken("dial", syscall.ECONNREFUSED))
	})
}

// Exports that cannot be used. In version 3 Ganesha has one answer for all
// paths that it does not give.
func TestRealRefusals(t *testing.T) {
	l := realLab(t, nfstest.Config{})
	acces := MountStatus(mount.MNT3ERR_ACCES)
	noent := &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_NOENT)}
	for name, want := range map[string]struct {
		step3  Step
		cause3 error
		step4  Step
		cause4 error
	}{
		"nowhere":        {Mount, acces, Lookup, noent},
		"export/missing": {Mount, acces, Lookup, noent},
		"export/file":    {Mount, acces, Getattr, ErrNotDirectory},
		"restricted":     {Mount, acces, Lookup, noent},
		"kerberos":       {Getattr, ErrKerberos, Lookup, ErrKerberos},
	} {
		for _, version := range []string{"3", "4.0", "4.1", "4.2", "auto"} {
			t.Run(name+" "+version, func(t *testing.T) {
				_, err := probe(t, export(l, name, version))
				if version == "3" || version == "auto" {
					fails(t, err, want.step3, want.cause3)
				} else {
					fails(t, err, want.step4, want.cause4)
				}
				var failed *Error
				if version == "auto" && errors.As(err, &failed) {
					fails(t, failed.Other, want.step4, want.cause4)
				}
			})
		}
	}
	if left, err := l.Clients(); err != nil || len(left) > 0 {
		t.Errorf("after failed probes the server still knows %q (%v)", left, err)
	}
}

// Faults of a healthy server, as seen by a prober that has pinned its version.
func TestRealFaults(t *testing.T) {
	noAnswer, refused := context.DeadlineExceeded, broken("dial", syscall.ECONNREFUSED)
	// Step -1: the probe succeeds all the same.
	type outcome struct {
		step  Step
		cause error
	}
	healthy := outcome{step: -1}
	freeze := func(s nfstest.Server) func(*nfstest.Lab) error {
		return func(l *nfstest.Lab) error { return l.Freeze(s) }
	}
	kill := func(s nfstest.Server) func(*nfstest.Lab) error {
		return func(l *nfstest.Lab) error { return l.Kill(s) }
	}
	drop := func(port int) func(*nfstest.Lab) error {
		return func(l *nfstest.Lab) error { return l.Drop(port) }
	}
	for _, c := range []struct {
		name         string
		fault        func(*nfstest.Lab) error
		three, four0 outcome
		four         outcome
	}{
		{"server frozen", freeze(nfstest.Ganesha), outcome{Mount, noAnswer},
			outcome{Null, noAnswer}, outcome{Null, noAnswer}},
		{"server killed", kill(nfstest.Ganesha), outcome{MountConnect, refused},
			outcome{Connect, refused}, outcome{Connect, refused}},
		{"server stopped", func(l *nfstest.Lab) error { return l.Stop(nfstest.Ganesha) },
			outcome{PortMap, ErrNotRegistered}, outcome{Connect, refused},
			outcome{Connect, refused}},
		{"rpcbind frozen", freeze(nfstest.Rpcbind), outcome{PortMap, noAnswer}, healthy, healthy},
		{"rpcbind killed", kill(nfstest.Rpcbind), outcome{PortMap, refused}, healthy, healthy},
		{"rpcbind restarted, and knows nobody",
			func(l *nfstest.Lab) error { return l.Restart(nfstest.Rpcbind) },
			outcome{PortMap, ErrNotRegistered}, healthy, healthy},
		{"port 111 blackholed", drop(111), outcome{PortMap, noAnswer}, healthy, healthy},
		{"mount port blackholed", drop(20048), outcome{MountConnect, noAnswer}, healthy, healthy},
		{"NFS port blackholed", drop(2049), outcome{Connect, noAnswer}, outcome{Connect, noAnswer},
			outcome{Connect, noAnswer}},
		{"export removed by a reload", func(l *nfstest.Lab) error {
			return l.Reload(slices.DeleteFunc(nfstest.Exports(), func(e nfstest.Export) bool {
				return e.Name == "export"
			})...)
		}, outcome{Mount, MountStatus(mount.MNT3ERR_ACCES)},
			outcome{Lookup, &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_NOENT)}},
			outcome{Lookup, &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_NOENT)}}},
		{"directory removed", func(l *nfstest.Lab) error { return os.RemoveAll(l.Dir()) },
			outcome{Getattr, Status3(nfsv3.NFS3ERR_STALE)},
			outcome{Getattr, &Status4{"GETATTR", uint32(nfsv4.NFS4ERR_STALE)}},
			outcome{Getattr, &Status4{"GETATTR", uint32(nfsv4.NFS4ERR_STALE)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := realLab(t, nfstest.Config{})
			probers := map[string]*Prober{}
			wanted := map[string]outcome{"3": c.three, "auto": c.three, "4.0": c.four0,
				"4.2": c.four}
			for version := range wanted {
				probers[version] = New(export(l, "export", version))
				if _, err := probeWith(t, probers[version]); err != nil {
					t.Fatalf("%s is not healthy: %v", version, err)
				}
			}
			must(t, c.fault(l))
			for version, want := range wanted {
				t.Run(version, func(t *testing.T) {
					t.Parallel() // with the other versions, on the same server
					var err error
					if want.cause == noAnswer {
						_, err = probeUntilDeadline(t, probers[version], want.step)
					} else {
						_, err = probeWith(t, probers[version])
					}
					switch {
					case want == healthy && err != nil:
						t.Errorf("failed with %v", err)
					case want != healthy:
						fails(t, err, want.step, want.cause)
					}
				})
			}
		})
	}
}

// Without a port mapper version 4 is healthy for now; when there is one,
// version 3 is pinned, and its failure is one.
func TestRealAutoWithoutPortMapper(t *testing.T) {
	l := realLab(t, nfstest.Config{NoPortmap: true})
	p := New(export(l, "export", "auto"))
	r, err := probeWith(t, p)
	if err != nil || r.Version != "4.2" || p.Pinned() != "" {
		t.Fatalf("got version %q, pinned to %q, %v", r.Version, p.Pinned(), err)
	}
	fails(t, r.NotVersion3, PortMap, broken("dial", syscall.ECONNREFUSED))
	must(t, l.Restart(nfstest.Rpcbind))
	must(t, l.Restart(nfstest.Ganesha)) // now it has version 3 too
	if r, err := probeWith(t, p); err != nil || r.Version != "3" || p.Pinned() != "3" {
		t.Errorf("got version %q, pinned to %q, %v", r.Version, p.Pinned(), err)
	}
	must(t, l.Kill(nfstest.Rpcbind))
	_, err = probeWith(t, p)
	fails(t, err, PortMap, broken("dial", syscall.ECONNREFUSED))
}

// A server that comes back is healthy at once, even if it was frozen in the
// middle of a probe.
func TestRealRecovery(t *testing.T) {
	l := realLab(t, nfstest.Config{})
	for version, step := range map[string]Step{"3": Mount, "4.0": Null, "4.2": Null} {
		p := New(export(l, "export", version))
		must(t, l.Freeze(nfstest.Ganesha))
		_, err := probeUntilDeadline(t, p, step)
		fails(t, err, step, context.DeadlineExceeded)
		must(t, l.Thaw(nfstest.Ganesha))
		if _, err := probeWith(t, p); err != nil {
			t.Errorf("%s, thawed: %v", version, err)
		}
		must(t, l.Kill(nfstest.Ganesha))
		if _, err := probeWith(t, p); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s, killed: %v", version, err)
		}
		must(t, l.Restart(nfstest.Ganesha))
		if _, err := probeWith(t, p); err != nil {
			t.Errorf("%s, restarted: %v", version, err)
		}
	}
}

// Every version of a real server gives an identity, and another one for another
// disk.
func TestRealRootID(t *testing.T) {
	l := realLab(t, nfstest.Config{Exports: []nfstest.Export{{Name: "disk"}}})
	for _, version := range versions {
		seen := map[string]bool{}
		for _, name := range []string{"export", "export", "export/sub", "disk"} {
			r, err := probe(t, export(l, name, version))
			if err != nil || !strings.HasPrefix(r.RootID, "fsid ") {
				t.Errorf("%s %s: %v, %q", version, name, err, r.RootID)
			}
			seen[r.RootID] = true
		}
		if len(seen) != 3 {
			t.Errorf("%s: %v", version, seen)
		}
	}
}

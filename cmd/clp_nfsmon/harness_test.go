package main

import (
	"fmt"
	"sync/atomic"
	"testing"

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
	return append([]string{"-a", "127.0.0.1", "-d", network.Path(name), "--nfs4-path", "/" + name},
		more...)
}

// version is the options of one version; --nfs4-path does not go with 3.
func version(network *nfstest.Lab, name, version string, more ...string) []string {
	more = append([]string{"--nfs-version", version}, more...)
	if version == "3" {
		return append([]string{"-a", "127.0.0.1", "-d", network.Path(name)}, more...)
	}
	return export(network, name, more...)
}

// hosts counts the hostile servers of this test binary.
var hosts atomic.Uint32

// hostile starts a hostile server with the usual ports at an address of its
// own.
func hostile(t testing.TB, network *nfstest.Lab) *nfstest.Hostile {
	n := hosts.Add(1)
	return nfstest.NewHostile(t, nfstest.HostileConfig{
		Listen:      network.Listen,
		Address:     fmt.Sprintf("127.0.%d.%d", 1+n/250, 1+n%250),
		PortmapPort: 111, MountPort: 20048, NFSPort: nfsprobe.DefaultPort,
	})
}

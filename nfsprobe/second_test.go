//go:build linux

package nfsprobe

import (
	"errors"
	"strings"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/vmware/go-nfs-client/nfs"
	"github.com/vmware/go-nfs-client/nfs/rpc"
)

// secondOpinion does what a probe of version 3 does with another library: MNT,
// FSINFO instead of GETATTR, UMNT. It returns "" or the status that the server
// answered. The library has no deadlines.
func secondOpinion(t *testing.T, address, dir string) string {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- mountAndLook(address, dir) }()
	select {
	case err := <-ended:
		if err == nil {
			return ""
		}
		return err.Error()
	case <-time.After(patience):
		t.Fatalf("%s: the second library hangs", dir)
	}
	return ""
}

func mountAndLook(address, dir string) error {
	m, err := nfs.DialMount(address)
	if err != nil {
		return err
	}
	defer m.Close()
	target, err := m.Mount(dir, rpc.NewAuthUnix("second", 0, 0).Auth())
	if err != nil {
		return err
	}
	defer target.Close()
	return m.Unmount()
}

// Two implementations agree on what a real server says. The second is not asked
// about Kerberos: a denied call ends its process.
func TestSecondOpinion(t *testing.T) {
	l := realLab(t, nfstest.Config{})
	for _, name := range []string{"export", "export/sub", "squashed", "secure", "restricted",
		"nowhere", "export/missing", "export/file"} {
		_, first := probe(t, export(l, name, "3"))
		second := secondOpinion(t, "127.0.0.1", l.Path(name))
		var said string
		var failed *Error
		if errors.As(first, &failed) {
			said = failed.Err.Error()
		}
		if !strings.EqualFold(said, second) {
			t.Errorf("%s: the probe says %q, the second library %q", name, said, second)
		}
	}
}

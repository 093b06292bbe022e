package main

import (
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
)

// The fault is local, so a failover of the server would not help: exit 4.
func TestCheckWithoutDescriptors(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	h := hostile(t, network)
	p := newLab(t, network).CheckStarved("-a", h.Address, "-d", "/export", "--nfs-version", "4")
	p.Exits(4)
	for _, want := range []string{"EMFILE (errno 24)", "ulimit -n", "exit code 4",
		"ERROR 42 The clp_nfsmon has detected system error (socket 24)."} {
		if !strings.Contains(cmdtest.Flat(p.Output()), want) {
			t.Errorf("%q is missing:\n%s%s", want, p.Output(), p.Errors())
		}
	}
}

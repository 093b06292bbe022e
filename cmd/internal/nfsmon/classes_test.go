package nfsmon

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe"
)

// The class of every status of MNT, versions 3 and 4 and RPC, and of what has
// no status.
func TestClasses(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	row := func(name string, err error, steps ...nfsprobe.Step) {
		if status, ok := err.(nfsprobe.Status); ok && status.Number() == 0 {
			return
		}
		fmt.Fprintf(&got, "%-32s", name)
		for _, step := range steps {
			d := (&flags{}).diagnose(&nfsprobe.Error{Step: step, Err: err})
			fmt.Fprintf(&got, " %v: %s;", step, cmp.Or(d.Class, "server"))
		}
		got.WriteString("\n")
	}
	for _, name := range slices.Sorted(maps.Keys(numbers(mount.Mountstat3_name))) {
		code := numbers(mount.Mountstat3_name)[name]
		row(name, nfsprobe.MountStatus(code), nfsprobe.Mount)
	}
	for _, name := range slices.Sorted(maps.Keys(numbers(nfsv3.Nfsstat3_name))) {
		code := numbers(nfsv3.Nfsstat3_name)[name]
		row(name, nfsprobe.Status3(code), nfsprobe.Getattr, nfsprobe.Marker, nfsprobe.WriteTest)
	}
	for _, name := range slices.Sorted(maps.Keys(numbers(nfsv4.Nfsstat4_name))) {
		code := numbers(nfsv4.Nfsstat4_name)[name]
		row(name, &nfsprobe.Status4{Op: "X", Code: code}, nfsprobe.Lookup, nfsprobe.Marker,
			nfsprobe.WriteTest)
	}
	for _, name := range slices.Sorted(maps.Keys(numbers(rpcv2.AcceptStat_name))) {
		row(name, &nfsprobe.RPCError{Stat: name}, nfsprobe.Null)
	}
	row("RPC_MISMATCH", &nfsprobe.RPCError{Stat: "RPC_MISMATCH"}, nfsprobe.Null)
	row("AUTH_ERROR", &nfsprobe.RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_BADCRED"}, nfsprobe.Null)
	for _, c := range causes {
		row(c.err.Error(), c.err, nfsprobe.Mount, nfsprobe.Marker)
	}
	row("malformed", &nfsprobe.MalformedError{}, nfsprobe.Getattr)
	row("this machine", nfsprobe.ErrKerberos, nfsprobe.Socket)
	cmdtest.Golden(t, "testdata/classes.golden", got.String())
}

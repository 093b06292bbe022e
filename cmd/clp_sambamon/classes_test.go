package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe"
)

// The class of every status that is not about the server at every step, and of
// what has no status.
func TestClasses(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	row := func(name string, err error, steps ...smbprobe.Step) {
		fmt.Fprintf(&got, "%-45s", name)
		for _, step := range steps {
			d := (&flags{user: "labuser"}).diagnose(&smbprobe.Error{Step: step, Err: err})
			fmt.Fprintf(&got, " %v: %s;", step, cmp.Or(d.Class, "server"))
		}
		got.WriteString("\n")
	}
	for _, status := range slices.Sorted(maps.Keys(classes)) {
		row(status.Error(), status, smbprobe.SessionSetup, smbprobe.TreeConnect,
			smbprobe.Marker, smbprobe.WriteTest, smbprobe.LockTest)
	}
	unknown := smbprobe.Status(0xC00000CC) // any other status is about the server
	row(unknown.Error(), unknown, smbprobe.TreeConnect)
	row("no name", smbprobe.Status(0xC000FFFF), smbprobe.Negotiate)
	row("no resources", &smbprobe.NetBIOSError{Code: 0x83}, smbprobe.Negotiate)
	row("hosts deny", &smbprobe.NetBIOSError{Code: 0x81}, smbprobe.Negotiate)
	row("a pipe", &smbprobe.ShareTypeError{}, smbprobe.ShareType)
	row("SMB1 only", smbprobe.ErrSMB1Only, smbprobe.Negotiate)
	row("malformed", &smbprobe.MalformedError{}, smbprobe.TreeConnect)
	row("read back", smbprobe.ErrReadBack, smbprobe.WriteTest)
	row("this machine", smbprobe.ErrReadBack, smbprobe.Socket)
	cmdtest.Golden(t, "testdata/classes.golden", got.String())
}

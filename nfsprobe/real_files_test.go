//go:build linux

package nfsprobe

import (
	"fmt"
	"os"
	"testing"

	"fsmon/nfsprobe/nfstest"
)

func TestRealFiles(t *testing.T) {
	l := realLab(t, nfstest.Config{Exports: []nfstest.Export{{Name: "readonly", ReadOnly: true}, {Name: "disk"}}})
	try := func(what, name, marker string, write bool) {
		for _, version := range []string{"3", "4.0", "4.1", "4.2"} {
			c := export(l, name, version)
			c.Marker, c.WriteTest = marker, write
			r, err := probe(t, c)
			fmt.Println(what, version, err, r.Rungs[len(r.Rungs)-2], r.Warnings)
		}
		fmt.Println(l.Clients())
	}
	try("ro", "readonly", "", true)
	try("ro", "readonly", "file", false)
	try("squash", "squashed", "", true)
	try("squash", "squashed", "file", false)
	must(t, os.Mkdir(l.Dir()+"/empty", 0o755))
	must(t, os.WriteFile(l.Dir()+"/empty/x", nil, 0o755))
	try("missing", "export", "x", false)
	try("empty", "export", "empty/x", false)
	try("dir", "export", "empty", false)
	try("sub", "export", "empty/y", true)
	must(t, l.MountDisk("disk", 64))
	try("disk", "disk", "file", true)
	must(t, os.WriteFile(l.Inside(l.Path("disk")+"/file"), []byte("x"), 0o644))
	try("disk", "disk", "file", true)
	fmt.Println(os.WriteFile(l.Inside(l.Path("disk")+"/big"), make([]byte, 100<<10), 0o644))
	try("full", "disk", "file", true)
	must(t, l.UnmountDisk("disk"))
	must(t, os.Remove(l.Path("disk")+"/file"))
	try("unm", "disk", "file", true)
	// weak
	for _, name := range []string{"secure", "kerberos"} {
		c := export(l, name, "3")
		c.Unprivileged = true
		r, err := probe(t, c)
		fmt.Println(name, err, r.Rungs)
	}
}

//go:build linux

package nfsprobe

import (
	"os"
	"strings"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"

	"fsmon/nfsprobe/nfstest"
)

// A real server's links and exports without AUTH_SYS.
func TestRealFollow(t *testing.T) {
	l := realLab(t, nfstest.Config{Exports: []nfstest.Export{
		{Name: "anyone", SecType: "none"},
	}})
	dir := l.Dir()
	must(t, os.Symlink("sub", dir+"/link"))
	must(t, os.Symlink("/export/sub", dir+"/absolute"))
	must(t, os.Symlink(dir+"/sub", dir+"/outside"))
	must(t, os.Symlink("file", dir+"/tofile"))
	must(t, os.MkdirAll(dir+"/sub/below", 0o755))
	for _, version := range versions[1:] {
		for _, path := range []string{"export/link", "export/link/below", "export/absolute/below",
			"anyone", "anyone/sub"} {
			r, err := probe(t, export(l, path, version))
			if err != nil || len(r.Warnings) > 0 ||
				strings.HasPrefix(path, "anyone") != strings.HasPrefix(r.Identity, "AUTH_NONE") {
				t.Errorf("%s %s: %v, as %s, warnings %q", version, path, err, r.Identity, r.Warnings)
			}
		}
		_, err := probe(t, export(l, "export/outside", version))
		fails(t, err, Lookup, &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_NOENT)})
		if err == nil || !strings.Contains(err.Error(), `behind the symbolic link "outside" to "`+dir) {
			t.Error(err)
		}
		_, err = probe(t, export(l, "export/tofile", version))
		fails(t, err, Getattr, ErrNotDirectory)
		_, err = probe(t, export(l, "kerberos", version))
		fails(t, err, Lookup, ErrKerberos)
		if err == nil || !strings.Contains(err.Error(), "(the server offers krb5p:krb5i:krb5)") {
			t.Error(err)
		}
	}
	// Files are opened with the flavor that the export takes.
	mark(t, l.Path("anyone"))
	must(t, os.Chmod(l.Path("anyone"), 0o777))
	for _, version := range versions {
		r, err := probe(t, marked(l, "anyone", version))
		if err != nil || learnt(r, WriteTest) != writeLearnt(r) {
			t.Errorf("%s: %v, rungs %v", version, err, r.Rungs)
		}
	}
	noTestFile(t, l.Path("anyone"))
	knownClients(t, l, 1)
}

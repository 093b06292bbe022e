package nfsprobe

import (
	"slices"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// The identity of the directory is the same for every probe, and another when
// another file system is behind it.
func TestRootID(t *testing.T) {
	for _, version := range versions {
		h, c := hostileFiles(t, version)
		p := New(c)
		var ids []string
		for range 2 {
			for range 2 {
				r, err := probeWith(t, p)
				if err != nil {
					t.Error(err)
				}
				ids = append(ids, r.RootID)
			}
			h.ChangeDisk()
		}
		want := []string{"fsid 0.0, fileid 2", "fsid 0.0, fileid 2", "fsid 1.0, fileid 2",
			"fsid 1.0, fileid 2"}
		if !slices.Equal(ids, want) {
			t.Errorf("%s: %q", version, ids)
		}
	}
	// A server of version 4 may have no fileid.
	for _, mask := range []uint32{1 << nfsv4.FATTR4_TYPE, 1<<nfsv4.FATTR4_TYPE |
		1<<nfsv4.FATTR4_FSID} {
		a, err := parseAttributes4(nfsv4.Fattr4{Attrmask: []uint32{mask},
			AttrVals: xdr(2, 0, 1, 0, 2)[:4+16*(mask>>nfsv4.FATTR4_FSID&1)]})
		if err != nil || a.kind != nfsv4.NF4DIR || a.id != "" {
			t.Errorf("%x: %+v, %v", mask, a, err)
		}
	}
}

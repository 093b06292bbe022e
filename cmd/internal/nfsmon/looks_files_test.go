package nfsmon

import (
	"strings"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"

	"fsmon/nfsprobe"
)

// Every status that the rungs may meet beyond the others' has a text of its
// own, for what it means there.
func TestFilesAreExplained(t *testing.T) {
	t.Parallel()
	for step, looks := range map[nfsprobe.Step]map[string]string{
		nfsprobe.Marker: markerLooks, nfsprobe.WriteTest: writeLooks,
	} {
		for short, look := range looks {
			var err error
			for code, name := range nfsv4.Nfsstat4_name {
				if name == "NFS4ERR_"+short {
					err = &nfsprobe.Status4{Op: "OPEN", Code: uint32(code)}
				}
			}
			if short == "ACCES" {
				err = nfsprobe.Status3(13)
			}
			e := (&flags{}).diagnose(&nfsprobe.Error{Step: step, Err: err})
			if err == nil || e.Look != look || e.Step != step.String() ||
				!strings.HasSuffix(look, ".") {
				t.Errorf("%v %s: %+v", step, short, e)
			}
		}
	}
	for _, err := range []error{nfsprobe.ErrNotFile, nfsprobe.ErrEmpty, nfsprobe.ErrReadBack} {
		e := (&flags{}).diagnose(&nfsprobe.Error{Step: nfsprobe.WriteTest, Err: err})
		if e.Name != err.Error() || !strings.HasSuffix(e.Look, ".") {
			t.Errorf("%v: %+v", err, e)
		}
	}
}

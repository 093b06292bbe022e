package nfsprobe

import (
	"strings"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

func TestObjects4(t *testing.T) {
	for _, version := range []string{"4.0", "4.2"} {
		for _, c := range []struct {
			path string
			kind nfsv4.NfsFtype4
			step Step
			want error
		}{
			{"/", nfsv4.NF4DIR, 0, nil},
			{"", nfsv4.NF4DIR, 0, nil},
			{"//./export/.//", nfsv4.NF4DIR, 0, nil},
			{"export", nfsv4.NF4DIR, 0, nil},
			{"/export/..", nfsv4.NF4DIR, Lookup, &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_NOENT)}},
			{"/nosuch", nfsv4.NF4DIR, Lookup, &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_NOENT)}},
			{"/export/file", nfsv4.NF4REG, Getattr, ErrNotDirectory},
			{"/export/file", nfsv4.NF4LNK, Getattr, ErrNotDirectory},
			{"/export/file", nfsv4.NF4ATTRDIR, Getattr, ErrNotDirectory},
			{"/export/file", 10, Getattr, &MalformedError{"file type 10"}},
		} {
			f := newFake4()
			f.objects["/export/file"] = c.kind
			_, err := f.speak(t, version, c.path)
			if c.want != nil {
				fails(t, err, c.step, c.want)
			} else if err != nil {
				t.Errorf("%q: %v", c.path, err)
			}
			if f.left() != 0 {
				t.Errorf("%q: %d left", c.path, f.left())
			}
		}
	}
}

// A path of any length is walked, with no more operations in one COMPOUND than the server takes.
func TestLongPath4(t *testing.T) {
	for _, c := range []struct {
		version   string
		ops       uint32
		names     int
		compounds int // of the walk
	}{
		{"4.0", statelessOps, 8, 1}, {"4.0", statelessOps, 9, 2}, {"4.0", statelessOps, 127, 16},
		{"4.1", leastSessionOps, 1, 1}, {"4.1", leastSessionOps, 127, 127}, {"4.1", 100, 27, 1}, {"4.1", 100, 28, 2}, {"4.2", 16, 22, 2}, {"4.2", 16, 23, 3},
	} {
		f := newFake4()
		f.maxOps = c.ops
		path := strings.Repeat("/d", c.names)
		for i := range c.names {
			f.objects[path[:2*i+2]] = nfsv4.NF4DIR
		}
		r, err := f.speak(t, c.version, path)
		if err != nil || !strings.Contains(learnt4(r), "lookup="+path+" getattr=directory") {
			t.Errorf("%+v: %v, learnt %s", c, err, learnt4(r))
		}
		walks, looked := 0, 0
		for _, asked := range f.asked {
			looked += strings.Count(asked, "LOOKUP")
			walks += min(1, strings.Count(asked, "PUT"))
		}
		if walks != c.compounds || looked != c.names {
			t.Errorf("%+v: %d LOOKUPs in %d COMPOUNDs", c, looked, walks)
		}
		// What is missing in the middle is missing, however it is split.
		delete(f.objects, path[:2*(c.names/2)+2])
		_, err = f.speak(t, c.version, path)
		fails(t, err, Lookup, &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_NOENT)})
		if f.left() != 0 {
			t.Errorf("%+v: %d left", c, f.left())
		}
	}
}

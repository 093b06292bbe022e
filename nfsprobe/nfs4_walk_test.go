package nfsprobe

import (
	"bytes"
	"encoding/binary"
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

// A path of any length is looked up, with no more operations in one COMPOUND
// than the server takes.
func TestLongPath4(t *testing.T) {
	for _, c := range []struct {
		version   string
		ops       uint32
		names     int
		compounds int // of the path
	}{
		{"4.0", statelessOps, 8, 1}, {"4.0", statelessOps, 9, 2}, {"4.0", statelessOps, 127, 16},
		{"4.1", leastSessionOps, 1, 1}, {"4.1", leastSessionOps, 127, 127}, {"4.1", 100, 27, 1},
		{"4.1", 100, 28, 2}, {"4.2", 16, 22, 2}, {"4.2", 16, 23, 3},
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
		// A missing directory in the middle of a path is found out, however the
		// path is split.
		delete(f.objects, path[:2*(c.names/2)+2])
		_, err = f.speak(t, c.version, path)
		fails(t, err, Lookup, &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_NOENT)})
		if f.left() != 0 {
			t.Errorf("%+v: %d left", c, f.left())
		}
	}
}

// Answers of Linux servers that the RFC allows: flags in SEQUENCE (back channel
// down, state revoked), another number of slots than was asked for, and a
// session with lower limits everywhere.
func TestAsLinuxAnswers4(t *testing.T) {
	for name, edit := range map[string]struct {
		op   nfsv4.NfsOpnum4
		edit func(result []byte) []byte
	}{
		"flags and slots": {nfsv4.OP_SEQUENCE, func(b []byte) []byte {
			end := len(b)
			binary.BigEndian.PutUint32(b[end-12:], 63) // sr_highest_slotid
			binary.BigEndian.PutUint32(b[end-8:], 63)  // sr_target_highest_slotid
			binary.BigEndian.PutUint32(b[end-4:], 0x1fff)
			return b
		}},
		"a small session": {nfsv4.OP_CREATE_SESSION, func(b []byte) []byte {
			fore := 4 + 4 + 16 + 4 + 4 // after number, status, session, sequence and flags
			for i, v := range []uint32{0, 1024, 1024, 0, 6, 1, 0} {
				binary.BigEndian.PutUint32(b[fore+4*i:], v)
			}
			for i, v := range []uint32{0, 4096, 4096, 0, 2, 1, 0} {
				binary.BigEndian.PutUint32(b[fore+28+4*i:], v)
			}
			return b
		}},
	} {
		h, c := hostile(t)
		c.Version, c.Port, c.Path4 = "4", h.NFSPort, "/a/b/c/d/e/f/g/h"
		h.EditOp(edit.op, edit.edit)
		if r, err := probe(t, c); err != nil || r.Version != "4.2" || len(r.Warnings) != 0 {
			t.Errorf("%s: version %q, %v, warnings %q", name, r.Version, err, r.Warnings)
		}
		noState(t, h)
	}
}

func TestAccess4(t *testing.T) {
	for _, c := range []struct {
		supported, granted uint32
		want               string
	}{
		{63, 63, "may read, lookup, modify, extend, delete, execute"},
		{31, 63, "may read, lookup, modify, extend, delete"},
		{63, 2, "may lookup"},
		{63, 0, "nothing allowed"},
		{1<<32 - 1, 64, "nothing allowed"},
	} {
		f := object4{tail: []nfsv4.NfsResop4{nil, nil, access4(c.supported, c.granted)}}
		if got, err := f.access(); got != c.want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, c.want)
		}
	}
}

// Names are sent byte by byte as configured, UTF-8 or not.
func TestLookupName4(t *testing.T) {
	for _, name := range []string{"export", "\x93\xfa\x96{", "日本", "..", strings.Repeat("x", 255)} {
		b := encode4(&nfsv4.Compound4args{Argarray: []nfsv4.NfsArgop4{newLookup4(name)}})[12:]
		want := append([]byte{0, 0, 0, 15, 0, 0, 0, byte(len(name))}, name...)
		for len(want)%4 != 0 {
			want = append(want, 0)
		}
		if !bytes.Equal(b, want) {
			t.Errorf("%q is % x", name, b)
		}
	}
}

package nfsprobe

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// object4 is the object at the end of a path, as the last COMPOUND of a walk
// describes it.
type object4 struct {
	tail []nfsv4.NfsResop4 // of GETFH, GETATTR and ACCESS, up to the first that failed
	err  error             // why it failed
	// through names the first symbolic link on the way; "": there was none.
	through string
}

// components4 are the names of a path, to be looked up one in the other.
// Version 4 has no name for "here". A ".." is sent to the server, which should
// refuse it (RFC 7530 12.7).
func components4(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(name string) bool {
		return name == "" || name == "."
	})
}

// walk looks up names, one in the other, from start on, and asks for the last
// object's handle, type and access (RFC 7530 16.20, 16.13). It sends as few
// COMPOUNDs as their size allows. The current file handle ends with its
// COMPOUND, so it is fetched and put again.
func (c *client4) walk(ctx context.Context, start nfsv4.NfsArgop4, names []string) object4 {
	most := c.ops - 4 // without PUTFH, GETFH, GETATTR and ACCESS
	if c.session != nil {
		most-- // SEQUENCE
	}
	for {
		now := names[:min(len(names), most)]
		names = names[len(now):]
		ops := []nfsv4.NfsArgop4{start}
		for _, name := range now {
			ops = append(ops, newLookup4(name))
		}
		ops = append(ops, &nfsv4.NfsArgop4_OP_GETFH{})
		if len(names) == 0 {
			ops = append(ops,
				&nfsv4.NfsArgop4_OP_GETATTR{
					Opgetattr: nfsv4.Getattr4args{AttrRequest: []uint32{1 << nfsv4.FATTR4_TYPE}},
				},
				&nfsv4.NfsArgop4_OP_ACCESS{Opaccess: nfsv4.Access4args{Access: accessAll}})
		}
		results, err := c.run(ctx, ops...)
		f := object4{tail: results[min(len(results), 1+len(now)):], err: err}
		handle, herr := f.handle()
		if herr != nil {
			return object4{err: herr}
		}
		if len(names) == 0 {
			return f
		}
		start = put4(handle)
	}
}

// handle is the file handle. The library has checked that it is not longer than
// NFS4_FHSIZE.
func (f object4) handle() (nfsv4.NfsFh4, error) {
	if len(f.tail) < 1 {
		return nil, f.err
	}
	handle := f.tail[0].(*nfsv4.NfsResop4_OP_GETFH).Opgetfh.(*nfsv4.Getfh4res_NFS4_OK).Resok4.Object
	if len(handle) == 0 {
		return nil, malformed("an empty file handle")
	}
	return handle, nil
}

func put4(handle nfsv4.NfsFh4) nfsv4.NfsArgop4 {
	return &nfsv4.NfsArgop4_OP_PUTFH{Opputfh: nfsv4.Putfh4args{Object: handle}}
}

// kind is the type of the object.
func (f object4) kind() (nfsv4.NfsFtype4, error) {
	if len(f.tail) < 2 {
		return 0, f.err
	}
	return fileType4(f.tail[1].(*nfsv4.NfsResop4_OP_GETATTR).Opgetattr.(*nfsv4.Getattr4res_NFS4_OK).
		Resok4.ObjAttributes)
}

// directory says the type of the object, and fails unless it is a directory.
func (f object4) directory() (string, error) {
	kind, err := f.kind()
	switch {
	case err != nil:
		return "", err
	case kind != nfsv4.NF4DIR:
		return nfsv4.NfsFtype4_name[kind], ErrNotDirectory
	}
	return "directory", nil
}

// access says what the server allows, by the bits that version 3 has too (RFC
// 7530 16.1).
func (f object4) access() (string, error) {
	if len(f.tail) < 3 {
		return "", f.err
	}
	ok := f.tail[2].(*nfsv4.NfsResop4_OP_ACCESS).Opaccess.(*nfsv4.Access4res_NFS4_OK).Resok4
	return allowed(ok.Supported & ok.Access), nil
}

// fileType4 returns the type, which must be the only attribute.
func fileType4(f nfsv4.Fattr4) (nfsv4.NfsFtype4, error) {
	for i, word := range f.Attrmask {
		if want := uint32(1<<nfsv4.FATTR4_TYPE) * uint32(1-min(i, 1)); word != want {
			return 0, malformed("attributes that were not asked for")
		}
	}
	if len(f.Attrmask) == 0 || len(f.AttrVals) != 4 {
		return 0, malformed("GETATTR without a file type")
	}
	kind := nfsv4.NfsFtype4(binary.BigEndian.Uint32(f.AttrVals))
	if _, known := nfsv4.NfsFtype4_name[kind]; !known {
		return 0, malformed("file type %d", kind)
	}
	return kind, nil
}

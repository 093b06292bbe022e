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
					Opgetattr: nfsv4.Getattr4args{AttrRequest: []uint32{attributesWanted}},
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

// attributes are those of the object that were asked for.
func (f object4) attributes() (a attrs4, err error) {
	if len(f.tail) < 2 {
		return a, f.err
	}
	return parseAttributes4(f.tail[1].(*nfsv4.NfsResop4_OP_GETATTR).
		Opgetattr.(*nfsv4.Getattr4res_NFS4_OK).Resok4.ObjAttributes)
}

// kind is the type of the object.
func (f object4) kind() (nfsv4.NfsFtype4, error) {
	a, err := f.attributes()
	return a.kind, err
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

// attributesWanted are all of the first word (RFC 7530 5.8).
const attributesWanted = 1<<nfsv4.FATTR4_TYPE | 1<<nfsv4.FATTR4_FSID | 1<<nfsv4.FATTR4_FILEID

// attrs4 is what is asked of an object.
type attrs4 struct {
	kind nfsv4.NfsFtype4
	id   string // "": the server does not give all of it
}

// parseAttributes4 decodes the attributes. A server may leave out those that it
// does not have, but it has a type.
func parseAttributes4(f nfsv4.Fattr4) (a attrs4, err error) {
	for i, word := range f.Attrmask {
		if i == 0 && word&^attributesWanted != 0 || i > 0 && word != 0 {
			return a, malformed("attributes that were not asked for")
		}
	}
	if len(f.Attrmask) == 0 || f.Attrmask[0]&(1<<nfsv4.FATTR4_TYPE) == 0 {
		return a, malformed("GETATTR without a file type")
	}
	// They come in the order of their numbers.
	mask, size := f.Attrmask[0], 4
	fsid, fileid := mask&(1<<nfsv4.FATTR4_FSID) != 0, mask&(1<<nfsv4.FATTR4_FILEID) != 0
	if fsid {
		size += 16
	}
	if fileid {
		size += 8
	}
	if len(f.AttrVals) != size {
		return a, malformed("GETATTR without a file type, or with more: %d bytes", len(f.AttrVals))
	}
	a.kind = nfsv4.NfsFtype4(binary.BigEndian.Uint32(f.AttrVals))
	if _, known := nfsv4.NfsFtype4_name[a.kind]; !known {
		return a, malformed("file type %d", a.kind)
	}
	if fsid && fileid {
		number := func(at int) uint64 { return binary.BigEndian.Uint64(f.AttrVals[at:]) }
		a.id = rootID(number(4), number(12), number(20))
	}
	return a, nil
}

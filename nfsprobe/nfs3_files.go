package nfsprobe

import (
	"context"
	"fmt"
	"io"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/runtime"
)

// Procedures of the steps that open files (RFC 1813 3.3).
const (
	procLookup3 = 3
	procRead3   = 6
	procWrite3  = 7
	procCreate3 = 8
	procRemove3 = 12
	procCommit3 = 21
)

// openFiles3 runs the steps that open files below an exported directory.
func (a *attempt) openFiles3(
	ctx, whole context.Context, r *Report, c *client, dir []byte,
) error {
	marker := func() (string, error) {
		handle, err := c.lookup3(ctx, dir, a.markerNames())
		if err != nil {
			return "", err
		}
		// Only a regular file is read: a READ of a pipe may never be answered.
		args := &nfsv3.Getattr3args{Object: nfsv3.NfsFh3{Data: handle}}
		kind, err := ask3(ctx, c, "GETATTR", procGetattr3, args, parseType3)
		switch {
		case err != nil:
			return "", err
		case kind != nfsv3.NF3REG:
			return "", ErrNotFile
		}
		data, err := (&file3{client: c, handle: handle}).read(ctx, markerBytes)
		return a.readMarker(data, err)
	}
	return a.openFiles(ctx, r, marker, func() (string, error) {
		parent, err := c.lookup3(ctx, dir, a.testNames())
		if err != nil {
			return "", err
		}
		return a.writeTest(ctx, whole, r, &file3{client: c, dir: parent})
	}, func() (string, error) { return a.lockTest3(ctx, dir, c.cred) })
}

// ask3 calls a procedure of version 3, again while the server is busy, and
// decodes its results. Errors begin with the procedure's name.
func ask3[T any](
	ctx context.Context, c *client, name string, proc uint32, args io.WriterTo,
	parse func(io.Reader) (T, error),
) (T, error) {
	answer, err := queue3(c, proc, args, parse)(ctx)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return answer, err
}

// lookup3 looks up names, one in the other, from a directory on, and returns
// the last file handle.
func (c *client) lookup3(ctx context.Context, handle []byte, names []string) (_ []byte, err error) {
	for _, name := range names {
		handle, err = ask3(ctx, c, "LOOKUP", procLookup3, in3{handle, name}, parseLookup3)
		if err != nil {
			return nil, err
		}
	}
	return handle, nil
}

// in3 is a name in a directory (diropargs3), and so all the arguments of LOOKUP
// and REMOVE. The library would refuse a name that is not ASCII.
type in3 struct {
	dir  []byte
	name string
}

func (i in3) WriteTo(w io.Writer) (int64, error) {
	n, err := (&nfsv3.NfsFh3{Data: i.dir}).WriteTo(w)
	if err != nil {
		return n, err
	}
	m, err := runtime.WriteVariableLengthOpaque(w, maxMarker, []byte(i.name))
	return n + m, err
}

// file3 is the file of a write test.
type file3 struct {
	*client
	dir, handle []byte
}

// create makes a new file (GUARDED: it fails if there is one).
func (f *file3) create(ctx context.Context, name string) (made bool, err error) {
	f.handle, err = ask3(ctx, f.client, "CREATE", procCreate3, &nfsv3.Create3args{
		Where: nfsv3.Diropargs3{Dir: nfsv3.NfsFh3{Data: f.dir}, Name: name},
		How: &nfsv3.Createhow3_GUARDED{ObjAttributes: nfsv3.Sattr3{
			Mode:  &nfsv3.SetMode3_TRUE{Mode: testMode},
			Uid:   &nfsv3.SetUid3_default{},
			Gid:   &nfsv3.SetGid3_default{},
			Size:  &nfsv3.SetSize3_default{},
			Atime: &nfsv3.SetAtime_default{},
			Mtime: &nfsv3.SetMtime_default{},
		}},
	}, parseCreate3)
	if err != nil {
		return false, err
	}
	if f.handle == nil { // the server may leave it out
		f.handle, err = f.lookup3(ctx, f.dir, []string{name})
	}
	return true, err
}

func (f *file3) write(ctx context.Context, data []byte) error {
	wrote, err := ask3(ctx, f.client, "WRITE", procWrite3, &nfsv3.Write3args{
		File: nfsv3.NfsFh3{Data: f.handle}, Count: uint32(len(data)),
		Stable: nfsv3.FILE_SYNC, Data: data,
	}, parseWrite3)
	switch {
	case err != nil:
		return err
	case int(wrote.Count) != len(data):
		return malformed("WRITE took %d of %d bytes", wrote.Count, len(data))
	case wrote.Committed == nfsv3.FILE_SYNC:
		return nil
	}
	verifier, err := ask3(ctx, f.client, "COMMIT", procCommit3,
		&nfsv3.Commit3args{File: nfsv3.NfsFh3{Data: f.handle}}, parseCommit3)
	if err == nil && verifier != wrote.Verf {
		err = errRestarted
	}
	return err
}

func (f *file3) read(ctx context.Context, most int) ([]byte, error) {
	return ask3(ctx, f.client, "READ", procRead3,
		&nfsv3.Read3args{File: nfsv3.NfsFh3{Data: f.handle}, Count: uint32(most)},
		func(results io.Reader) ([]byte, error) { return parseRead3(results, most) })
}

func (f *file3) close(context.Context) error { return nil }

func (f *file3) remove(ctx context.Context, name string) error {
	_, err := ask3(ctx, f.client, "REMOVE", procRemove3, in3{f.dir, name}, parseRemove3)
	return err
}

// The decoders of the results (RFC 1813 3.3.1 to 3.3.21).

func parseType3(results io.Reader) (nfsv3.Ftype3, error) {
	ok, err := decode3[*nfsv3.Getattr3res_NFS3_OK](results, nfsv3.ReadGetattr3res, "")
	if err != nil {
		return 0, err
	}
	return ok.Resok.ObjAttributes.Type, nil
}

func parseLookup3(results io.Reader) ([]byte, error) {
	ok, err := decode3[*nfsv3.Lookup3res_NFS3_OK](results, nfsv3.ReadLookup3res, "")
	switch {
	case err != nil:
		return nil, err
	case len(ok.Resok.Object.Data) == 0:
		return nil, malformed("an empty file handle")
	}
	return ok.Resok.Object.Data, nil
}

// parseCreate3 returns the new file's handle, or nil if it was left out.
func parseCreate3(results io.Reader) ([]byte, error) {
	ok, err := decode3[*nfsv3.Create3res_NFS3_OK](results, nfsv3.ReadCreate3res, "")
	if err != nil {
		return nil, err
	}
	given, is := ok.Resok.Obj.(*nfsv3.PostOpFh3_TRUE)
	switch {
	case !is:
		return nil, nil
	case len(given.Handle.Data) == 0:
		return nil, malformed("an empty file handle")
	}
	return given.Handle.Data, nil
}

func parseWrite3(results io.Reader) (nfsv3.Write3resok, error) {
	ok, err := decode3[*nfsv3.Write3res_NFS3_OK](results, nfsv3.ReadWrite3res, "")
	if err != nil {
		return nfsv3.Write3resok{}, err
	}
	return ok.Resok, nil
}

func parseCommit3(results io.Reader) (verifier [8]byte, _ error) {
	ok, err := decode3[*nfsv3.Commit3res_NFS3_OK](results, nfsv3.ReadCommit3res, "")
	if err != nil {
		return verifier, err
	}
	return ok.Resok.Verf, nil
}

func parseRead3(results io.Reader, most int) ([]byte, error) {
	ok, err := decode3[*nfsv3.Read3res_NFS3_OK](results, nfsv3.ReadRead3res, "")
	switch {
	case err != nil:
		return nil, err
	case len(ok.Resok.Data) > most:
		return nil, malformed("%d bytes, where %d were asked for", len(ok.Resok.Data), most)
	}
	return ok.Resok.Data, nil
}

func parseRemove3(results io.Reader) (none struct{}, _ error) {
	_, err := decode3[*nfsv3.Remove3res_NFS3_OK](results, nfsv3.ReadRemove3res, "")
	return none, err
}

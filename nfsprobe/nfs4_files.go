package nfsprobe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// openFiles4 runs the steps that open files below an exported directory.
func (a *attempt) openFiles4(
	ctx context.Context, r *Report, c *client4, dir nfsv4.NfsFh4, id nfsv4.Clientid4,
) error {
	if !a.opensFiles() || a.opens != nil && !a.opens(ctx) {
		return nil
	}
	c.client = id
	marker := func() (string, error) {
		found := c.walk(ctx, put4(dir), a.markerNames())
		handle, err := found.handle()
		if err != nil {
			return "", nameOp("LOOKUP", err)
		}
		// Only a regular file is read: a READ of a pipe may never be answered.
		kind, err := found.kind()
		switch {
		case err != nil:
			return "", nameOp("GETATTR", err)
		case kind != nfsv4.NF4REG:
			return "", ErrNotFile
		}
		// The stateid is zero: nobody has opened the file (RFC 7530 9.1.4.3).
		data, err := (&file4{client4: c, handle: handle}).read(ctx, c.bytes)
		return a.readMarker(data, err)
	}
	// opener is a file to be opened beside the marker, or in the directory.
	opener := func() (*file4, error) {
		f := &file4{client4: c, dir: dir}
		if names := a.testNames(); len(names) > 0 {
			var err error
			if f.dir, err = c.walk(ctx, put4(dir), names).handle(); err != nil {
				return nil, nameOp("LOOKUP", err)
			}
		}
		return f, c.introduce(ctx, a.owner)
	}
	writeTest := func() (string, error) {
		f, err := opener()
		if err != nil {
			return "", err
		}
		learnt, err := a.writeTest(ctx, ctx, r, f)
		if err == nil && c.session == nil {
			learnt += "; a client id stays until its lease ends"
		}
		return learnt, err
	}
	return a.openFiles(ctx, r, marker, writeTest, func() (string, error) {
		if a.Marker == "" && !a.WriteTest {
			return "nothing to lock without a marker or write test", nil
		}
		f, err := opener()
		if err != nil {
			return "", err
		}
		return a.lockTest4(ctx, r, f)
	})
}

// nameOp adds the operation's name to an error that does not have it.
func nameOp(op string, err error) error {
	var status *Status4
	if err == nil || errors.As(err, &status) {
		return err
	}
	return fmt.Errorf("%s: %w", op, err)
}

// file4 is the file of a write test or lock test.
type file4 struct {
	*client4
	dir, handle nfsv4.NfsFh4
	state       nfsv4.Stateid4 // of the open; zero: not opened
	opened      bool
	sequence    nfsv4.Seqid4 // version 4.0: number of the next request about the open
	locker      [8]byte      // the name of the lock owner
}

// ask4 does one operation on a file handle and returns its result.
func (f *file4) ask4(
	ctx context.Context, op nfsv4.NfsArgop4, on nfsv4.NfsFh4,
) (nfsv4.NfsResop4, error) {
	results, err := f.run(ctx, put4(on), op)
	if err != nil {
		return nil, nameOp(opName(op.GetArgop()), err)
	}
	return results[1], nil
}

// introduce lets the prober open files. In a session that is to say that it has
// nothing to reclaim (RFC 8881 18.51). In version 4.0 it is to get a client id
// (RFC 7530 16.33, 16.34): under the prober's own name, so that there is never
// a second one, and with a new verifier, so that the server forgets what an
// earlier probe left open.
func (c *client4) introduce(ctx context.Context, owner [8]byte) error {
	if c.introduced {
		return nil
	}
	c.introduced = true
	if c.session != nil {
		_, err := c.run(ctx, &nfsv4.NfsArgop4_OP_RECLAIM_COMPLETE{})
		return nameOp("RECLAIM_COMPLETE", err)
	}
	me := nfsv4.NfsClientId4{Id: fmt.Appendf(nil, "fsmon %s %x", machineName(), owner)}
	fill(me.Verifier[:])
	nowhere := nfsv4.Netaddr4{NaRNetid: "tcp", NaRAddr: "0.0.0.0.0.0"} // so no delegations
	results, err := c.run(ctx, &nfsv4.NfsArgop4_OP_SETCLIENTID{
		Opsetclientid: nfsv4.Setclientid4args{
			Client: me, Callback: nfsv4.CbClient4{CbLocation: nowhere},
		},
	})
	if err != nil {
		return nameOp("SETCLIENTID", err)
	}
	given := results[0].(*nfsv4.NfsResop4_OP_SETCLIENTID).
		Opsetclientid.(*nfsv4.Setclientid4res_NFS4_OK).Resok4
	c.client = given.Clientid
	_, err = c.run(ctx, &nfsv4.NfsArgop4_OP_SETCLIENTID_CONFIRM{
		OpsetclientidConfirm: nfsv4.SetclientidConfirm4args(given),
	})
	return nameOp("SETCLIENTID_CONFIRM", err)
}

// create opens a new file (GUARDED: it fails if there is one; RFC 7530 16.16,
// RFC 8881 18.16).
func (f *file4) create(ctx context.Context, name string) (made bool, err error) {
	mode := nfsv4.Fattr4{
		Attrmask: []uint32{0, 1 << (nfsv4.FATTR4_MODE - 32)},
		AttrVals: binary.BigEndian.AppendUint32(nil, testMode),
	}
	return f.open(ctx, name, nfsv4.OPEN4_SHARE_ACCESS_BOTH,
		&nfsv4.Openflag4_OPEN4_CREATE{How: &nfsv4.Createhow4_GUARDED4{Createattrs: mode}})
}

// open opens a file. opened: the server has opened it, even if the rest of the
// answer is of no use.
func (f *file4) open(
	ctx context.Context, name string, access uint32, how nfsv4.Openflag4,
) (opened bool, err error) {
	if f.session != nil {
		access |= nfsv4.OPEN4_SHARE_ACCESS_WANT_NO_DELEG
	}
	results, err := retryBusy(ctx, func() ([]nfsv4.NfsResop4, error) {
		var owner [8]byte // a new one each time, so that its numbers begin with 0
		fill(owner[:])
		f.sequence = 1
		open := &nfsv4.NfsArgop4_OP_OPEN{Opopen: nfsv4.Open4args{
			ShareAccess: access,
			Owner:       nfsv4.OpenOwner4{Clientid: f.client, Owner: owner[:]},
			Openhow:     how,
			Claim:       &nfsv4.OpenClaim4_CLAIM_NULL{File: name},
		}}
		return f.once(ctx, []nfsv4.NfsArgop4{put4(f.dir), open, &nfsv4.NfsArgop4_OP_GETFH{}})
	})
	if len(results) < 2 {
		return false, nameOp("OPEN", f.wrongFlavor(err))
	}
	ok := results[1].(*nfsv4.NfsResop4_OP_OPEN).Opopen.(*nfsv4.Open4res_NFS4_OK).Resok4
	f.state, f.opened = ok.Stateid, true
	if f.handle, err = (object4{tail: results[2:], err: err}).handle(); err != nil {
		return true, err
	}
	if ok.Rflags&nfsv4.OPEN4_RESULT_CONFIRM != 0 && f.session == nil {
		err = f.confirm(ctx)
	}
	return true, err
}

// confirm confirms the open, as a server of version 4.0 may demand from an
// owner that it does not know (RFC 7530 16.18).
func (f *file4) confirm(ctx context.Context) error {
	results, err := f.next(ctx, &f.sequence, func() nfsv4.NfsArgop4 {
		return &nfsv4.NfsArgop4_OP_OPEN_CONFIRM{
			OpopenConfirm: nfsv4.OpenConfirm4args{OpenStateid: f.state, Seqid: f.sequence},
		}
	})
	if err != nil {
		return nameOp("OPEN_CONFIRM", err)
	}
	f.state = results[1].(*nfsv4.NfsResop4_OP_OPEN_CONFIRM).
		OpopenConfirm.(*nfsv4.OpenConfirm4res_NFS4_OK).Resok4.OpenStateid
	return nil
}

// next sends a request about the open or the lock, with the next number of its
// sequence. The number goes on whatever the answer is, except after errors that
// end the open (RFC 7530 9.1.7).
func (f *file4) next(
	ctx context.Context, sequence *nfsv4.Seqid4, op func() nfsv4.NfsArgop4,
) ([]nfsv4.NfsResop4, error) {
	return retryBusy(ctx, func() ([]nfsv4.NfsResop4, error) {
		results, err := f.once(ctx, []nfsv4.NfsArgop4{put4(f.handle), op()})
		if len(results) > 0 || unusable(err) { // the server has looked at it
			*sequence++
		}
		return results, err
	})
}

func (f *file4) write(ctx context.Context, data []byte) error {
	result, err := f.ask4(ctx, &nfsv4.NfsArgop4_OP_WRITE{Opwrite: nfsv4.Write4args{
		Stateid: f.state, Stable: nfsv4.FILE_SYNC4, Data: data}}, f.handle)
	if err != nil {
		return err
	}
	wrote := result.(*nfsv4.NfsResop4_OP_WRITE).Opwrite.(*nfsv4.Write4res_NFS4_OK).Resok4
	switch {
	case int(wrote.Count) != len(data):
		return malformed("WRITE took %d of %d bytes", wrote.Count, len(data))
	case wrote.Committed == nfsv4.FILE_SYNC4:
		return nil
	}
	if result, err = f.ask4(ctx, &nfsv4.NfsArgop4_OP_COMMIT{}, f.handle); err != nil {
		return err
	}
	if result.(*nfsv4.NfsResop4_OP_COMMIT).Opcommit.(*nfsv4.Commit4res_NFS4_OK).
		Resok4.Writeverf != wrote.Writeverf {
		return errRestarted
	}
	return nil
}

func (f *file4) read(ctx context.Context, most int) ([]byte, error) {
	result, err := f.ask4(ctx, &nfsv4.NfsArgop4_OP_READ{Opread: nfsv4.Read4args{Stateid: f.state,
		Count: uint32(most)}}, f.handle)
	if err != nil {
		return nil, err
	}
	data := result.(*nfsv4.NfsResop4_OP_READ).Opread.(*nfsv4.Read4res_NFS4_OK).Resok4.Data
	if len(data) > most {
		return nil, malformed("READ: %d bytes, where %d were asked for", len(data), most)
	}
	return data, nil
}

// close closes the file if it is open.
func (f *file4) close(ctx context.Context) error {
	if !f.opened {
		return nil
	}
	f.opened = false
	_, err := f.next(ctx, &f.sequence, func() nfsv4.NfsArgop4 {
		return &nfsv4.NfsArgop4_OP_CLOSE{Opclose: nfsv4.Close4args{Seqid: f.sequence,
			OpenStateid: f.state}}
	})
	return nameOp("CLOSE", err)
}

func (f *file4) remove(ctx context.Context, name string) error {
	_, err := f.ask4(ctx, &nfsv4.NfsArgop4_OP_REMOVE{Opremove: nfsv4.Remove4args{Target: name}},
		f.dir)
	return err
}

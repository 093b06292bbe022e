package nfstest

import (
	"bytes"
	"encoding/binary"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// client0 is a client of version 4.0 (RFC 7530 16.33).
type client0 struct {
	id, confirm uint64
	confirmed   bool
}

// open is a file that a client has opened.
type open struct {
	client, file uint64
	confirmed    bool
	sequence     uint32 // version 4.0: number of the owner's next request
	locker       string // who has locked it; "": nobody
}

// onFiles does an operation on the current file handle, or one that identifies
// a client.
func (s *state4) onFiles(op nfsv4.NfsArgop4) (nfsv4.Nfsstat4, []byte) {
	file, found := s.files.object(s.current)
	var result nfsv4.NfsResop4
	switch op := op.(type) {
	case *nfsv4.NfsArgop4_OP_PUTROOTFH:
		s.current = handle
		return nfsv4.NFS4_OK, encode(&nfsv4.NfsResop4_OP_PUTROOTFH{})
	case *nfsv4.NfsArgop4_OP_PUTFH:
		if _, found := s.files.object(op.Opputfh.Object); !found {
			return nfsv4.NFS4ERR_STALE, nil
		}
		s.current = op.Opputfh.Object
		return nfsv4.NFS4_OK, encode(&nfsv4.NfsResop4_OP_PUTFH{})
	case *nfsv4.NfsArgop4_OP_RELEASE_LOCKOWNER:
		owner := string(op.OpreleaseLockowner.LockOwner.Owner)
		if !s.lockers[owner] {
			return nfsv4.NFS4ERR_BADOWNER, nil
		}
		delete(s.lockers, owner)
		return nfsv4.NFS4_OK, encode(&nfsv4.NfsResop4_OP_RELEASE_LOCKOWNER{})
	case *nfsv4.NfsArgop4_OP_SETCLIENTID:
		return s.setClientID(op.Opsetclientid)
	case *nfsv4.NfsArgop4_OP_SETCLIENTID_CONFIRM:
		return s.confirmClientID(op.OpsetclientidConfirm)
	case *nfsv4.NfsArgop4_OP_RECLAIM_COMPLETE:
		if s.clients[s.client] {
			return nfsv4.NFS4ERR_COMPLETE_ALREADY, nil
		}
		s.clients[s.client] = true
		return nfsv4.NFS4_OK, encode(&nfsv4.NfsResop4_OP_RECLAIM_COMPLETE{})
	}
	switch {
	case s.current == nil:
		return nfsv4.NFS4ERR_NOFILEHANDLE, nil
	case !found:
		return nfsv4.NFS4ERR_STALE, nil
	}
	switch op := op.(type) {
	case *nfsv4.NfsArgop4_OP_LOOKUP:
		s.current = s.files.lookup(op.Oplookup.Objname)
		result = &nfsv4.NfsResop4_OP_LOOKUP{}
	case *nfsv4.NfsArgop4_OP_GETFH:
		result = &nfsv4.NfsResop4_OP_GETFH{
			Opgetfh: &nfsv4.Getfh4res_NFS4_OK{Resok4: nfsv4.Getfh4resok{Object: s.current}},
		}
	case *nfsv4.NfsArgop4_OP_GETATTR:
		kind := nfsv4.NF4DIR
		if file != 0 {
			kind = nfsv4.NF4REG
		}
		// The type, fsid and fileid are the only attributes known here.
		attributes := nfsv4.Fattr4{
			Attrmask: []uint32{1<<nfsv4.FATTR4_TYPE | 1<<nfsv4.FATTR4_FSID |
				1<<nfsv4.FATTR4_FILEID},
			AttrVals: encode(words{uint32(kind), 0, s.files.disk, 0, 0, 0, 2}),
		}
		result = &nfsv4.NfsResop4_OP_GETATTR{
			Opgetattr: &nfsv4.Getattr4res_NFS4_OK{
				Resok4: nfsv4.Getattr4resok{ObjAttributes: attributes},
			},
		}
	case *nfsv4.NfsArgop4_OP_OPEN:
		return s.openFile(op.Opopen)
	case *nfsv4.NfsArgop4_OP_OPEN_CONFIRM:
		o, status := s.opened(op.OpopenConfirm.OpenStateid, file, op.OpopenConfirm.Seqid)
		if o == nil {
			return status, nil
		}
		o.confirmed = true
		result = &nfsv4.NfsResop4_OP_OPEN_CONFIRM{
			OpopenConfirm: &nfsv4.OpenConfirm4res_NFS4_OK{
				Resok4: nfsv4.OpenConfirm4resok{OpenStateid: op.OpopenConfirm.OpenStateid},
			},
		}
	case *nfsv4.NfsArgop4_OP_CLOSE:
		o, status := s.opened(op.Opclose.OpenStateid, file, op.Opclose.Seqid)
		if o == nil {
			return status, nil
		}
		if o.locker != "" {
			return nfsv4.NFS4ERR_LOCKS_HELD, nil
		}
		delete(s.opens, stateNumber(op.Opclose.OpenStateid))
		result = &nfsv4.NfsResop4_OP_CLOSE{Opclose: &nfsv4.Close4res_NFS4_OK{}}
	case *nfsv4.NfsArgop4_OP_LOCK:
		return s.lock(op.Oplock, file)
	case *nfsv4.NfsArgop4_OP_LOCKU:
		o := s.opens[stateNumber(op.Oplocku.LockStateid)]
		if o == nil || o.file != file || o.locker == "" || op.Oplocku.LockStateid.Seqid != 7 {
			return nfsv4.NFS4ERR_BAD_STATEID, nil
		} else if s.client == 0 && op.Oplocku.Seqid != 1+s.unlocks {
			return nfsv4.NFS4ERR_BAD_SEQID, nil
		}
		o.locker, s.unlocks = "", 0
		result = &nfsv4.NfsResop4_OP_LOCKU{Oplocku: &nfsv4.Locku4res_NFS4_OK{}}
	case *nfsv4.NfsArgop4_OP_READ:
		if o := s.opens[stateNumber(op.Opread.Stateid)]; op.Opread.Stateid != (nfsv4.Stateid4{}) &&
			(o == nil || !o.confirmed || o.file != file) {
			return nfsv4.NFS4ERR_BAD_STATEID, nil
		}
		data := s.files.read(file, op.Opread.Offset, op.Opread.Count)
		result = &nfsv4.NfsResop4_OP_READ{
			Opread: &nfsv4.Read4res_NFS4_OK{Resok4: nfsv4.Read4resok{Eof: true, Data: data}},
		}
	case *nfsv4.NfsArgop4_OP_WRITE:
		if o := s.opens[stateNumber(op.Opwrite.Stateid)]; o == nil || !o.confirmed ||
			o.file != file {
			return nfsv4.NFS4ERR_BAD_STATEID, nil
		}
		s.files.write(file, op.Opwrite.Offset, op.Opwrite.Data)
		ok := nfsv4.Write4resok{
			Count: uint32(len(op.Opwrite.Data)), Committed: op.Opwrite.Stable,
		}
		result = &nfsv4.NfsResop4_OP_WRITE{
			Opwrite: &nfsv4.Write4res_NFS4_OK{Resok4: ok},
		}
	case *nfsv4.NfsArgop4_OP_COMMIT:
		result = &nfsv4.NfsResop4_OP_COMMIT{Opcommit: &nfsv4.Commit4res_NFS4_OK{}}
	case *nfsv4.NfsArgop4_OP_REMOVE:
		if !s.files.remove(op.Opremove.Target) {
			return nfsv4.NFS4ERR_NOENT, nil
		}
		result = &nfsv4.NfsResop4_OP_REMOVE{Opremove: &nfsv4.Remove4res_NFS4_OK{}}
	default:
		return nfsv4.NFS4ERR_NOTSUPP, nil
	}
	return nfsv4.NFS4_OK, encode(result)
}

// setClientID makes a client ID. When it is confirmed, the files that the
// client had opened are closed (RFC 7530 16.33.5).
func (s *state4) setClientID(args nfsv4.Setclientid4args) (nfsv4.Nfsstat4, []byte) {
	if s.clients0 == nil {
		s.clients0 = map[string]*client0{}
	}
	s.last++
	s.clients0[string(args.Client.Id)] = &client0{id: s.last, confirm: ^s.last}
	made := nfsv4.Setclientid4resok{Clientid: s.last}
	binary.BigEndian.PutUint64(made.SetclientidConfirm[:], ^s.last)
	return nfsv4.NFS4_OK,
		encode(&nfsv4.NfsResop4_OP_SETCLIENTID{
			Opsetclientid: &nfsv4.Setclientid4res_NFS4_OK{Resok4: made},
		})
}

func (s *state4) confirmClientID(args nfsv4.SetclientidConfirm4args) (nfsv4.Nfsstat4, []byte) {
	for _, c := range s.clients0 {
		if c.id == args.Clientid &&
			c.confirm == binary.BigEndian.Uint64(args.SetclientidConfirm[:]) {
			c.confirmed = true
			return nfsv4.NFS4_OK, encode(&nfsv4.NfsResop4_OP_SETCLIENTID_CONFIRM{})
		}
	}
	return nfsv4.NFS4ERR_STALE_CLIENTID, nil
}

// lock locks an open file for a new owner.
func (s *state4) lock(args nfsv4.Lock4args, file uint64) (nfsv4.Nfsstat4, []byte) {
	by, is := args.Locker.(*nfsv4.Locker4_TRUE)
	if !is {
		return nfsv4.NFS4ERR_NOTSUPP, nil
	}
	id := by.OpenOwner.OpenStateid
	o, status := s.opened(id, file, by.OpenOwner.OpenSeqid)
	switch {
	case o == nil:
		return status, nil
	case !o.confirmed:
		return nfsv4.NFS4ERR_BAD_STATEID, nil
	}
	if s.lockers == nil {
		s.lockers = map[string]bool{}
	}
	o.locker = string(by.OpenOwner.LockOwner.Owner)
	if s.client == 0 { // a session ends with them
		s.lockers[o.locker] = true
	}
	id.Seqid = 7 // of a lock
	return nfsv4.NFS4_OK, encode(&nfsv4.NfsResop4_OP_LOCK{
		Oplock: &nfsv4.Lock4res_NFS4_OK{Resok4: nfsv4.Lock4resok{LockStateid: id}},
	})
}

// openFile opens a file, and creates it if it is asked to. In version 4.0 every
// open owner is new, so the open must be confirmed.
func (s *state4) openFile(args nfsv4.Open4args) (nfsv4.Nfsstat4, []byte) {
	claim, named := args.Claim.(*nfsv4.OpenClaim4_CLAIM_NULL)
	how, creates := args.Openhow.(*nfsv4.Openflag4_OPEN4_CREATE)
	confirmed := false
	for _, c := range s.clients0 {
		confirmed = confirmed || c.confirmed && c.id == args.Owner.Clientid
	}
	switch {
	case !named || creates && how.How.GetMode() != nfsv4.GUARDED4:
		return nfsv4.NFS4ERR_NOTSUPP, nil
	case s.client == 0 && !confirmed:
		return nfsv4.NFS4ERR_STALE_CLIENTID, nil
	case s.client != 0 && !s.clients[s.client]:
		return nfsv4.NFS4ERR_GRACE, nil
	}
	file, is := s.files.names[claim.File]
	switch {
	case is && creates:
		return nfsv4.NFS4ERR_EXIST, nil
	case creates:
		file = s.files.create(claim.File)
	case !is:
		return nfsv4.NFS4ERR_NOENT, nil
	}
	if s.opens == nil {
		s.opens = map[uint64]*open{}
	}
	o := &open{client: args.Owner.Clientid, file: file, sequence: args.Seqid + 1,
		confirmed: s.client != 0}
	s.last++
	s.opens[s.last] = o
	s.current = fileHandle(o.file)
	made := nfsv4.Open4resok{Stateid: nfsv4.Stateid4{Seqid: 1},
		Delegation: &nfsv4.OpenDelegation4_OPEN_DELEGATE_NONE{}}
	binary.BigEndian.PutUint64(made.Stateid.Other[:], s.last)
	if !o.confirmed {
		made.Rflags = nfsv4.OPEN4_RESULT_CONFIRM
	}
	return nfsv4.NFS4_OK,
		encode(&nfsv4.NfsResop4_OP_OPEN{Opopen: &nfsv4.Open4res_NFS4_OK{Resok4: made}})
}

// opened returns the open that a request is about. In version 4.0 the request
// must have the owner's next number; in a session there are no such numbers.
func (s *state4) opened(id nfsv4.Stateid4, file uint64, sequence uint32) (*open, nfsv4.Nfsstat4) {
	o := s.opens[stateNumber(id)]
	switch {
	case o == nil || o.file != file:
		return nil, nfsv4.NFS4ERR_BAD_STATEID
	case s.client == 0 && o.sequence != sequence:
		return nil, nfsv4.NFS4ERR_BAD_SEQID
	}
	o.sequence++
	return o, nfsv4.NFS4_OK
}

// refused counts a request about an open that failed: the number goes on all
// the same (RFC 7530 9.1.7).
func (s *state4) refused(op nfsv4.NfsArgop4) {
	var o *open
	switch op := op.(type) {
	case *nfsv4.NfsArgop4_OP_OPEN_CONFIRM:
		o = s.opens[stateNumber(op.OpopenConfirm.OpenStateid)]
	case *nfsv4.NfsArgop4_OP_CLOSE:
		o = s.opens[stateNumber(op.Opclose.OpenStateid)]
	case *nfsv4.NfsArgop4_OP_LOCK:
		if by, is := op.Oplock.Locker.(*nfsv4.Locker4_TRUE); is {
			o = s.opens[stateNumber(by.OpenOwner.OpenStateid)]
		}
	case *nfsv4.NfsArgop4_OP_LOCKU:
		s.unlocks++
	}
	if o != nil {
		o.sequence++
	}
}

func stateNumber(id nfsv4.Stateid4) uint64 {
	if bytes.Equal(id.Other[8:], make([]byte, 4)) {
		return binary.BigEndian.Uint64(id.Other[:])
	}
	return 0
}

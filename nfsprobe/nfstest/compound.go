package nfstest

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"sync/atomic"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// state4 is what a hostile server knows of its clients of version 4.
type state4 struct {
	last     uint64
	clients  map[uint64]bool // version 4.1 and later; true after RECLAIM_COMPLETE
	sessions map[nfsv4.Sessionid4]*slot
	clients0 map[string]*client0 // version 4.0, by their own names
	opens    map[uint64]*open    // by the number in their stateid
	lockers  map[string]bool     // version 4.0: lock owners that were not released
	unlocks  uint32              // LOCKUs that failed, of the lock owner
	files    *store
	current  []byte // file handle of a COMPOUND; nil: none
	client   uint64 // of the session of a COMPOUND; 0: none
}

// slot is the only slot of a session.
type slot struct {
	client   uint64
	sequence uint32 // of its last request
}

// compound does a COMPOUND as a healthy server does: every path is a directory.
func (h *Hostile) compound(args []byte) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.compound(args, nil, nil)
}

// FailOp makes this operation fail with a status in the first n COMPOUNDs that
// reach it; in all if n is below 0. The operation then has no effect.
func (h *Hostile) FailOp(n int, op nfsv4.NfsOpnum4, status nfsv4.Nfsstat4) {
	h.atOp(n, op, func() nfsv4.Nfsstat4 { return status })
}

// RemoveAt removes a file just before this operation, in the first n COMPOUNDs
// that reach it, as another client could.
func (h *Hostile) RemoveAt(n int, op nfsv4.NfsOpnum4, file string) {
	h.atOp(n, op, func() nfsv4.Nfsstat4 {
		h.files.remove(file)
		return nfsv4.NFS4_OK
	})
}

func (h *Hostile) atOp(n int, op nfsv4.NfsOpnum4, do func() nfsv4.Nfsstat4) {
	var seen atomic.Int64
	h.onOps(func(now nfsv4.NfsOpnum4) nfsv4.Nfsstat4 {
		if now == op && (n < 0 || seen.Add(1) <= int64(n)) {
			return do()
		}
		return nfsv4.NFS4_OK
	}, nil)
}

// EditOp changes the result of this operation in all further COMPOUNDs in which
// it succeeds. The result is in XDR: operation number, status 0, and the rest.
func (h *Hostile) EditOp(op nfsv4.NfsOpnum4, edit func(result []byte) []byte) {
	h.onOps(nil, func(now nfsv4.NfsOpnum4, result []byte) []byte {
		if now == op {
			return edit(result)
		}
		return result
	})
}

func (h *Hostile) onOps(before beforeOp, after afterOp) {
	h.On(Compound, sending(func(call Call, _ func() []byte) []byte {
		h.mu.Lock()
		defer h.mu.Unlock()
		return success(call.XID, h.state.compound(call.Args, before, after))
	}))
}

// CompoundStatus answers every COMPOUND with a status and no results, as
// servers send NFS4ERR_MINOR_VERS_MISMATCH.
func CompoundStatus(status nfsv4.Nfsstat4) Answer {
	return Results(&nfsv4.Compound4res{Status: status})
}

// Minors answers COMPOUNDs of these minor versions as a healthy server does,
// and all others with NFS4ERR_MINOR_VERS_MISMATCH.
func Minors(minors ...uint32) Answer {
	return func(c net.Conn, call Call, healthy func() []byte) bool {
		var args nfsv4.Compound4args
		if _, err := args.ReadFrom(bytes.NewReader(call.Args)); err == nil &&
			!slices.Contains(minors, args.Minorversion) {
			return CompoundStatus(nfsv4.NFS4ERR_MINOR_VERS_MISMATCH)(c, call, healthy)
		}
		return Healthy(c, call, healthy)
	}
}

// beforeOp returns a status for an operation, which is done only if that is
// NFS4_OK.
type beforeOp func(op nfsv4.NfsOpnum4) nfsv4.Nfsstat4

// afterOp changes the result of an operation that succeeded.
type afterOp func(op nfsv4.NfsOpnum4, result []byte) []byte

// compound does the operations of a COMPOUND up to the first that fails. Either
// function may be nil.
func (s *state4) compound(encoded []byte, before beforeOp, after afterOp) []byte {
	var args nfsv4.Compound4args
	if _, err := args.ReadFrom(bytes.NewReader(encoded)); err != nil {
		return encode(&nfsv4.Compound4res{Status: nfsv4.NFS4ERR_BADXDR})
	}
	if args.Minorversion > 2 {
		return encode(&nfsv4.Compound4res{Status: nfsv4.NFS4ERR_MINOR_VERS_MISMATCH})
	}
	var results []byte
	s.current, s.client = nil, 0
	status, n := nfsv4.NFS4_OK, 0
	for _, op := range args.Argarray {
		n++
		var result []byte
		if before != nil {
			status = before(op.GetArgop())
		}
		if status == nfsv4.NFS4_OK {
			status, result = s.operation(op)
		} else {
			s.refused(op)
		}
		if status == nfsv4.NFS4_OK && after != nil {
			result = after(op.GetArgop(), result)
		}
		if status != nfsv4.NFS4_OK {
			// The result of a failed operation is its number and status, for
			// all operations that are known here.
			result = encode(words{uint32(op.GetArgop()), uint32(status)})
			if status == nfsv4.NFS4ERR_DENIED { // but who has the lock follows
				result = append(result, encode(&nfsv4.Lock4denied{Length: 1,
					Locktype: nfsv4.WRITE_LT})...)
			}
		}
		if results = append(results, result...); status != nfsv4.NFS4_OK {
			break
		}
	}
	return encode(raw(slices.Concat(encode(words{uint32(status)}), encode(text(args.Tag)),
		encode(words{uint32(n)}), results)))
}

// operation does one operation and encodes its result.
func (s *state4) operation(op nfsv4.NfsArgop4) (nfsv4.Nfsstat4, []byte) {
	var result nfsv4.NfsResop4
	switch op := op.(type) {
	case *nfsv4.NfsArgop4_OP_EXCHANGE_ID:
		s.last++
		if s.clients == nil {
			s.clients, s.sessions = map[uint64]bool{}, map[nfsv4.Sessionid4]*slot{}
		}
		s.clients[s.last] = false
		ok := nfsv4.ExchangeId4resok{
			EirClientid: s.last, EirSequenceid: 1, EirFlags: nfsv4.EXCHGID4_FLAG_USE_NON_PNFS,
			EirStateProtect: &nfsv4.StateProtect4R_SP4_NONE{},
			EirServerOwner:  nfsv4.ServerOwner4{SoMajorId: []byte("nfstest")},
			EirServerScope:  []byte("nfstest"),
		}
		result = &nfsv4.NfsResop4_OP_EXCHANGE_ID{
			OpexchangeId: &nfsv4.ExchangeId4res_NFS4_OK{EirResok4: ok},
		}
	case *nfsv4.NfsArgop4_OP_CREATE_SESSION:
		args := op.OpcreateSession
		if _, known := s.clients[args.CsaClientid]; !known {
			return nfsv4.NFS4ERR_STALE_CLIENTID, nil
		}
		var id nfsv4.Sessionid4
		s.last++
		binary.BigEndian.PutUint64(id[:], s.last)
		s.sessions[id] = &slot{client: args.CsaClientid}
		ok := nfsv4.CreateSession4resok{
			CsrSessionid: id, CsrSequence: args.CsaSequence,
			CsrForeChanAttrs: args.CsaForeChanAttrs, CsrBackChanAttrs: args.CsaBackChanAttrs,
		}
		result = &nfsv4.NfsResop4_OP_CREATE_SESSION{
			OpcreateSession: &nfsv4.CreateSession4res_NFS4_OK{CsrResok4: ok},
		}
	case *nfsv4.NfsArgop4_OP_SEQUENCE:
		args := op.Opsequence
		slot := s.sessions[args.SaSessionid]
		switch {
		case slot == nil:
			return nfsv4.NFS4ERR_BADSESSION, nil
		case args.SaSlotid != 0:
			return nfsv4.NFS4ERR_BADSLOT, nil
		case args.SaSequenceid != slot.sequence+1:
			return nfsv4.NFS4ERR_SEQ_MISORDERED, nil
		}
		slot.sequence++
		s.client = slot.client
		ok := nfsv4.Sequence4resok{
			SrSessionid: args.SaSessionid, SrSequenceid: args.SaSequenceid,
		}
		result = &nfsv4.NfsResop4_OP_SEQUENCE{
			Opsequence: &nfsv4.Sequence4res_NFS4_OK{SrResok4: ok},
		}
	case *nfsv4.NfsArgop4_OP_DESTROY_SESSION:
		if s.sessions[op.OpdestroySession.DsaSessionid] == nil {
			return nfsv4.NFS4ERR_BADSESSION, nil
		}
		delete(s.sessions, op.OpdestroySession.DsaSessionid)
		result = &nfsv4.NfsResop4_OP_DESTROY_SESSION{}
	case *nfsv4.NfsArgop4_OP_DESTROY_CLIENTID:
		id := op.OpdestroyClientid.DcaClientid
		for _, slot := range s.sessions {
			if slot.client == id {
				return nfsv4.NFS4ERR_CLIENTID_BUSY, nil
			}
		}
		for _, o := range s.opens {
			if o.client == id {
				return nfsv4.NFS4ERR_CLIENTID_BUSY, nil
			}
		}
		if _, known := s.clients[id]; !known {
			return nfsv4.NFS4ERR_STALE_CLIENTID, nil
		}
		delete(s.clients, id)
		result = &nfsv4.NfsResop4_OP_DESTROY_CLIENTID{}
	case *nfsv4.NfsArgop4_OP_ACCESS:
		ok := nfsv4.Access4resok{
			Supported: op.Opaccess.Access, Access: op.Opaccess.Access,
		}
		result = &nfsv4.NfsResop4_OP_ACCESS{
			Opaccess: &nfsv4.Access4res_NFS4_OK{Resok4: ok},
		}
	default:
		return s.onFiles(op)
	}
	return nfsv4.NFS4_OK, encode(result)
}

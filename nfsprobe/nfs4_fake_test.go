package nfsprobe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// fake4 is a server of version 4 for one connection after another. It is strict
// about sessions: wrong use of a client id or session gets the RFC's error.
type fake4 struct {
	minors  []uint32
	objects map[string]nfsv4.NfsFtype4 // by path
	maxOps  uint32                     // limit of a session, and of a COMPOUND of version 4.0

	answer func(op nfsv4.NfsArgop4) nfsv4.NfsResop4 // the answer instead of the proper one; nil: proper
	// Edits the answer to COMPOUND n. nil: no answer; empty: the connection is
	// closed.
	edit func(n int, reply []byte) []byte
	// The operation whose COMPOUND is denied with AUTH_TOOWEAK.
	deny    string
	links   map[string]string // what the symbolic links in objects point to
	secured string            // the path from which on only the flavors of takes are taken
	takes   []int32

	asked    []string // the COMPOUNDs: "4.2 SEQUENCE(1) PUTROOTFH LOOKUP(export)"
	owners   []string
	null     *rpcv2.CallBody
	cred     rpcv2.OpaqueAuth  // of the call
	clients  map[uint64]bool   // by client id: has a session
	sessions map[uint64]uint32 // by client id, also the session id: the last sequence id
	handles  []string          // their paths
	current  string            // path of the current file handle; "": none

	asksSecurity bool // the COMPOUND asks which flavors the pseudo root takes
}

func newFake4() *fake4 {
	return &fake4{
		minors: []uint32{0, 1, 2}, maxOps: 16,
		objects: map[string]nfsv4.NfsFtype4{"/": nfsv4.NF4DIR, "/export": nfsv4.NF4DIR,
			"/export/file": nfsv4.NF4REG},
		clients: map[uint64]bool{}, sessions: map[uint64]uint32{},
	}
}

// left is the number of client ids and sessions that the server still holds.
func (f *fake4) left() int { return len(f.clients) + len(f.sessions) }

// serve answers calls until the connection ends.
func (f *fake4) serve(conn net.Conn) error {
	defer conn.Close()
	for {
		record, err := readRecord(conn)
		if err != nil {
			return nil
		}
		r := bytes.NewReader(record)
		var call rpcv2.RpcMsg
		if _, err := call.ReadFrom(r); err != nil {
			return err
		}
		body := call.Body.(*rpcv2.RpcMsgBody_CALL).Cbody
		var results []byte
		if body.Proc == procNull {
			f.null = &body
		} else {
			var c nfsv4.Compound4args
			if _, err := c.ReadFrom(r); err != nil || body.Prog != 100003 || body.Vers != 4 ||
				body.Proc != 1 {
				return fmt.Errorf("not a COMPOUND: %+v, %v", body, err)
			}
			f.cred = body.Cred
			if results = encode4(f.compound(c)); f.edit != nil {
				results = f.edit(len(f.asked)-1, results)
			}
			switch {
			case results == nil:
				io.Copy(io.Discard, conn)
				return nil
			case len(results) == 0:
				return nil
			}
		}
		var reply rpcv2.ReplyBody = &rpcv2.ReplyBody_MSG_ACCEPTED{
			Areply: rpcv2.AcceptedReply{ReplyData: &rpcv2.AcceptedReplyData_SUCCESS{}},
		}
		if f.deny != "" && len(f.asked) > 0 && strings.Contains(f.asked[len(f.asked)-1], f.deny) {
			reply, results = &rpcv2.ReplyBody_MSG_DENIED{
				Rreply: &rpcv2.RejectedReply_AUTH_ERROR{Stat: rpcv2.AUTH_TOOWEAK},
			}, nil
		}
		if _, err := conn.Write(record4(call.Xid, reply, results)); err != nil {
			return nil
		}
	}
}

func encode4(v io.WriterTo) []byte {
	var b bytes.Buffer
	if _, err := v.WriteTo(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// record4 returns a reply as a record.
func record4(xid uint32, reply rpcv2.ReplyBody, results []byte) []byte {
	b := bytes.NewBuffer(make([]byte, 4))
	b.Write(encode4(&rpcv2.RpcMsg{Xid: xid, Body: &rpcv2.RpcMsgBody_REPLY{Rbody: reply}}))
	b.Write(results)
	binary.BigEndian.PutUint32(b.Bytes(), uint32(b.Len()-4)|lastFragment)
	return b.Bytes()
}

func (f *fake4) compound(c nfsv4.Compound4args) *nfsv4.Compound4res {
	f.asked = append(f.asked, fmt.Sprintf("4.%d", c.Minorversion))
	said := &f.asked[len(f.asked)-1]
	for _, op := range c.Argarray {
		*said += " " + describe4(op)
	}
	answer := &nfsv4.Compound4res{Tag: c.Tag}
	first := c.Argarray[0].GetArgop()
	switch alone := first == nfsv4.OP_EXCHANGE_ID || first == nfsv4.OP_CREATE_SESSION ||
		first == nfsv4.OP_DESTROY_SESSION || first == nfsv4.OP_DESTROY_CLIENTID; {
	case !slices.Contains(f.minors, c.Minorversion):
		answer.Status = nfsv4.NFS4ERR_MINOR_VERS_MISMATCH
	case len(c.Argarray) > int(f.maxOps):
		answer.Status = nfsv4.NFS4ERR_TOO_MANY_OPS
	case alone && len(c.Argarray) > 1:
		answer.Status = nfsv4.NFS4ERR_NOT_ONLY_OP
	case c.Minorversion > 0 && !alone && first != nfsv4.OP_SEQUENCE:
		answer.Status = nfsv4.NFS4ERR_OP_NOT_IN_SESSION
	}
	f.current = ""
	f.asksSecurity = slices.ContainsFunc(c.Argarray, func(op nfsv4.NfsArgop4) bool {
		return op.GetArgop() == nfsv4.OP_SECINFO_NO_NAME // RFC 8881 2.6.3.1.1.8
	})
	for _, op := range c.Argarray {
		if answer.Status != nfsv4.NFS4_OK {
			break
		}
		var result nfsv4.NfsResop4
		if f.answer != nil {
			result = f.answer(op)
		}
		if result == nil {
			result = f.do(op)
		}
		answer.Resarray = append(answer.Resarray, result)
		answer.Status = status4(result)
	}
	return answer
}

func describe4(op nfsv4.NfsArgop4) string {
	switch op := op.(type) {
	case *nfsv4.NfsArgop4_OP_LOOKUP:
		return "LOOKUP(" + op.Oplookup.Objname + ")"
	case *nfsv4.NfsArgop4_OP_SEQUENCE:
		return fmt.Sprintf("SEQUENCE(%d)", op.Opsequence.SaSequenceid)
	}
	return opName(op.GetArgop())
}

// do does an operation and returns its result.
func (f *fake4) do(op nfsv4.NfsArgop4) nfsv4.NfsResop4 {
	switch op := op.(type) {
	case *nfsv4.NfsArgop4_OP_EXCHANGE_ID:
		f.owners = append(f.owners, string(op.OpexchangeId.EiaClientowner.CoOwnerid))
		id := uint64(1000 + len(f.owners))
		f.clients[id] = false
		ok := nfsv4.ExchangeId4resok{
			EirClientid: id, EirSequenceid: 7, EirStateProtect: &nfsv4.StateProtect4R_SP4_NONE{},
			EirServerOwner: nfsv4.ServerOwner4{SoMajorId: []byte("fake.example")},
			EirServerScope: []byte("scope"),
		}
		return &nfsv4.NfsResop4_OP_EXCHANGE_ID{
			OpexchangeId: &nfsv4.ExchangeId4res_NFS4_OK{EirResok4: ok},
		}
	case *nfsv4.NfsArgop4_OP_CREATE_SESSION:
		return f.createSession(op.OpcreateSession)
	case *nfsv4.NfsArgop4_OP_SEQUENCE:
		return f.sequence(op.Opsequence)
	case *nfsv4.NfsArgop4_OP_DESTROY_SESSION:
		id := binary.BigEndian.Uint64(op.OpdestroySession.DsaSessionid[:])
		if _, ok := f.sessions[id]; !ok {
			return failed4(op, nfsv4.NFS4ERR_BADSESSION)
		}
		delete(f.sessions, id)
		return failed4(op, nfsv4.NFS4_OK)
	case *nfsv4.NfsArgop4_OP_DESTROY_CLIENTID:
		id := op.OpdestroyClientid.DcaClientid
		if _, ok := f.clients[id]; !ok {
			return failed4(op, nfsv4.NFS4ERR_STALE_CLIENTID)
		} else if _, ok := f.sessions[id]; ok {
			return failed4(op, nfsv4.NFS4ERR_CLIENTID_BUSY)
		}
		delete(f.clients, id)
		return failed4(op, nfsv4.NFS4_OK)
	}
	return f.walk(op)
}

func (f *fake4) createSession(args nfsv4.CreateSession4args) nfsv4.NfsResop4 {
	op := &nfsv4.NfsArgop4_OP_CREATE_SESSION{}
	switch confirmed, ok := f.clients[args.CsaClientid]; {
	case !ok:
		return failed4(op, nfsv4.NFS4ERR_STALE_CLIENTID)
	case confirmed || args.CsaSequence != 7:
		return failed4(op, nfsv4.NFS4ERR_SEQ_MISORDERED)
	}
	f.clients[args.CsaClientid] = true
	f.sessions[args.CsaClientid] = 0
	made := nfsv4.CreateSession4resok{CsrSequence: 7, CsrForeChanAttrs: args.CsaForeChanAttrs,
		CsrBackChanAttrs: args.CsaBackChanAttrs}
	made.CsrForeChanAttrs.CaMaxoperations = min(f.maxOps, args.CsaForeChanAttrs.CaMaxoperations)
	binary.BigEndian.PutUint64(made.CsrSessionid[:], args.CsaClientid)
	return &nfsv4.NfsResop4_OP_CREATE_SESSION{
		OpcreateSession: &nfsv4.CreateSession4res_NFS4_OK{CsrResok4: made},
	}
}

func (f *fake4) sequence(args nfsv4.Sequence4args) nfsv4.NfsResop4 {
	op, id := &nfsv4.NfsArgop4_OP_SEQUENCE{}, binary.BigEndian.Uint64(args.SaSessionid[:])
	switch last, ok := f.sessions[id]; {
	case !ok:
		return failed4(op, nfsv4.NFS4ERR_BADSESSION)
	case args.SaSlotid != 0 || args.SaHighestSlotid != 0:
		return failed4(op, nfsv4.NFS4ERR_BADSLOT)
	case args.SaSequenceid != last+1:
		return failed4(op, nfsv4.NFS4ERR_SEQ_MISORDERED)
	}
	f.sessions[id]++
	ok := nfsv4.Sequence4resok{
		SrSessionid: args.SaSessionid, SrSequenceid: args.SaSequenceid,
	}
	return &nfsv4.NfsResop4_OP_SEQUENCE{
		Opsequence: &nfsv4.Sequence4res_NFS4_OK{SrResok4: ok},
	}
}

func (f *fake4) walk(op nfsv4.NfsArgop4) nfsv4.NfsResop4 {
	if f.current == "" && op.GetArgop() != nfsv4.OP_PUTROOTFH && op.GetArgop() != nfsv4.OP_PUTFH {
		return failed4(op, nfsv4.NFS4ERR_NOFILEHANDLE)
	}
	switch op := op.(type) {
	case *nfsv4.NfsArgop4_OP_PUTROOTFH:
		f.current = "/"
		if f.secured == "/" && f.refuses() && !f.asksSecurity {
			return failed4(op, nfsv4.NFS4ERR_WRONGSEC)
		}
	case *nfsv4.NfsArgop4_OP_PUTFH:
		f.current = f.handles[binary.BigEndian.Uint32(op.Opputfh.Object)]
	case *nfsv4.NfsArgop4_OP_LOOKUP:
		switch f.objects[f.current] {
		case nfsv4.NF4DIR:
		case nfsv4.NF4LNK:
			return failed4(op, nfsv4.NFS4ERR_SYMLINK)
		default:
			return failed4(op, nfsv4.NFS4ERR_NOTDIR)
		}
		to := strings.TrimSuffix(f.current, "/") + "/" + op.Oplookup.Objname
		if _, ok := f.objects[to]; !ok {
			return failed4(op, nfsv4.NFS4ERR_NOENT)
		}
		if f.current = to; f.refuses() {
			return failed4(op, nfsv4.NFS4ERR_WRONGSEC)
		}
	case *nfsv4.NfsArgop4_OP_READLINK:
		return f.readLink(op)
	case *nfsv4.NfsArgop4_OP_SECINFO:
		return &nfsv4.NfsResop4_OP_SECINFO{Opsecinfo: f.offers()}
	case *nfsv4.NfsArgop4_OP_SECINFO_NO_NAME:
		return &nfsv4.NfsResop4_OP_SECINFO_NO_NAME{OpsecinfoNoName: f.offers()}
	case *nfsv4.NfsArgop4_OP_GETFH:
		f.handles = append(f.handles, f.current)
		return handle4(binary.BigEndian.AppendUint32(nil, uint32(len(f.handles)-1)))
	case *nfsv4.NfsArgop4_OP_GETATTR:
		return attributes4(op.Opgetattr.AttrRequest, xdr(uint32(f.objects[f.current]),
			0, 0xabc, 0, 1, 0, uint32(len(f.current))))
	case *nfsv4.NfsArgop4_OP_ACCESS:
		return access4(0x1f, op.Opaccess.Access&^1)
	}
	return failed4(op, nfsv4.NFS4_OK)
}

func handle4(handle []byte) nfsv4.NfsResop4 {
	return &nfsv4.NfsResop4_OP_GETFH{
		Opgetfh: &nfsv4.Getfh4res_NFS4_OK{Resok4: nfsv4.Getfh4resok{Object: handle}},
	}
}

func attributes4(mask []uint32, values []byte) nfsv4.NfsResop4 {
	ok := nfsv4.Getattr4resok{
		ObjAttributes: nfsv4.Fattr4{Attrmask: mask, AttrVals: values},
	}
	return &nfsv4.NfsResop4_OP_GETATTR{
		Opgetattr: &nfsv4.Getattr4res_NFS4_OK{Resok4: ok},
	}
}

func access4(supported, granted uint32) nfsv4.NfsResop4 {
	return &nfsv4.NfsResop4_OP_ACCESS{
		Opaccess: &nfsv4.Access4res_NFS4_OK{Resok4: nfsv4.Access4resok{Supported: supported,
			Access: granted}},
	}
}

// failed4 is a result that holds a status only, such as every failure.
func failed4(op nfsv4.NfsArgop4, status nfsv4.Nfsstat4) nfsv4.NfsResop4 {
	b := binary.BigEndian.AppendUint32(nil, uint32(op.GetArgop()))
	result, _, err := nfsv4.ReadNfsResop4(bytes.NewReader(binary.BigEndian.AppendUint32(b,
		uint32(status))))
	if err != nil {
		panic(err)
	}
	return result
}

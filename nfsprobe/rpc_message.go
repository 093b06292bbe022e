package nfsprobe

// The messages of ONC RPC version 2 (RFC 5531 9), and the records that they are
// sent in over TCP (RFC 5531 11).

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// The length of a record's mark, and of the longest body of a credential or
// verifier (RFC 5531 8.2), in bytes.
const recordMark, maxAuth = 4, 400

// newCall begins a record: a call up to its verifier, which must follow.
func newCall(xid uint32, body rpcv2.CallBody) (*bytes.Buffer, error) {
	if len(body.Cred.Body) > maxAuth {
		return nil, fmt.Errorf("call: a credential of %d bytes", len(body.Cred.Body))
	}
	b := make([]byte, recordMark, 112) // most calls need no more
	for _, word := range [...]uint32{xid, uint32(rpcv2.CALL), body.Rpcvers, body.Prog, body.Vers,
		body.Proc, uint32(body.Cred.Flavor), uint32(len(body.Cred.Body))} {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	b = append(b, body.Cred.Body...)
	return bytes.NewBuffer(append(b, make([]byte, -len(body.Cred.Body)&3)...)), nil
}

// finish fills in the mark of a record.
func finish(b *bytes.Buffer) []byte {
	record := b.Bytes()
	binary.BigEndian.PutUint32(record, uint32(len(record)-recordMark)|lastFragment)
	return record
}

// readRecord reads one record (RFC 5531 11). Memory grows with what has
// arrived, not with what is claimed.
func readRecord(r io.Reader) (record []byte, err error) {
	record = make([]byte, 0, 256)
	for range maxFragments {
		if record, err = readMore(r, record, 4); err != nil {
			return nil, err
		}
		at := len(record) - 4
		mark := binary.BigEndian.Uint32(record[at:])
		record = record[:at]
		n := int64(mark &^ lastFragment)
		if int64(len(record))+n > maxRecord {
			return nil, malformed("a record of %d bytes or more", int64(len(record))+n)
		}
		for left := int(n); left > 0; left -= min(left, 1<<10) {
			if record, err = readMore(r, record, min(left, 1<<10)); err != nil {
				return nil, err
			}
		}
		if mark&lastFragment != 0 {
			return record, nil
		}
	}
	return nil, malformed("a record of more than %d fragments", maxFragments)
}

// readMore appends n bytes to a record.
func readMore(r io.Reader, record []byte, n int) ([]byte, error) {
	record = slices.Grow(record, n)
	more := record[len(record) : len(record)+n]
	_, err := io.ReadFull(r, more)
	return record[:len(record)+n], err
}

// message reads the XDR of one message. Clients ignore which bytes a server
// pads with, but the library insists on zeros, so it gets zeros. It reads
// padding in a read of its own, and nothing else begins within a word (RFC 4506
// 3).
type message struct{ *bytes.Reader }

func (m message) Read(p []byte) (int, error) {
	within := (m.Size() - int64(m.Len())) % 4
	n, err := m.Reader.Read(p)
	if within > 0 && within+int64(n) <= 4 {
		clear(p[:n])
	}
	return n, err
}

// parseReply checks a reply and returns a reader of its results.
func parseReply(record []byte, xid uint32) (io.Reader, error) {
	return checkReply(record, xid, func(verifier rpcv2.OpaqueAuth) error {
		// RFC 5531 14, appendix A, allows AUTH_NONE and AUTH_SHORT. The Linux
		// client takes AUTH_SYS too, so a server that sends it works.
		switch f := verifier.Flavor; f {
		case rpcv2.AUTH_NONE, rpcv2.AUTH_SHORT, rpcv2.AUTH_SYS:
			return nil
		default:
			return malformed("a verifier of flavor %d", f)
		}
	})
}

// checkReply is parseReply with another check of the verifier, which every
// accepted call has.
func checkReply(
	record []byte, xid uint32, check func(verifier rpcv2.OpaqueAuth) error,
) (io.Reader, error) {
	r := message{bytes.NewReader(record)}
	if len(record) < 8 {
		return nil, malformed("a reply of %d bytes", len(record))
	}
	if got := binary.BigEndian.Uint32(record); got != xid {
		return nil, malformed("a reply to call 0x%X, where 0x%X was due", got, xid)
	}
	if verifier, size := succeeded(record); size > 0 {
		if err := check(verifier); err != nil {
			return nil, err
		}
		_, err := r.Seek(int64(size), io.SeekStart)
		return r, err
	}
	var m rpcv2.RpcMsg
	if _, err := m.ReadFrom(r); err != nil {
		return nil, malformed("reply: %v", err)
	}
	reply, ok := m.Body.(*rpcv2.RpcMsgBody_REPLY)
	if !ok {
		return nil, malformed("a call, where a reply was due")
	}
	switch body := reply.Rbody.(type) {
	case *rpcv2.ReplyBody_MSG_ACCEPTED:
		if err := check(body.Areply.Verf); err != nil {
			return nil, err
		}
		return r, accepted(body.Areply.ReplyData)
	case *rpcv2.ReplyBody_MSG_DENIED:
		return nil, denied(body.Rreply)
	}
	return nil, malformed("a reply of an unknown kind")
}

// succeeded returns the verifier of a reply to a call that succeeded, and how
// long what comes before the results is; 0: it is another reply. Nearly all are
// such, and the library takes ten times as long for them.
func succeeded(record []byte) (verifier rpcv2.OpaqueAuth, size int) {
	const before = 20 // xid, REPLY, MSG_ACCEPTED, flavor and length of the verifier
	word := func(at int) uint32 { return binary.BigEndian.Uint32(record[at:]) }
	if len(record) < before || word(4) != uint32(rpcv2.REPLY) ||
		word(8) != uint32(rpcv2.MSG_ACCEPTED) || word(16) > maxAuth {
		return verifier, 0
	}
	length := int(word(16))
	stat := before + length + -length&3
	if len(record) < stat+4 || word(stat) != uint32(rpcv2.SUCCESS) {
		return verifier, 0
	}
	return rpcv2.OpaqueAuth{Flavor: rpcv2.AuthFlavor(word(12)), Body: record[before : before+length]},
		stat + 4
}

func accepted(data rpcv2.AcceptedReplyData) error {
	stat := data.GetStat()
	switch stat {
	case rpcv2.SUCCESS:
		return nil
	case rpcv2.PROG_MISMATCH:
		if m, ok := data.(*rpcv2.AcceptedReplyData_PROG_MISMATCH); ok {
			return &RPCError{Stat: "PROG_MISMATCH", Low: m.MismatchInfo.Low,
				High: m.MismatchInfo.High}
		}
	case rpcv2.PROG_UNAVAIL, rpcv2.PROC_UNAVAIL, rpcv2.GARBAGE_ARGS, rpcv2.SYSTEM_ERR:
		return &RPCError{Stat: rpcv2.AcceptStat_name[stat]}
	}
	return malformed("accept_stat %d", stat)
}

func denied(reply rpcv2.RejectedReply) error {
	switch d := reply.(type) {
	case *rpcv2.RejectedReply_RPC_MISMATCH:
		return &RPCError{Stat: "RPC_MISMATCH", Low: d.MismatchInfo.Low, High: d.MismatchInfo.High}
	case *rpcv2.RejectedReply_AUTH_ERROR:
		name, ok := rpcv2.AuthStat_name[d.Stat]
		if !ok {
			name = fmt.Sprintf("auth_stat %d", d.Stat)
		}
		return &RPCError{Stat: "AUTH_ERROR", Auth: name}
	}
	return malformed("a denial of an unknown kind")
}

package nfsprobe

import (
	"encoding/binary"
	"io"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/runtime"
)

// NFS, version 4 (RFC 7530 15).
const (
	nfs4Version  = 4
	procCompound = 1
)

// lookup4 is a LOOKUP whose name is sent as it is. The library would refuse one
// that is not UTF-8, but that is the server's decision (RFC 7530 12.4), and
// most servers take it.
type lookup4 struct{ *nfsv4.NfsArgop4_OP_LOOKUP }

func newLookup4(name string) lookup4 {
	return lookup4{&nfsv4.NfsArgop4_OP_LOOKUP{Oplookup: nfsv4.Lookup4args{Objname: name}}}
}

func (l lookup4) WriteTo(w io.Writer) (int64, error) {
	n, err := runtime.WriteInt(w, int32(nfsv4.OP_LOOKUP))
	if err != nil {
		return n, err
	}
	m, err := runtime.WriteVariableLengthOpaque(w, 255, []byte(l.Oplookup.Objname))
	return n + m, err
}

// decodeCompound decodes the answer to a COMPOUND of these operations (RFC 8881
// 16.2). It returns the results of the operations that succeeded, in order and
// of the right kinds. If one failed, the error is its *Status4; any other error
// is a *MalformedError.
func decodeCompound(r io.Reader, ops []nfsv4.NfsArgop4) ([]nfsv4.NfsResop4, error) {
	var answer nfsv4.Compound4res
	if _, err := answer.ReadFrom(r); err != nil {
		return nil, malformed("COMPOUND: %v", err)
	}
	results, n := answer.Resarray, len(answer.Resarray)
	switch {
	case n > len(ops):
		return nil, malformed("%d results for %d operations", n, len(ops))
	case n < len(ops) && answer.Status == nfsv4.NFS4_OK:
		return nil, malformed("NFS4_OK, but %d results for %d operations", n, len(ops))
	}
	for i, result := range results {
		status, last := status4(result), i == n-1
		asked, got := ops[i].GetArgop(), result.GetResop()
		// Servers answer ILLEGAL to an operation that they do not know.
		if got != asked && !(got == nfsv4.OP_ILLEGAL && status != nfsv4.NFS4_OK) {
			return nil, malformed("a result of %s for %s", opName(got), opName(asked))
		}
		if want := answer.Status; last && status != want || !last && status != nfsv4.NFS4_OK {
			return nil, malformed("%s in a COMPOUND of status %d, result %d of %d",
				&Status4{opName(asked), uint32(status)}, want, i+1, n)
		}
	}
	if answer.Status == nfsv4.NFS4_OK {
		return results, nil
	}
	if n == 0 {
		return nil, &Status4{"COMPOUND", uint32(answer.Status)}
	}
	return results[:n-1], &Status4{opName(ops[n-1].GetArgop()), uint32(answer.Status)}
}

// status4 is the status of a result: the word after the operation's number, in
// all of them.
func status4(result nfsv4.NfsResop4) nfsv4.Nfsstat4 {
	var head head4
	result.WriteTo(&head) // the error is that head has enough
	if head.n < len(head.b) {
		return -1
	}
	return nfsv4.Nfsstat4(binary.BigEndian.Uint32(head.b[4:]))
}

// head4 takes the first two words of a result and no more.
type head4 struct {
	b [8]byte
	n int
}

func (h *head4) Write(p []byte) (n int, err error) {
	n = copy(h.b[h.n:], p)
	if h.n += n; h.n == len(h.b) {
		err = io.ErrShortWrite
	}
	return n, err
}

package nfstest

import (
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// Answer handles one call to a hostile server. It may write to c and returns
// whether the connection goes on; it must return when c is closed. healthy
// returns the reply message of a healthy server, without a record mark, and
// changes the server's state as a healthy server would. An Answer may be called
// for several connections at a time.
type Answer func(c net.Conn, call Call, healthy func() []byte) (goOn bool)

// Healthy answers as a healthy server does.
func Healthy(c net.Conn, _ Call, healthy func() []byte) bool {
	_, err := c.Write(Record(healthy()))
	return err == nil
}

// Hang never answers. It returns when the client closes.
func Hang(c net.Conn, _ Call, _ func() []byte) bool {
	io.Copy(io.Discard, c) // until the client closes
	return false
}

// Close closes the connection without an answer.
func Close(c net.Conn, call Call, healthy func() []byte) bool {
	// The client sees FIN. To close here would send RST if calls have come that
	// nobody has read.
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
	return Hang(c, call, healthy)
}

// Reset resets the connection without an answer.
func Reset(c net.Conn, _ Call, _ func() []byte) bool {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	return false
}

// sending answers with the message that make returns, protected if the call
// was.
func sending(make func(call Call, healthy func() []byte) []byte) Answer {
	return func(c net.Conn, call Call, healthy func() []byte) bool {
		_, err := c.Write(Record(call.protect(make(call, healthy))))
		return err == nil
	}
}

// Message answers with the healthy message as changed by change. The message is
// a reply: xid, 1 (REPLY), 0 (accepted), the verifier's flavor 0 and length 0,
// 0 (SUCCESS), results.
func Message(change func(message []byte) []byte) Answer {
	return sending(func(_ Call, healthy func() []byte) []byte { return change(healthy()) })
}

// word replaces a 32-bit word of the healthy message.
func word(n int, v uint32) Answer {
	return Message(func(m []byte) []byte {
		binary.BigEndian.PutUint32(m[4*n:], v)
		return m
	})
}

// WrongXID answers with the xid of a call that was not sent.
func WrongXID(c net.Conn, call Call, healthy func() []byte) bool {
	return word(0, call.XID^1<<31)(c, call, healthy)
}

// NotAReply answers with a message of type CALL.
func NotAReply(c net.Conn, call Call, healthy func() []byte) bool {
	return word(1, 0)(c, call, healthy)
}

// Verifier answers with a verifier of this flavor and length, even above the
// 400 bytes that RFC 5531 8.2 allows.
func Verifier(flavor, length uint32) Answer {
	return Message(func(m []byte) []byte {
		out := append([]byte(nil), m[:12]...)
		out = binary.BigEndian.AppendUint32(out, flavor)
		out = binary.BigEndian.AppendUint32(out, length)
		out = append(out, make([]byte, (length+3)&^3)...)
		return append(out, m[20:]...)
	})
}

// Truncated sends the first n bytes of the message, as a whole record.
func Truncated(n int) Answer {
	return Message(func(m []byte) []byte { return m[:min(n, len(m))] })
}

// Results answers with these results; the call has no effect.
func Results(v io.WriterTo) Answer {
	results := encode(v)
	return sending(func(call Call, _ func() []byte) []byte { return success(call.XID, results) })
}

// Accepted answers with this accept_stat and no results (RFC 5531 9).
// PROG_MISMATCH says that versions 5 to 7 are supported.
func Accepted(stat rpcv2.AcceptStat) Answer {
	if stat == rpcv2.PROG_MISMATCH {
		return Versions(5, 7)
	}
	return accepted(&rpcv2.AcceptedReplyData_default{Stat: stat})
}

// Versions answers PROG_MISMATCH: these versions are supported (RFC 5531 9).
func Versions(low, high uint32) Answer {
	return accepted(progMismatch(low, high))
}

func progMismatch(low, high uint32) rpcv2.AcceptedReplyData {
	mismatch := new(rpcv2.AcceptedReplyData_PROG_MISMATCH)
	mismatch.MismatchInfo.Low, mismatch.MismatchInfo.High = low, high
	return mismatch
}

func accepted(data rpcv2.AcceptedReplyData) Answer {
	return sending(func(call Call, _ func() []byte) []byte { return reply(call.XID, data, nil) })
}

// Denied denies the call with this auth_stat (RFC 5531 9).
func Denied(stat rpcv2.AuthStat) Answer {
	return denied(&rpcv2.RejectedReply_AUTH_ERROR{Stat: stat})
}

// DeniedVersion denies the call: these are the RPC versions that are supported.
func DeniedVersion(low, high uint32) Answer {
	mismatch := new(rpcv2.RejectedReply_RPC_MISMATCH)
	mismatch.MismatchInfo.Low, mismatch.MismatchInfo.High = low, high
	return denied(mismatch)
}

func denied(r rpcv2.RejectedReply) Answer {
	return sending(func(call Call, _ func() []byte) []byte {
		return message(call.XID, &rpcv2.ReplyBody_MSG_DENIED{Rreply: r})
	})
}

// Cut sends the first n bytes of the healthy record, its mark included, and
// closes the connection.
func Cut(n int) Answer {
	return func(c net.Conn, call Call, healthy func() []byte) bool {
		record := Record(healthy())
		c.Write(record[:min(n, len(record))])
		return Close(c, call, healthy)
	}
}

// Fragmented sends the healthy message as n fragments, some of them empty if it
// has fewer bytes.
func Fragmented(n int) Answer {
	return func(c net.Conn, _ Call, healthy func() []byte) bool {
		message := healthy()
		var b []byte
		for i := range n {
			from, to := i*len(message)/n, (i+1)*len(message)/n
			mark := uint32(to - from)
			if i == n-1 {
				mark |= 1 << 31
			}
			b = append(binary.BigEndian.AppendUint32(b, mark), message[from:to]...)
		}
		_, err := c.Write(b)
		return err == nil
	}
}

// Mark sends the healthy message behind another record mark, and then nothing
// more. The highest bit of a mark is set for the last fragment; the other bits
// are the length (RFC 5531 11).
func Mark(mark uint32) Answer {
	return func(c net.Conn, call Call, healthy func() []byte) bool {
		c.Write(append(binary.BigEndian.AppendUint32(nil, mark), healthy()...))
		return Hang(c, call, healthy)
	}
}

// ZeroFragments sends empty fragments until the client closes.
func ZeroFragments(c net.Conn, _ Call, _ func() []byte) bool {
	go io.Copy(io.Discard, c) // so that the client never blocks in a send; ends when c is closed
	for {
		if _, err := c.Write(make([]byte, 4096)); err != nil {
			return false
		}
	}
}

// Drip sends the healthy record byte by byte, at this interval.
func Drip(every time.Duration) Answer {
	return func(c net.Conn, _ Call, healthy func() []byte) bool {
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			io.Copy(io.Discard, c)
		}()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for record := Record(healthy()); len(record) > 0; record = record[1:] {
			c.Write(record[:1]) // a failure shows in gone as well
			select {
			case <-gone:
				return false
			case <-tick.C:
			}
		}
		<-gone // whoever read along has taken the next call
		return false
	}
}

// Times answers the first n calls with first, and all later ones with then.
func Times(n int, first, then Answer) Answer {
	var seen atomic.Int64
	return func(c net.Conn, call Call, healthy func() []byte) bool {
		if seen.Add(1) <= int64(n) {
			return first(c, call, healthy)
		}
		return then(c, call, healthy)
	}
}

// Nth answers one call, counted from 0, with a, and all others as a healthy
// server does.
func Nth(n uint, a Answer) Answer {
	var seen atomic.Int64
	return func(c net.Conn, call Call, healthy func() []byte) bool {
		if seen.Add(1)-1 == int64(n) {
			return a(c, call, healthy)
		}
		return Healthy(c, call, healthy)
	}
}

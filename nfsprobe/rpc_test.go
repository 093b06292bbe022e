package nfsprobe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// xdr returns 32-bit words in XDR.
func xdr(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// fragment returns one fragment of a record; last is the highest bit of its
// mark.
func fragment(last uint32, data []byte) []byte {
	return append(xdr(last<<31|uint32(len(data))), data...)
}

// isMalformed asserts a *MalformedError with a part of the text.
func isMalformed(t testing.TB, err error, part string) {
	t.Helper()
	var bad *MalformedError
	if !errors.As(err, &bad) || !strings.Contains(bad.What, part) {
		t.Errorf("got %T %v, want a *MalformedError with %q", err, err, part)
	}
}

func TestReadRecord(t *testing.T) {
	const text = "an answer in pieces"
	for name, pieces := range map[string][]string{
		"one fragment":    {text},
		"three fragments": {text[:1], text[1:8], text[8:]},
		"empty fragments": {"", text[:4], "", "", text[4:], ""},
	} {
		var stream []byte
		for i, p := range pieces {
			last := uint32(0)
			if i == len(pieces)-1 {
				last = 1
			}
			stream = append(stream, fragment(last, []byte(p))...)
		}
		stream = append(stream, "what follows"...)
		for _, r := range []io.Reader{bytes.NewReader(stream),
			iotest.OneByteReader(bytes.NewReader(stream))} {
			got, err := readRecord(r)
			rest, _ := io.ReadAll(r)
			if err != nil || string(got) != text || string(rest) != "what follows" {
				t.Errorf("%s: %q, %v, left %q", name, got, err, rest)
			}
		}
	}
}

func TestReadRecordCaps(t *testing.T) {
	largest := make([]byte, maxRecord)
	if got, err := readRecord(bytes.NewReader(append(fragment(0, largest[1:]),
		fragment(1, largest[:1])...))); err != nil || len(got) != maxRecord {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	_, err := readRecord(bytes.NewReader(append(fragment(0, largest), fragment(1, largest[:1])...)))
	isMalformed(t, err, "65537 bytes")
	for mark, size := range map[uint32]string{0xffffffff: "2147483647 bytes",
		0x7fffffff: "2147483647 bytes", 1<<31 | maxRecord + 1: "65537 bytes"} {
		_, err := readRecord(bytes.NewReader(xdr(mark)))
		isMalformed(t, err, size)
	}

	most := append(bytes.Repeat(fragment(0, nil), maxFragments-1), fragment(1, []byte("end"))...)
	if got, err := readRecord(bytes.NewReader(most)); err != nil || string(got) != "end" {
		t.Errorf("%q, %v", got, err)
	}
	_, err = readRecord(bytes.NewReader(append(fragment(0, nil), most...)))
	isMalformed(t, err, "more than 64 fragments")
}

// No memory is allocated for a claimed length until its bytes arrive.
func TestReadRecordMemory(t *testing.T) {
	const times = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		if _, err := readRecord(bytes.NewReader(fragment(1,
			make([]byte, 64))[:20])); !errors.Is(err, io.EOF) && !errors.Is(err,
			io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		if _, err := readRecord(bytes.NewReader(xdr(1<<31|maxRecord, 0))); err == nil {
			t.Fatal("read from nothing")
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > times*8<<10 {
		t.Errorf("%d bytes for %d records of which nearly nothing came", got, 2*times)
	}
}

func TestParseReply(t *testing.T) {
	const xid, reply, accepted, denied = 7, 1, 0, 1
	long := make([]uint32, 101) // 404 bytes
	for _, c := range []struct {
		name  string
		words []uint32
		cause error // nil: the results are 5 and 6
	}{
		{"success", []uint32{xid, reply, accepted, 0, 0, 0, 5, 6}, nil},
		{"verifier AUTH_SHORT", []uint32{xid, reply, accepted, 2, 4, 99, 0, 5, 6}, nil},
		{"verifier AUTH_SYS", []uint32{xid, reply, accepted, 1, 0, 0, 5, 6}, nil},
		{"verifier of 400 bytes", slices.Concat([]uint32{xid, reply, accepted, 2, 400}, long[1:],
			[]uint32{0, 5, 6}), nil},

		{"PROG_UNAVAIL", []uint32{xid, reply, accepted, 0, 0, 1}, &RPCError{Stat: "PROG_UNAVAIL"}},
		{"PROG_MISMATCH", []uint32{xid, reply, accepted, 0, 0, 2, 3, 4},
			&RPCError{Stat: "PROG_MISMATCH", Low: 3, High: 4}},
		{"PROC_UNAVAIL", []uint32{xid, reply, accepted, 0, 0, 3}, &RPCError{Stat: "PROC_UNAVAIL"}},
		{"GARBAGE_ARGS", []uint32{xid, reply, accepted, 0, 0, 4}, &RPCError{Stat: "GARBAGE_ARGS"}},
		{"SYSTEM_ERR", []uint32{xid, reply, accepted, 0, 0, 5}, &RPCError{Stat: "SYSTEM_ERR"}},
		{"RPC_MISMATCH", []uint32{xid, reply, denied, 0, 3, 9},
			&RPCError{Stat: "RPC_MISMATCH", Low: 3, High: 9}},
		{"AUTH_BADCRED", []uint32{xid, reply, denied, 1, 1},
			&RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_BADCRED"}},
		{"AUTH_TOOWEAK", []uint32{xid, reply, denied, 1, 5},
			&RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_TOOWEAK"}},
		{"unknown auth_stat", []uint32{xid, reply, denied, 1, 99},
			&RPCError{Stat: "AUTH_ERROR", Auth: "auth_stat 99"}},

		{"nothing", nil, &MalformedError{"0 bytes"}},
		{"no type", []uint32{xid}, &MalformedError{"4 bytes"}},
		{"other call", []uint32{xid + 1, reply, accepted, 0, 0, 0},
			&MalformedError{"where 0x7 was due"}},
		{"call", []uint32{xid, 0, 2, 100003, 3, 0, 0, 0, 0, 0},
			&MalformedError{"a call, where a reply"}},
		{"unknown type", []uint32{xid, 2}, &MalformedError{"unknown value 2"}},
		{"unknown reply_stat", []uint32{xid, reply, 2}, &MalformedError{"unknown value 2"}},
		{"unknown accept_stat", []uint32{xid, reply, accepted, 0, 0, 17},
			&MalformedError{"accept_stat 17"}},
		{"unknown reject_stat", []uint32{xid, reply, denied, 2},
			&MalformedError{"unknown value 2"}},
		{"verifier RPCSEC_GSS", []uint32{xid, reply, accepted, 6, 0, 0},
			&MalformedError{"flavor 6"}},
		{"verifier of 404 bytes", slices.Concat([]uint32{xid, reply, accepted, 2, 404}, long,
			[]uint32{0}), &MalformedError{"404"}},
		{"verifier of 4 GB", []uint32{xid, reply, accepted, 0, 0xfffffffc, 0},
			&MalformedError{"4294967292"}},
		{"verifier cut", []uint32{xid, reply, accepted, 2, 8, 0}, &MalformedError{"EOF"}},
		{"PROG_MISMATCH cut", []uint32{xid, reply, accepted, 0, 0, 2, 3}, &MalformedError{"EOF"}},
		{"AUTH_ERROR cut", []uint32{xid, reply, denied, 1}, &MalformedError{"EOF"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := parseReply(xdr(c.words...), xid)
			if c.cause == nil {
				if err != nil {
					t.Fatal(err)
				}
				if rest, _ := io.ReadAll(r); !bytes.Equal(rest, xdr(5, 6)) {
					t.Errorf("results %x", rest)
				}
				return
			}
			fails(t, &Error{Step: Null, Err: err}, Null, c.cause)
		})
	}
}

func TestRPCErrorText(t *testing.T) {
	for want, err := range map[string]*RPCError{
		"Authentication error; why = AUTH_TOOWEAK": {Stat: "AUTH_ERROR",
			Auth: "AUTH_TOOWEAK"},
		"Program/version mismatch; low version = 3, high version = 4": {Stat: "PROG_MISMATCH",
			Low: 3, High: 4},
		"Incompatible versions of RPC; low version = 3, high version = 9": {Stat: "RPC_MISMATCH",
			Low: 3, High: 9},
		"Program unavailable":           {Stat: "PROG_UNAVAIL"},
		"Procedure unavailable":         {Stat: "PROC_UNAVAIL"},
		"Server can't decode arguments": {Stat: "GARBAGE_ARGS"},
		"Remote system error":           {Stat: "SYSTEM_ERR"},
	} {
		if err.Error() != want {
			t.Errorf("%+v: %q", *err, err)
		}
	}
}

// piped returns a client and the server's end of its connection.
func piped(t *testing.T) (*client, net.Conn) {
	near, far := net.Pipe()
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	return newClient(near, authSys(12, 34)), far
}

// A call is one record with the credential, except for NULL, and a new xid.
func TestCall(t *testing.T) {
	c, far := piped(t)
	var xids []uint32
	for proc := range uint32(3) {
		answered := make(chan error, 1)
		go func() {
			record, err := readRecord(far)
			if err != nil {
				answered <- err
				return
			}
			args := bytes.NewReader(record)
			var m rpcv2.RpcMsg
			if _, err := m.ReadFrom(args); err != nil {
				answered <- err
				return
			}
			call := m.Body.(*rpcv2.RpcMsgBody_CALL).Cbody
			xids = append(xids, m.Xid)
			if call.Rpcvers != 2 || call.Prog != 100003 || call.Vers != 3 || call.Proc != proc ||
				call.Verf.Flavor != rpcv2.AUTH_NONE {
				t.Errorf("call %+v", call)
			}
			var sys rpcv2.AuthsysParms
			if proc == 0 {
				if call.Cred.Flavor != rpcv2.AUTH_NONE || len(call.Cred.Body) != 0 {
					t.Errorf("NULL with %+v", call.Cred)
				}
			} else if _, err := sys.ReadFrom(bytes.NewReader(call.Cred.Body)); err != nil ||
				call.Cred.Flavor != rpcv2.AUTH_SYS || sys.Uid != 12 || sys.Gid != 34 ||
				len(sys.Gids) != 0 || sys.Machinename != machineName() {
				t.Errorf("credential %+v, %v", sys, err)
			}
			if rest, _ := io.ReadAll(args); !bytes.Equal(rest, xdr(8, 9)) {
				t.Errorf("arguments %x", rest)
			}
			_, err = far.Write(fragment(1, xdr(m.Xid, 1, 0, 0, 0, 0, 42)))
			answered <- err
		}()
		r, err := c.call(t.Context(), 100003, 3, proc, words{8, 9})
		if err != nil {
			t.Fatal(err)
		}
		if rest, _ := io.ReadAll(r); !bytes.Equal(rest, xdr(42)) {
			t.Errorf("results %x", rest)
		}
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
	}
	if slices.Sort(xids); len(slices.Compact(xids)) != 3 {
		t.Errorf("xids %d", xids)
	}
}

// A call ends with its context if the server does not read, does not answer,
// sends byte by byte or closes.
func TestCallEnds(t *testing.T) {
	const limit = 3 * time.Second
	behaviours := map[string]func(net.Conn){
		"does not read": func(net.Conn) {},
		"silent":        func(c net.Conn) { io.Copy(io.Discard, c) },
		"one byte a second": func(c net.Conn) {
			readRecord(c)
			for range 100 {
				if _, err := c.Write([]byte{0}); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		},
	}
	for name, does := range behaviours {
		server := func(far net.Conn) (ended chan struct{}) {
			ended = make(chan struct{})
			go func() {
				defer close(ended)
				does(far)
			}()
			return ended
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, far := piped(t)
				ended := server(far)
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				began := time.Now()
				if _, err := c.call(ctx, 1, 2, 3, nil); !errors.Is(err, context.DeadlineExceeded) ||
					time.Since(began) != limit {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				c.Close()
				far.Close()
				<-ended
			})
			synctest.Test(t, func(t *testing.T) {
				c, far := piped(t)
				ended := server(far)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(limit, cancel)
				began := time.Now()
				if _, err := c.call(ctx, 1, 2, 3, nil); !errors.Is(err, context.Canceled) ||
					time.Since(began) != limit {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				if _, err := c.call(ctx, 1, 2, 3, nil); !errors.Is(err, context.Canceled) {
					t.Errorf("again: %v", err)
				}
				c.Close()
				far.Close()
				<-ended
			})
		})
	}
	for cut := range 8 {
		c, far := piped(t)
		go func() {
			readRecord(far)
			far.Write(fragment(1, xdr(1))[:cut])
			far.Close()
		}()
		_, err := c.call(t.Context(), 1, 2, 3, nil)
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "read" || !errors.Is(op.Err, io.EOF) {
			t.Errorf("closed after %d bytes: %v", cut, err)
		}
	}
	c, far := piped(t)
	far.Close()
	var op *net.OpError
	if _, err := c.call(t.Context(), 1, 2, 3, nil); !errors.As(err, &op) || op.Op != "write" {
		t.Errorf("closed before the call: %v", err)
	}
}

// The end of one call's context does not end the next call.
func TestCallAfterDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := piped(t)
		go func() {
			for {
				record, err := readRecord(far)
				if err != nil {
					return
				}
				far.Write(fragment(1, append(record[:4:4], xdr(1, 0, 0, 0, 0)...)))
			}
		}()
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			if _, err := c.call(ctx, 1, 2, 3, nil); err != nil &&
				!errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			} else if err == nil {
				if _, err := c.call(t.Context(), 1, 2, 3, nil); err != nil {
					t.Errorf("after a cancelled context: %v", err)
				}
				continue
			}
			break // the rest of the stream is of no use
		}
		c.Close()
		far.Close()
	})
}

func TestWhyEnded(t *testing.T) {
	given, giveUp := context.WithCancelCause(t.Context())
	giveUp(errNoAnswer) // as for version 3 when version 4 has succeeded
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	if err := whyEnded(given, reset); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := whyEnded(t.Context(), reset); err != error(reset) {
		t.Error(err)
	}
	isMalformed(t, whyEnded(given, malformed("x")), "x")
}

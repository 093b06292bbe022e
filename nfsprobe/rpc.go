package nfsprobe

// The layers of this package, from the wire upwards:
//
//	dial.go    attempt.dial(ctx, r, step, port) → *client: a rung of its own
//	tls.go     attempt.secure(ctx, r, *client): TLS on that, a rung of its own
//	rpc.go     client.call(ctx, prog, vers, proc, args) → results: no rung
//	ladder.go  attempt.climb(ctx, r, step, func() (learnt string, err error))
//	           runs a step as a rung and makes an error an *Error of it
//	wire.go    the transcript, which every client fills by itself
//
// A client has the AUTH_SYS credential from dial on; a call with procedure 0
// goes without it. With a security context (gss_context.go) all calls are in
// it.

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

const (
	// maxRecord is the length of the longest record that is read, in bytes. The
	// answers to a probe are below 1 KB. The limit bounds memory, whatever a
	// server claims.
	maxRecord = 64 << 10
	// maxFragments is how many fragments a record may have, empty ones
	// included.
	maxFragments = 64
	// lastFragment marks the last fragment of a record (RFC 5531 11).
	lastFragment = 1 << 31
)

// RPCError is a call that the server denied or did not accept (RFC 5531 9).
type RPCError struct {
	// Stat is RPC_MISMATCH or AUTH_ERROR (denied), or PROG_UNAVAIL,
	// PROG_MISMATCH, PROC_UNAVAIL, GARBAGE_ARGS or SYSTEM_ERR.
	Stat string
	// Auth is the auth_stat of AUTH_ERROR, such as AUTH_TOOWEAK, or
	// "auth_stat 99" where RFC 5531 has no name.
	Auth string
	// Low and High are the versions that the server supports, for RPC_MISMATCH
	// and PROG_MISMATCH.
	Low, High uint32
}

// rpcTexts are the texts of clnt_sperrno(3), which administrators know.
var rpcTexts = map[string]string{
	"RPC_MISMATCH":  "Incompatible versions of RPC",
	"AUTH_ERROR":    "Authentication error",
	"PROG_UNAVAIL":  "Program unavailable",
	"PROG_MISMATCH": "Program/version mismatch",
	"PROC_UNAVAIL":  "Procedure unavailable",
	"GARBAGE_ARGS":  "Server can't decode arguments",
	"SYSTEM_ERR":    "Remote system error",
}

func (e *RPCError) Error() string {
	text := rpcTexts[e.Stat]
	switch e.Stat {
	case "AUTH_ERROR":
		text += "; why = " + e.Auth
	case "RPC_MISMATCH", "PROG_MISMATCH":
		text += fmt.Sprintf("; low version = %d, high version = %d", e.Low, e.High)
	}
	return text
}

// client speaks ONC RPC version 2 over one TCP connection (RFC 5531). Several
// calls may be under way: queue prepares them, the first await sends all that
// are queued in one write, and replies are told apart by their xid, in whatever
// order they come.
type client struct {
	net.Conn
	in     *bufio.Reader
	cred   rpcv2.OpaqueAuth // zero is AUTH_NONE
	xid    uint32           // of the last call
	unsent []byte           // the records of the calls that are queued
	shown  []byte           // the same for the transcript
	due    []*pending       // calls without a reply so far, queued ones included
	broken error            // why the connection is of no further use; nil: it is in use
	ctx    context.Context  // of the calls under way; nil: there was none
	unbind func()

	user string      // who makes security contexts, for people; "": nobody
	gss  *gssContext // what calls are in, instead of cred; nil: none
	// renew makes another security context, since the server has lost this one.
	// nil: there is none, or that was done already.
	renew func(ctx context.Context, lost error) error
}

// pending is a call whose reply is awaited, or has come and was not looked at.
type pending struct {
	xid   uint32
	reply []byte // the message; nil: it has not come
	err   error  // why the call was not queued

	open  func(reply []byte, xid uint32) (results io.Reader, err error) // checks the reply
	in    *gssContext                                                   // nil: none
	again func() *pending                                               // queues the call once more
}

// newClient has buffers that are large enough for a probe that opens no file.
func newClient(c net.Conn, cred rpcv2.OpaqueAuth) *client {
	return &client{Conn: c, in: bufio.NewReaderSize(c, 512), cred: cred, xid: rand.Uint32(),
		unsent: make([]byte, 0, 256), unbind: func() {}}
}

// call sends one call, and what is queued before it, and awaits its reply.
func (c *client) call(
	ctx context.Context, prog, vers, proc uint32, args io.WriterTo,
) (io.Reader, error) {
	return c.await(ctx, c.queue(prog, vers, proc, args))
}

// queue prepares a call with the credential of this moment. The next await
// sends it. A server may work on calls that are sent together in any order.
func (c *client) queue(prog, vers, proc uint32, args io.WriterTo) *pending {
	c.xid++
	if c.gss != nil {
		p := c.queueSealed(c.gss, gssData, prog, vers, proc, args)
		p.again = func() *pending { return c.queue(prog, vers, proc, args) }
		return p
	}
	record, err := c.encode(prog, vers, proc, args)
	return c.enqueue(&pending{xid: c.xid, open: parseReply, err: err}, record)
}

// enqueue queues the record of a call. The tokens in it stay out of the
// transcript.
func (c *client) enqueue(p *pending, record []byte, tokens ...[]byte) *pending {
	if p.err == nil {
		c.unsent, c.due = append(c.unsent, record...), append(c.due, p)
		if len(tokens) > 0 {
			c.shown = append(c.shown, without(tokens, record)...)
		}
	}
	return p
}

// await sends what is queued, reads until the reply to one call has come, and
// returns a reader of its results, which the caller owns. Replies to other calls
// that are due are kept for their await; any other reply, also a second one to
// the same call, is malformed. Bytes after the results are ignored, as by every
// client, so a server that pads works. Errors are *RPCError, *MalformedError,
// *net.OpError (of io.EOF if the connection was closed) or a context error.
// After any but *RPCError the connection is of no further use, and every later
// await returns the same error. If the server has lost the security context,
// another is made, once, and the call is sent in that.
func (c *client) await(ctx context.Context, p *pending) (io.Reader, error) {
	if c.broken != nil {
		return nil, c.broken
	}
	err := p.err
	if err == nil {
		err = c.receive(ctx, p)
	}
	var results io.Reader
	if err == nil {
		results, err = p.open(p.reply, p.xid)
	}
	if p.in != nil && lostContext(err) && p.again != nil {
		if p.in != c.gss { // another call has found out before
			return c.await(ctx, p.again())
		} else if renew := c.renew; renew != nil {
			c.renew = nil
			if err := renew(ctx, err); err != nil {
				return nil, err
			}
			return c.await(ctx, p.again())
		}
	}
	var refused *RPCError
	var noContext *GSSError
	if err != nil && !errors.As(err, &refused) && !errors.As(err, &noContext) {
		c.broken = err
	}
	return results, err
}

// receive sends what is queued and reads replies until that to p has come.
func (c *client) receive(ctx context.Context, p *pending) error {
	if p.reply != nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return whyEnded(ctx, err)
	}
	if err := c.bound(ctx); err != nil {
		return whyEnded(ctx, err)
	}
	if unsent := c.unsent; len(unsent) > 0 {
		c.note(true, c.shown)
		c.unsent, c.shown = unsent[:0], nil
		if _, err := c.Write(unsent); err != nil {
			return whyEnded(ctx, netError("write", c, err))
		}
	}
	for p.reply == nil {
		reply, err := readRecord(c.in)
		if err != nil {
			return whyEnded(ctx, netError("read", c, err))
		}
		if len(reply) < 8 {
			return malformed("a reply of %d bytes", len(reply))
		}
		xid := binary.BigEndian.Uint32(reply)
		i := slices.IndexFunc(c.due, func(d *pending) bool { return d.xid == xid })
		if i < 0 {
			return malformed("a reply to call 0x%X, where 0x%X was due", xid, p.xid)
		}
		c.due[i].reply = reply
		c.due = slices.Delete(c.due, i, i+1)
	}
	return nil
}

// bound makes reads and writes of the connection end when the context ends. It
// does so once for all calls of one context.
func (c *client) bound(ctx context.Context) error {
	if c.ctx == ctx {
		return nil
	}
	c.unbind()
	end, _ := ctx.Deadline() // without one the zero time, which means none here
	conn := c.Conn
	if err := conn.SetDeadline(end); err != nil {
		return netError("write", c, err)
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		conn.SetDeadline(time.Unix(1, 0))
	})
	c.ctx, c.unbind = ctx, func() {
		if !stop() {
			<-done // or it would end the calls of the next context too
		}
	}
	return nil
}

// Close closes the connection.
func (c *client) Close() error {
	c.unbind()
	c.unbind = func() {}
	return c.Conn.Close()
}

func (c *client) encode(prog, vers, proc uint32, args io.WriterTo) ([]byte, error) {
	body := rpcv2.CallBody{Rpcvers: 2, Prog: prog, Vers: vers, Proc: proc}
	// RFC 5531 12.1: procedure 0 takes no authentication.
	if proc != 0 || c.cred.Flavor == authTLS {
		body.Cred = c.cred
	}
	b, err := newCall(c.xid, body)
	if err != nil {
		return nil, err
	}
	b.Write(make([]byte, 8)) // AUTH_NONE, of no bytes
	if args != nil {
		if _, err := args.WriteTo(b); err != nil {
			return nil, fmt.Errorf("arguments of the call: %w", err)
		}
	}
	return finish(b), nil
}

// netError returns a failure of the connection as *net.OpError, also if it was
// closed, and one of TLS as *TLSError. Other errors are returned as they are.
func netError(op string, c net.Conn, err error) error {
	err = tlsError(err)
	var already *net.OpError
	if errors.As(err, &already) || unusable(err) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// whyEnded returns the context's error if the context ended the connection.
// What is malformed did come in time.
func whyEnded(ctx context.Context, err error) error {
	switch {
	case unusable(err):
		return err
	case ctx.Err() != nil:
		if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			return errNoAnswer
		}
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return errNoAnswer // a timer of the connection may fire a moment before the context's
	}
	return err
}

package nfsprobe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
	"github.com/buildbarn/go-xdr/pkg/runtime"
)

// RPCSEC_GSS, version 1 (RFC 2203 5).
const (
	gssVersion = 1
	gssData    = 0
	gssInit    = 1
	gssDestroy = 3

	// maxHandle is the length of a context's handle, in bytes: a credential has
	// 400 (RFC 5531 8.2), with four words and the length before it.
	maxHandle = 380
)

// gssContext is the security context of a connection. An xid says which
// sequence number a call has, so nothing is kept of the calls under way.
type gssContext struct {
	GSSContext
	version uint32 // of NFS
	service uint32
	handle  []byte
	window  uint32 // how many calls may be under way at once (RFC 2203 5.3.3.1)
	first   uint32 // the xid of sequence number 0
}

// begin makes a security context, for which Kerberos needs one call (RFC 2203
// 5.2.2).
func (c *client) begin(
	ctx context.Context, version, service uint32, login Login,
) (err error) {
	kerberos := login.Context()
	defer func() {
		if err != nil {
			kerberos.Wipe()
		}
	}()
	token, err := kerberos.Init()
	if err != nil {
		return err
	}
	c.quiet()
	c.xid++
	g := &gssContext{GSSContext: kerberos, version: version, service: service, first: c.xid}
	b, err := g.header(gssInit, c.xid, nfsProgram, version, procNull)
	if err != nil {
		return err
	}
	words{uint32(rpcv2.AUTH_NONE), 0}.WriteTo(b)
	putOpaque(b, token)
	p := &pending{xid: c.xid, open: c.opening(
		func(reply []byte, xid uint32) (io.Reader, [][]byte, error) {
			tokens, err := g.accept(reply, xid)
			return nil, tokens, err
		})}
	if _, err = c.await(ctx, c.enqueue(p, finish(b), token)); err == nil {
		c.gss = g
	}
	return err
}

// opening is the end of a call in a context: it notes the reply without its
// tokens. Of one that cannot be read only the xid is noted.
func (c *client) opening(
	open func(reply []byte, xid uint32) (io.Reader, [][]byte, error),
) func(reply []byte, xid uint32) (io.Reader, error) {
	return func(reply []byte, xid uint32) (io.Reader, error) {
		results, tokens, err := open(reply, xid)
		record := binary.BigEndian.AppendUint32(nil, lastFragment|uint32(len(reply)))
		record = append(record, without(tokens, reply)...)
		if unusable(err) {
			clear(record[min(len(record), recordMark+4):])
		}
		c.note(false, record)
		return results, err
	}
}

// accept reads the answer to INIT.
func (g *gssContext) accept(record []byte, xid uint32) (tokens [][]byte, err error) {
	var verifier rpcv2.OpaqueAuth
	r, err := checkReply(record, xid, func(v rpcv2.OpaqueAuth) error {
		verifier, tokens = v, append(tokens, v.Body)
		return nil
	})
	if err != nil {
		return tokens, err
	}
	answer, err := parseInit(r)
	tokens = append(tokens, answer.token)
	switch {
	case err != nil:
		return tokens, err
	case answer.major != 0:
		refused := &GSSError{Major: answer.major, Minor: answer.minor}
		if len(answer.token) > 0 {
			_, refused.Err = g.Accept(answer.token)
		}
		return tokens, refused
	}
	if _, err := g.Accept(answer.token); err != nil {
		return tokens, &ProtectionError{"token", err}
	}
	g.handle, g.window = answer.handle, answer.window
	return tokens, g.verify(verifier, g.window)
}

// initAnswer is rpc_gss_init_res (RFC 2203 5.2.3.1).
type initAnswer struct {
	handle, token        []byte
	major, minor, window uint32
}

// parseInit decodes the results of INIT. Of a context that was made, the window
// is not 0.
func parseInit(results io.Reader) (a initAnswer, err error) {
	const prefix = "RPCSEC_GSS_INIT: "
	if a.handle, _, err = runtime.ReadVariableLengthOpaque(results, maxHandle); err != nil {
		return a, malformed(prefix+"%v", err)
	}
	var numbers [3]uint32
	if err := binary.Read(results, binary.BigEndian, &numbers); err != nil {
		return a, malformed(prefix+"%v", err)
	}
	a.major, a.minor, a.window = numbers[0], numbers[1], numbers[2]
	if a.token, _, err = runtime.ReadVariableLengthOpaque(results, maxRecord); err != nil {
		return a, malformed(prefix+"%v", err)
	}
	if a.major == 0 && a.window == 0 {
		return a, malformed(prefix + "a sequence window of 0")
	}
	return a, nil
}

// destroy ends the context, whatever the answer is (RFC 2203 5.4).
func (c *client) destroy(ctx context.Context) error {
	g := c.gss
	defer func() { c.gss = nil; g.Wipe() }()
	c.xid++
	_, err := c.await(ctx, c.queueSealed(g, gssDestroy, nfsProgram, g.version, procNull, nil))
	return err
}

// queueSealed is queue in a security context.
func (c *client) queueSealed(
	g *gssContext, gssProc, prog, vers, proc uint32, args io.WriterTo,
) *pending {
	record, tokens, err := g.seal(gssProc, c.xid, prog, vers, proc, args)
	p := &pending{xid: c.xid, err: err, in: g, open: c.opening(
		func(reply []byte, xid uint32) (io.Reader, [][]byte, error) {
			return g.open(gssProc, reply, xid)
		})}
	return c.enqueue(p, record, tokens...)
}

// header begins a record: the call up to the credential.
func (g *gssContext) header(gssProc, xid, prog, vers, proc uint32) (*bytes.Buffer, error) {
	var cred bytes.Buffer
	words{gssVersion, gssProc, xid - g.first, g.service}.WriteTo(&cred)
	putOpaque(&cred, g.handle)
	return newCall(xid, rpcv2.CallBody{Rpcvers: 2, Prog: prog, Vers: vers, Proc: proc,
		Cred: rpcv2.OpaqueAuth{Flavor: rpcv2.RPCSEC_GSS, Body: cred.Bytes()}})
}

// seal makes the record of a call: it is signed, and its arguments as the
// service says (RFC 2203 5.3.1, 5.3.2). Tokens are those of GSS in it.
func (g *gssContext) seal(
	gssProc, xid, prog, vers, proc uint32, args io.WriterTo,
) (record []byte, tokens [][]byte, err error) {
	b, err := g.header(gssProc, xid, prog, vers, proc)
	if err != nil {
		return nil, nil, err
	}
	put := func(token []byte) {
		if token == nil && err == nil {
			err = errors.New("the call cannot be signed")
		}
		tokens = append(tokens, token)
		putOpaque(b, token)
	}
	signed := bytes.Clone(b.Bytes()[recordMark:])
	words{uint32(rpcv2.RPCSEC_GSS)}.WriteTo(b)
	put(g.MIC(signed))
	if gssProc != gssData {
		return finish(b), tokens, err
	}
	var body bytes.Buffer
	words{xid - g.first}.WriteTo(&body)
	if args != nil {
		if _, err := args.WriteTo(&body); err != nil {
			return nil, nil, fmt.Errorf("arguments of the call: %w", err)
		}
	}
	switch g.service {
	case serviceIntegrity:
		putOpaque(b, body.Bytes())
		put(g.MIC(body.Bytes()))
	case servicePrivacy:
		sealed, failed := g.Wrap(body.Bytes(), true)
		if put(sealed); failed != nil {
			err = failed
		}
	default:
		b.Write(body.Bytes()[4:])
	}
	return finish(b), tokens, err
}

// open checks a reply and returns a reader of its results. The verifier is
// checked also if the server did not do the call.
func (g *gssContext) open(
	gssProc uint32, record []byte, xid uint32,
) (results io.Reader, tokens [][]byte, err error) {
	sequence := xid - g.first
	r, err := checkReply(record, xid, func(v rpcv2.OpaqueAuth) error {
		tokens = append(tokens, v.Body)
		return g.verify(v, sequence)
	})
	if err != nil || gssProc != gssData {
		return r, tokens, err
	}
	body, checksum, err := parseProtected(r, g.service)
	tokens = append(tokens, checksum)
	if err != nil {
		return nil, tokens, err
	}
	switch g.service {
	case serviceIntegrity:
		if err := g.VerifyMIC(body, checksum); err != nil {
			return nil, tokens, &ProtectionError{"checksum", err}
		}
	case servicePrivacy:
		tokens = append(tokens, body)
		plain, sealed, err := g.Unwrap(body)
		if err == nil && !sealed {
			err = errors.New("it is signed, not sealed")
		}
		if err != nil {
			return nil, tokens, &ProtectionError{"seal", err}
		}
		body = plain
	default:
		return r, tokens, nil
	}
	results, err = inSequence(body, sequence)
	return results, tokens, err
}

// parseProtected decodes the protected results of a call (RFC 2203 5.3.2.2,
// 5.3.2.3).
func parseProtected(r io.Reader, service uint32) (body, checksum []byte, err error) {
	if service >= serviceIntegrity {
		body, _, err = runtime.ReadVariableLengthOpaque(r, maxRecord)
	}
	if service == serviceIntegrity && err == nil {
		checksum, _, err = runtime.ReadVariableLengthOpaque(r, maxRecord)
	}
	if err != nil {
		err = malformed("protected results: %v", err)
	}
	return body, checksum, err
}

// inSequence returns a reader of the results in a body, which begins with the
// sequence number of the call (RFC 2203 5.3.3.4.2).
func inSequence(body []byte, want uint32) (io.Reader, error) {
	if len(body) < 4 {
		return nil, malformed("protected results of %d bytes", len(body))
	}
	if got := binary.BigEndian.Uint32(body); got != want {
		return nil, &ProtectionError{"sequence number", fmt.Errorf("%d instead of %d", got, want)}
	}
	return message{bytes.NewReader(body[4:])}, nil
}

// verify checks the verifier of a reply, which signs one number: that of the
// call, or the window.
func (g *gssContext) verify(v rpcv2.OpaqueAuth, number uint32) error {
	err := fmt.Errorf("it has flavor %d", v.Flavor)
	if v.Flavor == rpcv2.RPCSEC_GSS {
		err = g.VerifyMIC(binary.BigEndian.AppendUint32(nil, number), v.Body)
	}
	if err != nil {
		return &ProtectionError{"verifier", err}
	}
	return nil
}

func putOpaque(b *bytes.Buffer, data []byte) {
	runtime.WriteVariableLengthOpaque(b, uint32(len(data)), data) // a buffer never fails
}

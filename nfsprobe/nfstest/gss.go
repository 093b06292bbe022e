package nfstest

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
	"github.com/buildbarn/go-xdr/pkg/runtime"
)

// The control calls of RPCSEC_GSS (RFC 2203 5.2.2, 5.4), which are calls of
// NULL, to set a hostile server's answers.
var (
	GSSInit    = Proc{nfsProgram, 0, gssInit}
	GSSDestroy = Proc{nfsProgram, 0, gssDestroy}
)

const (
	gssData    = 0
	gssInit    = 1
	gssDestroy = 3

	gssIntegrity = 2
	gssPrivacy   = 3
)

// GSS is a mechanism for RPCSEC_GSS in place of Kerberos: both ends know a key.
// It holds the contexts that a hostile server has (Hostile.Secure).
type GSS struct {
	Window uint32 // sequence window; default 8

	mu       sync.Mutex
	key      []byte
	contexts map[string]*accepting // by handle
	made     uint64
}

// accepting is the server's end of a context.
type accepting struct {
	peer
	seen map[uint32]bool
}

// NewGSS makes a mechanism with a key of its own.
func NewGSS() *GSS {
	g := &GSS{Window: 8, key: make([]byte, 32), contexts: map[string]*accepting{}}
	rand.Read(g.key)
	return g
}

// Contexts returns how many contexts were made, and how many the server has.
func (g *GSS) Contexts() (made, held int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int(g.made), len(g.contexts)
}

// Forget makes the server lose all contexts, as in a restart.
func (g *GSS) Forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.contexts)
}

// Initiator is the client's end of a context.
type Initiator struct {
	peer
	token, answer []byte
}

// Begin begins a context.
func (g *GSS) Begin() *Initiator {
	nonce := make([]byte, 16)
	rand.Read(nonce)
	i := &Initiator{token: append(nonce, sum(g.key, "initiator", nonce)...)}
	i.answer = sum(g.key, "acceptor", nonce)
	i.peer = peer{sum(g.key, "session", nonce), "initiator", "acceptor"}
	return i
}

// Init returns the token for the server.
func (i *Initiator) Init() ([]byte, error) { return i.token, nil }

// Accept checks the server's answer.
func (i *Initiator) Accept(token []byte) (next []byte, err error) {
	if !hmac.Equal(token, i.answer) {
		return nil, errors.New("not the answer to this token")
	}
	return nil, nil
}

// Wipe does nothing.
func (i *Initiator) Wipe() {}

// accept makes the server's end of a context.
func (g *GSS) accept(token []byte) (handle, answer []byte, ok bool) {
	nonce := token[:min(16, len(token))]
	if !hmac.Equal(token[len(nonce):], sum(g.key, "initiator", nonce)) {
		return nil, nil, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.made++
	handle = fmt.Appendf(nil, "context %d", g.made)
	g.contexts[string(handle)] = &accepting{seen: map[uint32]bool{},
		peer: peer{sum(g.key, "session", nonce), "acceptor", "initiator"}}
	return handle, sum(g.key, "acceptor", nonce), true
}

// peer is one end of a context: with a key, and different names for what it
// makes and what it takes.
type peer struct {
	key        []byte
	me, theirs string
}

func sum(key []byte, who string, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(who))
	h.Write(data)
	return h.Sum(nil)
}

// MIC is the checksum of a message.
func (p peer) MIC(message []byte) []byte { return sum(p.key, p.me, message) }

// VerifyMIC checks the checksum of a message.
func (p peer) VerifyMIC(message, mic []byte) error {
	if !hmac.Equal(mic, sum(p.key, p.theirs, message)) {
		return errors.New("another checksum")
	}
	return nil
}

// Wrap seals a message, or signs it.
func (p peer) Wrap(message []byte, seal bool) ([]byte, error) {
	if !seal {
		return append(sum(p.key, p.me+"signed", message), message...), nil
	}
	nonce := make([]byte, 16)
	rand.Read(nonce)
	return slices.Concat(nonce, p.stream(p.me, nonce, message), sum(p.key, p.me+"seal",
		append(nonce, message...))), nil
}

// Unwrap opens what the other end has sealed or signed.
func (p peer) Unwrap(token []byte) (message []byte, sealed bool, err error) {
	if len(token) >= sha256.Size && hmac.Equal(token[:sha256.Size],
		sum(p.key, p.theirs+"signed", token[sha256.Size:])) {
		return token[sha256.Size:], false, nil
	}
	if len(token) < 16+sha256.Size {
		return nil, false, errors.New("too short")
	}
	end := len(token) - sha256.Size
	nonce, seal := token[:16], token[end:]
	message = p.stream(p.theirs, nonce, token[16:end])
	if !hmac.Equal(seal, sum(p.key, p.theirs+"seal", slices.Concat(nonce, message))) {
		return nil, false, errors.New("another seal")
	}
	return message, true, nil
}

func (p peer) stream(who string, nonce, data []byte) []byte {
	out := make([]byte, 0, len(data))
	for i := range data {
		block := sum(p.key, who, binary.BigEndian.AppendUint32(slices.Clone(nonce), uint32(i/32)))
		out = append(out, data[i]^block[i%32])
	}
	return out
}

// Secure makes the NFS server take calls in contexts of g, besides those
// without.
func (h *Hostile) Secure(g *GSS) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gss = g
}

// sealing is how the reply to a call is protected.
type sealing struct {
	*accepting
	service, number uint32
	unsealed        bool // results are signed where they should be sealed
}

// unseal opens a call in a context. request is the whole call, args what
// follows its verifier. A call that is not right gets an answer at once; nil:
// none.
func (g *GSS) unseal(call *Call, request []byte, verifier rpcv2.OpaqueAuth) Answer {
	const problem = rpcv2.RPCSEC_GSS_CREDPROBLEM
	cred := bytes.NewReader(call.Cred.Body)
	var words [4]uint32 // version, procedure, sequence number, service
	if err := binary.Read(cred, binary.BigEndian, &words); err != nil || words[0] != 1 {
		return Denied(rpcv2.AUTH_BADCRED)
	}
	handle, _, err := runtime.ReadVariableLengthOpaque(cred, 400)
	if err != nil {
		return Denied(rpcv2.AUTH_BADCRED)
	}
	if words[1] == gssInit {
		call.Proc = GSSInit
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	context := g.contexts[string(handle)]
	if context == nil {
		return Denied(problem)
	}
	signed := request[:len(request)-len(call.Args)-8-(len(verifier.Body)+3)&^3]
	if context.VerifyMIC(signed, verifier.Body) != nil {
		return Denied(problem)
	}
	call.sealing = &sealing{accepting: context, service: words[3], number: words[2]}
	if context.seen[words[2]] || words[2] == 0 {
		return dropped // RFC 2203 5.3.3.1
	}
	context.seen[words[2]] = true
	if words[1] == gssDestroy {
		call.Proc = GSSDestroy
		call.service = 1 // the answer is not protected
		delete(g.contexts, string(handle))
		return nil
	}
	if call.Args, err = context.arguments(call.Args, words[3], words[2]); err != nil {
		return Accepted(rpcv2.GARBAGE_ARGS)
	}
	return nil
}

func dropped(net.Conn, Call, func() []byte) bool { return true }

// arguments are those of a call, without their protection.
func (c *accepting) arguments(args []byte, service, number uint32) ([]byte, error) {
	r := bytes.NewReader(args)
	var body []byte
	var err error
	switch service {
	case gssIntegrity, gssPrivacy:
		if body, _, err = runtime.ReadVariableLengthOpaque(r, 1<<20); err != nil {
			return nil, err
		}
	default:
		return args, nil
	}
	if service == gssPrivacy {
		var sealed bool
		if body, sealed, err = c.Unwrap(body); err != nil || !sealed {
			return nil, fmt.Errorf("sealed %v, %w", sealed, err)
		}
	} else {
		sum, _, err := runtime.ReadVariableLengthOpaque(r, 400)
		if err == nil {
			err = c.VerifyMIC(body, sum)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(body) < 4 || binary.BigEndian.Uint32(body) != number {
		return nil, errors.New("another sequence number")
	}
	return body[4:], nil
}

// protect protects an accepted reply that is not protected yet.
func (s *sealing) protect(reply []byte) []byte {
	const head = 24 // xid, REPLY, accepted, empty verifier, accept_stat
	if s == nil || len(reply) < head || !bytes.Equal(reply[4:20], encode(words{1, 0, 0, 0})) {
		return reply
	}
	mic := s.MIC(encode(words{s.number}))
	results := reply[head:]
	if binary.BigEndian.Uint32(reply[20:]) == uint32(rpcv2.SUCCESS) {
		body := append(encode(words{s.number}), results...)
		switch s.service {
		case gssIntegrity:
			sum := s.MIC(body)
			results = append(encode(text(body)), encode(text(sum))...)
		case gssPrivacy:
			token, _ := s.Wrap(body, !s.unsealed)
			results = encode(text(token))
		}
	}
	return slices.Concat(reply[:12], encode(words{uint32(rpcv2.RPCSEC_GSS)}), encode(text(mic)),
		reply[20:head], results)
}

// begun is the answer to INIT.
func (g *GSS) begun(call *Call) []byte {
	token, _, err := runtime.ReadVariableLengthOpaque(bytes.NewReader(call.Args), 1<<16)
	handle, answer, ok := g.accept(token)
	if err != nil || !ok {
		const defectiveToken = 9 << 16 // RFC 2744
		return success(call.XID, slices.Concat(encode(text("")), encode(words{defectiveToken, 0, 0}),
			encode(text(""))))
	}
	g.mu.Lock()
	context := g.contexts[string(handle)]
	g.mu.Unlock()
	return (&sealing{accepting: context, number: g.Window}).protect(success(call.XID,
		slices.Concat(encode(text(handle)), encode(words{0, 0, g.Window}), encode(text(answer)))))
}

// GSSRefused answers INIT: no context, for this reason (RFC 2203 5.2.3.1).
func GSSRefused(major, minor uint32) Answer {
	return sending(func(call Call, _ func() []byte) []byte {
		return success(call.XID, slices.Concat(encode(text("")), encode(words{major, minor, 0}),
			encode(text(""))))
	})
}

// Replayed answers the first call well, and later ones with that first reply
// again, under their own xid.
func Replayed() Answer { return replayed(12) }

// ReplayedResults is Replayed with the right verifier: only the protected
// results are old.
func ReplayedResults() Answer { return replayed(0) }

func replayed(head int) Answer {
	var mu sync.Mutex
	var first []byte
	return sending(func(_ Call, healthy func() []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		reply := healthy()
		at := head
		if at == 0 { // behind the verifier
			at = 20 + int(binary.BigEndian.Uint32(reply[16:])+3)&^3
		}
		if first == nil {
			first = slices.Clone(reply)
		}
		return append(reply[:at:at], first[at:]...)
	})
}

// Unsealed answers with results that are signed where they should be sealed.
func Unsealed(c net.Conn, call Call, healthy func() []byte) bool {
	if call.sealing != nil {
		call.unsealed = true
	}
	return Healthy(c, call, healthy)
}

// Flipped answers with one bit of the healthy reply changed: n bytes from its
// end, or from its beginning if n is not below 0.
func Flipped(n int) Answer {
	return Message(func(m []byte) []byte {
		if n < 0 {
			n += len(m)
		}
		m[n] ^= 1
		return m
	})
}

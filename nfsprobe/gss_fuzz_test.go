package nfsprobe

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"
)

// trusting is a context that takes everything. It unseals by leaving out the
// first byte, which says whether it was sealed.
type trusting struct{}

func (trusting) Wipe()                                 {}
func (trusting) Init() ([]byte, error)                 { return []byte("token"), nil }
func (trusting) Accept([]byte) ([]byte, error)         { return nil, nil }
func (trusting) MIC([]byte) []byte                     { return []byte("mic") }
func (trusting) VerifyMIC([]byte, []byte) error        { return nil }
func (trusting) Wrap(m []byte, _ bool) ([]byte, error) { return m, nil }
func (trusting) Unwrap(token []byte) ([]byte, bool, error) {
	if len(token) == 0 {
		return nil, false, errors.New("too short")
	}
	return token[1:], token[0] == 1, nil
}

func protection(t *testing.T, err error) {
	t.Helper()
	var refused *RPCError
	var noContext *GSSError
	if !unusable(err) && !errors.As(err, &refused) && !errors.As(err, &noContext) && err != nil {
		t.Errorf("%T %v", err, err)
	}
}

func FuzzGSSInit(f *testing.F) {
	verifier := slices.Concat(xdr(7, 1, 0, 6), opaque("mic"), xdr(0))
	f.Add(slices.Concat(verifier, opaque("handle"), xdr(0, 0, 8), opaque("answer")))
	f.Add(slices.Concat(verifier, opaque(""), xdr(9<<16, krb5Minor+37, 0), opaque("")))
	f.Add(slices.Concat(verifier, xdr(0xffffffff)))
	f.Add(slices.Concat(verifier, opaque("h"), xdr(0, 0, 8, 0xfffffff0)))
	f.Add(xdr(7, 1, 1, 1, 13))
	f.Fuzz(func(t *testing.T, record []byte) {
		g := &gssContext{GSSContext: trusting{}}
		tokens, err := g.accept(bytes.Clone(record), 7)
		protection(t, err)
		if err == nil && (g.window == 0 || len(g.handle) > maxHandle) {
			t.Errorf("window %d, handle of %d bytes", g.window, len(g.handle))
		}
		if shown := without(tokens, record); len(shown) != len(record) {
			t.Errorf("%d bytes of %d are shown", len(shown), len(record))
		}
	})
}

func FuzzGSSReply(f *testing.F) {
	verifier := slices.Concat(xdr(7, 1, 0, 6), opaque("mic"), xdr(0))
	f.Add(slices.Concat(verifier, xdr(5, 6)))
	f.Add(slices.Concat(verifier, opaque(string(xdr(2, 5, 6))), opaque("sum")))
	f.Add(slices.Concat(verifier, opaque("\x01"+string(xdr(2, 5, 6)))))
	f.Add(slices.Concat(verifier, opaque("\x00"+string(xdr(2, 5, 6)))))
	f.Add(slices.Concat(verifier, opaque(string(xdr(3, 5)))))
	f.Add(slices.Concat(verifier, xdr(0xfffffffc)))
	f.Add(xdr(7, 1, 0, 6, 0, 4))
	f.Add(xdr(7, 1, 1, 1, 14))
	f.Fuzz(func(t *testing.T, record []byte) {
		for service := range uint32(len(securities)) {
			g := &gssContext{GSSContext: trusting{}, service: service, first: 5}
			r, tokens, err := g.open(gssData, bytes.Clone(record), 7)
			protection(t, err)
			if err == nil {
				rest, _ := io.ReadAll(r)
				if len(rest) > len(record) || service < serviceIntegrity && !bytes.HasSuffix(record, rest) {
					t.Errorf("results %x of %x", rest, record)
				}
			}
			without(tokens, record)
			_, _, err = g.open(gssDestroy, bytes.Clone(record), 7)
			protection(t, err)
		}
	})
}

// A server's claims allocate nothing.
func TestHostileGSSCounts(t *testing.T) {
	const times = 1000
	verifier := slices.Concat(xdr(7, 1, 0, 6), opaque("mic"), xdr(0))
	for name, record := range map[string][]byte{
		"handle of 4 GB":   slices.Concat(verifier, xdr(0xfffffffc)),
		"token of 4 GB":    slices.Concat(verifier, opaque("h"), xdr(0, 0, 8, 0xfffffffc)),
		"results of 64 KB": slices.Concat(verifier, xdr(maxRecord)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			g := &gssContext{GSSContext: trusting{}, service: serviceIntegrity, first: 5}
			g.accept(record, 7)
			g.open(gssData, record, 7)
		}
		runtime.ReadMemStats(&after)
		if got := (after.TotalAlloc - before.TotalAlloc) / times; got > 8<<10 {
			t.Errorf("%s: %d bytes", name, got)
		}
	}
}

package nfsprobe

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

var errAnyGSS = errors.New("any *GSSError")

// Replies that are not what the server of the context has sent, and servers
// that do not keep to RFC 2203.
func TestUnprotected(t *testing.T) {
	const verifier = 20 // where its bytes begin in a reply
	type spoilt struct {
		proc   nfstest.Proc
		answer nfstest.Answer
		step   Step
		what   string // of a *ProtectionError
	}
	for name, cases := range map[string]map[string]spoilt{
		"krb5": {
			"verifier":    {nfstest.Access3, nfstest.Flipped(verifier), Access, "verifier"},
			"no verifier": {nfstest.Access3, bare6, Access, "verifier"},
			"replayed":    {nfstest.Compound, nfstest.Replayed(), CreateSession, "verifier"},
			"token":       {nfstest.GSSInit, nfstest.Flipped(-1), BeginContext, "token"},
			"its verifier": {nfstest.GSSInit, nfstest.Flipped(verifier), BeginContext,
				"verifier"},
			"of a refusal": {nfstest.Access3, thenFlipped(nfstest.Accepted(rpcv2.GARBAGE_ARGS)),
				Access, "verifier"},
		},
		"krb5i": {
			"checksum":         {nfstest.Access3, nfstest.Flipped(-1), Access, "checksum"},
			"results":          {nfstest.Access3, nfstest.Flipped(-40), Access, "checksum"},
			"results of 4.0":   {nfstest.Compound, nfstest.Flipped(-40), Lookup, "checksum"},
			"replayed":         {nfstest.Compound, nfstest.Replayed(), CreateSession, "verifier"},
			"replayed results": {nfstest.Compound, nfstest.ReplayedResults(), CreateSession, "sequence number"},
		},
		"krb5p": {
			"seal":             {nfstest.Access3, nfstest.Flipped(-1), Access, "seal"},
			"results":          {nfstest.Access3, nfstest.Flipped(-40), Access, "seal"},
			"replayed":         {nfstest.Compound, nfstest.Replayed(), CreateSession, "verifier"},
			"replayed results": {nfstest.Compound, nfstest.ReplayedResults(), CreateSession, "sequence number"},
			"not sealed":       {nfstest.Access3, nfstest.Unsealed, Access, "seal"},
		},
	} {
		for what, c := range cases {
			t.Run(name+" "+what, func(t *testing.T) {
				version := "3"
				switch {
				case c.step == Lookup:
					version = "4.0"
				case c.proc == nfstest.Compound:
					version = "4.1"
				}
				h, gss, config := hostileGSS(t, version, name)
				h.On(c.proc, c.answer)
				_, err := probe(t, config)
				var failed *Error
				var broken *ProtectionError
				if !errors.As(err, &failed) || failed.Step != c.step || !errors.As(err, &broken) ||
					broken.What != c.what {
					t.Errorf("%v, want the %s at %v", err, c.what, c.step)
				}
				disconnected(t, h)
				if made, _ := gss.Contexts(); made > 1 {
					t.Errorf("%d contexts made", made)
				}
			})
		}
	}
}

// bare6 answers without a verifier, as if there were no context.
func bare6(conn net.Conn, _ nfstest.Call, healthy func() []byte) bool {
	m := healthy()
	size := int(m[19])
	_, err := conn.Write(nfstest.Record(slices.Concat(m[:12], xdr(0, 0), m[20+size:])))
	return err == nil
}

// thenFlipped spoils the verifier of an answer.
func thenFlipped(a nfstest.Answer) nfstest.Answer {
	return func(conn net.Conn, call nfstest.Call, healthy func() []byte) bool {
		return a(flipping{conn}, call, healthy)
	}
}

type flipping struct{ net.Conn }

func (f flipping) Write(p []byte) (int, error) {
	spoilt := bytes.Clone(p)
	spoilt[recordMark+20] ^= 1
	return f.Conn.Write(spoilt)
}

// Servers that make no context, and what is malformed.
func TestNoContext(t *testing.T) {
	initialized := func(words ...uint32) nfstest.Answer { // the results of INIT
		return nfstest.Message(func(m []byte) []byte {
			size := int(m[19])
			return append(m[:20+size+4:20+size+4], xdr(words...)...)
		})
	}
	for name, c := range map[string]struct {
		answer nfstest.Answer
		cause  error
	}{
		"refused": {nfstest.Denied(rpcv2.AUTH_REJECTEDCRED),
			&RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_REJECTEDCRED"}},
		"not known": {nfstest.Accepted(rpcv2.PROG_UNAVAIL), &RPCError{Stat: "PROG_UNAVAIL"}},
		"problem": {nfstest.Denied(rpcv2.RPCSEC_GSS_CREDPROBLEM),
			&RPCError{Stat: "AUTH_ERROR", Auth: "RPCSEC_GSS_CREDPROBLEM"}},
		"closed":           {nfstest.Close, nil},
		"to be continued":  {initialized(0, 1, 0, 0, 0), errAnyGSS},
		"no window":        {initialized(0, 0, 0, 0, 0), &MalformedError{"a sequence window of 0"}},
		"nothing":          {initialized(), &MalformedError{"RPCSEC_GSS_INIT: "}},
		"half":             {initialized(0, 0, 0), &MalformedError{"RPCSEC_GSS_INIT: "}},
		"token of 4 GB":    {initialized(0, 0, 0, 8, 0xffffffff), &MalformedError{"RPCSEC_GSS_INIT: "}},
		"handle too long":  {initialized(384), &MalformedError{"RPCSEC_GSS_INIT: "}},
		"a clock too late": {nfstest.GSSRefused(13<<16, krb5Minor+37), errAnyGSS},
	} {
		t.Run(name, func(t *testing.T) {
			h, _, config := hostileGSS(t, "4.1", "krb5i")
			h.On(nfstest.GSSInit, c.answer)
			_, err := probe(t, config)
			var failed *Error
			var refused *GSSError
			switch {
			case !errors.As(err, &failed) || failed.Step != BeginContext:
				t.Errorf("%v", err)
			case c.cause == errAnyGSS:
				if !errors.As(err, &refused) || strings.Contains(name, "clock") != (refused.Code() == 37) {
					t.Errorf("%v", err)
				}
			case c.cause != nil:
				fails(t, err, BeginContext, c.cause)
			}
			if h.Count(nfstest.Compound) != 0 {
				t.Error("it went on")
			}
		})
	}
}

// A kernel broke krb5p for all calls with arguments, while NULL, krb5 and krb5i
// stayed green.
func TestSealedArgumentsNotTaken(t *testing.T) {
	for version, step := range map[string]Step{"3": Getattr, "4.0": Lookup, "4.1": ExchangeID} {
		for _, security := range kerberized {
			h, gss, c := hostileGSS(t, version, security)
			for _, proc := range []nfstest.Proc{nfstest.Getattr3, nfstest.Access3, nfstest.Compound} {
				h.On(proc, func(conn net.Conn, call nfstest.Call, healthy func() []byte) bool {
					if security == "krb5p" {
						return nfstest.Accepted(rpcv2.GARBAGE_ARGS)(conn, call, healthy)
					}
					return nfstest.Healthy(conn, call, healthy)
				})
			}
			_, err := probe(t, c)
			if security == "krb5p" {
				fails(t, err, step, &RPCError{Stat: "GARBAGE_ARGS"})
			} else if err != nil {
				t.Errorf("%s, %s: %v", version, security, err)
			}
			if _, held := gss.Contexts(); held != 0 {
				t.Errorf("%s, %s: %d contexts left", version, security, held)
			}
		}
	}
}

// The flavor that is asked for must be among those of the export.
func TestFlavors(t *testing.T) {
	for _, c := range []struct {
		security string
		offered  []int32
		wrong    string // of the offer; empty: right
	}{
		{"krb5", []int32{390003}, ""},
		{"krb5p", []int32{1, 390003, 390005}, ""},
		{"krb5p", nil, ""}, // many servers send no list
		{"krb5", []int32{390005}, "krb5p"},
		{"krb5p", []int32{1, 390003}, "sys:krb5"},
		{"krb5i", []int32{0}, "none"},
	} {
		h, gss, config := hostileGSS(t, "3", c.security)
		h.On(nfstest.Mnt, nfstest.Mounted([]byte("nfstest's only file handle"), c.offered...))
		_, err := probe(t, config)
		var wrong *FlavorError
		switch {
		case c.wrong == "":
			if err != nil {
				t.Errorf("%+v: %v", c, err)
			}
		case !errors.As(err, &wrong) || *wrong != FlavorError{c.security, c.wrong}:
			t.Errorf("%+v: %v", c, err)
		default:
			if made, _ := gss.Contexts(); made != 0 || h.Count(nfstest.Umnt) != 1 {
				t.Errorf("%+v: %d contexts, %d UMNT", c, made, h.Count(nfstest.Umnt))
			}
		}
	}
	// Version 4 says so when it is asked.
	h, gss, config := hostileGSS(t, "4.1", "krb5")
	h.FailOp(-1, nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_WRONGSEC)
	_, err := probe(t, config)
	var wrong *FlavorError
	if fails(t, err, Lookup, &Status4{"LOOKUP", uint32(nfsv4.NFS4ERR_WRONGSEC)}); !errors.As(err, &wrong) ||
		*wrong != (FlavorError{"krb5", ""}) || errors.Is(err, ErrKerberos) {
		t.Errorf("%v", err)
	}
	if _, held := gss.Contexts(); held != 0 {
		t.Error("the context is left")
	}
	noState(t, h)
	// AUTH_TOOWEAK does not ask for Kerberos, which is there.
	h, _, config = hostileGSS(t, "3", "krb5")
	h.On(nfstest.Access3, nfstest.Denied(rpcv2.AUTH_TOOWEAK))
	if _, err := probe(t, config); !errors.As(err, &wrong) || errors.Is(err, ErrKerberos) {
		t.Errorf("%v", err)
	}
}

// No token of GSS is in the transcript, and all else is.
func TestTokensAreNotKept(t *testing.T) {
	for _, security := range kerberized {
		for _, version := range []string{"3", "4.1"} {
			h, gss, c := hostileGSS(t, version, security)
			var tokens [][]byte
			c.Ticket = func(context.Context) (Login, error) {
				login := fakeLogin(gss)
				login.Context = func() GSSContext {
					context := gss.Begin()
					token, _ := context.Init()
					tokens = append(tokens, token)
					return context
				}
				return login, nil
			}
			var replies [][]byte
			for _, proc := range []nfstest.Proc{nfstest.GSSInit, nfstest.Access3, nfstest.Compound,
				nfstest.GSSDestroy} {
				h.On(proc, nfstest.Message(func(m []byte) []byte {
					replies = append(replies, bytes.Clone(m))
					return m
				}))
			}
			r, err := probe(t, c)
			if err != nil || len(tokens) != 1 || len(replies) < 3 {
				t.Fatalf("%s %s: %v, %d tokens, %d replies", version, security, err, len(tokens), len(replies))
			}
			var all []byte
			for _, s := range r.Wire {
				all = append(all, s.Data...)
			}
			if bytes.Contains(all, tokens[0]) {
				t.Errorf("%s %s: the initiator's token is kept", version, security)
			}
			for _, reply := range replies {
				if !bytes.Contains(all, reply[:20]) { // up to the verifier
					t.Errorf("%s %s: a reply is missing", version, security)
				}
				if bytes.Contains(all, reply[20:52]) || bytes.Contains(all, reply[len(reply)-32:]) &&
					!bytes.Equal(reply[len(reply)-32:], make([]byte, 32)) && security != "krb5" {
					t.Errorf("%s %s: a token of the server is kept", version, security)
				}
			}
			if readable := bytes.Contains(all, []byte("/export")); version == "3" && !readable {
				t.Errorf("%s: MNT is not there", security)
			}
			if named := bytes.Contains(all, []byte("\x06export\x00")); version != "3" &&
				named != (security != "krb5p") {
				t.Errorf("%s: the name can be read: %v", security, named)
			}
		}
	}
}

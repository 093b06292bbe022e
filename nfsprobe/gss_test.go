package nfsprobe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// fakeLogin is a ticket for a hostile server.
func fakeLogin(gss *nfstest.GSS) Login {
	return Login{User: "probe@TEST", Learnt: "a ticket", Forget: func() bool { return false },
		Context: func() GSSContext { return gss.Begin() }}
}

// kerberized lists the securities that make a context.
var kerberized = securities[1:]

// hostileGSS is a hostile server that takes contexts, and the configuration of
// a probe that makes them.
func hostileGSS(
	t testing.TB, version, security string,
) (*nfstest.Hostile, *nfstest.GSS, Config) {
	t.Helper()
	h, c := hostile(t)
	gss := nfstest.NewGSS()
	h.Secure(gss)
	h.On(nfstest.Mnt, nfstest.Mounted([]byte("nfstest's only file handle"),
		krb5Flavor+int32(slices.Index(securities, security))))
	c.Version, c.Security = version, security
	c.Port, c.MountPort = h.NFSPort, h.MountPort
	c.Ticket = func(context.Context) (Login, error) { return fakeLogin(gss), nil }
	return h, gss, c
}

// asked returns the procedures that an NFS server was asked for, in order, and
// asserts that all but NULL were asked in a context.
func askedSecurely(t testing.TB, h *nfstest.Hostile) (procs []nfstest.Proc) {
	t.Helper()
	for _, call := range h.Calls() {
		if call.Program != nfsProgram {
			continue
		}
		procs = append(procs, call.Proc)
		null := call.Proc == nfstest.Null3 || call.Proc == nfstest.Null4
		if want := rpcv2.RPCSEC_GSS; (call.Cred.Flavor == want) == null {
			t.Errorf("%+v with flavor %d", call.Proc, call.Cred.Flavor)
		}
	}
	return procs
}

// Every call after NULL goes in a context, which is destroyed in the end.
func TestSecurities(t *testing.T) {
	calls := map[string][]nfstest.Proc{
		"3":   {nfstest.Null3, nfstest.GSSInit, nfstest.Getattr3, nfstest.Access3, nfstest.GSSDestroy},
		"4.0": {nfstest.Null4, nfstest.GSSInit, nfstest.Compound, nfstest.GSSDestroy},
		"4.1": {nfstest.Null4, nfstest.GSSInit, nfstest.Compound, nfstest.Compound, nfstest.Compound,
			nfstest.Compound, nfstest.Compound, nfstest.GSSDestroy},
	}
	calls["4.2"] = calls["4.1"]
	for version, want := range calls {
		for _, security := range kerberized {
			h, gss, c := hostileGSS(t, version, security)
			r, err := probe(t, c)
			if err != nil || len(r.Warnings) != 0 || r.Version != version {
				t.Errorf("%s, %s: %v, %+v", version, security, err, r)
			}
			if got := askedSecurely(t, h); !slices.Equal(got, want) {
				t.Errorf("%s, %s: %v", version, security, got)
			}
			made, held := gss.Contexts()
			if made != 1 || held != 0 {
				t.Errorf("%s, %s: %d contexts made, %d left", version, security, made, held)
			}
			if learnt(r, Ticket) != "a ticket" ||
				learnt(r, BeginContext) != security+", sequence window 8" ||
				learnt(r, DestroyContext) != "" || !strings.HasPrefix(r.Identity, "probe@TEST ("+security+"), ") {
				t.Errorf("%s, %s: %+v", version, security, r)
			}
			noState(t, h)
		}
	}
}

// Both versions side by side have a context each, from one ticket.
func TestSecureAuto(t *testing.T) {
	h, gss, c := hostileGSS(t, "auto", "krb5i")
	got := 0
	ticket := c.Ticket
	c.Ticket = func(ctx context.Context) (Login, error) {
		got++
		return ticket(ctx)
	}
	r, err := probe(t, c)
	disconnected(t, h)
	if made, held := gss.Contexts(); err != nil || r.Version != "3" || got != 1 || made != 2 ||
		held != 0 {
		t.Errorf("%v, %+v; %d tickets, %d contexts made, %d left", err, r, got, made, held)
	}
}

// What opens files goes in the context too.
func TestSecureFiles(t *testing.T) {
	for _, version := range versions {
		h, gss, c := hostileGSS(t, version, "krb5p")
		h.Put("MOUNTED", "a real disk\n")
		c.Marker, c.WriteTest, c.LockTest = "MOUNTED", true, true
		r, err := probe(t, c)
		if made, held := gss.Contexts(); err != nil || len(r.Warnings) != 0 || made != 1 ||
			held != 0 {
			t.Errorf("%s: %v, %+v; %d contexts made, %d left", version, err, r, made, held)
		}
		askedSecurely(t, h)
	}
}

// A window of one call is kept to.
func TestSmallWindow(t *testing.T) {
	h, gss, c := hostileGSS(t, "3", "krb5i")
	gss.Window = 1
	h.On(nfstest.Getattr3, func(conn net.Conn, call nfstest.Call, healthy func() []byte) bool {
		// Were ACCESS under way, its bytes would be there.
		conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("two calls under way")
		}
		conn.SetReadDeadline(time.Time{})
		return nfstest.Healthy(conn, call, healthy)
	})
	if _, err := probe(t, c); err != nil {
		t.Error(err)
	}
}

// A server that has lost the context gets another, once.
func TestLostContext(t *testing.T) {
	for _, version := range versions {
		for _, stat := range []rpcv2.AuthStat{rpcv2.RPCSEC_GSS_CREDPROBLEM,
			rpcv2.RPCSEC_GSS_CTXPROBLEM} {
			last := nfstest.Compound
			if version == "3" {
				last = nfstest.Access3
			}
			h, gss, c := hostileGSS(t, version, "krb5i")
			forget := func(conn net.Conn, call nfstest.Call, healthy func() []byte) bool {
				gss.Forget()
				return nfstest.Denied(stat)(conn, call, healthy)
			}
			h.On(last, nfstest.Times(1, forget, nfstest.Healthy))
			r, err := probe(t, c)
			if made, held := gss.Contexts(); err != nil || made != 2 || held != 0 {
				t.Errorf("%s: %v, %d contexts made, %d left", version, err, made, held)
			}
			if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "a new one was made") ||
				!strings.Contains(r.Warnings[0], rpcv2.AuthStat_name[stat]) {
				t.Errorf("%s: warnings %q", version, r.Warnings)
			}
			noState(t, h)

			// It is not asked for a third.
			h.On(last, forget)
			before, _ := gss.Contexts()
			_, err = probe(t, c)
			var failed *Error
			if !errors.As(err, &failed) || !lostContext(err) {
				t.Errorf("%s: %v", version, err)
			}
			if made, _ := gss.Contexts(); made-before != 2 {
				t.Errorf("%s: %d contexts made", version, made-before)
			}
		}
	}
	// Two calls are under way when the context is lost: one INIT for both.
	h, gss, c := hostileGSS(t, "3", "krb5p")
	h.On(nfstest.Getattr3, nfstest.Times(1,
		func(conn net.Conn, call nfstest.Call, healthy func() []byte) bool {
			gss.Forget() // so ACCESS, which has come too, is refused as well
			return nfstest.Denied(rpcv2.RPCSEC_GSS_CREDPROBLEM)(conn, call, healthy)
		}, nfstest.Healthy))
	r, err := probe(t, c)
	if made, held := gss.Contexts(); err != nil || made != 2 || held != 0 || len(r.Warnings) != 1 {
		t.Errorf("%v, %d contexts made, %d left, %q", err, made, held, r.Warnings)
	}
	// The server takes no new context either.
	h, _, c = hostileGSS(t, "3", "krb5p")
	h.On(nfstest.Access3, nfstest.Denied(rpcv2.RPCSEC_GSS_CREDPROBLEM))
	h.On(nfstest.GSSInit, nfstest.Times(1, nfstest.Healthy, nfstest.GSSRefused(9<<16, krb5Minor+37)))
	_, err = probe(t, c)
	var failed *Error
	var refused *GSSError
	if !errors.As(err, &failed) || failed.Step != Access || !errors.As(err, &refused) ||
		refused.Code() != 37 {
		t.Errorf("%v", err)
	}
}

var anyGSSError = errors.New("any *GSSError")

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
	p[4+20] ^= 1
	return f.Conn.Write(p)
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
		"refused":          {nfstest.Denied(rpcv2.AUTH_REJECTEDCRED), &RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_REJECTEDCRED"}},
		"not known":        {nfstest.Accepted(rpcv2.PROG_UNAVAIL), &RPCError{Stat: "PROG_UNAVAIL"}},
		"problem":          {nfstest.Denied(rpcv2.RPCSEC_GSS_CREDPROBLEM), &RPCError{Stat: "AUTH_ERROR", Auth: "RPCSEC_GSS_CREDPROBLEM"}},
		"closed":           {nfstest.Close, nil},
		"to be continued":  {initialized(0, 1, 0, 0, 0), anyGSSError},
		"no window":        {initialized(0, 0, 0, 0, 0), &MalformedError{"a sequence window of 0"}},
		"nothing":          {initialized(), &MalformedError{"RPCSEC_GSS_INIT: "}},
		"half":             {initialized(0, 0, 0), &MalformedError{"RPCSEC_GSS_INIT: "}},
		"token of 4 GB":    {initialized(0, 0, 0, 8, 0xffffffff), &MalformedError{"RPCSEC_GSS_INIT: "}},
		"handle too long":  {initialized(384), &MalformedError{"RPCSEC_GSS_INIT: "}},
		"a clock too late": {nfstest.GSSRefused(13<<16, krb5Minor+37), anyGSSError},
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
			case c.cause == anyGSSError:
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

// Each new step ends with the deadline when the server is frozen in it.
func TestSecureStalls(t *testing.T) {
	for _, c := range []struct {
		version string
		proc    nfstest.Proc
		step    Step
	}{
		{"3", nfstest.GSSInit, BeginContext}, {"4.1", nfstest.GSSInit, BeginContext},
		{"3", nfstest.Getattr3, Getattr}, {"3", nfstest.Access3, Access},
		{"4.0", nfstest.Compound, Lookup},
		{"3", nfstest.GSSDestroy, DestroyContext}, {"4.1", nfstest.GSSDestroy, DestroyContext},
	} {
		t.Run(c.version+" "+c.step.String(), func(t *testing.T) {
			t.Parallel()
			h, _, config := hostileGSS(t, c.version, "krb5p")
			h.On(c.proc, nfstest.Hang)
			_, err := probeUntilDeadline(t, New(config), c.step)
			fails(t, err, c.step, context.DeadlineExceeded)
			disconnected(t, h)
		})
	}
}

// A server without answers to DESTROY has served before.
func TestDestroyRefused(t *testing.T) {
	for name, answer := range map[string]nfstest.Answer{
		"destroy context was refused": nfstest.Denied(rpcv2.RPCSEC_GSS_CREDPROBLEM),
		"closed the connection":       nfstest.Close,
	} {
		h, gss, c := hostileGSS(t, "4.0", "krb5i")
		h.On(nfstest.GSSDestroy, answer)
		r, err := probe(t, c)
		if made, _ := gss.Contexts(); err != nil || made != 1 || len(r.Warnings) != 1 ||
			!strings.Contains(r.Warnings[0], name) {
			t.Errorf("%v, %d contexts, warnings %q", err, made, r.Warnings)
		}
	}
}

// What Config.Ticket says of a KDC is passed on, and then the server was not
// asked.
func TestTicket(t *testing.T) {
	h, _, c := hostileGSS(t, "3", "krb5")
	for _, cause := range []error{errors.New("no ticket"),
		fmt.Errorf("the KDC: %w", context.DeadlineExceeded)} {
		c.Ticket = func(context.Context) (Login, error) { return Login{}, cause }
		r, err := probe(t, c)
		if fails(t, err, Ticket, cause); len(r.Rungs) != 1 || !strings.Contains(err.Error(), cause.Error()) {
			t.Errorf("%v, %+v", err, r)
		}
	}
	if n := len(h.Calls()); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

// A ticket that was kept may be older than the server's key: another is got,
// once. Without another one it is the server that refused.
func TestStaleTicket(t *testing.T) {
	for _, refusal := range []nfstest.Answer{nfstest.GSSRefused(13<<16, krb5Minor+41),
		nfstest.Denied(rpcv2.RPCSEC_GSS_CREDPROBLEM), nfstest.Denied(rpcv2.AUTH_REJECTEDCRED)} {
		for _, one := range []struct {
			kept, another bool
			refusals      int
			well          bool
			inits         int
		}{
			{true, true, 1, true, 2}, {true, true, 5, false, 2}, {true, false, 1, false, 1},
			{false, true, 1, false, 1},
		} {
			h, gss, c := hostileGSS(t, "4.1", "krb5i")
			h.On(nfstest.GSSInit, nfstest.Times(one.refusals, refusal, nfstest.Healthy))
			got, forgotten := 0, 0
			c.Ticket = func(context.Context) (Login, error) {
				if got++; got > 1 && !one.another {
					return Login{}, errors.New("the KDC is gone")
				}
				login := fakeLogin(gss)
				login.Forget = func() bool {
					forgotten++
					return one.kept
				}
				return login, nil
			}
			_, err := probe(t, c)
			if (err == nil) != one.well || h.Count(nfstest.GSSInit) != one.inits || forgotten != 1 {
				t.Errorf("%+v: %v, %d INITs", one, err, h.Count(nfstest.GSSInit))
			}
			var failed *Error
			if err != nil && (!errors.As(err, &failed) || failed.Step != BeginContext) {
				t.Errorf("%+v: %v", one, err)
			}
		}
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

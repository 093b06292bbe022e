package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

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

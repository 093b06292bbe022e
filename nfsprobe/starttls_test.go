package nfsprobe

import (
	"errors"
	"net"
	"testing"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// speaksTLS answers NULL as a server with TLS does (RFC 9289 4.1): with a
// verifier of STARTTLS if it is asked.
func speaksTLS(c net.Conn, call nfstest.Call, healthy func() []byte) bool {
	if call.Cred.Flavor != authTLS {
		return nfstest.Healthy(c, call, healthy)
	}
	_, err := c.Write(nfstest.Record(nfstest.StartTLS(call.XID)))
	return err == nil
}

// A refusal by a server that speaks TLS is put down to that, unless the server
// has named another cause.
func TestNeedsTLS(t *testing.T) {
	acces := nfstest.GetattrStatus(nfsv3.NFS3ERR_ACCES)
	for name, c := range map[string]struct {
		version string
		refuse  func(h *nfstest.Hostile)
		tls     bool
		step    Step
		cause   error
	}{
		"3": {"3", on(nfstest.Getattr3, acces), true, Getattr, ErrTLS},
		"3 at ACCESS": {"3", on(nfstest.Access3, nfstest.AccessStatus(nfsv3.NFS3ERR_ACCES)), true,
			Access, ErrTLS},
		"3 too weak": {"3", on(nfstest.Getattr3, nfstest.Denied(rpcv2.AUTH_TOOWEAK)), true, Getattr,
			ErrTLS},
		"3 without TLS": {"3", on(nfstest.Getattr3, acces), false, Getattr, Status3(13)},
		"3, another cause": {"3", on(nfstest.Getattr3, nfstest.GetattrStatus(nfsv3.NFS3ERR_IO)),
			true, Getattr, Status3(5)},
		"3, Kerberos": {"3", on(nfstest.Mnt, nfstest.Mounted([]byte("h"), 390003)), true, Mount,
			ErrKerberos},
		"4": {"4.0", failing(nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_WRONGSEC), true, Lookup, ErrTLS},
		"4.2": {"4.2", failing(nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_WRONGSEC), true, Lookup,
			ErrTLS},
		"4.2 too weak": {"4.2", on(nfstest.Compound, nfstest.Denied(rpcv2.AUTH_TOOWEAK)), true,
			ExchangeID, ErrTLS},
		"4.2 without TLS": {"4.2", failing(nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_WRONGSEC), false, Lookup,
			ErrKerberos},
	} {
		t.Run(name, func(t *testing.T) {
			h, config := hostile(t)
			config.Version, config.Port = c.version, h.NFSPort
			c.refuse(h)
			if c.tls {
				h.On(nfstest.Null3, speaksTLS)
				h.On(nfstest.Null4, speaksTLS)
			}
			_, err := probe(t, config)
			fails(t, err, c.step, c.cause)
			if errors.Is(err, ErrTLS) && errors.Is(err, ErrKerberos) {
				t.Errorf("%v", err)
			}
			noState(t, h)
		})
	}
	// A healthy probe does not ask.
	h, config := hostile(t)
	if _, err := probe(t, config); err != nil || h.Count(nfstest.Null3) != 1 {
		t.Errorf("%v, %d NULLs", err, h.Count(nfstest.Null3))
	}
	// Nor is silence an answer, or waited for beyond the deadline. On a busy
	// machine there may be no time left for UMNT.
	retry(t, func() error {
		h, config := hostile(t)
		h.On(nfstest.Getattr3, acces)
		h.On(nfstest.Null3, func(c net.Conn, call nfstest.Call, healthy func() []byte) bool {
			if call.Cred.Flavor == authTLS {
				return nfstest.Hang(c, call, healthy)
			}
			return nfstest.Healthy(c, call, healthy)
		})
		_, err := probeUntilDeadline(t, New(config), Getattr)
		fails(t, err, Getattr, Status3(13))
		if h.Count(nfstest.Umnt) != h.Count(nfstest.Mnt) {
			return errors.New("no UMNT")
		}
		return nil
	})
}

func on(p nfstest.Proc, a nfstest.Answer) func(*nfstest.Hostile) {
	return func(h *nfstest.Hostile) { h.On(p, a) }
}

func failing(op nfsv4.NfsOpnum4, status nfsv4.Nfsstat4) func(*nfstest.Hostile) {
	return func(h *nfstest.Hostile) { h.FailOp(-1, op, status) }
}

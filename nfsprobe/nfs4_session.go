package nfsprobe

import (
	"context"
	"fmt"
	"os"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// What the probe asks for when it creates a session. None of its requests comes
// near these sizes.
const (
	sessionBytes = 8192
	sessionOps   = 32

	// A request of the walk has six operations or more, and some hundred bytes
	// with its credential.
	leastSessionBytes = 1024
	leastSessionOps   = 6

	// Version 4.0 cannot ask for a limit. Linux servers took 16 until 2020.
	statelessOps = 12
)

// client4 sends COMPOUNDs of one minor version over one connection, in a
// session once there is one.
type client4 struct {
	conn    *client
	minor   uint32
	ops     int       // how many operations one COMPOUND may have
	bytes   int       // how many bytes of a file one answer may have
	session *session4 // nil: none
	gss     bool      // the server has said that it takes Kerberos where it refused

	client     nfsv4.Clientid4 // whose files are opened; in 4.0 from introduce
	introduced bool
}

// session4 is a session of version 4.1 or 4.2 with one slot (RFC 8881 2.10.6).
type session4 struct {
	id       nfsv4.Sessionid4
	sequence uint32 // of the slot's next request
}

// run sends the operations as one COMPOUND, and again while the server answers
// that it is busy or recovering and there is time. In a session SEQUENCE goes
// first; its result is not among those returned.
func (c *client4) run(ctx context.Context, ops ...nfsv4.NfsArgop4) ([]nfsv4.NfsResop4, error) {
	results, err := retryBusy(ctx, func() ([]nfsv4.NfsResop4, error) { return c.once(ctx, ops) })
	return results, c.wrongFlavor(err)
}

// once sends the operations as one COMPOUND. After one that failed behind a
// SEQUENCE the slot has moved on, after a SEQUENCE that failed it has not
// (RFC 8881 15.1.1.3, 18.46.3): asking again is right in both cases.
func (c *client4) once(ctx context.Context, ops []nfsv4.NfsArgop4) ([]nfsv4.NfsResop4, error) {
	s := c.session
	if s != nil {
		ops = append([]nfsv4.NfsArgop4{&nfsv4.NfsArgop4_OP_SEQUENCE{Opsequence: nfsv4.Sequence4args{
			SaSessionid: s.id, SaSequenceid: s.sequence,
		}}}, ops...)
	}
	r, err := c.conn.call(ctx, nfsProgram, nfs4Version, procCompound,
		&nfsv4.Compound4args{Minorversion: c.minor, Argarray: ops})
	if err != nil {
		return nil, err
	}
	results, err := decodeCompound(r, ops)
	if s == nil {
		return results, err
	}
	if len(results) == 0 {
		if unusable(err) { // it may have been done
			s.sequence++
		}
		return nil, err
	}
	if err := s.advance(results[0]); err != nil {
		return nil, err
	}
	return results[1:], err
}

// advance checks that the answer to SEQUENCE has this session, slot and request
// number.
func (s *session4) advance(result nfsv4.NfsResop4) error {
	ok := result.(*nfsv4.NfsResop4_OP_SEQUENCE).Opsequence.(*nfsv4.Sequence4res_NFS4_OK).SrResok4
	switch {
	case ok.SrSessionid != s.id:
		return malformed("SEQUENCE of another session")
	case ok.SrSlotid != 0 || ok.SrSequenceid != s.sequence:
		return malformed("SEQUENCE of slot %d, request %d instead of slot 0, request %d",
			ok.SrSlotid, ok.SrSequenceid, s.sequence)
	}
	s.sequence++
	return nil
}

// exchangeID makes a client id of the probe's own (RFC 8881 18.35). The owner
// is new every time, so that to a server the probes are clients that have
// nothing to do with each other.
func (c *client4) exchangeID(ctx context.Context) (nfsv4.ExchangeId4resok, error) {
	var once [16]byte
	fill(once[:])
	owner := nfsv4.ClientOwner4{CoOwnerid: fmt.Appendf(nil, "fsmon %s %d %x", machineName(),
		os.Getpid(), once[8:])}
	copy(owner.CoVerifier[:], once[:])
	results, err := c.run(ctx, &nfsv4.NfsArgop4_OP_EXCHANGE_ID{OpexchangeId: nfsv4.ExchangeId4args{
		EiaClientowner: owner, EiaStateProtect: &nfsv4.StateProtect4A_SP4_NONE{},
	}})
	if err != nil {
		return nfsv4.ExchangeId4resok{}, err
	}
	return results[0].(*nfsv4.NfsResop4_OP_EXCHANGE_ID).
		OpexchangeId.(*nfsv4.ExchangeId4res_NFS4_OK).EirResok4, nil
}

// createSession makes a session without a back channel (RFC 8881 18.36). From
// here to destroySession c sends in it, even if the session turns out to be of
// no use.
func (c *client4) createSession(
	ctx context.Context, id nfsv4.Clientid4, sequence nfsv4.Sequenceid4,
) error {
	attrs := nfsv4.ChannelAttrs4{
		CaMaxrequestsize:        sessionBytes,
		CaMaxresponsesize:       sessionBytes,
		CaMaxresponsesizeCached: leastSessionBytes,
		CaMaxoperations:         sessionOps,
		CaMaxrequests:           1,
	}
	args := nfsv4.CreateSession4args{
		CsaClientid: id, CsaSequence: sequence, CsaForeChanAttrs: attrs, CsaBackChanAttrs: attrs,
		// Nobody calls this program, but servers look at the arguments.
		CsaCbProgram: 0x40000000,
		CsaSecParms:  []nfsv4.CallbackSecParms4{&nfsv4.CallbackSecParms4_AUTH_NONE{}},
	}
	results, err := c.run(ctx, &nfsv4.NfsArgop4_OP_CREATE_SESSION{OpcreateSession: args})
	if err != nil {
		return err
	}
	made := results[0].(*nfsv4.NfsResop4_OP_CREATE_SESSION).
		OpcreateSession.(*nfsv4.CreateSession4res_NFS4_OK).CsrResok4
	c.session = &session4{id: made.CsrSessionid, sequence: 1}
	got := made.CsrForeChanAttrs
	switch {
	case made.CsrSequence != sequence:
		return malformed("CREATE_SESSION %d instead of %d", made.CsrSequence, sequence)
	case got.CaMaxrequests == 0:
		return malformed("a session without slots")
	case got.CaMaxoperations < leastSessionOps:
		return malformed("a session of %d operations a request", got.CaMaxoperations)
	case min(got.CaMaxrequestsize, got.CaMaxresponsesize) < leastSessionBytes:
		return malformed("a session of %d bytes a request and %d bytes an answer",
			got.CaMaxrequestsize, got.CaMaxresponsesize)
	}
	c.ops = int(min(got.CaMaxoperations, sessionOps))
	c.bytes = int(min(got.CaMaxresponsesize-leastSessionBytes/2, markerBytes))
	return nil
}

// destroySession ends the session, whatever the answer is (RFC 8881 18.37).
func (c *client4) destroySession(ctx context.Context) error {
	id := c.session.id
	c.session = nil
	_, err := c.run(ctx, &nfsv4.NfsArgop4_OP_DESTROY_SESSION{
		OpdestroySession: nfsv4.DestroySession4args{DsaSessionid: id},
	})
	return err
}

// destroyClientID ends the client id, which must have no session (RFC 8881
// 18.50).
func (c *client4) destroyClientID(ctx context.Context, id nfsv4.Clientid4) error {
	_, err := c.run(ctx, &nfsv4.NfsArgop4_OP_DESTROY_CLIENTID{
		OpdestroyClientid: nfsv4.DestroyClientid4args{DcaClientid: id},
	})
	return err
}

// cleanUp ends session and client id after a failure. It reports whether
// nothing is left at the server; its own error would add nothing.
func (c *client4) cleanUp(ctx context.Context, id nfsv4.Clientid4) bool {
	if c.session != nil && c.conn.broken == nil {
		c.destroySession(ctx)
	}
	return c.conn.broken == nil && c.destroyClientID(ctx, id) == nil
}

// wrongFlavor adds to a WRONGSEC that the server wants another security flavor
// than that of the probe.
func (c *client4) wrongFlavor(err error) error {
	status, ok := err.(*Status4)
	if !ok || nfsv4.Nfsstat4(status.Code) != nfsv4.NFS4ERR_WRONGSEC {
		return err
	}
	if g := c.conn.gss; g != nil {
		return fmt.Errorf("%w: %w", &FlavorError{Wanted: securities[g.service]}, err)
	}
	return fmt.Errorf("%w: %w", ErrKerberos, err)
}

package nfsprobe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// probe4 probes with version 4.0, 4.1 or 4.2, or for "4" with the highest that
// the server has.
func (a *attempt) probe4(ctx context.Context, r *Report) error {
	port := cmp.Or(a.Port, DefaultPort)
	conn, err := a.dial(ctx, r, Connect, port)
	if err != nil {
		return err
	}
	defer conn.Close()
	r.NFSPort = port
	return a.climb4(ctx, r, conn)
}

// climb4 runs all steps after the connect.
func (a *attempt) climb4(ctx context.Context, r *Report, conn *client) (err error) {
	if err := a.null(ctx, r, conn, conn.queueNull(nfs4Version)); err != nil {
		return err
	}
	if err := a.begin(ctx, r, conn, nfs4Version); err != nil {
		return err
	}
	defer func() { err = a.release(ctx, r, conn, err) }()
	for _, minor := range minors4(a.Version) {
		c := &client4{conn: conn, minor: minor, ops: statelessOps, bytes: markerBytes}
		if err = a.climbMinor4(ctx, r, c); !c.gss {
			err = a.needsTLS(ctx, r, err)
		}
		if !minorMismatch(err) || r.Version != "" {
			break
		}
	}
	return err
}

// minors4 are the minor versions to try, the highest first.
func minors4(version string) []uint32 {
	switch version {
	case "4.0":
		return []uint32{0}
	case "4.1":
		return []uint32{1}
	case "4.2":
		return []uint32{2}
	}
	return []uint32{2, 1, 0}
}

func minorMismatch(err error) bool {
	var status *Status4
	return errors.As(err, &status) &&
		nfsv4.Nfsstat4(status.Code) == nfsv4.NFS4ERR_MINOR_VERS_MISMATCH
}

// agreed4 enters the version into the report if the server looked at the
// operations, with whatever result.
func (r *Report) agreed4(minor uint32, err error) {
	var status *Status4
	if err == nil || errors.As(err, &status) && !minorMismatch(err) {
		r.Version = fmt.Sprintf("4.%d", minor)
	}
}

// climbMinor4 runs all steps after NULL, with one minor version.
func (a *attempt) climbMinor4(ctx context.Context, r *Report, c *client4) error {
	if c.minor == 0 {
		return a.export4(ctx, r, c, 0)
	}
	var us nfsv4.ExchangeId4resok
	err := a.climb(ctx, r, ExchangeID, func() (learnt string, err error) {
		us, err = c.exchangeID(ctx)
		r.agreed4(c.minor, err)
		if minorMismatch(err) {
			return fmt.Sprintf("no version 4.%d", c.minor), err
		}
		return serverName4(us), err
	})
	if err != nil {
		return err
	}
	err = a.climb(ctx, r, CreateSession, func() (string, error) {
		return "1 slot", c.createSession(ctx, us.EirClientid, us.EirSequenceid)
	})
	if err == nil {
		err = a.export4(ctx, r, c, us.EirClientid)
	}
	if err == nil {
		err = a.climb(ctx, r, DestroySession, func() (string, error) {
			return r.goodbye(DestroySession, c.destroySession(ctx))
		})
	}
	if err != nil {
		if !c.cleanUp(ctx, us.EirClientid) {
			r.warn("the server may keep the probe's client id until its lease ends")
		}
		return err
	}
	return a.climb(ctx, r, DestroyClientID, func() (string, error) {
		return r.goodbye(DestroyClientID, c.destroyClientID(ctx, us.EirClientid))
	})
}

// export4 runs the steps from LOOKUP to those that open files. LOOKUP, GETATTR
// and ACCESS are one COMPOUND, so its time is entered for LOOKUP. id is the
// client id of the session, if there is one.
func (a *attempt) export4(ctx context.Context, r *Report, c *client4, id nfsv4.Clientid4) error {
	names := components4(a.Path4)
	var found object4
	var dir nfsv4.NfsFh4
	// What the export wants is not what the session was made with.
	defer func(cred rpcv2.OpaqueAuth) { c.conn.cred = cred }(c.conn.cred)
	err := a.climb(ctx, r, Lookup, func() (_ string, err error) {
		found = c.find(ctx, names)
		r.agreed4(c.minor, found.err)
		c.conn.identify(r)
		dir, err = found.handle()
		learnt := "/" + strings.Join(names, "/")
		if found.through != "" {
			learnt += ", through the " + found.through
		}
		return learnt, err
	})
	if err != nil {
		return err
	}
	if err := a.climb(ctx, r, Getattr, found.directory); err != nil {
		return err
	}
	if attributes, err := found.attributes(); err == nil {
		r.RootID = attributes.id
	}
	if err := a.climb(ctx, r, Access, found.access); err != nil {
		return err
	}
	return a.openFiles4(ctx, r, c, dir, id)
}

// serverName4 is the server's name for itself: its implementation if it tells,
// or its owner (RFC 8881 18.35.4).
func serverName4(us nfsv4.ExchangeId4resok) string {
	name := string(us.EirServerOwner.SoMajorId)
	if len(us.EirServerImplId) > 0 && us.EirServerImplId[0].NiiName != "" {
		name = us.EirServerImplId[0].NiiName
	}
	return printable(name)
}

// printable is what can be shown of a name that the server gives, 60 bytes at
// most.
func printable(name string) string {
	var shown strings.Builder
	for _, char := range []byte(name) {
		if ' ' <= char && char <= '~' && shown.Len() < 60 {
			shown.WriteByte(char)
		}
	}
	return strings.TrimSpace(shown.String())
}

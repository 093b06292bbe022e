package nfsprobe

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
)

// NFS, version 3 (RFC 1813 3).
const (
	nfsProgram   = 100003
	nfs3Version  = 3
	procNull     = 0
	procGetattr3 = 1
	procAccess3  = 4
)

// accessBits are the bits of ACCESS, from bit 0 (RFC 1813 3.3.4).
var accessBits = [...]string{"read", "lookup", "modify", "extend", "delete", "execute"}

// accessAll is all of accessBits.
const accessAll = 1<<len(accessBits) - 1

// allowed says what an answer to ACCESS allows.
func allowed(bits uint32) string {
	var may []string
	for i, name := range accessBits {
		if bits&(1<<i) != 0 {
			may = append(may, name)
		}
	}
	if len(may) == 0 {
		return "nothing allowed"
	}
	return "may " + strings.Join(may, ", ")
}

// Status3 is an nfsstat3 (RFC 1813 2.6). It is never 0.
type Status3 uint32

// Error is the name in RFC 1813, such as NFS3ERR_STALE, or "nfsstat3 99".
func (s Status3) Error() string {
	return statusName(nfsv3.Nfsstat3_name, "nfsstat3 ", uint32(s))
}

// Name implements Status.
func (s Status3) Name() string { return afterPrefix(s.Error()) }

// Number implements Status.
func (s Status3) Number() uint32 { return uint32(s) }

// probe3 is a probe of version 3. UMNT is due even if the rest has failed, and
// has time kept for it.
func (a *attempt) probe3(ctx, whole context.Context, r *Report) (err error) {
	if err := a.askPorts(ctx, r); err != nil {
		return err
	}
	c, err := a.dial(ctx, r, MountConnect, r.MountPort)
	if err != nil {
		return err
	}
	defer c.Close()
	m, granted, err := a.mount(ctx, r, c)
	if granted {
		defer func() { err = a.unmount(whole, r, c, err) }()
	}
	if err != nil {
		return err
	}
	ctx, cancel := a.beforeGoodbye(ctx)
	defer cancel()
	return a.needsTLS(ctx, r, a.export3(ctx, whole, r, m))
}

// The part of the deadline that is kept for UMNT once MNT was granted, and its
// limit: a mount entry without an end stays in a server's rmtab for good.
const goodbyePart, goodbyeTime = 10, 2 * time.Second

// beforeGoodbye returns ctx with an end that leaves time for UMNT.
func (a *attempt) beforeGoodbye(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.end.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx,
		a.end.Add(-min(a.end.Sub(a.began)/goodbyePart, goodbyeTime)))
}

// export3 looks at the export that was mounted.
func (a *attempt) export3(
	ctx, whole context.Context, r *Report, m mounted,
) (err error) {
	c, err := a.dial(ctx, r, Connect, r.NFSPort)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.cred, err = m.credential(a.service(), c.cred); err != nil {
		return a.failed(ctx, r, Mount, err)
	}
	c.identify(r)
	a.portWanted = len(m.flavors) > 0 && r.ordinaryPort()
	// One write asks for all three, or for two if there must be a security
	// context before. If the server is busy, it is asked again, one by one.
	null := c.queueNull(nfs3Version)
	var getattr func(context.Context) (directory3, error)
	var access func(context.Context) (string, error)
	ask := func() {
		object := nfsv3.NfsFh3{Data: m.handle}
		getattr = queue3(c, procGetattr3, &nfsv3.Getattr3args{Object: object}, parseGetattr3)
		access = queue3(c, procAccess3, &nfsv3.Access3args{Object: object, Access: accessAll},
			parseAccess3)
	}
	if a.service() == 0 {
		ask()
	}
	if err := a.null(ctx, r, c, null); err != nil {
		return err
	}
	r.Version = "3"
	if a.service() != 0 {
		if err := a.begin(ctx, r, c, nfs3Version); err != nil {
			return err
		}
		defer func() { err = a.release(ctx, r, c, err) }()
		ask()
	}
	if err := a.climb(ctx, r, Getattr, func() (string, error) {
		found, err := getattr(ctx)
		r.RootID = found.id
		return found.learnt, err
	}); err != nil {
		return err
	}
	if err := a.climb(ctx, r, Access, func() (string, error) { return access(ctx) }); err != nil {
		return err
	}
	return a.openFiles3(ctx, whole, r, c, m.handle)
}

// queue3 queues a call of version 3. The function that it returns awaits the
// reply and decodes its results, and calls again while the server is busy. If
// the window of the security context is full, it calls then.
func queue3[T any](
	c *client, proc uint32, args io.WriterTo, parse func(io.Reader) (T, error),
) func(context.Context) (T, error) {
	var p *pending
	if c.gss == nil || len(c.due) < int(c.gss.window) {
		p = c.queue(nfsProgram, nfs3Version, proc, args)
	}
	return func(ctx context.Context) (T, error) {
		return retryBusy(ctx, func() (answer T, err error) {
			if p == nil {
				p = c.queue(nfsProgram, nfs3Version, proc, args)
			}
			results, err := c.await(ctx, p)
			p = nil
			if err == nil {
				answer, err = parse(results)
			}
			return answer, err
		})
	}
}

// decode3 reads the results of a procedure: an OK, or a Status3 as error. If
// they cannot be read, the error is a *MalformedError whose text begins with
// prefix.
func decode3[OK any, Answer interface{ GetStatus() nfsv3.Nfsstat3 }](
	results io.Reader, read func(io.Reader) (Answer, int64, error), prefix string,
) (ok OK, _ error) {
	answer, _, err := read(results)
	if err != nil {
		return ok, malformed("%s%v", prefix, err)
	}
	ok, is := any(answer).(OK)
	if !is {
		return ok, Status3(answer.GetStatus())
	}
	return ok, nil
}

// directory3 is what GETATTR says of the export.
type directory3 struct{ learnt, id string }

// parseGetattr3 decodes the results of GETATTR of the export (RFC 1813 3.3.1),
// which must be a directory.
func parseGetattr3(results io.Reader) (d directory3, err error) {
	const prefix = "GETATTR: "
	ok, err := decode3[*nfsv3.Getattr3res_NFS3_OK](results, nfsv3.ReadGetattr3res, prefix)
	if err != nil {
		return d, err
	}
	attributes := ok.Resok.ObjAttributes
	kind, known := nfsv3.Ftype3_name[attributes.Type]
	switch {
	case !known:
		return d, malformed(prefix+"file type %d", attributes.Type)
	case attributes.Type != nfsv3.NF3DIR:
		return directory3{learnt: kind}, ErrNotDirectory
	}
	return directory3{fmt.Sprintf("directory, mode %04o, owner %d:%d",
		attributes.Mode&0o7777, attributes.Uid, attributes.Gid),
		rootID(attributes.Fsid, 0, attributes.Fileid)}, nil
}

// parseAccess3 decodes the results of ACCESS (RFC 1813 3.3.4).
func parseAccess3(results io.Reader) (learnt string, err error) {
	ok, err := decode3[*nfsv3.Access3res_NFS3_OK](results, nfsv3.ReadAccess3res, "ACCESS: ")
	if err != nil {
		return "", err
	}
	return allowed(ok.Resok.Access), nil
}

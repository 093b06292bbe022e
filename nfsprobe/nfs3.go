package nfsprobe

import (
	"context"
	"fmt"
	"io"
	"strings"

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

// accessBits are what ACCESS asks for, from bit 0 (RFC 1813 3.3.4).
var accessBits = [...]string{"read", "lookup", "modify", "extend", "delete", "execute"}

// accessAll asks for all of them.
const accessAll = 1<<len(accessBits) - 1

// Status3 is an nfsstat3 (RFC 1813 2.6), never 0.
type Status3 uint32

// Error is the name of RFC 1813, such as NFS3ERR_STALE, or "nfsstat3 99".
func (s Status3) Error() string {
	if name, ok := nfsv3.Nfsstat3_name[nfsv3.Nfsstat3(s)]; ok {
		return name
	}
	return fmt.Sprintf("nfsstat3 %d", uint32(s))
}

// Name implements Status.
func (s Status3) Name() string { return afterPrefix(s.Error()) }

// Number implements Status.
func (s Status3) Number() uint32 { return uint32(s) }

// probe3 is a probe of version 3. UMNT is due also when the rest has failed.
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
	return a.export3(ctx, whole, r, m)
}

// export3 looks at the export that was mounted.
func (a *attempt) export3(ctx, whole context.Context, r *Report, m mounted) error {
	c, err := a.dial(ctx, r, Connect, r.NFSPort)
	if err != nil {
		return err
	}
	defer c.Close()
	if c.cred, err = m.credential(c.cred); err != nil {
		return a.failed(ctx, r, Mount, err)
	}
	c.identify(r)
	a.portWanted = len(m.flavors) > 0 && r.ordinaryPort()
	if err := a.climb(ctx, r, Null, func() (string, error) {
		_, err := c.call(ctx, nfsProgram, nfs3Version, procNull, nil)
		return "", err
	}); err != nil {
		return err
	}
	r.Version = "3"
	object := nfsv3.NfsFh3{Data: m.handle}
	if err := a.climb(ctx, r, Getattr, func() (learnt string, err error) {
		return patiently(ctx, func() (string, error) {
			results, err := c.call(ctx, nfsProgram, nfs3Version, procGetattr3, &nfsv3.Getattr3args{Object: object})
			if err != nil {
				return "", err
			}
			return parseGetattr3(results)
		})
	}); err != nil {
		return err
	}
	if err := a.climb(ctx, r, Access, func() (string, error) {
		return patiently(ctx, func() (string, error) {
			results, err := c.call(ctx, nfsProgram, nfs3Version, procAccess3, &nfsv3.Access3args{Object: object, Access: accessAll})
			if err != nil {
				return "", err
			}
			return parseAccess3(results)
		})
	}); err != nil {
		return err
	}
	return a.deeper3(ctx, whole, r, c, m.handle)
}

// parseGetattr3 decodes the results of GETATTR (RFC 1813 3.3.1) of what should
// be a directory.
func parseGetattr3(results io.Reader) (learnt string, err error) {
	answer, _, err := nfsv3.ReadGetattr3res(results)
	if err != nil {
		return "", malformed("GETATTR: %v", err)
	}
	ok, is := answer.(*nfsv3.Getattr3res_NFS3_OK)
	if !is {
		return "", Status3(answer.GetStatus())
	}
	attributes := ok.Resok.ObjAttributes
	kind, known := nfsv3.Ftype3_name[attributes.Type]
	switch {
	case !known:
		return "", malformed("GETATTR: file type %d", attributes.Type)
	case attributes.Type != nfsv3.NF3DIR:
		return kind, ErrNotDirectory
	}
	return fmt.Sprintf("directory, mode %04o, owner %d:%d", attributes.Mode&0o7777, attributes.Uid, attributes.Gid), nil
}

// parseAccess3 decodes the results of ACCESS (RFC 1813 3.3.4).
func parseAccess3(results io.Reader) (learnt string, err error) {
	answer, _, err := nfsv3.ReadAccess3res(results)
	if err != nil {
		return "", malformed("ACCESS: %v", err)
	}
	ok, is := answer.(*nfsv3.Access3res_NFS3_OK)
	if !is {
		return "", Status3(answer.GetStatus())
	}
	var may []string
	for i, name := range accessBits {
		if ok.Resok.Access&(1<<i) != 0 {
			may = append(may, name)
		}
	}
	if len(may) == 0 {
		return "nothing allowed", nil
	}
	return "may " + strings.Join(may, ", "), nil
}

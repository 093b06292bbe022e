package nfsprobe

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
	"github.com/buildbarn/go-xdr/pkg/runtime"
)

// The mount service, version 3 (RFC 1813 5).
const (
	mountProgram = 100005
	mountVersion = 3
	procMnt      = 1
	procUmnt     = 3
)

// MountStatus is a mountstat3 (RFC 1813 5.1.5): why MNT was refused. It is
// never 0.
type MountStatus uint32

// Error is the name in RFC 1813, such as MNT3ERR_ACCES, or "mountstat3 99".
func (s MountStatus) Error() string {
	return statusName(mount.Mountstat3_name, "mountstat3 ", uint32(s))
}

// Name implements Status.
func (s MountStatus) Name() string { return afterPrefix(s.Error()) }

// Number implements Status.
func (s MountStatus) Number() uint32 { return uint32(s) }

// dirpath is the argument of MNT and UMNT. The library would refuse a name that
// is not ASCII.
type dirpath string

func (d dirpath) WriteTo(w io.Writer) (int64, error) {
	return runtime.WriteVariableLengthOpaque(w, mount.MNTPATHLEN, []byte(d))
}

// mounted is the answer to a granted MNT.
type mounted struct {
	handle  []byte
	flavors flavors // the server's preference first; many servers send none
}

// parseMnt decodes the results of MNT (RFC 1813 5.2.1). granted: the server now
// has a mount entry, even if the rest of the answer is of no use.
func parseMnt(results io.Reader) (m mounted, granted bool, err error) {
	status, _, err := runtime.ReadUnsignedInt(results)
	if err != nil {
		return m, false, malformed("MNT: %v", err)
	}
	if status != 0 {
		return m, false, MountStatus(status)
	}
	var ok mount.Mountres3Ok
	if _, err := ok.ReadFrom(results); err != nil {
		return m, true, malformed("MNT: %v", err)
	}
	if len(ok.Fhandle) == 0 {
		return m, true, malformed("MNT: an empty file handle")
	}
	return mounted{ok.Fhandle, ok.AuthFlavors}, true, nil
}

// credential chooses the credential of the NFS calls from the server's list, as
// clients do (RFC 2623 2.7), if no service of RPCSEC_GSS is configured. The list
// is the reliable sign of an export that requires Kerberos, since servers let
// GETATTR on its root pass without (RFC 2623 2.3.2).
func (m mounted) credential(service uint32, sys rpcv2.OpaqueAuth) (rpcv2.OpaqueAuth, error) {
	switch {
	case service != 0:
		return sys, m.flavors.lack(service)
	case len(m.flavors) == 0, slices.Contains(m.flavors, int32(rpcv2.AUTH_SYS)):
		return sys, nil
	case slices.Contains(m.flavors, int32(rpcv2.AUTH_NONE)):
		return noCredential, nil
	}
	return noCredential, ErrKerberos
}

// mount asks for the export's file handle. granted: UMNT must follow, even
// after an error.
func (a *attempt) mount(
	ctx context.Context, r *Report, c *client,
) (m mounted, granted bool, err error) {
	err = a.climb(ctx, r, Mount, func() (string, error) {
		results, err := c.call(ctx, mountProgram, mountVersion, procMnt, dirpath(a.Dir))
		if err != nil {
			return "", err
		}
		if m, granted, err = parseMnt(results); err != nil {
			return "", err
		}
		learnt := fmt.Sprintf("file handle of %d bytes", len(m.handle))
		if len(m.flavors) > 0 {
			learnt += fmt.Sprintf(", flavors %s", m.flavors)
		}
		_, err = m.credential(a.service(), c.cred)
		return learnt, err
	})
	return m, granted, err
}

// unmount sends UMNT, as every client does after a granted MNT. It returns
// before, the error of the probe so far, if there is one.
func (a *attempt) unmount(ctx context.Context, r *Report, c *client, before error) error {
	umnt := func() (string, error) {
		_, err := c.call(ctx, mountProgram, mountVersion, procUmnt, dirpath(a.Dir))
		return "", err
	}
	if before == nil {
		return a.climb(ctx, r, Unmount, func() (string, error) {
			_, err := umnt()
			return r.goodbye(Unmount, err)
		})
	}
	if _, err := guarded(umnt); err != nil {
		if _, err = r.goodbye(Unmount, err); err != nil {
			r.warn("the server may have kept its mount entry (unmount: %v)", err)
		}
	}
	return before
}

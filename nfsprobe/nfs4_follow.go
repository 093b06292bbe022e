package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"
)

// maxLinks is how many symbolic links a path may go through.
const maxLinks = 8

// find looks up names from the pseudo root on. Where the quick walk ends at a
// symbolic link, or at a security flavor that the server refuses, it goes on
// name by name, as a client does.
func (c *client4) find(ctx context.Context, names []string) object4 {
	found := c.walk(ctx, &nfsv4.NfsArgop4_OP_PUTROOTFH{}, names)
	kind, err := found.kind()
	if refused4(found.err, nfsv4.NFS4ERR_WRONGSEC, nfsv4.NFS4ERR_SYMLINK, nfsv4.NFS4ERR_NOTDIR) ||
		err == nil && kind == nfsv4.NF4LNK {
		return c.follow(ctx, names)
	}
	return found
}

// follow looks up names one by one. A link is read, and its text looked up in
// its place: from the pseudo root on if it begins with a slash, since a client
// mounts that and looks from there.
func (c *client4) follow(ctx context.Context, names []string) object4 {
	root := c.enter(ctx, nil, "")
	path := []object4{root}
	var link []string // names that came from a link, before those of names
	through := ""
	for links := 0; len(link)+len(names) > 0; {
		var name string
		if len(link) > 0 {
			if name, link = link[0], link[1:]; name == ".." {
				path = path[:max(1, len(path)-1)]
				continue
			}
		} else {
			name, names = names[0], names[1:]
		}
		dir, err := path[len(path)-1].handle()
		if err != nil {
			return object4{err: err}
		}
		next := c.enter(ctx, dir, name)
		kind, err := next.kind()
		switch {
		case err != nil && through != "":
			return object4{err: fmt.Errorf("%w (behind the %s)", err, through)}
		case err != nil:
			return object4{err: err}
		case kind != nfsv4.NF4LNK:
			path = append(path, next)
			continue
		}
		if links++; links > maxLinks {
			return object4{err: fmt.Errorf("%w (at the %s)", ErrLinks, through)}
		}
		text, err := c.readLink(ctx, next)
		if err != nil {
			return object4{err: err}
		}
		if through == "" {
			through = fmt.Sprintf("symbolic link %q to %q", name, text)
		}
		link = append(components4(text), link...)
		if text[0] == '/' {
			path = path[:1]
		}
	}
	found := path[len(path)-1]
	found.through = through
	return found
}

// readLink returns what a symbolic link points to (RFC 7530 16.25).
func (c *client4) readLink(ctx context.Context, link object4) (string, error) {
	handle, err := link.handle()
	if err != nil {
		return "", err
	}
	results, err := c.run(ctx, put4(handle), &nfsv4.NfsArgop4_OP_READLINK{})
	if err != nil {
		return "", err
	}
	text := results[1].(*nfsv4.NfsResop4_OP_READLINK).
		Opreadlink.(*nfsv4.Readlink4res_NFS4_OK).Resok4.Link
	if len(text) == 0 {
		return "", malformed("READLINK: an empty link")
	}
	return string(text), nil
}

// enter looks up a name in a directory, or the pseudo root if dir is nil. If
// the server refuses the flavor of the credential, it is asked which it takes
// there, and AUTH_SYS and AUTH_NONE are tried if they are among these (RFC 8881
// 2.6.3). The flavor stays, since a client has one for a file system. With a
// security context no other flavor is tried: it is what is to be watched.
func (c *client4) enter(ctx context.Context, dir nfsv4.NfsFh4, name string) object4 {
	look := func() object4 {
		if dir == nil {
			return c.walk(ctx, &nfsv4.NfsArgop4_OP_PUTROOTFH{}, nil)
		}
		return c.walk(ctx, put4(dir), []string{name})
	}
	found := look()
	err := found.err
	if !refused4(err, nfsv4.NFS4ERR_WRONGSEC) {
		return found
	}
	offered, known := c.offered(ctx, dir, name)
	if g := c.conn.gss; g != nil {
		if wrong := offered.lack(g.service); wrong != nil {
			err = fmt.Errorf("%w: %w", wrong, bare(err))
		} else if len(offered) > 0 {
			err = bare(err)
		}
		return object4{err: err}
	}
	before := c.conn.cred
	for _, cred := range []rpcv2.OpaqueAuth{authSysOwn(), noCredential} {
		if cred.Flavor == before.Flavor || known && !slices.Contains(offered, int32(cred.Flavor)) {
			continue
		}
		c.conn.cred = cred
		if found := look(); found.err == nil {
			return found
		}
		c.conn.cred = before
	}
	if known {
		// Who offers what was refused means something else, such as TLS.
		c.gss = offered.gss() && !slices.Contains(offered, int32(before.Flavor))
		if !c.gss {
			err = bare(err)
		}
		err = fmt.Errorf("%w (the server offers %s)", err, offered)
	}
	return object4{err: err}
}

// flavors are security flavors, those of Kerberos as pseudo-flavors.
type flavors []int32

// String is the names of the first few, such as "sys:krb5" (RFC 2623 2.2.2, RFC
// 5531 8.2).
func (f flavors) String() string {
	const few = 8
	var names []string
	for _, one := range f[:min(len(f), few)] {
		switch {
		case one == int32(rpcv2.AUTH_NONE):
			names = append(names, "none")
		case one == int32(rpcv2.AUTH_SYS):
			names = append(names, "sys")
		case one > krb5Flavor && int(one-krb5Flavor) < len(securities):
			names = append(names, securities[one-krb5Flavor])
		default:
			names = append(names, fmt.Sprint(one))
		}
	}
	if len(f) > few {
		names = append(names, "…")
	}
	return strings.Join(names, ":")
}

func (f flavors) gss() bool {
	return slices.ContainsFunc(f, func(flavor int32) bool { return flavor > krb5Flavor })
}

// lack returns an error if none of the flavors is Kerberos with this service.
// An empty list says nothing.
func (f flavors) lack(service uint32) error {
	if len(f) == 0 || slices.Contains(f, krb5Flavor+int32(service)) {
		return nil
	}
	return &FlavorError{Wanted: securities[service], Offered: f.String()}
}

// offered asks which flavors the server takes for a name in a directory, or for
// the pseudo root, where version 4.0 cannot ask (RFC 7530 16.31, RFC 8881
// 18.45).
func (c *client4) offered(
	ctx context.Context, dir nfsv4.NfsFh4, name string,
) (list flavors, known bool) {
	ops := []nfsv4.NfsArgop4{put4(dir),
		&nfsv4.NfsArgop4_OP_SECINFO{Opsecinfo: nfsv4.Secinfo4args{Name: name}}}
	if dir == nil {
		if c.minor == 0 {
			return nil, false
		}
		ops = []nfsv4.NfsArgop4{&nfsv4.NfsArgop4_OP_PUTROOTFH{},
			&nfsv4.NfsArgop4_OP_SECINFO_NO_NAME{
				OpsecinfoNoName: nfsv4.SECINFO_STYLE4_CURRENT_FH,
			}}
	}
	results, err := c.run(ctx, ops...)
	if err != nil {
		return nil, false
	}
	var answer nfsv4.Secinfo4res
	switch result := results[1].(type) {
	case *nfsv4.NfsResop4_OP_SECINFO:
		answer = result.Opsecinfo
	case *nfsv4.NfsResop4_OP_SECINFO_NO_NAME:
		answer = result.OpsecinfoNoName
	}
	for _, one := range answer.(*nfsv4.Secinfo4res_NFS4_OK).Resok4 {
		flavor := int32(one.GetFlavor())
		if gss, is := one.(*nfsv4.Secinfo4_RPCSEC_GSS); is {
			flavor = krb5Flavor + int32(gss.FlavorInfo.Service)
		}
		list = append(list, flavor)
	}
	return list, len(list) > 0
}

// refused4 reports whether err is one of these statuses.
func refused4(err error, codes ...nfsv4.Nfsstat4) bool {
	var status *Status4
	return errors.As(err, &status) && slices.Contains(codes, nfsv4.Nfsstat4(status.Code))
}

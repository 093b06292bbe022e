package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/smbtest"
)

func TestServersAreInstalled(t *testing.T) {
	cmdtest.Installed(t, map[string]string{
		"ganesha.nfsd": "nfs-ganesha nfs-ganesha-vfs", "rpcbind": "rpcbind", "smbd": "samba",
		"krb5kdc": "krb5-kdc", "kadmin.local": "krb5-admin-server", "kinit": "krb5-user",
		"ip": "iproute2", "iptables": "iptables", "nsenter": "util-linux",
	})
}

func TestScripts(t *testing.T) {
	cmdtest.Scripts(t, "clp_nfsmon", map[string]cmdtest.Command{
		"nfs VERB WORD...": nfsCommand, "samba start": sambaCommand,
	})
}

// site is the servers of a script: a network with Ganesha and rpcbind, or a
// hostile server in it.
type site struct {
	*nfstest.Lab
	hostile *nfstest.Hostile
}

// nfsCommand is nfs VERB WORD... in scripts. It does something to the servers:
//
//	start                  Ganesha and rpcbind; $EXPORT is the directory
//	freeze, thaw, restart  Ganesha
//	mark                   puts a marker, MOUNTED, into $EXPORT
//	tls [HOW]              puts TLS before Ganesha or the hostile server, at
//	                       $TLS_PORT, healthy or so; $TLS has the files
//	hostile [HOW]          one at $HOSTILE that is healthy, or spoilt so
//	asked HOW              waits until it was asked for what it does not answer
func nfsCommand(s *cmdtest.Story, args []string) {
	h, _ := s.Server.(*site)
	enter := func(c nfstest.Config) {
		h = &site{Lab: nfstest.New(s.T, c)}
		s.Server, s.Exec = h, h.Command
		s.Script.Setenv("EXPORT", h.Dir())
		s.Script.Setenv("EXPORTS", filepath.Dir(h.Dir()))
	}
	var err error
	switch args[0] {
	case "start":
		readOnly := nfstest.Export{Name: "readonly", ReadOnly: true}
		enter(nfstest.Config{Exports: []nfstest.Export{readOnly}})
	case "freeze":
		err = h.Freeze(nfstest.Ganesha)
	case "restart":
		err = h.Restart(nfstest.Ganesha)
	case "thaw":
		err = h.Thaw(nfstest.Ganesha)
	case "mark":
		err = os.WriteFile(filepath.Join(h.Dir(), markerFile), []byte("a real disk\n"), 0o644)
	case "hostile":
		if h == nil {
			enter(nfstest.Config{Empty: true})
		}
		h.hostile = hostile(s.T, h.Lab)
		s.Script.Setenv("HOSTILE", h.hostile.Address)
		if len(args) > 1 {
			spoil[args[1]](h.hostile)
		}
	case "tls":
		h.tls(s, append(args, "")[1])
	case "asked":
		cmdtest.Eventually(s.T, args[1], func() bool { return h.hostile.Count(hangs[args[1]]) > 0 })
	default:
		err = fmt.Errorf("nfs cannot %s", args[0])
	}
	s.Script.Check(err)
}

// sambaCommand is samba start in scripts: $SAMBA is the option that leads to
// the server. It is outside of the network of nfs start.
func sambaCommand(s *cmdtest.Story, _ []string) {
	_, port, _ := net.SplitHostPort(smbtest.Samba(s.T, smbtest.Config{}).Addr())
	s.Script.Setenv("SAMBA", "--port="+port)
}

// hangs are the procedures that a hostile server may not answer.
var hangs = map[string]nfstest.Proc{
	"port map hangs": nfstest.Getport,
	"compound hangs": nfstest.Compound,
	"unmount hangs":  nfstest.Umnt,
}

// spoil is what a hostile server does.
var spoil = map[string]func(*nfstest.Hostile){
	"port map hangs":           on(nfstest.Getport, nfstest.Hang),
	"compound hangs":           on(nfstest.Compound, nfstest.Hang),
	"unmount hangs":            on(nfstest.Umnt, nfstest.Hang),
	"not registered":           on(nfstest.Getport, nfstest.Port(0)),
	"mount refused":            on(nfstest.Mnt, nfstest.MountStatus(mount.MNT3ERR_ACCES)),
	"Kerberos only":            on(nfstest.Mnt, nfstest.Mounted([]byte("h"), 390003, 390004)),
	"other versions":           on(nfstest.Null3, nfstest.Accepted(rpcv2.PROG_MISMATCH)),
	"stale handle":             on(nfstest.Getattr3, nfstest.GetattrStatus(nfsv3.NFS3ERR_STALE)),
	"a regular file":           on(nfstest.Getattr3, nfstest.Attributes(nfsv3.NF3REG)),
	"access fails":             on(nfstest.Access3, nfstest.AccessStatus(nfsv3.NFS3ERR_IO)),
	"not NFS":                  on(nfstest.Null4, nfstest.WrongXID),
	"no 4.2":                   on(nfstest.Compound, nfstest.Minors(0, 1)),
	"no room":                  op(-1, nfsv4.OP_CREATE_SESSION, nfsv4.NFS4ERR_NOSPC),
	"not exported":             op(-1, nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_NOENT),
	"Kerberos only, version 4": op(-1, nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_WRONGSEC),
	"in grace":                 op(-1, nfsv4.OP_OPEN, nfsv4.NFS4ERR_GRACE),
	"getattr fails, version 4": op(-1, nfsv4.OP_GETATTR, nfsv4.NFS4ERR_IO),
	"access fails, version 4":  op(-1, nfsv4.OP_ACCESS, nfsv4.NFS4ERR_ACCESS),
}

func on(proc nfstest.Proc, answer nfstest.Answer) func(*nfstest.Hostile) {
	return func(h *nfstest.Hostile) { h.On(proc, answer) }
}

// op makes an operation of version 4 fail so often; -1: always.
func op(times int, op nfsv4.NfsOpnum4, status nfsv4.Nfsstat4) func(*nfstest.Hostile) {
	return func(h *nfstest.Hostile) { h.FailOp(times, op, status) }
}

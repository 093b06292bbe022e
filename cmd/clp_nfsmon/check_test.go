package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
)

// The ladder of a healthy server: the rungs in order with their times, and
// nothing left in the registry, which is not even made.
func TestCheckHealthy(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{})
	verdict := regexp.QuoteMeta(`
healthy: the server answered every step

Time to verdict with -i 1 -c 2 -r 10: 2 s for a server that refuses, 30 s for one that stalls,
counted from the start of the first failed probe, which is at most 1 s after the fault.
`)
	for v, ladder := range map[string]string{
		"3": `
  port map  +\d+\.\d ms  mount port 20048, NFS port 2049
  mount connect  +\d+\.\d ms  127\.0\.0\.1:20048
  mount  +\d+\.\d ms  file handle of \d+ bytes, flavors sys:none
  connect  +\d+\.\d ms  127\.0\.0\.1:2049, as AUTH_SYS uid 0, privileged port \d+
  null  +\d+\.\d ms
  getattr  +\d+\.\d ms  directory, mode 0755, owner 0:0
  access  +\d+\.\d ms  may read, .*
  unmount  +\d+\.\d ms
`,
		"4.0": `
  connect  +\d+\.\d ms  127\.0\.0\.1:2049, as AUTH_SYS uid 0, privileged port \d+
  null  +\d+\.\d ms
  lookup  +\d+\.\d ms  /export
  getattr  +\d+\.\d ms  directory
  access  +\d+\.\d ms  may read, .*
`,
		"4.2": `
  connect  +\d+\.\d ms  127\.0\.0\.1:2049, as AUTH_SYS uid 0, privileged port \d+
  null  +\d+\.\d ms
  exchange id  +\d+\.\d ms  .*
  create session  +\d+\.\d ms  1 slot
  lookup  +\d+\.\d ms  /export
  getattr  +\d+\.\d ms  directory
  access  +\d+\.\d ms  may read, .*
  destroy session  +\d+\.\d ms
  destroy client id  +\d+\.\d ms
`,
	} {
		l := newLab(t, network)
		p := l.Check(version(network, "export", v, "-i", "1", "-c", "2", "-r", "10")...)
		p.Exits(0)
		want := "^127\\.0\\.0\\.1:" + regexp.QuoteMeta(network.Dir()) + "\n  NFS version " + v + "\n" + ladder + "  whole probe  +\\d+\\.\\d ms\n" + verdict + "$"
		if !regexp.MustCompile(want).MatchString(p.Output()) || p.Errors() != "" {
			t.Errorf("version %s: %s%s", v, p.Output(), p.Errors())
		}
		l.Nothing()
	}
}

// Every rung and how it breaks: its name, the cause by name and number, what to
// look at, and the watch's alert, for people and for programs.
func TestCheckFailed(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	on := func(proc nfstest.Proc, answer nfstest.Answer) func(*nfstest.Hostile) {
		return func(h *nfstest.Hostile) { h.On(proc, answer) }
	}
	op := func(op nfsv4.NfsOpnum4, status nfsv4.Nfsstat4) func(*nfstest.Hostile) {
		return func(h *nfstest.Hostile) { h.FailOp(-1, op, status) }
	}
	for name, c := range map[string]struct {
		spoil                    func(*nfstest.Hostile)
		args                     []string // besides -d and, unless it is there, -a
		step, cause, look, alert string
	}{
		"name": {args: []string{"-a", "nosuch.invalid", "-r", "20"}, step: "resolve", look: "name", alert: "clp_nfsmon: RPC: Unknown host"},
		"port mapper hangs": {spoil: on(nfstest.Getport, nfstest.Hang), args: []string{"-r", "1", "--nfs-version", "3"}, step: "port map", cause: "ETIMEDOUT (errno 110)",
			look: "it hangs", alert: "clp_nfsmon: RPC: Port mapper failure - RPC: Timed out"},
		"no port mapper": {args: []string{"-a", "127.0.0.99", "--nfs-version", "3"}, step: "port map", cause: "ECONNREFUSED (errno 111)",
			look: "systemctl status rpcbind", alert: "clp_nfsmon: RPC: Port mapper failure - RPC: Unable to receive: errno = Connection refused."},
		"not registered": {spoil: on(nfstest.Getport, nfstest.Port(0)), args: []string{"--nfs-version", "3"}, step: "port map", cause: "program not registered",
			look: "rpcinfo -p", alert: "clp_nfsmon: RPC: Program not registered."},
		"nobody on the mount port": {args: []string{"--nfs-version", "3", "--mount-port", "9"}, step: "mount connect", cause: "ECONNREFUSED (errno 111)",
			look: "Nothing listens", alert: "clp_nfsmon: RPC: Unable to receive: errno = Connection refused."},
		"mount": {spoil: on(nfstest.Mnt, nfstest.MountStatus(mount.MNT3ERR_ACCES)), args: []string{"--nfs-version", "3"}, step: "mount", cause: "MNT3ERR_ACCES (13)",
			look: "exportfs -v", alert: "clp_nfsmon: mount error(MNT3ERR_ACCES)"},
		"Kerberos": {spoil: on(nfstest.Mnt, nfstest.Mounted([]byte("h"), 390003, 390004)), args: []string{"--nfs-version", "3"}, step: "mount", cause: "export requires Kerberos",
			look: "sec=", alert: "clp_nfsmon: mount error(export requires Kerberos)"},
		"nobody on the NFS port": {args: []string{"--nfs-version", "3", "-n", "9"}, step: "connect", cause: "ECONNREFUSED (errno 111)",
			look: "Nothing listens", alert: "clp_nfsmon: RPC: Unable to receive: errno = Connection refused."},
		"null": {spoil: on(nfstest.Null3, nfstest.Accepted(rpcv2.PROG_MISMATCH)), args: []string{"--nfs-version", "3"}, step: "null", cause: "Program/version mismatch; low version = 5, high version = 7",
			look: "rpcinfo -p", alert: "clp_nfsmon: RPC: Program/version mismatch; low version = 5, high version = 7"},
		"getattr": {spoil: on(nfstest.Getattr3, nfstest.GetattrStatus(nfsv3.NFS3ERR_STALE)), args: []string{"--nfs-version", "3"}, step: "getattr", cause: "NFS3ERR_STALE (70)",
			look: "went away under the probe", alert: "clp_nfsmon: GETATTR: NFS3ERR_STALE"},
		"a file": {spoil: on(nfstest.Getattr3, nfstest.Attributes(nfsv3.NF3REG)), args: []string{"--nfs-version", "3"}, step: "getattr", cause: "not a directory",
			look: "-d needs the directory", alert: "clp_nfsmon: mount error(Not a directory)"},
		"access": {spoil: on(nfstest.Access3, nfstest.AccessStatus(nfsv3.NFS3ERR_IO)), args: []string{"--nfs-version", "3"}, step: "access", cause: "NFS3ERR_IO (5)",
			look: "dmesg", alert: "clp_nfsmon: ACCESS: NFS3ERR_IO"},
		"unmount hangs": {spoil: on(nfstest.Umnt, nfstest.Hang), args: []string{"-r", "1", "--nfs-version", "3"}, step: "unmount", cause: "ETIMEDOUT (errno 110)",
			look: "it hangs", alert: "clp_nfsmon: RPC: Timed out"},
		"not NFS": {spoil: on(nfstest.Null4, nfstest.WrongXID), args: []string{"--nfs-version", "4"}, step: "null", cause: "malformed answer",
			look: "not a sound NFS server", alert: "clp_nfsmon: RPC: Can't decode result"},
		"exchange id": {spoil: on(nfstest.Compound, nfstest.Minors(0, 1)), args: []string{"--nfs-version", "4.2"}, step: "exchange id", cause: "COMPOUND: NFS4ERR_MINOR_VERS_MISMATCH (10021)",
			look: "another --nfs-version", alert: "clp_nfsmon: COMPOUND: NFS4ERR_MINOR_VERS_MISMATCH"},
		"create session": {spoil: op(nfsv4.OP_CREATE_SESSION, nfsv4.NFS4ERR_NOSPC), args: []string{"--nfs-version", "4.1"}, step: "create session", cause: "CREATE_SESSION: NFS4ERR_NOSPC (28)",
			look: "room for another client", alert: "clp_nfsmon: CREATE_SESSION: NFS4ERR_NOSPC"},
		"lookup": {spoil: op(nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_NOENT), args: []string{"--nfs-version", "4.1"}, step: "lookup", cause: "LOOKUP: NFS4ERR_NOENT (2)",
			look: "--nfs4-path", alert: "clp_nfsmon: LOOKUP: NFS4ERR_NOENT"},
		"wrong security": {spoil: op(nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_WRONGSEC), args: []string{"--nfs-version", "4.0"}, step: "lookup", cause: "export requires Kerberos",
			look: "sec=", alert: "clp_nfsmon: mount error(export requires Kerberos)"},
		"getattr, version 4": {spoil: op(nfsv4.OP_GETATTR, nfsv4.NFS4ERR_IO), args: []string{"--nfs-version", "4.2"}, step: "getattr", cause: "GETATTR: NFS4ERR_IO (5)",
			look: "dmesg", alert: "clp_nfsmon: GETATTR: NFS4ERR_IO"},
		"access, version 4": {spoil: op(nfsv4.OP_ACCESS, nfsv4.NFS4ERR_ACCESS), args: []string{"--nfs-version", "4.0"}, step: "access", cause: "ACCESS: NFS4ERR_ACCESS (13)",
			look: "exportfs -v", alert: "clp_nfsmon: ACCESS: NFS4ERR_ACCESS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hostile(t, network)
			if c.spoil != nil {
				c.spoil(h)
			}
			args := append([]string{"-d", "/export"}, c.args...)
			if !strings.Contains(strings.Join(args, " "), " -a ") {
				args = append(args, "-a", h.Address)
			}
			l := newLab(t, network)
			forms := l.CheckFails(cmdtest.Broken{Step: c.step, Cause: c.cause, Look: c.look, Alert: "0 " + c.alert}, args...)
			if want := "ERROR 0 " + c.alert + " ERROR 66 The clp_nfsmon has detected an error in NFS. ERROR 6 The clp_nfsmon will terminate."; !strings.Contains(cmdtest.Flat(forms[0].Output()), want) {
				t.Errorf("%q is missing:\n%s", want, forms[0].Output())
			}
		})
	}
}

func TestCheckForNagios(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	h := hostile(t, network)
	p := newLab(t, network).Check("-a", h.Address, "-d", "/export", "--exit-style", "nagios")
	p.Exits(0)
	want := `^FSMON OK - ` + regexp.QuoteMeta(h.Address) + `:/export is healthy, \d+\.\d ms \| time=\d+\.\d{6}s;;;0;60 port_map=.*s;;;0; mount_connect=.* unmount=\d+\.\d{6}s;;;0;\n$`
	if !regexp.MustCompile(want).MatchString(p.Output()) {
		t.Errorf("%q", p.Output())
	}
}

// A want of this machine is not the server's failure: exit 4.
func TestCheckWithoutDescriptors(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	h := hostile(t, network)
	p := newLab(t, network).CheckStarved("-a", h.Address, "-d", "/export", "--nfs-version", "4")
	p.Exits(4)
	for _, want := range []string{"EMFILE (errno 24)", "ulimit -n", "exit code 4", "ERROR 42 The clp_nfsmon has detected system error (socket 24)."} {
		if !strings.Contains(cmdtest.Flat(p.Output()), want) {
			t.Errorf("%q is missing:\n%s%s", want, p.Output(), p.Errors())
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"

	"fsmon/nfsprobe"
)

// The errors that RFC 1813 lists for MNT (5.2.1), and for GETATTR and ACCESS
// (3.3.1, 3.3.4) with those that servers send besides.
const (
	mount3 = "PERM NOENT IO ACCES NOTDIR INVAL NAMETOOLONG NOTSUPP SERVERFAULT"
	nfs3   = "IO STALE BADHANDLE SERVERFAULT JUKEBOX PERM ACCES NOENT NOTDIR INVAL NXIO NODEV " +
		"ROFS NOSPC DQUOT NAMETOOLONG NOTSUPP"
)

// nfs4 is what RFC 8881 15.2 lists for the operations of a probe, and RFC 7530
// 13.2 besides.
var nfs4 = map[string]string{
	"COMPOUND": "MINOR_VERS_MISMATCH RESOURCE NOTSUPP OP_ILLEGAL BADXDR INVAL SERVERFAULT",
	"EXCHANGE_ID": "BADCHAR BADXDR CLID_INUSE DEADSESSION DELAY ENCR_ALG_UNSUPP " +
		"HASH_ALG_UNSUPP INVAL NOENT NOT_ONLY_OP NOT_SAME OP_NOT_IN_SESSION PERM REP_TOO_BIG " +
		"REP_TOO_BIG_TO_CACHE REQ_TOO_BIG RETRY_UNCACHED_REP SERVERFAULT TOO_MANY_OPS",
	"CREATE_SESSION": "BADXDR CLID_INUSE DEADSESSION DELAY INVAL NOENT NOT_ONLY_OP NOSPC " +
		"OP_NOT_IN_SESSION REP_TOO_BIG REP_TOO_BIG_TO_CACHE REQ_TOO_BIG RETRY_UNCACHED_REP " +
		"SEQ_MISORDERED SERVERFAULT STALE_CLIENTID TOOSMALL TOO_MANY_OPS WRONG_CRED",
	"SEQUENCE": "BADSESSION BADSLOT BADXDR BAD_HIGH_SLOT CONN_NOT_BOUND_TO_SESSION " +
		"DEADSESSION DELAY REP_TOO_BIG REP_TOO_BIG_TO_CACHE REQ_TOO_BIG RETRY_UNCACHED_REP " +
		"SEQUENCE_POS SEQ_FALSE_RETRY SEQ_MISORDERED TOO_MANY_OPS",
	"PUTROOTFH": "DEADSESSION DELAY OP_NOT_IN_SESSION REP_TOO_BIG REQ_TOO_BIG " +
		"RETRY_UNCACHED_REP SERVERFAULT TOO_MANY_OPS RESOURCE",
	"PUTFH": "BADHANDLE BADXDR DEADSESSION DELAY MOVED OP_NOT_IN_SESSION SERVERFAULT " +
		"STALE TOO_MANY_OPS FHEXPIRED",
	"LOOKUP": "ACCESS BADCHAR BADNAME BADXDR DEADSESSION DELAY FHEXPIRED GRACE INVAL IO " +
		"MOVED NAMETOOLONG NOENT NOFILEHANDLE NOTDIR OP_NOT_IN_SESSION PERM RESOURCE SERVERFAULT " +
		"STALE SYMLINK TOO_MANY_OPS WRONGSEC",
	"GETFH": "FHEXPIRED MOVED NOFILEHANDLE OP_NOT_IN_SESSION STALE BADHANDLE RESOURCE " +
		"SERVERFAULT",
	"GETATTR": "ACCESS BADXDR DEADSESSION DELAY FHEXPIRED GRACE INVAL IO MOVED " +
		"NOFILEHANDLE OP_NOT_IN_SESSION SERVERFAULT STALE TOO_MANY_OPS WRONG_TYPE",
	"ACCESS": "ACCESS BADXDR DEADSESSION DELAY FHEXPIRED INVAL IO MOVED NOFILEHANDLE " +
		"OP_NOT_IN_SESSION SERVERFAULT STALE TOO_MANY_OPS",
}

// numbers turns the names of a table of the library round.
func numbers[N ~int32](names map[N]string) map[string]uint32 {
	all := map[string]uint32{}
	for n, name := range names {
		all[name] = uint32(n)
	}
	return all
}

// Every status that a probe can meet has its name and number, and a text that
// says what to look at or to do.
func TestEveryStatusIsExplained(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	check := func(step nfsprobe.Step, err error, prefix, short string, code uint32) {
		t.Helper()
		e := (&flags{}).diagnose(&nfsprobe.Error{Step: step, Err: err})
		if !strings.HasSuffix(e.Name, prefix+short) || e.Code != fmt.Sprint(code) ||
			e.Step != step.String() {
			t.Errorf("%s%s: %+v", prefix, short, e)
		}
		names := false
		for _, hint := range []string{"look at", "look whether", "give", "try another",
			"check again"} {
			names = names || strings.Contains(strings.ToLower(e.Look), hint)
		}
		if strings.HasPrefix(e.Look, lookUnknown[:40]) ||
			!names && !strings.Contains(e.Look, "With a larger -r") ||
			!strings.HasSuffix(strings.TrimRight(e.Look, "?)"), ".") &&
				!strings.HasSuffix(e.Look, "?") {
			t.Errorf("%s%s: %q", prefix, short, e.Look)
		}
		used[short] = true
	}
	all := func(names map[string]uint32, prefix, list string,
		each func(code uint32) (nfsprobe.Step, error)) {
		t.Helper()
		for short := range strings.FieldsSeq(list) {
			code, known := names[prefix+short]
			if !known {
				t.Errorf("there is no %s%s", prefix, short)
				continue
			}
			step, err := each(code)
			check(step, err, prefix, short, code)
		}
	}
	all(numbers(mount.Mountstat3_name), "MNT3ERR_", mount3,
		func(code uint32) (nfsprobe.Step, error) {
			return nfsprobe.Mount, nfsprobe.MountStatus(code)
		})
	all(numbers(nfsv3.Nfsstat3_name), "NFS3ERR_", nfs3, func(code uint32) (nfsprobe.Step, error) {
		return nfsprobe.Getattr, nfsprobe.Status3(code)
	})
	for op, list := range nfs4 {
		all(numbers(nfsv4.Nfsstat4_name), "NFS4ERR_", list,
			func(code uint32) (nfsprobe.Step, error) {
				return nfsprobe.Lookup, &nfsprobe.Status4{Op: op, Code: code}
			})
	}
	for _, l := range looks {
		if !used[l.status] {
			t.Errorf("the text of %s is for nothing that a probe can meet", l.status)
		}
	}
	// And what is in no table.
	for _, err := range []error{nfsprobe.MountStatus(99), nfsprobe.Status3(99),
		&nfsprobe.Status4{Op: "LOOKUP", Code: 99999}, &nfsprobe.Status4{Op: "LOOKUP",
			Code: 10046}} {
		if e := (&flags{}).diagnose(&nfsprobe.Error{Step: nfsprobe.Mount,
			Err: err}); e.Look != lookUnknown || e.Name != err.Error() || e.Code == "" {
			t.Errorf("%v: %+v", err, e)
		}
	}
}

// What else can break a probe, each with what to look at.
func TestEveryCauseIsExplained(t *testing.T) {
	t.Parallel()
	dial := func(errno error) error {
		return &net.OpError{Op: "dial",
			Err: os.NewSyscallError("connect", errno)}
	}
	tooWeak := fmt.Errorf("%w: %w", nfsprobe.ErrKerberos,
		&nfsprobe.RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_TOOWEAK"})
	tooWeakOrPort := fmt.Errorf("%w: %w", nfsprobe.ErrPortOrKerberos,
		&nfsprobe.RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_TOOWEAK"})
	const connected, ordinary = 1, 2
	for name, c := range map[string]struct {
		step  nfsprobe.Step
		err   error
		knows int
		cause string
		look  string
		not   string // must not be said
	}{
		"Kerberos": {nfsprobe.Mount, nfsprobe.ErrKerberos, connected,
			"requires Kerberos", "sec=", "as root"},
		"too weak": {nfsprobe.Getattr, tooWeak, connected,
			"requires Kerberos", "sec=", "as root"},
		"too weak, ordinary port": {nfsprobe.Getattr, tooWeakOrPort,
			connected | ordinary, "AUTH_TOOWEAK", "run the watch as root", ""},
		"refused by MNT": {nfsprobe.Mount, nfsprobe.MountStatus(13),
			connected, "MNT3ERR_ACCES", "/etc/exports", "as root"},
		"refused by MNT, ordinary port": {nfsprobe.Mount, nfsprobe.MountStatus(13),
			connected | ordinary, "MNT3ERR_ACCES", "run the watch as root", ""},
		"hidden, ordinary port": {nfsprobe.Lookup,
			&nfsprobe.Status4{Op: "LOOKUP",
				Code: 2}, connected | ordinary, "NFS4ERR_NOENT", "run the watch as root", ""},
		"hidden": {nfsprobe.Lookup,
			&nfsprobe.Status4{Op: "LOOKUP",
				Code: 2}, connected, "NFS4ERR_NOENT", "--nfs4-path", "as root"},
		"a disk's error, ordinary port": {nfsprobe.Getattr, nfsprobe.Status3(5),
			connected | ordinary, "NFS3ERR_IO", "dmesg", "as root"},
		"a bad credential": {nfsprobe.Mount,
			&nfsprobe.RPCError{Stat: "AUTH_ERROR",
				Auth: "AUTH_BADCRED"}, connected, "AUTH_BADCRED", "sec=", "as root"},
		"a bad credential, ordinary port": {nfsprobe.Mount,
			&nfsprobe.RPCError{Stat: "AUTH_ERROR",
				Auth: "AUTH_BADCRED"}, connected | ordinary, "AUTH_BADCRED", "run the watch as root", ""},
		"a machine in no export": {nfsprobe.Null,
			&nfsprobe.RPCError{Stat: "AUTH_ERROR",
				Auth: "AUTH_BADCRED"}, connected, "AUTH_BADCRED", "in the client list of no export", ""},
		"a bad credential, its port": {nfsprobe.Mount,
			&nfsprobe.RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_BADCRED"}, connected,
			"AUTH_BADCRED", "privileged source port 812. If NAT", ""},
		"refused by MNT, its port": {nfsprobe.Mount, nfsprobe.MountStatus(13), connected,
			"MNT3ERR_ACCES", "privileged source port 812. If NAT", ""},
		"refused by version 4, its port": {nfsprobe.Lookup,
			&nfsprobe.Status4{Op: "LOOKUP", Code: 1}, connected, "NFS4ERR_PERM",
			"privileged source port 812. If NAT", ""},
		"refused by version 4, its ordinary port": {nfsprobe.Lookup,
			&nfsprobe.Status4{Op: "LOOKUP", Code: 1}, connected | ordinary, "NFS4ERR_PERM",
			"an ordinary source port (40000)", "NAT"},
		"hidden, without NAT": {nfsprobe.Lookup,
			&nfsprobe.Status4{Op: "LOOKUP", Code: 2}, connected, "NFS4ERR_NOENT", "", "NAT"},
		"TLS": {nfsprobe.Getattr, fmt.Errorf("%w: %w", nfsprobe.ErrTLS, nfsprobe.Status3(13)),
			connected, "requires TLS", "xprtsec=tls", "sec=sys"},
		"links": {nfsprobe.Lookup, nfsprobe.ErrLinks, connected, "symbolic links", "--nfs4-path", ""},
		"a file": {nfsprobe.Getattr, nfsprobe.ErrNotDirectory,
			connected, "not a directory", "-d needs the directory", ""},
		"not registered": {nfsprobe.PortMap, nfsprobe.ErrNotRegistered,
			connected, "not registered", "rpcinfo -p", ""},
		"other versions": {nfsprobe.Null,
			&nfsprobe.RPCError{Stat: "PROG_MISMATCH", Low: 3,
				High: 3}, connected, "Program/version mismatch", "--nfs-version", ""},
		"another program": {nfsprobe.Null,
			&nfsprobe.RPCError{Stat: "PROG_UNAVAIL"}, connected, "Program unavailable", "-n and --mount-port", ""},
		"the server's own trouble": {nfsprobe.Null,
			&nfsprobe.RPCError{Stat: "SYSTEM_ERR"}, connected, "Remote system error", "journalctl", ""},
		"no NFS server": {nfsprobe.Null, &nfsprobe.MalformedError{What: "x"},
			connected, "malformed answer", "-a, -n and --mount-port", ""},
		"a hung server": {nfsprobe.Mount, context.DeadlineExceeded,
			connected, "ETIMEDOUT", "it hangs", "port mapper"},
		"a hung port mapper": {nfsprobe.PortMap, context.DeadlineExceeded,
			connected, "ETIMEDOUT", "it hangs", "firewall drops"},
		"a blackholed port mapper": {nfsprobe.PortMap, context.DeadlineExceeded, 0,
			"ETIMEDOUT", "firewall drops", "it hangs"},
		"a blackholed port mapper, what to do": {nfsprobe.PortMap, context.DeadlineExceeded, 0,
			"ETIMEDOUT", "systemctl status rpcbind. Version 4 does without it", ""},
		"a dead port mapper": {nfsprobe.PortMap, dial(syscall.ECONNREFUSED), 0,
			"ECONNREFUSED", "Version 4 does without it (--nfs-version 4)", ""},
		"a host that is not there": {nfsprobe.PortMap, dial(syscall.EHOSTUNREACH), 0,
			"EHOSTUNREACH", "ip neigh", "port mapper"},
		"an unusable address": {nfsprobe.PortMap, dial(syscall.EINVAL), 0,
			"EINVAL", "fe80::1%eth0", "port mapper"},
		"a blackholed mount port": {nfsprobe.MountConnect, context.DeadlineExceeded,
			connected, "ETIMEDOUT", "firewall drops", "it hangs"},
		"a blackholed NFS port": {nfsprobe.Connect, context.DeadlineExceeded,
			connected, "ETIMEDOUT", "firewall drops", "it hangs"},
		"a name server that is silent": {nfsprobe.Resolve, context.DeadlineExceeded, 0,
			"ETIMEDOUT", "name server does not answer", ""},
		"a server that does not run": {nfsprobe.Connect, dial(syscall.ECONNREFUSED), 0,
			"ECONNREFUSED", "Nothing listens", "port mapper"},
		"a machine without descriptors": {nfsprobe.Socket, dial(syscall.EMFILE), 0, "EMFILE",
			"ulimit", ""},
		"a server that cuts a connection": {nfsprobe.Getattr,
			&net.OpError{Op: "read",
				Err: syscall.ECONNRESET}, connected, "ECONNRESET", "closed the connection", ""},
	} {
		err := &nfsprobe.Error{Step: c.step, Err: c.err, Connected: c.knows&connected != 0,
			SourcePort: map[bool]int{false: 812, true: 40000}[c.knows&ordinary != 0]}
		e := (&flags{}).diagnose(fmt.Errorf("wrapped: %w", err))
		if e.Step != c.step.String() || !strings.Contains(e.Name, c.cause) ||
			!strings.Contains(e.Look, c.look) || c.not != "" && strings.Contains(e.Look, c.not) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	// Both versions failed: the other is no way out.
	both := &nfsprobe.Error{Step: nfsprobe.PortMap, Err: dial(syscall.ECONNREFUSED),
		Other: errors.New("x")}
	if e := (&flags{}).diagnose(both); strings.Contains(e.Look, "does without") ||
		!strings.Contains(e.Look, "rpcbind") {
		t.Errorf("%+v", e)
	}
	both.Other = &nfsprobe.Error{Step: nfsprobe.Lookup,
		Err: &nfsprobe.Status4{Op: "LOOKUP", Code: 2}}
	if e := (&flags{}).diagnose(both); !strings.Contains(e.Look, "--nfs4-path") {
		t.Errorf("%+v", e)
	}
	if e := (&flags{}).diagnose(errors.New("not of a probe")); e.Look != "" || e.Step != "" {
		t.Errorf("%+v", e)
	}
}

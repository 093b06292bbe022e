package main

import (
	"errors"
	"fmt"
	"strings"

	"fsmon/cmd/internal/cli"
	"fsmon/nfsprobe"
)

const (
	lookServer = "Look at the server's log (journalctl -u nfs-server -u nfs-mountd -u rpcbind), at its memory, disks and load."
	lookExport = "Look at the server's /etc/exports and exportfs -v: is the directory exported, to this machine, and spelt as after -d?"
	lookPath4  = "In version 4 paths begin at the server's pseudo root (fsid=0), so that the directory may have another path there: give it with --nfs4-path."
	lookDisk   = "The server answers, but its disk does not do its part. On the server look at dmesg, df and the disk below the export."
	lookFailed = "The export's directory went away under the probe: unexported, unmounted, or its disk was moved. " + lookExport
)

// looks says what a status means and what to look at, by the name that the
// RFCs give it after the prefix (RFC 1813 2.6 and 5.1.5, RFC 7530 13.1, RFC 8881 15.1).
var looks = map[string]string{
	"PERM":                      "The server allows this to nobody but another user. " + lookExport,
	"ACCES":                     "The server does not export the directory to this machine, or does not know it at all. " + lookExport,
	"NOENT":                     "The server has no such directory. Look at its spelling, and whether the disk below it is mounted.",
	"NOTDIR":                    "What the path names is no directory. Look at the spelling after -d.",
	"SYMLINK":                   "The path goes through a symbolic link, which version 4 does not follow. Give the real path with --nfs4-path.",
	"IO":                        lookDisk,
	"NXIO":                      lookDisk,
	"NODEV":                     lookDisk,
	"ROFS":                      "The file system is read-only. If it should not be, look at dmesg on the server: after an error of the disk it is mounted so.",
	"NOSPC":                     "The file system is full. On the server look at df and df -i.",
	"DQUOT":                     "The quota of the probe's user is used up. On the server look at repquota.",
	"STALE":                     lookFailed,
	"BADHANDLE":                 "The server does not know a file handle that it has just given out. " + lookServer,
	"NAMETOOLONG":               "A name in the path is too long for the server. Look at the spelling after -d.",
	"INVAL":                     "The server calls the request invalid. Look at the spelling after -d. " + lookServer,
	"NOTSUPP":                   "The server does not support what the probe asked for. Try another --nfs-version.",
	"JUKEBOX":                   "The server asked to wait until the deadline had passed: it is recovering, or its disk is very slow. With a larger -r the probe waits longer.",
	"DELAY":                     "The server asked to wait until the deadline had passed: it is recovering, or its disk is very slow. With a larger -r the probe waits longer.",
	"GRACE":                     "The server is in its grace period after a start, and stayed there until the deadline. It lasts 90 seconds by default: give a larger -r, or wait.",
	"SERVERFAULT":               "The server failed in a way that has no code of its own. " + lookServer,
	"RESOURCE":                  "The server has not enough resources for the request. " + lookServer,
	"MINOR_VERS_MISMATCH":       "The server does not speak this minor version. Give another --nfs-version (4 takes the highest that it speaks).",
	"MOVED":                     "The directory has moved to another server. Watch that one.",
	"FHEXPIRED":                 lookFailed,
	"BADSESSION":                "The server dropped the session that the probe had just made: it was probably restarted at this moment. Check again.",
	"STALE_CLIENTID":            "The server forgot the client that the probe had just announced: it was probably restarted at this moment. Check again.",
	"BADNAME":                   "The server does not accept a name in the path. Look at the spelling of the path (version 4 has no ..).",
	"BADCHAR":                   "The server does not accept a character in the path. Look at the spelling of the path.",
	"TOO_MANY_OPS":              "The server accepts fewer operations in a request than the path needs. Try another --nfs-version.",
	"CONN_NOT_BOUND_TO_SESSION": "The server dropped the session that the probe had just made: it was probably restarted at this moment. Check again.",
}

const lookUnknown = "The server refused with a status that is not in this program's table: look it up in RFC 1813, 7530 or 8881. " + lookServer

// explain says what a failed probe means to an administrator.
func explain(err error) cli.Explanation {
	var probe *nfsprobe.Error
	if !errors.As(err, &probe) {
		return cli.Explanation{}
	}
	e := cause(probe)
	e.Step = probe.Step.String()
	return e
}

func cause(probe *nfsprobe.Error) cli.Explanation {
	var (
		mount     nfsprobe.MountStatus
		status3   nfsprobe.Status3
		status4   *nfsprobe.Status4
		rpc       *nfsprobe.RPCError
		malformed *nfsprobe.MalformedError
	)
	switch {
	case errors.Is(probe, nfsprobe.ErrKerberos):
		return cli.Explanation{Name: nfsprobe.ErrKerberos.Error(), Look: "The probe identifies itself with AUTH_SYS, which this export does not allow. " +
			"Add sys to its sec= (a directory of its own for the watch is enough), or watch another export of the server."}
	case errors.Is(probe, nfsprobe.ErrNotDirectory):
		return cli.Explanation{Name: nfsprobe.ErrNotDirectory.Error(), Look: "What the path names is a file. Give -d the directory that is exported."}
	case errors.Is(probe, nfsprobe.ErrNotRegistered):
		return cli.Explanation{Name: nfsprobe.ErrNotRegistered.Error(), Look: "The port mapper answers, but no NFS or mount service has announced itself to it: " +
			"it is stopped, or it serves version 4 only (--nfs-version 4). On the server look at rpcinfo -p."}
	case errors.As(probe, &mount):
		return refused(mount.Error(), uint32(mount))
	case errors.As(probe, &status3):
		return refused(status3.Error(), uint32(status3))
	case errors.As(probe, &status4):
		e := refused(status4.Error(), status4.Code)
		if _, name, _ := strings.Cut(status4.Error(), "NFS4ERR_"); name == "NOENT" {
			e.Look += " " + lookPath4
		}
		return e
	case errors.As(probe, &rpc):
		return cli.Explanation{Name: rpc.Error(), Look: rpcLook(rpc)}
	case errors.As(probe, &malformed):
		return cli.Explanation{Name: "malformed answer", Look: "What answers there is not a sound NFS server: look whether -a, -n and --mount-port name the right one, " +
			"and at what stands in between. If they do, look at the server's log for a crash."}
	}
	return network(probe)
}

// refused explains a status by the part of its name behind ERR_.
func refused(name string, code uint32) cli.Explanation {
	_, short, _ := strings.Cut(name, "ERR_")
	e := cli.Explanation{Name: name, Code: fmt.Sprint(code), Look: looks[short]}
	if e.Look == "" {
		e.Look = lookUnknown
	}
	return e
}

func rpcLook(rpc *nfsprobe.RPCError) string {
	switch {
	case rpc.Stat == "AUTH_ERROR":
		return "The server does not accept how the probe identifies itself (AUTH_SYS). Servers that export with \"secure\" want a privileged source port: " +
			"run the watch as root, without --unprivileged-port. Otherwise look at the export's sec=."
	case rpc.Stat == "PROG_MISMATCH":
		return "The server speaks other versions of NFS. On the server look at rpcinfo -p and at [nfsd] in /etc/nfs.conf, and set --nfs-version."
	case rpc.Stat == "PROG_UNAVAIL":
		return "What answers there offers no NFS (or mount) service: look whether -n and --mount-port name the right ports."
	}
	return lookServer
}

func network(probe *nfsprobe.Error) cli.Explanation {
	stage := cli.Connected
	switch probe.Step {
	case nfsprobe.Resolve:
		stage = cli.Resolving
	case nfsprobe.Socket, nfsprobe.MountConnect, nfsprobe.Connect:
		stage = cli.Connecting
	}
	e, _ := cli.ExplainNetwork(probe, stage)
	if probe.Step == nfsprobe.PortMap {
		e.Look = "This is about the port mapper (rpcbind, port 111), which version 3 needs: on the server look at systemctl status rpcbind, and at firewalls for port 111. " +
			"Version 4 does without (--nfs-version 4), version 3 with -n and --mount-port. " + e.Look
	}
	return e
}

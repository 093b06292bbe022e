package main

import "fsmon/nfsprobe"

const (
	lookServer = "Look at the server's log (journalctl -u nfs-server -u nfs-mountd -u rpcbind), " +
		"at its memory, disks and load."
	lookExport = "Look at the server's /etc/exports and exportfs -v: is the directory exported, " +
		"to this machine, and spelt as after -d?"
	lookPath4 = "In version 4 paths begin at the server's pseudo root (fsid=0), so that the " +
		"directory may have another path there: give it with --nfs4-path."
	lookDisk = "The server answers, but its disk does not do its part. On the server look at " +
		"dmesg, df and the disk below the export."
	lookGone = "The export's directory went away under the probe: unexported, unmounted, or its " +
		"disk was moved. " + lookExport
	lookBusy = "The server asked to wait until the deadline had passed: it is recovering, or its " +
		"disk is very slow. With a larger -r the probe waits longer."
	lookRestart = "The server forgot the client or session that the probe had just made: it was " +
		"probably restarted at this moment. Check again. " + lookServer
	lookWire = "The server does not accept a request that the RFCs allow: a mistake of the " +
		"server, or something in between changes what goes over the wire. Try another " +
		"--nfs-version. " + lookServer
	lookRefused = "The server does not let this machine use the directory, or does not know it " +
		"at all. " + lookExport

	// lookOrdinary goes with a refusal of whoever came from an ordinary source
	// port, lookNAT with one of whoever came from a privileged one.
	lookOrdinary = "The probe came from an ordinary source port (%d), and many servers want a " +
		"privileged one (exports with \"secure\", the default): run the watch as root, without " +
		"--unprivileged-port. "
	lookNAT = " The probe came from the privileged source port %d. If NAT stands in between, the " +
		"server may have seen an ordinary one, which exports with \"secure\" refuse: look at " +
		"ss -tn on the server."
)

// looks says what a status means and what to look at, by the name that the
// RFCs give it after the prefix (RFC 1813 2.6 and 5.1.5, RFC 7530 13.1, RFC
// 8881 15.1): all that 15.2 of the latter, and practice, lets a probe meet. (A
// map would cost each watch 24 kB.)
var looks = [...]struct{ status, look string }{
	{"PERM", lookRefused},
	{"ACCES", lookRefused},
	{"ACCESS", lookRefused},
	{"NOENT", "The server has no such directory. Look at its spelling, and whether the disk below " +
		"it is mounted."},
	{"NOTDIR", "What the path names is no directory. Look at the spelling after -d."},
	{"SYMLINK", "The path goes through a symbolic link that cannot be followed. Give the real path " +
		"with --nfs4-path."},
	{"WRONGSEC", "The server refuses how the probe identifies itself, although it offers that for " +
		"the directory, or it offers only what the probe does not know. Look at the export's sec= " +
		"in exportfs -v."},
	{"IO", lookDisk},
	{"NXIO", lookDisk},
	{"NODEV", lookDisk},
	{"ROFS", "The file system is read-only. If it should not be, look at dmesg on the server: " +
		"after an error of the disk it is mounted so."},
	{"NOSPC", "The file system is full, or the server has no room for another client. On the " +
		"server look at df, df -i and free."},
	{"DQUOT", "The quota of the probe's user is used up. On the server look at repquota."},
	{"STALE", lookGone},
	{"FHEXPIRED", lookGone},
	{"BADHANDLE", "The server does not know a file handle that it has just given out. " + lookServer},
	{"NAMETOOLONG", "A name in the path is too long for the server. Look at the spelling after -d."},
	{"INVAL", "The server calls the request invalid. Look at the spelling after -d. " + lookServer},
	{"BADNAME", "The server does not accept a name in the path. Look at the spelling of the path " +
		"(version 4 has no ..)."},
	{"BADCHAR", "The server does not accept a character in the path. Look at the spelling of the path."},
	{"NOTSUPP", "The server does not support what the probe asked for. Try another --nfs-version."},
	{"MINOR_VERS_MISMATCH", "The server does not speak this minor version. Give another " +
		"--nfs-version (4 takes the highest that it speaks)."},
	{"TOO_MANY_OPS", "The server accepts fewer operations in a request than the path needs. Try " +
		"another --nfs-version."},
	{"MOVED", "The directory has moved to another server. Look at refer= in the server's " +
		"/etc/exports, and watch the server that it names."},
	{"JUKEBOX", lookBusy},
	{"DELAY", lookBusy},
	{"GRACE", "The server is in its grace period after a start, and stayed there until the " +
		"deadline. It lasts 90 seconds by default: give a larger -r, or wait."},
	{"SERVERFAULT", "The server failed in a way that has no code of its own. " + lookServer},
	{"RESOURCE", "The server has not enough resources for the request. " + lookServer},
	{"CLID_INUSE", "The server takes the probe for another of its clients. " + lookServer},
	{"BADSESSION", lookRestart},
	{"DEADSESSION", lookRestart},
	{"STALE_CLIENTID", lookRestart},
	{"CONN_NOT_BOUND_TO_SESSION", lookRestart},
	{"BADSLOT", lookWire},
	{"BADXDR", lookWire},
	{"BAD_HIGH_SLOT", lookWire},
	{"ENCR_ALG_UNSUPP", lookWire},
	{"HASH_ALG_UNSUPP", lookWire},
	{"NOFILEHANDLE", lookWire},
	{"NOT_ONLY_OP", lookWire},
	{"NOT_SAME", lookWire},
	{"OP_ILLEGAL", lookWire},
	{"OP_NOT_IN_SESSION", lookWire},
	{"REP_TOO_BIG", lookWire},
	{"REP_TOO_BIG_TO_CACHE", lookWire},
	{"REQ_TOO_BIG", lookWire},
	{"RETRY_UNCACHED_REP", lookWire},
	{"SEQUENCE_POS", lookWire},
	{"SEQ_FALSE_RETRY", lookWire},
	{"SEQ_MISORDERED", lookWire},
	{"TOOSMALL", lookWire},
	{"WRONG_CRED", lookWire},
	{"WRONG_TYPE", lookWire},
}

// lookOf is the text of looks for a status; empty: none.
func lookOf(status string) string {
	for _, l := range looks {
		if l.status == status {
			return l.look
		}
	}
	return ""
}

// fileLooks are for the steps that open files, where a status may mean
// something else.
var fileLooks = map[nfsprobe.Step]map[string]string{
	nfsprobe.Marker:    markerLooks,
	nfsprobe.WriteTest: writeLooks,
	nfsprobe.LockTest:  {}, // all of them are lookLocks
}

var markerLooks = map[string]string{
	"NOENT": "The marker is not there. Most likely the disk that holds it is not mounted, and " +
		"its empty mount point is exported instead: on the server look at findmnt. If the disk " +
		"is there, look at the spelling after --marker.",
	"ACCES":  lookMarkerAccess,
	"ACCESS": lookMarkerAccess,
	"PERM":   lookMarkerAccess,
	"NOTDIR": "The path of the marker goes through a file. Look at the spelling after --marker.",
	"SYMLINK": "The path of the marker goes through a symbolic link, which is not followed. Give " +
		"the real one with --marker.",
	"LOCKED": "Another client has opened the marker so that nobody else may read it. Give " +
		"--marker a file that is the watch's own.",
}

var writeLooks = map[string]string{
	"NOENT": "The directory of the marker, in which the write test writes, is not there. Look at " +
		"the spelling after --marker, and at findmnt on the server.",
	"ACCES":  lookWriteAccess,
	"ACCESS": lookWriteAccess,
	"PERM":   lookWriteAccess,
	"ROFS": "The export (ro in exportfs -v) or the file system below it is read-only. If it " +
		"should not be, look at dmesg on the server: after an error of its disk a file system is " +
		"mounted so.",
	"NOSPC":    "The file system is full. On the server look at df and df -i.",
	"EXIST":    lookWriteOthers,
	"STALE":    lookWriteOthers,
	"ISDIR":    lookWriteName,
	"NOTEMPTY": lookWriteName,

	"FILE_OPEN":        lookWriteOthers,
	"SHARE_DENIED":     lookWriteOthers,
	"ADMIN_REVOKED":    lookRestart,
	"BAD_STATEID":      lookRestart,
	"EXPIRED":          lookRestart,
	"OLD_STATEID":      lookRestart,
	"STALE_STATEID":    lookRestart,
	"ATTRNOTSUPP":      lookWire,
	"BAD_SEQID":        lookWire,
	"COMPLETE_ALREADY": lookWire,
	"OPENMODE":         lookWire,
}

const (
	lookLocks = "Files open, but locks do not work: programs that lock files hang or fail. On the " +
		"server look at rpcinfo -p (version 3 needs nlockmgr 4 and status 1), at systemctl status " +
		"rpc-statd nfsdcld, and whether a firewall lets their ports through."
	lookOtherDisk = "The server is healthy, but the directory is on another file system now: on " +
		"the server look at findmnt. If that is intended, -pause and -continue make the watch " +
		"learn it."
	lookMarkerAccess = "The probe may not read the marker. The server makes root a user without " +
		"rights (root_squash, its default): look whether everybody may read the marker (chmod " +
		"a+r) and pass the directories on the way (chmod a+x)."
	lookWriteAccess = "The probe may not write there. The server makes root a user without " +
		"rights (root_squash, its default), who needs a directory it may write to: give it one " +
		"(chown nobody) with the marker in it, since the write test writes beside the marker, or " +
		"export one for the watch with no_root_squash."
	lookWriteOthers = "The write test's file was removed, or made, by somebody else again and " +
		"again. Look whether many watches or checks of the same export run on machines of the " +
		"same name."
	lookWriteName = "There is a directory of the write test's name (.fsmon-…) where it writes. " +
		"Look into it, and remove it."
)

const lookUnknown = "The server refused with a status that is not in this program's table: look " +
	"it up in RFC 1813, 7530 or 8881. " + lookServer

// causes are the errors that need no further look, each with the text of
// message 0 and with what to look at.
var causes = []struct {
	err        error
	text, look string
}{
	{nfsprobe.ErrNotFile, "", "The marker is a directory, a link or a device. Give --marker a " +
		"plain file."},
	{nfsprobe.ErrEmpty, "", "The marker has nothing in it. If it is new, write something into " +
		"it; if it had contents, the file system has lost them: look at dmesg on the server."},
	{nfsprobe.ErrReadBack, "", "Do not trust this file system with anything until you know why. " +
		lookDisk},
	{nfsprobe.ErrKerberos, "mount error(export requires Kerberos)",
		"The probe identifies itself with AUTH_SYS, which this export does not allow. Give the " +
			"watch --sec as the export's sec= has it, with --keytab, or add sys to that (a directory " +
			"of its own for the watch is enough)."},
	{nfsprobe.ErrTLS, "mount error(export requires TLS)",
		"The server refused the probe, which speaks without TLS, and offers TLS: most likely the " +
			"export has xprtsec=tls or mtls (exportfs -v). Give the watch --tls, for mtls also --tls-cert " +
			"and --tls-key."},
	{nfsprobe.ErrNoTLS, "",
		"The server answers, but not for TLS, which clients with xprtsec=tls need: on a Linux server " +
			"look at systemctl status tlshd, and whether its kernel has RPC with TLS (6.4 and later). " +
			"Or --tls is not for this server."},
	{nfsprobe.ErrCertificateExpired, "",
		"Clients that check it do not mount any more. Renew the certificate on the server and look " +
			"at what should have done so, and at the clock of this machine (timedatectl)."},
	{nfsprobe.ErrCertificateEarly, "",
		"Look at the clocks of the server and of this machine (timedatectl)."},
	{nfsprobe.ErrCertificateName, "",
		"The certificate must have the name or address after -a among its subject alternative " +
			"names; its common name does not count. Give another one with --tls-name, or issue the " +
			"certificate anew with the name of the floating address."},
	{nfsprobe.ErrCertificateIssuer, "",
		"Give the certificate of the authority, or the server's own if it signed itself, with " +
			"--tls-ca, and look whether the server sends the certificates in between."},
	{nfsprobe.ErrCertificate, "",
		"Look at the certificate with openssl x509 -text: it must be for servers (extended key " +
			"usage), and its chain be sound."},
	{nfsprobe.ErrClientCertificate, "",
		"The export most likely has xprtsec=mtls (exportfs -v). Give the watch a certificate with " +
			"--tls-cert and --tls-key."},
	{nfsprobe.ErrClientRefused, "",
		"Look at the certificate after --tls-cert (openssl x509 -text): its end, its authority, and " +
			"whether the server knows that (x509.truststore in its /etc/tlshd.conf)."},
	{nfsprobe.ErrAlert, "",
		"The server did not agree to TLS 1.3 as RFC 9289 has it. Look at its log (journalctl -u " +
			"tlshd), and whether it has a certificate and key."},
	{nfsprobe.ErrBrokenTLS, "",
		"What came is no sound TLS: look whether -a and -n name the right server, and at what stands " +
			"in between. If they do, look at the server's log (journalctl -u tlshd)."},
	{nfsprobe.ErrLinks, "mount error(Too many levels of symbolic links)",
		"The path goes through more symbolic links than a client follows, or in a circle. Give " +
			"the real path with --nfs4-path."},
	{nfsprobe.ErrNotDirectory, "mount error(Not a directory)",
		"What the path names is a file. Look at its spelling: -d needs the directory that is " +
			"exported."},
	{nfsprobe.ErrNotRegistered, "RPC: Program not registered.",
		"The port mapper answers, but no NFS or mount service of version 3 has announced itself " +
			"to it: it is stopped, or it serves version 4 only (--nfs-version 4). On the server " +
			"look at rpcinfo -p and systemctl status nfs-server."},
}

// rpcLooks are by the status of a refused call (RFC 5531 9).
var rpcLooks = map[string]string{
	"AUTH_ERROR": "Either this machine is in the client list of no export of the server, or the " +
		"export does not accept how the probe identifies itself (AUTH_SYS). Look at the client " +
		"lists and at sec= in exportfs -v, and at the server's log.",
	"PROG_MISMATCH": "The server speaks other versions of NFS. On the server look at rpcinfo -p " +
		"and at [nfsd] in /etc/nfs.conf, and set --nfs-version.",
	"PROG_UNAVAIL": "What answers there offers no NFS (or mount) service: look whether -n and " +
		"--mount-port name the right ports (on the server: rpcinfo -p).",
}

const (
	lookMalformed = "What answers there is not a sound NFS server: look whether -a, -n and " +
		"--mount-port name the right one, and at what stands in between. If they do, look at the " +
		"server's log for a crash."
	lookHangs = "The server answered everything before, which it does from memory: its disk " +
		"hangs. On the server look at dmesg, at processes in state D (ps -eo stat,wchan,cmd), " +
		"and at the disk below the export."
	lookTLS = " It was about to begin TLS: on a Linux server look at systemctl status tlshd too."

	lookPortMapper = " This is the port mapper (rpcbind, port 111), which version 3 asks for the " +
		"other ports: on the server look at systemctl status rpcbind."
	lookWithoutPortMapper = " Version 4 does without it (--nfs-version 4), and so does version 3 " +
		"with -n and --mount-port."
)

package main

import (
	"path/filepath"
	"slices"
	"strconv"
)

// way is one way to ask a server whether it is well: our steady probe as a
// watch makes it, or a program that asks once.
type way struct {
	group, name string // as the table shows them
	smb         bool   // asks Samba; otherwise NFS
	ours        bool
	plugin      bool // its exit codes are those of the Monitoring Plugins

	line  []string // command line of a program that asks once
	watch []string // our steady probe: command and options of its watch, without -i, -c and -r
	floor []string // arguments of floorMain
	// Whether the way is asked when the server has a fault, and drawn.
	faults bool
}

// The groups, in the table's order.
const (
	smbUser      = "SMB, as a user"
	smbAnonymous = "SMB, anonymous"
	nfs3         = "NFS version 3"
	nfs41        = "NFS version 4.1"
)

// floorName is the row of the floor.
const floorName = "hand-written client"

// Where Debian has the Monitoring Plugins.
const plugins = "/usr/lib/nagios/plugins/"

// allWays is what is compared. The options are what an administrator would use,
// and what a private server needs besides.
func allWays(bin string, s servers) []way {
	sambamon, nfsmon := filepath.Join(bin, "clp_sambamon"), filepath.Join(bin, "clp_nfsmon")
	address, port := s.samba.Address, strconv.Itoa(s.samba.Port)
	anonymous := []string{sambamon, "-s", "share", "-a", address, "--port", port}
	user := append(slices.Clone(anonymous), "-u", "root", "-p", "pw")
	const nfs = "127.0.0.1"
	v3 := []string{nfsmon, "-d", s.nfs.Dir(), "-a", nfs, "--nfs-version", "3"}
	v41 := []string{nfsmon, "-d", "/export", "-a", nfs, "--nfs-version", "4.1"}

	// The user % is anonymous; -N alone would first try the caller's name and
	// have it refused.
	smbclient := func(user string) []string {
		return []string{"smbclient", "//" + address + "/share", "-p", port, "-N", "-U", user,
			"--configfile=/dev/null", "-c", "exit"}
	}
	check := func(watch []string) []string {
		return append([]string{watch[0], "-check", "-r", "2"}, watch[1:]...)
	}
	all := []way{
		{group: smbUser, name: "clp_sambamon, watching", ours: true, watch: user},
		{group: smbUser, name: "clp_sambamon -check -r 2", ours: true, line: check(user)},
		{group: smbUser, name: "smbclient -c exit", line: smbclient("root%pw")},
		// It checks free space too. These thresholds keep a full disk from
		// being its answer.
		{group: smbUser, name: "check_disk_smb", plugin: true,
			line: []string{plugins + "check_disk_smb", "-H", address, "-P", port,
				"-s", "share", "-u", "root", "-p", "pw", "-w", "1k", "-c", "0k", "-C", "/dev/null"}},

		{group: smbAnonymous, name: "clp_sambamon, watching", ours: true, watch: anonymous},
		{group: smbAnonymous, name: "smbclient -c exit", line: smbclient("%")},

		{group: nfs3, name: "clp_nfsmon, watching", ours: true, watch: v3},
		{group: nfs3, name: "clp_nfsmon -check -r 2", ours: true, line: check(v3)},
		{group: nfs3, name: floorName, floor: []string{"3", nfs, s.nfs.Dir()}},
		{group: nfs3, name: "showmount -e", line: []string{"showmount", "-e", nfs}},
		{group: nfs3, name: "rpcinfo -t", line: []string{"rpcinfo", "-t", nfs, "100003", "3"}},
		{group: nfs3, name: "nfs-ls",
			line: []string{"nfs-ls", "nfs://" + nfs + s.nfs.Dir() + "?version=3"}},
		{group: nfs3, name: "check_rpc", plugin: true,
			line: []string{plugins + "check_rpc", "-H", nfs, "-C", "nfs", "-c", "3"}},

		{group: nfs41, name: "clp_nfsmon, watching", ours: true, watch: v41},
		{group: nfs41, name: "clp_nfsmon -check -r 2", ours: true, line: check(v41)},
		{group: nfs41, name: floorName, floor: []string{"4.1", nfs, "/export"}},
		{group: nfs41, name: "nfs-ls (version 4.0)",
			line: []string{"nfs-ls", "nfs://" + nfs + "/export?version=4"}},
	}
	for i := range all {
		w := &all[i]
		w.smb = w.group == smbUser || w.group == smbAnonymous
		// who logs in makes no difference to a server that does not answer
		w.faults = w.group != smbAnonymous && w.floor == nil
	}
	return all
}

package main

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/rpcv2"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
)

// mostMemory is more than a watch ever has resident, in kB, and far less than
// what a server can claim.
const mostMemory = 48 << 10

// word replaces a 32-bit word of the healthy answer. In an accepted reply the
// results begin with word 6.
func word(n int, v uint32) nfstest.Answer {
	return nfstest.Message(func(m []byte) []byte {
		binary.BigEndian.PutUint32(m[4*n:], v)
		return m
	})
}

// What a server may do to a probe: it fails with a message that says so, and
// costs no memory.
func TestHostile(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	const (
		malformed = "RPC: Can't decode result"
		reset     = "RPC: Unable to receive: errno = Connection reset by peer"
	)
	for name, c := range map[string]struct {
		proc    nfstest.Proc
		answer  nfstest.Answer
		version string
		text    string
		detail  string // its beginning
	}{
		// File handles.
		"truncated handle": {nfstest.Mnt, nfstest.Truncated(40), "3", malformed,
			"mount: malformed answer: MNT: "},
		"empty handle": {nfstest.Mnt, nfstest.Mounted(nil), "3", malformed,
			"mount: malformed answer: MNT: an empty file handle"},
		"handle of 4 GB": {nfstest.Mnt, word(7, 0xFFFFFFFF), "3", malformed,
			"mount: malformed answer: MNT: "},
		"truncated attributes": {nfstest.Getattr3, nfstest.Truncated(60), "3", malformed,
			"getattr: malformed answer: GETATTR: "},
		"truncated compound": {nfstest.Compound, nfstest.Truncated(44), "4.0", malformed,
			"lookup: malformed answer: COMPOUND: "},
		"tag of 4 GB": {nfstest.Compound, word(7, 0xFFFFFFFF), "4.1", malformed,
			"exchange id: malformed answer: COMPOUND: "},
		"4 billion results": {nfstest.Compound, word(8, 0xFFFFFFFF), "4.2", malformed,
			"exchange id: malformed answer: "},
		"address of 4 GB": {nfstest.Getport, word(6, 0xFFFFFFFF), "3",
			"RPC: Port mapper failure - " + malformed, "port map: malformed answer: GETPORT: port 4294967295"},
		"results cut off": {nfstest.Null3, nfstest.Truncated(12), "3", malformed,
			"null: malformed answer: reply: "},
		"port mapper's cut off": {nfstest.Getport, nfstest.Truncated(24), "3",
			"RPC: Port mapper failure - " + malformed, "port map: malformed answer: GETPORT: "},
		"cut off and closed": {nfstest.Mnt, nfstest.Cut(40), "3", reset, "mount: "},
		"closed instead":     {nfstest.Null4, nfstest.Close, "4.1", reset, "null: "},
		"reset instead":      {nfstest.Access3, nfstest.Reset, "3", reset, "access: "},
		"port mapper resets": {nfstest.Getport, nfstest.Reset, "3",
			"RPC: Port mapper failure - " + reset, "port map: "},
		"hangs in the last step": {nfstest.Umnt, nfstest.Hang, "3", "RPC: Timed out",
			"unmount: no answer within the deadline"},
		"hangs in the middle": {nfstest.Access3, nfstest.Mark(1<<31 | 200), "3",
			"RPC: Timed out", "access: no answer within the deadline"},
		"port mapper never ends": {nfstest.Getport, nfstest.ZeroFragments, "3",
			"RPC: Port mapper failure - " + malformed, "port map: malformed answer: a record of more than "},
		"a record of 2 GB": {nfstest.Null3, nfstest.Mark(0xFFFFFFFF), "3", malformed,
			"null: malformed answer: a record of 2147483647 bytes or more"},
		"a fragment of 2 GB": {nfstest.Compound, nfstest.Mark(0x7FFFFFFF), "4.1", malformed,
			"exchange id: malformed answer: a record of 2147483647 bytes or more"},
		"a thousand fragments": {nfstest.Mnt, nfstest.Fragmented(1000), "3", malformed,
			"mount: malformed answer: a record of more than "},
		"verifier of 4 GB": {nfstest.Getattr3, word(4, 0xFFFFFFFF), "3", malformed,
			"getattr: malformed answer: reply: "},
		"wrong xid": {nfstest.Mnt, nfstest.WrongXID, "3", malformed,
			"mount: malformed answer: a reply to call 0x"},
		"wrong xid, version 4": {nfstest.Null4, nfstest.WrongXID, "4.2", malformed,
			"null: malformed answer: a reply to call 0x"},
		"a call for an answer": {nfstest.Null3, nfstest.NotAReply, "3", malformed,
			"null: malformed answer: "},
		"denied": {nfstest.Mnt, nfstest.Denied(rpcv2.AUTH_BADCRED), "3",
			"RPC: Authentication error; why = AUTH_BADCRED", "mount: Authentication error"},
		"denied, version 4": {nfstest.Compound, nfstest.Denied(rpcv2.AUTH_REJECTEDCRED),
			"4.1", "RPC: Authentication error; why = AUTH_REJECTEDCRED", "exchange id: "},
		"denied by port mapper": {nfstest.Getport, nfstest.Denied(rpcv2.AUTH_FAILED), "3",
			"RPC: Port mapper failure - RPC: Authentication error; why = AUTH_FAILED", "port map: "},
		"too weak": {nfstest.Getattr3, nfstest.Denied(rpcv2.AUTH_TOOWEAK), "3",
			"mount error(export requires Kerberos)", "getattr: export requires Kerberos: "},
		"another RPC": {nfstest.Null3, nfstest.DeniedVersion(3, 4), "3",
			"RPC: Incompatible versions of RPC; low version = 3, high version = 4", "null: "},
		"other versions": {nfstest.Null3, nfstest.Accepted(rpcv2.PROG_MISMATCH), "3",
			"RPC: Program/version mismatch; low version = 5, high version = 7", "null: "},
		"no such program": {nfstest.Mnt, nfstest.Accepted(rpcv2.PROG_UNAVAIL), "3",
			"RPC: Program unavailable", "mount: "},
		"system error": {nfstest.Null4, nfstest.Accepted(rpcv2.SYSTEM_ERR), "4.0",
			"RPC: Remote system error", "null: "},
		"not registered": {nfstest.Getport, nfstest.Port(0), "3",
			"RPC: Program not registered.", "port map: "},
		"another port": {nfstest.Getport, nfstest.Port(9), "3",
			"RPC: Unable to receive: errno = Connection refused.", "mount connect: "},
		"no such directory": {nfstest.Mnt, nfstest.MountStatus(mount.MNT3ERR_NOENT), "3",
			"mount error(MNT3ERR_NOENT)", "mount: MNT3ERR_NOENT"},
		"MNT of a file": {nfstest.Mnt, nfstest.MountStatus(mount.MNT3ERR_NOTDIR), "3",
			"mount error(MNT3ERR_NOTDIR)", "mount: MNT3ERR_NOTDIR"},
		"a regular file": {nfstest.Getattr3, nfstest.Attributes(nfsv3.NF3REG), "3",
			"mount error(Not a directory)", "getattr: not a directory"},
		"krb5 alone in the list": {nfstest.Mnt, nfstest.Mounted([]byte("h"), 390003), "3",
			"mount error(export requires Kerberos)", "mount: export requires Kerberos"},
		"a stale handle": {nfstest.Getattr3, nfstest.GetattrStatus(nfsv3.NFS3ERR_STALE),
			"3", "GETATTR: NFS3ERR_STALE", "getattr: "},
		"ACCESS fails": {nfstest.Access3, nfstest.AccessStatus(nfsv3.NFS3ERR_IO), "3",
			"ACCESS: NFS3ERR_IO", "access: "},
		"no such minor version": {nfstest.Compound, nfstest.Minors(0), "4.1",
			"COMPOUND: NFS4ERR_MINOR_VERS_MISMATCH", "exchange id: "},
		"out of resources": {nfstest.Compound,
			nfstest.CompoundStatus(nfsv4.NFS4ERR_RESOURCE), "4.0", "COMPOUND: NFS4ERR_RESOURCE", "lookup: "},
		"both, version 3 is told": {nfstest.Mnt, nfstest.MountStatus(mount.MNT3ERR_IO), "auto",
			"mount error(MNT3ERR_IO)", "mount: MNT3ERR_IO (and with version 4, null: malformed answer: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hostile(t, network)
			h.On(c.proc, c.answer)
			if c.version == "auto" {
				h.On(nfstest.Null4, nfstest.WrongXID)
			}
			deadline := "10"
			if strings.HasSuffix(c.text, "Timed out") {
				deadline = "4"
			}
			l := newLab(t, network)
			w := l.Watch("-a", h.Address, "-d", "/export", "--nfs-version", c.version, "-i", "1",
				"-c", "2", "-r", deadline)
			w.Message(cmdtest.ProbeFailed)
			if peak := cmdtest.Peak(t, w.PID); peak > mostMemory {
				t.Errorf("%d kB have been resident", peak)
			}
			w.Exits(1)
			w.Told("started probe-failed probe-failed probe-failed rpc-failed nfs-failed terminate")
			verdict := w.Last(cmdtest.RPCFailed)
			if verdict.Text != "clp_nfsmon: "+c.text || verdict.Severity != "ERROR" ||
				!strings.HasPrefix(verdict.Detail, c.detail) {
				t.Errorf("%s %q ... %q\nwant ERROR %q ... %q", verdict.Severity, verdict.Text,
					verdict.Detail, "clp_nfsmon: "+c.text, c.detail)
			}
			cmdtest.Eventually(t, "the close of every connection",
				func() bool { return h.Open() == 0 })
		})
	}
}

// Answers that are odd and right.
func TestOdd(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	for name, c := range map[string]struct {
		proc    nfstest.Proc
		answer  nfstest.Answer
		version string
		note    string
	}{
		"in fragments": {nfstest.Mnt, nfstest.Fragmented(20), "3", "NFS version 3"},
		"in fragments, version 4": {nfstest.Compound, nfstest.Fragmented(60), "4.2",
			"NFS version 4.2"},
		"ACCESS gives nothing": {nfstest.Access3, word(8, 0), "3", "NFS version 3"},
		"4 is 4.1 there":       {nfstest.Compound, nfstest.Minors(0, 1), "4", "NFS version 4.1"},
		"4 is 4.0 there":       {nfstest.Compound, nfstest.Minors(0), "4", "NFS version 4.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hostile(t, network)
			h.On(c.proc, c.answer)
			l := newLab(t, network)
			_, stop := watching(t, l, c.note, "started watching settled", "-a", h.Address,
				"-d", "/export", "--nfs-version", c.version)
			// Asked before -stop, which may cut a probe off.
			cmdtest.Eventually(t, "a server on which nothing is left",
				func() bool { return clean(h) })
			stop()
		})
	}
}

// A server that recovers is alive: the probe waits, but not beyond its
// deadline.
func TestBusy(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	jukebox := nfstest.GetattrStatus(nfsv3.NFS3ERR_JUKEBOX)
	for name, c := range map[string]struct {
		version      string
		busy, always func(h *nfstest.Hostile)
		asked        nfstest.Proc
		text         string
	}{
		"JUKEBOX": {version: "3", asked: nfstest.Getattr3, text: "GETATTR: NFS3ERR_JUKEBOX",
			busy:   on(nfstest.Getattr3, nfstest.Times(3, jukebox, nfstest.Healthy)),
			always: on(nfstest.Getattr3, jukebox)},
		"DELAY": {version: "4.0", asked: nfstest.Compound, text: "LOOKUP: NFS4ERR_DELAY",
			busy:   op(3, nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_DELAY),
			always: op(-1, nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_DELAY)},
		"GRACE": {version: "4.1", asked: nfstest.Compound, text: "GETATTR: NFS4ERR_GRACE",
			busy:   op(3, nfsv4.OP_GETATTR, nfsv4.NFS4ERR_GRACE),
			always: op(-1, nfsv4.OP_GETATTR, nfsv4.NFS4ERR_GRACE)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hostile(t, network)
			c.busy(h)
			watched(t, newLab(t, network), "NFS version "+c.version, "started watching settled",
				"-a", h.Address, "-d", "/export", "--nfs-version", c.version)
			if h.Count(c.asked) < 4 {
				t.Errorf("it was asked %d times", h.Count(c.asked))
			}
		})
		t.Run(name+" for ever", func(t *testing.T) {
			t.Parallel()
			// On a busy machine an answer may come after the deadline of a
			// probe, and the goodbye may get none.
			for try, late := 1, true; late && try <= 5; try++ {
				h := hostile(t, network)
				c.always(h)
				w := newLab(t, network).Watch("-a", h.Address, "-d", "/export",
					"--nfs-version", c.version, "-i", "1", "-c", "1", "-r", "4")
				w.Exits(1)
				w.Told("started probe-failed probe-failed rpc-failed nfs-failed terminate")
				// the rest is for the goodbye
				w.Apart("probe-failed", "probe-failed", 3*time.Second)
				late = strings.Contains(w.Errors(), "Timed out") || !clean(h)
				if late && try < 5 {
					continue
				}
				if verdict := w.Last(cmdtest.RPCFailed); verdict.Text != "clp_nfsmon: "+c.text {
					t.Errorf("%+v, want %q", verdict, c.text)
				}
				if !clean(h) {
					t.Error("something is left on the server")
				}
			}
		})
	}
}

// clean tells that no probe has left anything on the server.
func clean(h *nfstest.Hostile) bool {
	clients, sessions := h.State()
	return h.Count(nfstest.Mnt) == h.Count(nfstest.Umnt) && clients+sessions == 0
}

// Nothing grows with the number of probes.
func TestNoGrowth(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	for _, v := range []string{"3", "4.1"} {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			h := hostile(t, network)
			l := newLab(t, network)
			w := l.Watch("-a", h.Address, "-d", "/export", "--nfs-version", v,
				"-i", "1", "-r", "10")
			last := nfstest.Umnt
			every := 1
			if v != "3" {
				last, every = nfstest.Compound, 5
			}
			probes := func(n int) {
				for h.Count(last) < n*every {
					l.Healthy()
				}
			}
			cmdtest.NoGrowth(t, w.PID, probes)
			w.Told("started watching settled")
			l.Silent("-stop")
			w.Exits(0)
		})
	}
}

package nfsprobe

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Report is what a probe learnt, up to the step at which it ended.
type Report struct {
	// Address is the address and port of the NFS server, or before that of the
	// mount service or port mapper; empty before a connection was made.
	Address   string
	Rungs     []Rung // the steps that were begun, in wire order
	Version   string // "3", "4.0", "4.1", "4.2"; empty before the server agreed to one
	MountPort int    // version 3: of the mount service; 0: not known
	NFSPort   int    // 0: not known
	Identity  string // "AUTH_SYS uid 0, privileged port 812"
	// SourcePort is the port in Identity: of the last connection to the mount
	// service or NFS server, 0 before there was one. Below 1024 it is
	// privileged.
	SourcePort int
	Warnings   []string
	// Grace: the server is healthy, but in its grace period after a restart:
	// files cannot be opened or locked yet (RFC 8881 8.4.2.1). A warning says
	// so too.
	Grace bool
	// RootID identifies the directory: its file system and its number in there,
	// as the server gives them for this Version. "": it does not, or the probe
	// did not come so far. Another one later is another disk behind the
	// directory.
	RootID string
	// NotVersion3 is why version 3 failed, an *Error, if it was tried beside
	// version 4 and version 4 was taken, for good or for now (see
	// Prober.Pinned); otherwise nil.
	NotVersion3 error
	// Wire is what the probe sent and received, up to 128 KiB in 1024 segments.
	Wire []Segment
}

func (r *Report) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

func (r *Report) warnOnce(text string) {
	if !slices.Contains(r.Warnings, text) {
		r.warn("%s", text)
	}
}

// rootID is an identity from the fsid, of which version 3 has one half, and
// fileid.
func rootID(major, minor, fileid uint64) string {
	return fmt.Sprintf("fsid %x.%x, fileid %d", major, minor, fileid)
}

// Rung is one step that was begun.
type Rung struct {
	Step Step
	// Took is how long the step took. If several calls are sent together, the
	// first has the time until its reply, and each later one only the time that
	// its reply came after the one before.
	Took   time.Duration
	Learnt string // in words; may be empty
}

// Segment is what one write sent or one read received.
type Segment struct {
	At       time.Time
	From, To netip.AddrPort
	Data     []byte
}

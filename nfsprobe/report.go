package nfsprobe

import (
	"net/netip"
	"time"
)

// Report is what a probe learnt, as far up the ladder as it came.
type Report struct {
	// the address and NFS port spoken to, or the one of the port mapper or
	// mount service before that; empty before a connection stood
	Address   string
	Rungs     []Rung // the steps that were begun, in wire order
	Version   string // "3", "4.0", "4.1", "4.2"; empty before the server agreed to one
	MountPort int    // version 3: the mount service's port; 0: not known
	NFSPort   int    // 0: not known
	Identity  string // "AUTH_SYS uid 0, privileged port 812"
	// SourcePort is the port in Identity, of the last connection to the mount
	// service or NFS server; 0 before one stood. Below 1024 it is privileged.
	SourcePort int
	Warnings   []string
	// NotVersion3 is what version 3 failed on if it was tried beside version 4
	// and that was chosen: an *Error, or nil.
	NotVersion3 error
	// Wire is what went over the probe's connections, up to 128 KiB in 1024 pieces.
	Wire []Segment
}

// Rung is one step that was begun.
type Rung struct {
	Step   Step
	Took   time.Duration
	Learnt string // in words; may be empty
}

// Segment is one piece of the wire transcript: what one write sent or one
// read received.
type Segment struct {
	At       time.Time
	From, To netip.AddrPort
	Data     []byte
}

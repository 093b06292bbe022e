package smbprobe

import (
	"fmt"
	"time"

	"fsmon/smbprobe/smb2"
)

// Report is what a probe learnt before it ended or failed.
type Report struct {
	Address string // the connection's address and port; empty without a connection
	Rungs   []Rung // the steps that were begun, in wire order

	Dialect         string // "2.0.2" to "3.1.1"; empty before the negotiate answer
	SigningRequired bool   // the server requires signing
	Encryption      string // "session" or "share", and the cipher; empty: none
	Identity        string // "anonymous", "guest", "user"; empty before a session
	Domain          string // the domain that the server belongs to; empty: none, or it does not say
	ShareType       string // "disk", "printer", "pipe", "type 0xNN"; empty before the tree connect
	// RootID tells one disk below the share from another; empty: not asked for,
	// or the server does not tell. Compare it, and show it to people.
	RootID   string
	Warnings []string

	// Wire is what the probe sent and received, in order: up to 128 KiB,
	// including what each segment itself takes. The security buffers of session
	// setup are zeroed.
	Wire []Segment
}

// Rung is one step that was begun.
type Rung struct {
	Step   Step
	Took   time.Duration // not negative; until the probe's end if no answer came
	Learnt string        // for people; may be empty
}

func (r *Report) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

func shareTypeName(kind byte) string {
	switch kind {
	case smb2.ShareTypeDisk:
		return "disk"
	case smb2.ShareTypePipe:
		return "pipe"
	case ShareTypePrinter:
		return "printer"
	}
	return fmt.Sprintf("type 0x%02X", kind)
}

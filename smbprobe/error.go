package smbprobe

import (
	"context"
	"errors"
	"fmt"
)

// Step is a rung of the probe's ladder, in wire order.
type Step int

// The steps of a probe.
const (
	Resolve        Step = iota // name to addresses
	Socket                     // this machine lacks descriptors, memory or local ports
	Connect                    // TCP connect
	Negotiate                  // MS-SMB2 3.2.4.2.2
	SessionSetup               // MS-SMB2 3.2.4.2.3
	TreeConnect                // MS-SMB2 3.2.4.2.4
	ShareType                  // the share is a disk or a printer
	Marker                     // Config.Marker is read: MS-SMB2 3.2.4.3, 3.2.4.6, 3.2.4.5
	WriteTest                  // Config.WriteTest: also MS-SMB2 3.2.4.7, 3.2.4.9, 3.2.4.10
	TreeDisconnect             // MS-SMB2 3.2.4.22
	Logoff                     // MS-SMB2 3.2.4.23
)

var stepNames = [...]string{
	"resolve", "socket", "connect", "negotiate", "session setup", "tree connect", "share type",
	"marker", "write test", "tree disconnect", "logoff",
}

func (s Step) String() string {
	if s < 0 || int(s) >= len(stepNames) {
		return fmt.Sprintf("step %d", int(s))
	}
	return stepNames[s]
}

// OpensFiles reports whether the step opens a file. A status that is refused
// there is about the file and the disk below the share.
func (s Step) OpensFiles() bool { return s == Marker || s == WriteTest }

// Error is a failed probe: the first step that failed, and why. Err is or wraps
// one of Status, *NetBIOSError, *MalformedError, *ShareTypeError, ErrSMB1Only,
// ErrReadBack, *net.DNSError, *net.OpError (Op is "dial", "read" or "write"; it
// wraps the errno), context.Canceled, or context.DeadlineExceeded for every
// kind of deadline.
type Error struct {
	Step Step
	Err  error
}

func (e *Error) Error() string { return e.Step.String() + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// errNoAnswer is context.DeadlineExceeded with a text for people.
var errNoAnswer error = noAnswer{}

type noAnswer struct{}

func (noAnswer) Error() string { return "no answer within the deadline" }
func (noAnswer) Unwrap() error { return context.DeadlineExceeded }

// ErrSMB1Only is the cause when a server answers only the old SMB1 protocol.
var ErrSMB1Only = errors.New("the server speaks SMB1 only")

// ErrReadBack is the cause when the write test read something else than it
// wrote.
var ErrReadBack = errors.New("what was read back is not what was written")

// MalformedError is an answer that no SMB server should give. What describes it
// for people.
type MalformedError struct{ What string }

func (e *MalformedError) Error() string { return "malformed answer: " + e.What }

func malformed(format string, args ...any) error {
	return &MalformedError{What: fmt.Sprintf(format, args...)}
}

// NetBIOSError is a negative session response (RFC 1002 4.3.4): the server
// refuses the whole connection before any SMB is spoken. Code is the byte that
// it sent; RFC 1002 defines 0x80 to 0x83 and 0x8F.
type NetBIOSError struct{ Code byte }

var netBIOSCodes = map[byte]string{
	0x80: "not listening on called name",
	0x81: "not listening for calling name",
	0x82: "called name not present",
	0x83: "insufficient resources",
	0x8f: "unspecified error",
}

func (e *NetBIOSError) Error() string {
	name, ok := netBIOSCodes[e.Code]
	if !ok {
		name = "unknown reason"
	}
	return fmt.Sprintf("negative session response 0x%02X (%s)", e.Code, name)
}

// ShareTypePrinter is the ShareType of a printer (MS-SMB2 2.2.10).
const ShareTypePrinter = 3

// ShareTypeError is a share that is neither a disk nor a printer, such as IPC$.
// It is also a printer when a marker or a write test needs a disk.
type ShareTypeError struct {
	Type    byte // ShareType in MS-SMB2 2.2.10; 2 is a pipe
	Visible bool // false: known only by its name, since the session is encrypted
}

func (e *ShareTypeError) Error() string {
	if e.Type == ShareTypePrinter {
		return "the share is a printer, which holds no files for a marker or a write test"
	}
	what := fmt.Sprintf("type 0x%02X", e.Type)
	if e.Type == shareTypePipe {
		what = "a pipe"
	}
	if !e.Visible {
		what += " by its name (share type not visible)"
	}
	return "the share is " + what + ", neither disk nor printer"
}

package smbprobe

import (
	"context"
	"errors"
	"fmt"

	"fsmon/smbprobe/smb2"
)

// Step is a rung of the probe's ladder, in wire order.
type Step int

// The steps of a probe.
const (
	Ticket         Step = iota // Config.Tickets: nobody has asked the server yet
	Resolve                    // name to addresses
	Socket                     // this machine lacks descriptors, memory or local ports
	Connect                    // TCP connect
	Negotiate                  // MS-SMB2 3.2.4.2.2
	SessionSetup               // MS-SMB2 3.2.4.2.3
	TreeConnect                // MS-SMB2 3.2.4.2.4
	ShareType                  // the share is a disk or a printer
	Root                       // Config.Identity: MS-SMB2 3.2.4.3, 3.2.4.8, 3.2.4.10
	Marker                     // Config.Marker is read: MS-SMB2 3.2.4.3, 3.2.4.6, 3.2.4.5
	WriteTest                  // Config.WriteTest: also MS-SMB2 3.2.4.7, 3.2.4.9, 3.2.4.16
	LockTest                   // Config.LockTest: also MS-SMB2 3.2.4.19, 3.2.4.21
	TreeDisconnect             // MS-SMB2 3.2.4.22
	Logoff                     // MS-SMB2 3.2.4.23
)

var stepNames = [...]string{
	"ticket", "resolve", "socket", "connect", "negotiate", "session setup", "tree connect",
	"share type", "root", "marker", "write test", "lock test", "tree disconnect", "logoff",
}

func (s Step) String() string {
	if s < 0 || int(s) >= len(stepNames) {
		return fmt.Sprintf("step %d", int(s))
	}
	return stepNames[s]
}

// OpensFiles reports whether the step opens a file. A status that is refused
// there is about the file and the disk below the share.
func (s Step) OpensFiles() bool { return s == Marker || s == WriteTest || s == LockTest }

// Error is a failed probe: the first step that failed, and why. At Ticket Err is
// the error of Config.Tickets. Else it is or wraps one of Status, *NetBIOSError,
// *MalformedError, *RefusedError, ErrOtherLogin, *ShareTypeError, ErrSMB1Only,
// ErrReadBack, *DFSError, *net.DNSError, *net.OpError (Op is "dial", "read" or
// "write"; it wraps the errno), context.Canceled, or context.DeadlineExceeded
// for every kind of deadline.
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

// MalformedError is an answer that no SMB server should give.
type MalformedError = smb2.MalformedError

// RefusedError is a login that the server refused with a message of the login's
// own mechanism, such as a KRB-ERROR.
type RefusedError = smb2.RefusedError

// ErrOtherLogin is the cause when a server takes other logins than the probe's.
var ErrOtherLogin = smb2.ErrOtherLogin

// NetBIOSError is a negative session response (RFC 1002 4.3.4).
type NetBIOSError = smb2.NetBIOSError

// DFSError is a share or a marker that is not on this server: a DFS link leads
// to another one (MS-DFSC 1.3).
type DFSError struct {
	Target string // \SERVER\SHARE as the server's referral has it; empty: not known
	Err    Status // what the server answered, as STATUS_PATH_NOT_COVERED
}

func (e *DFSError) Error() string {
	if e.Target == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%v: a DFS link to %s", e.Err, e.Target)
}
func (e *DFSError) Unwrap() error { return e.Err }

// ShareTypePrinter is the ShareType of a printer (MS-SMB2 2.2.10).
const ShareTypePrinter = smb2.ShareTypePrinter

// ShareTypeError is a share that is neither a disk nor a printer, such as IPC$.
// It is also a printer when a marker, a write test or a lock test needs a disk.
type ShareTypeError struct {
	Type byte // ShareType in MS-SMB2 2.2.10; 2 is a pipe
}

func (e *ShareTypeError) Error() string {
	if e.Type == ShareTypePrinter {
		return "the share is a printer, which holds no files for a marker, a write test or a lock test"
	}
	what := fmt.Sprintf("type 0x%02X", e.Type)
	if e.Type == smb2.ShareTypePipe {
		what = "a pipe"
	}
	return "the share is " + what + ", neither disk nor printer"
}

// Package smb2 is the client's side of SMB 2.0.2 to 3.1.1 as far as a probe
// needs it (MS-SMB2). A Conn sends one request at a time and reads its answer in
// the caller's goroutine. It has no goroutine and no timer of its own: the
// caller sets the connection's deadline and closes it.
package smb2

import (
	"encoding/binary"
	"fmt"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// Commands (MS-SMB2 2.2.1.2).
const (
	cmdNegotiate      = 0
	cmdSessionSetup   = 1
	cmdLogoff         = 2
	cmdTreeConnect    = 3
	cmdTreeDisconnect = 4
	cmdCreate         = 5
	cmdClose          = 6
	cmdFlush          = 7
	cmdRead           = 8
	cmdWrite          = 9
	cmdLock           = 10
	cmdIoctl          = 11
	cmdQueryInfo      = 16
	cmdSetInfo        = 17
)

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

// NameUnknown reports whether the server was called by a name that it does not
// listen on, so that another one may do.
func (e *NetBIOSError) NameUnknown() bool { return e.Code == 0x80 || e.Code == 0x82 }

func (e *NetBIOSError) Error() string {
	name := "unknown reason"
	switch e.Code {
	case 0x80:
		name = "not listening on called name"
	case 0x81:
		name = "not listening for calling name"
	case 0x82:
		name = "called name not present"
	case 0x83:
		name = "insufficient resources"
	case 0x8f:
		name = "unspecified error"
	}
	return fmt.Sprintf("negative session response 0x%02X (%s)", e.Code, name)
}

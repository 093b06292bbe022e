package nfsprobe

import (
	"fmt"
	"strconv"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// Status4 is an operation of version 4 that failed (RFC 7530 13.1, RFC 8881
// 15.1, RFC 7862 11).
type Status4 struct {
	Op   string // such as "LOOKUP"; "COMPOUND" if the server looked at no operation
	Code uint32 // nfsstat4
}

// Error is the operation and the status's name, such as "LOOKUP:
// NFS4ERR_NOENT", or its number if it has no name.
func (s *Status4) Error() string {
	if name, known := nameIn(statuses4, s.Code); known {
		return s.Op + ": NFS4ERR_" + name
	}
	return s.Op + ": " + strconv.FormatUint(uint64(s.Code), 10)
}

// Name implements Status.
func (s *Status4) Name() string { return afterPrefix(s.Error()) }

// Number implements Status.
func (s *Status4) Number() uint32 { return s.Code }

// busy reports that the server is alive and asks to try again (RFC 8881
// 15.1.1.3, 15.1.9.2).
func (s *Status4) busy() bool {
	code := nfsv4.Nfsstat4(s.Code)
	return code == nfsv4.NFS4ERR_DELAY || code == nfsv4.NFS4ERR_GRACE && !s.inGrace()
}

// inGrace reports that the server lets nobody open, lock or read a file until
// its grace period has ended (RFC 8881 8.4.2.1).
func (s *Status4) inGrace() bool {
	return nfsv4.Nfsstat4(s.Code) == nfsv4.NFS4ERR_GRACE &&
		(s.Op == "OPEN" || s.Op == "LOCK" || s.Op == "READ")
}

// opName is an operation's name in the RFCs without OP_.
func opName(op nfsv4.NfsOpnum4) string {
	if name, known := nameIn(operations4, uint32(op)); known {
		return name
	}
	return fmt.Sprintf("operation %d", op)
}

package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Step is a rung of the probe's ladder, in wire order.
type Step int

// The steps of a probe. Version 4 has no PortMap, MountConnect, Mount and
// Unmount, version 3 no ExchangeID to DestroyClientID and no Lookup.
const (
	Resolve Step = iota // name to addresses
	// socket(2), and every other want of this machine: descriptors, memory,
	// local ports
	Socket
	PortMap       // GETPORT or GETADDR, its connect included (RFC 1833)
	MountConnect  // TCP connect to the mount port
	Mount         // MNT (RFC 1813 5.2.1)
	Connect       // TCP connect to the NFS port
	Null          // NULL (RFC 1813 3.3.0, RFC 7530 15.1)
	ExchangeID    // EXCHANGE_ID (RFC 8881 18.35)
	CreateSession // CREATE_SESSION (RFC 8881 18.36)
	Lookup        // PUTROOTFH and LOOKUP of each component (RFC 7530 16.20, 16.13)
	Getattr       // GETATTR: the object is a directory
	Access        // ACCESS is answered, whatever its bits
	Marker        // the marker file is read; off unless configured
	// a small file is written, read back and removed; off unless configured
	WriteTest
	DestroySession  // DESTROY_SESSION (RFC 8881 18.37)
	DestroyClientID // DESTROY_CLIENTID (RFC 8881 18.50)
	Unmount         // UMNT (RFC 1813 5.2.3)
)

var stepNames = [...]string{
	"resolve", "socket", "port map", "mount connect", "mount", "connect", "null", "exchange id",
	"create session",
	"lookup", "getattr", "access", "marker", "write test", "destroy session",
	"destroy client id", "unmount",
}

func (s Step) String() string {
	if s < 0 || int(s) >= len(stepNames) {
		return fmt.Sprintf("step %d", int(s))
	}
	return stepNames[s]
}

// Error is a failed probe: the first step that broke, and why; Socket stands for
// whatever step this machine lacked something for. Its cause is one of *RPCError,
// *MalformedError, MountStatus, Status3, *Status4 (which names the operation),
// ErrNotRegistered, ErrNotDirectory, ErrKerberos, ErrPortOrKerberos, ErrNotFile,
// ErrEmpty, ErrReadBack, a *net.OpError (whose Op is "dial", "read" or "write" and which
// wraps the errno), a *net.DNSError, or a context error; errors.Is finds a deadline
// as context.DeadlineExceeded. At Marker and WriteTest the text names the
// procedure or operation before all of them.
type Error struct {
	Step    Step
	Version string // "3", "4.1": what was being tried; empty before that is known
	Err     error
	Other   error // auto, not pinned: what the other version failed on, for the detail

	Connected    bool // at least one connection stood before
	OrdinaryPort bool // the last one, the port mapper's aside, came from a port above 1023
}

func (e *Error) Error() string {
	text := e.Step.String() + ": " + e.Err.Error()
	if e.Other != nil {
		text += " (and with version 4, " + e.Other.Error() + ")"
	}
	return text
}
func (e *Error) Unwrap() error { return e.Err }

// errNoAnswer is context.DeadlineExceeded in words for people.
var errNoAnswer error = noAnswer{}

type noAnswer struct{}

func (noAnswer) Error() string { return "no answer within the deadline" }
func (noAnswer) Unwrap() error { return context.DeadlineExceeded }

var (
	// ErrNotRegistered is the cause when the port mapper does not know the program.
	ErrNotRegistered = errors.New("program not registered")
	// ErrNotDirectory is the cause when the export is something else than a directory.
	ErrNotDirectory = errors.New("not a directory")
	// ErrKerberos is the cause when the export cannot be used without Kerberos; the
	// answer that said so, if it was a refusal, is wrapped beside it.
	ErrKerberos = errors.New("export requires Kerberos")
	// ErrPortOrKerberos is the cause when the server answered AUTH_TOOWEAK, which is
	// wrapped beside it, to an ordinary source port: some servers (NFS-Ganesha) mean
	// the port, others Kerberos. It is not ErrKerberos.
	ErrPortOrKerberos = fmt.Errorf("a privileged source port is wanted, or the %v", ErrKerberos)
)

// Status is what a server answered instead of a result: a MountStatus, a
// Status3 or a *Status4. errors.As finds it whichever it is.
type Status interface {
	error
	// Name is the RFC's name of the status without its prefix, such as NOENT of
	// NFS3ERR_NOENT and NFS4ERR_NOENT; empty if the RFCs have none.
	Name() string
	// Number is the status as it is on the wire; never 0.
	Number() uint32
}

// statusName is the RFC's name of a status, or its number behind a prefix.
func statusName[S ~int32](names map[S]string, prefix string, number uint32) string {
	if name, ok := names[S(number)]; ok {
		return name
	}
	return prefix + strconv.FormatUint(uint64(number), 10)
}

// afterPrefix is the part of a status's name that Name returns.
func afterPrefix(name string) string {
	_, short, _ := strings.Cut(name, "ERR_")
	return short
}

// MalformedError is an answer that no server should give.
type MalformedError struct{ What string }

func (e *MalformedError) Error() string { return "malformed answer: " + e.What }

func malformed(format string, args ...any) error {
	return &MalformedError{What: fmt.Sprintf(format, args...)}
}

// unusable reports a *MalformedError.
func unusable(err error) bool {
	var bad *MalformedError
	return errors.As(err, &bad)
}

package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Step is a step of a probe. Steps are numbered in wire order.
type Step int

// The steps of a probe. Version 4 has no PortMap, MountConnect, Mount and
// Unmount; version 3 no ExchangeID, CreateSession, Lookup, DestroySession and
// DestroyClientID.
const (
	Ticket          Step = iota // Config.Ticket: nobody has asked the server yet
	Resolve                     // name to addresses
	Socket                      // whatever step this machine lacked something for
	PortMap                     // GETPORT or GETADDR, its connect included (RFC 1833)
	MountConnect                // TCP connect to the mount port
	Mount                       // MNT (RFC 1813 5.2.1)
	Connect                     // TCP connect to the NFS port
	StartTLS                    // AUTH_TLS and the handshake (RFC 9289 4.1); off unless configured
	Null                        // NULL (RFC 1813 3.3.0, RFC 7530 15.1)
	BeginContext                // RPCSEC_GSS_INIT (RFC 2203 5.2); off unless configured
	ExchangeID                  // EXCHANGE_ID (RFC 8881 18.35)
	CreateSession               // CREATE_SESSION (RFC 8881 18.36)
	Lookup                      // PUTROOTFH and LOOKUP of each name (RFC 7530 16.22, 16.13)
	Getattr                     // GETATTR: the object is a directory
	Access                      // ACCESS is answered, whatever its bits
	Marker                      // the marker file is read; off unless configured
	WriteTest                   // a file is written, read and removed; off unless configured
	LockTest                    // a lock is taken and given back; off unless configured
	DestroySession              // DESTROY_SESSION (RFC 8881 18.37)
	DestroyClientID             // DESTROY_CLIENTID (RFC 8881 18.50)
	DestroyContext              // RPCSEC_GSS_DESTROY (RFC 2203 5.4); off unless configured
	Unmount                     // UMNT (RFC 1813 5.2.3)
)

var stepNames = [...]string{
	"ticket", "resolve", "socket", "port map", "mount connect", "mount", "connect", "tls", "null",
	"security context", "exchange id", "create session",
	"lookup", "getattr", "access", "marker", "write test", "lock test",
	"destroy session", "destroy client id", "destroy context", "unmount",
}

func (s Step) String() string {
	if s < 0 || int(s) >= len(stepNames) {
		return fmt.Sprintf("step %d", int(s))
	}
	return stepNames[s]
}

// Error is a failed probe: the first step that failed, and why. Step is Socket,
// whatever the step was, if the fault is on this machine.
//
// Err is or wraps one of *RPCError, *MalformedError, *TLSError, *GSSError,
// *ProtectionError, *FlavorError, a Status (MountStatus,
// Status3, or *Status4, which names the operation), ErrNotRegistered,
// ErrNotDirectory, ErrLinks, ErrKerberos, ErrTLS, ErrPortOrKerberos, ErrNotFile, ErrEmpty,
// ErrReadBack, a *net.OpError (whose Op is "dial", "read" or "write" and which
// wraps the errno), a *net.DNSError, or a context error. errors.Is finds an
// expired deadline as context.DeadlineExceeded. At Marker, WriteTest and
// LockTest the text begins with the procedure, operation or program. At Ticket
// it is what Config.Ticket returned.
type Error struct {
	Step    Step
	Version string // the version that was tried, such as "3" or "4.1"; empty: not known yet
	Err     error
	Other   error // if both versions were tried: why version 4 failed

	Connected  bool // at least one connection was made before
	SourcePort int  // as in the Report
}

func (e *Error) Error() string {
	text := e.Step.String() + ": " + e.Err.Error()
	if e.Other != nil {
		text += " (and with version 4, " + e.Other.Error() + ")"
	}
	return text
}
func (e *Error) Unwrap() error { return e.Err }

// OrdinaryPort reports whether the source port was one that every process may
// bind, which some servers refuse.
func (e *Error) OrdinaryPort() bool { return e.SourcePort > 1023 }

// errNoAnswer is context.DeadlineExceeded with a text for people.
var errNoAnswer error = noAnswer{}

type noAnswer struct{}

func (noAnswer) Error() string { return "no answer within the deadline" }
func (noAnswer) Unwrap() error { return context.DeadlineExceeded }

var (
	// ErrNotRegistered: the port mapper does not know the program.
	ErrNotRegistered = errors.New("program not registered")
	// ErrNotDirectory: the export is not a directory.
	ErrNotDirectory = errors.New("not a directory")
	// ErrLinks: the path goes through more symbolic links than a client follows.
	ErrLinks = errors.New("too many symbolic links")
	// ErrKerberos: the export cannot be used without Kerberos. If a server's
	// refusal said so, the error wraps that too.
	ErrKerberos = errors.New("export requires Kerberos")
	// ErrTLS: the export cannot be used without TLS, as far as the server tells:
	// it refused the probe, and speaks TLS (RFC 9289). The error wraps the
	// refusal too.
	ErrTLS = errors.New("export requires TLS")
	// ErrPortOrKerberos: the server answered AUTH_TOOWEAK to an ordinary source
	// port. Some servers (NFS-Ganesha) mean the port, others Kerberos. The
	// error wraps the answer too. It is not ErrKerberos.
	ErrPortOrKerberos = fmt.Errorf("a privileged source port is wanted, or the %v", ErrKerberos)
)

// Status is what a server answered instead of a result: a MountStatus, a
// Status3 or a *Status4. errors.As finds any of them.
type Status interface {
	error
	// Name is the status's name in the RFCs without the prefix, such as NOENT
	// for NFS3ERR_NOENT and NFS4ERR_NOENT; empty if it has no name.
	Name() string
	// Number is the status as it is on the wire, never 0.
	Number() uint32
}

// statusName is a status's name in the RFCs, or prefix and number.
func statusName[S ~int32](names map[S]string, prefix string, number uint32) string {
	if name, ok := names[S(number)]; ok {
		return name
	}
	return prefix + strconv.FormatUint(uint64(number), 10)
}

// afterPrefix returns what follows ERR_ in a name.
func afterPrefix(name string) string {
	_, short, _ := strings.Cut(name, "ERR_")
	return short
}

// MalformedError is an answer that breaks the protocol. What says how.
type MalformedError struct{ What string }

func (e *MalformedError) Error() string { return "malformed answer: " + e.What }

func malformed(format string, args ...any) error {
	return &MalformedError{What: fmt.Sprintf(format, args...)}
}

// unusable reports whether err is a *MalformedError, *TLSError or
// *ProtectionError: what came, in time, leaves a connection of no further use.
func unusable(err error) bool {
	var bad *MalformedError
	var insecure *TLSError
	var unprotected *ProtectionError
	return errors.As(err, &bad) || errors.As(err, &insecure) || errors.As(err, &unprotected)
}

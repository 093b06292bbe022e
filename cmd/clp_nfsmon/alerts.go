package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"fsmon/cmd/internal/observe"
	"fsmon/nfsprobe"
)

// The messages of FSM 8.2, exact. 51 to 56 are about licences and never sent.
var (
	msgRPC       = observe.Entry{Number: 0, Severity: observe.Error, Text: "clp_nfsmon: %s"}
	msgStarted   = observe.Entry{Number: 1, Severity: observe.Info, Text: "The clp_nfsmon has started watching NFS."}
	msgWatching  = observe.Entry{Number: 2, Severity: observe.Info, Text: "The clp_nfsmon is going to watch shared directory '%s'."}
	msgStopping  = observe.Entry{Number: 3, Severity: observe.Info, Text: "The clp_nfsmon will stop watching NFS shared directory '%s'."}
	msgTerminate = observe.Entry{Number: 6, Severity: observe.Error, Text: "The clp_nfsmon will terminate."}
	msgPaused    = observe.Entry{Number: 7, Severity: observe.Info, Text: "The clp_nfsmon is going to stop monitoring."}
	msgContinued = observe.Entry{Number: 8, Severity: observe.Info, Text: "The clp_nfsmon is going to monitor."}
	msgInvalid   = observe.Entry{Number: 11, Severity: observe.Error, Text: "Invalid parameter in the clp_nfsmon."}
	msgMissing   = observe.Entry{Number: 12, Severity: observe.Error, Text: "'-d' parameter is not specified at the clp_nfsmon command."}
	msgNoID      = observe.Entry{Number: 13, Severity: observe.Error, Text: "The monitor id is not specified at the clp_nfsmon command."}
	msgInUse     = observe.Entry{Number: 14, Severity: observe.Error, Text: "The specified monitor id is already under use in other processes."}
	msgNotEnded  = observe.Entry{Number: 15, Severity: observe.Error, Text: "The clp_nfsmon has not performed end processing."}
	msgSystem    = observe.Entry{Number: 42, Severity: observe.Error, Text: "The clp_nfsmon has detected system error (%s %d)."}
	msgNoName    = observe.Entry{Number: 61, Severity: observe.Error, Text: "The clp_nfsmon could not get environment of server(error[%d]). The clp_nfsmon will terminate."}
	msgDetected  = observe.Entry{Number: 66, Severity: observe.Error, Text: "The clp_nfsmon has detected an error in NFS."}
)

// catalogue is what the shared part needs of FSM 8.2.
var catalogue = observe.Catalogue{
	Started: msgStarted, Watching: msgWatching, Stopping: msgStopping, Terminate: msgTerminate,
	Paused: msgPaused, Continued: msgContinued, Invalid: msgInvalid, Missing: msgMissing, NoID: msgNoID,
	InUse: msgInUse, NotEnded: msgNotEnded, System: msgSystem, NoName: msgNoName,
	Failure: failure,
}

// failure chooses the messages of a failed probe: a 0 that says what it was,
// and 66 (FSM 8.2; the README has the table). A want of this machine is 42, and
// the rungs that FSM does not have say of themselves what they are.
func failure(dir string, err error) observe.Failure {
	var probe *nfsprobe.Error
	switch {
	case errors.As(err, &probe) && probe.Step == nfsprobe.Socket:
		n := errno(probe, syscall.EIO)
		return local(msgSystem.Alert("socket", int(n)), fmt.Sprintf("system error (socket %d)", int(n)), err)
	case probe == nil && !errors.Is(err, context.DeadlineExceeded):
		return local(msgSystem.Alert("probe", 0), "system error", err)
	case probe != nil && probe.Step == nfsprobe.Marker:
		return rung(observe.MarkerFailed, dir, probe, err)
	case probe != nil && probe.Step == nfsprobe.WriteTest:
		return rung(observe.WriteFailed, dir, probe, err)
	}
	text := "RPC: Timed out"
	switch {
	case portOrKerberos(err):
		text = rpcText(probe)
	case probe != nil:
		text = describe(probe)
	}
	a := msgRPC.Alert(text)
	a.Detail = err.Error()
	return observe.Failure{Alerts: []observe.Alert{a, msgDetected.Alert()}, Code: text}
}

// rung is the message of a rung that opens files, instead of 0.
func rung(e observe.Entry, dir string, probe *nfsprobe.Error, err error) observe.Failure {
	text := probe.Err.Error()
	a := e.Alert(dir, text)
	a.Detail = err.Error()
	return observe.Failure{Alerts: []observe.Alert{a, msgDetected.Alert()}, Code: probe.Step.String() + ", " + text}
}

func local(a observe.Alert, code string, err error) observe.Failure {
	a.Detail = err.Error()
	return observe.Failure{Alerts: []observe.Alert{a}, Code: code, Local: true}
}

// describe says what broke in the words of the RPC library and of mount, which
// FSM's message 0 passes on.
func describe(probe *nfsprobe.Error) string {
	var (
		mount   nfsprobe.MountStatus
		status3 nfsprobe.Status3
		status4 *nfsprobe.Status4
	)
	switch {
	case errors.Is(probe, nfsprobe.ErrKerberos):
		return "mount error(export requires Kerberos)"
	case errors.Is(probe, nfsprobe.ErrNotDirectory):
		return "mount error(Not a directory)"
	case errors.As(probe, &mount):
		return "mount error(" + mount.Error() + ")"
	case errors.Is(probe, nfsprobe.ErrNotRegistered):
		return "RPC: Program not registered."
	case probe.Step == nfsprobe.PortMap:
		return "RPC: Port mapper failure - " + rpcText(probe)
	case errors.As(probe, &status3):
		return strings.ToUpper(probe.Step.String()) + ": " + status3.Error()
	case errors.As(probe, &status4):
		return status4.Error()
	}
	return rpcText(probe)
}

// rpcText is what the RPC layer would print of this error.
func rpcText(probe *nfsprobe.Error) string {
	var (
		dns       *net.DNSError
		rpc       *nfsprobe.RPCError
		malformed *nfsprobe.MalformedError
		op        *net.OpError
	)
	switch {
	case errors.Is(probe, context.DeadlineExceeded), errors.Is(probe, syscall.ETIMEDOUT), errors.As(probe, &dns) && dns.IsTimeout:
		return "RPC: Timed out"
	case probe.Step == nfsprobe.Resolve:
		return "RPC: Unknown host"
	case errors.As(probe, &rpc):
		return "RPC: " + rpc.Error()
	case errors.As(probe, &malformed):
		return "RPC: Can't decode result"
	case errors.As(probe, &op):
		return transportText(probe, op)
	}
	return "RPC: Failed (unspecified error)"
}

func transportText(probe *nfsprobe.Error, op *net.OpError) string {
	n := errno(probe, syscall.ECONNRESET)
	if op.Op == "write" {
		return "RPC: Unable to send: errno = " + strerror(n)
	}
	text := "RPC: Unable to receive: errno = " + strerror(n)
	if n == syscall.ECONNREFUSED {
		text += "." // as FSM prints it
	}
	return text
}

// strerror is the C library's text of an error number, which begins with a
// capital.
func strerror(n syscall.Errno) string {
	text := n.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// errno is the error number in err's chain. A connection that was closed was
// reset as far as the messages are concerned.
func errno(err error, without syscall.Errno) syscall.Errno {
	var n syscall.Errno
	switch {
	case errors.Is(err, io.EOF):
		return syscall.ECONNRESET
	case errors.As(err, &n):
		return n
	}
	return without
}

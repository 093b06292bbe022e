package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/observe"
	"fsmon/smbprobe"
)

// The messages of FSM 8.1, exact. 51 to 56 are about licences and never sent.
var (
	msgStarted   = observe.Entry{Number: 1, Severity: observe.Info, Text: "The clp_sambamon has started watching Samba."}
	msgWatching  = observe.Entry{Number: 2, Severity: observe.Info, Text: "The clp_sambamon is going to watch share resource [%s]."}
	msgStopping  = observe.Entry{Number: 3, Severity: observe.Info, Text: "The clp_sambamon will stop watching Samba [%s]."}
	msgTerminate = observe.Entry{Number: 6, Severity: observe.Error, Text: "The clp_sambamon will terminate."}
	msgPaused    = observe.Entry{Number: 7, Severity: observe.Info, Text: "The clp_sambamon is going to stop monitoring."}
	msgContinued = observe.Entry{Number: 8, Severity: observe.Info, Text: "The clp_sambamon is going to monitor."}
	msgInvalid   = observe.Entry{Number: 11, Severity: observe.Error, Text: "Invalid parameter in the clp_sambamon."}
	msgMissing   = observe.Entry{Number: 12, Severity: observe.Error, Text: "'-s' parameter is not specified at the clp_sambamon command."}
	msgNoID      = observe.Entry{Number: 13, Severity: observe.Error, Text: "The monitor id is not specified at the clp_sambamon command."}
	msgInUse     = observe.Entry{Number: 14, Severity: observe.Error, Text: "The specified monitor id is already under use in other processes."}
	msgNotEnded  = observe.Entry{Number: 15, Severity: observe.Error, Text: "The clp_sambamon has not performed end processing."}
	msgSystem    = observe.Entry{Number: 42, Severity: observe.Error, Text: "The clp_sambamon has detected system error (%s %d)."}
	msgNoName    = observe.Entry{Number: 61, Severity: observe.Error, Text: "The clp_sambamon could not get environment of server(error[%d]). The clp_sambamon will terminate."}
	msgTree      = observe.Entry{Number: 62, Severity: observe.Error, Text: "The clp_sambamon has detected an error in Samba [%s] (tree connect error[%d])."}
	msgShareType = observe.Entry{Number: 63, Severity: observe.Error, Text: "The clp_sambamon has detected an error in Samba [%s] (share type error)."}
	msgRefused   = observe.Entry{Number: 64, Severity: observe.Error, Text: "The clp_sambamon has detected an error in Samba [%s] (connect error[%d])."}
	msgNegotiate = observe.Entry{Number: 65, Severity: observe.Error, Text: "The clp_sambamon has detected an error in Samba [%s] (negotiate error[%d])."}
	msgSocket    = observe.Entry{Number: 71, Severity: observe.Error, Text: "The clp_sambamon has detected network error(socket error[%d])."}
	msgConnect   = observe.Entry{Number: 72, Severity: observe.Error, Text: "The clp_sambamon has detected network error(connect error[%d])."}
	msgSend      = observe.Entry{Number: 73, Severity: observe.Error, Text: "The clp_sambamon has detected network error(send error[%d])."}
	msgSelect    = observe.Entry{Number: 74, Severity: observe.Error, Text: "The clp_sambamon has detected network error(select error[%d])."}
	msgRecv      = observe.Entry{Number: 75, Severity: observe.Error, Text: "The clp_sambamon has detected network error(recv error[%d])."}
)

// catalogue is what the shared part needs of FSM 8.1.
var catalogue = observe.Catalogue{
	Started: msgStarted, Watching: msgWatching, Stopping: msgStopping, Terminate: msgTerminate,
	Paused: msgPaused, Continued: msgContinued, Invalid: msgInvalid, Missing: msgMissing, NoID: msgNoID,
	InUse: msgInUse, NotEnded: msgNotEnded, System: msgSystem, NoName: msgNoName,
	Failure: failure,
}

// Win32 codes that stand for something else than a status of the server.
const (
	win32NotSupported = 50 // ERROR_NOT_SUPPORTED
	win32BadResponse  = 58 // ERROR_BAD_NET_RESP
	win32BadData      = 23 // ERROR_CRC
)

// failure chooses the message of a failed probe (FSM 8.1; the README has the
// table).
func failure(share string, err error) observe.Failure {
	var probe *smbprobe.Error
	if !errors.As(err, &probe) {
		if errors.Is(err, context.DeadlineExceeded) {
			return network(msgSelect, "select", syscall.ETIMEDOUT, err)
		}
		f := say(msgSystem.Alert("probe", 0), "system error", err)
		f.Local = true
		return f
	}
	switch probe.Step {
	case smbprobe.Marker:
		return rung(observe.MarkerFailed, share, "marker", probe)
	case smbprobe.WriteTest:
		return rung(observe.WriteFailed, share, "write test", probe)
	}
	if f, ok := networkFailure(probe); ok {
		return f
	}
	var (
		status  smbprobe.Status
		netbios *smbprobe.NetBIOSError
		kind    *smbprobe.ShareTypeError
	)
	switch {
	case errors.As(err, &kind):
		return say(msgShareType.Alert(share), "share type error", err)
	case errors.As(err, &netbios):
		return samba(msgRefused, share, "connect", int(netbios.Code), err)
	}
	code := win32BadResponse
	switch {
	case errors.As(err, &status):
		code = status.Win32()
	case errors.Is(err, smbprobe.ErrSMB1Only):
		code = win32NotSupported
	}
	if probe.Step == smbprobe.Negotiate {
		return samba(msgNegotiate, share, "negotiate", code, err)
	}
	return samba(msgTree, share, "tree connect", code, err)
}

// rung is the message of a rung that FSM does not have. However it failed, by a
// status or by the network, it says more of the disk than of the network: everything
// before it was answered a moment ago.
func rung(e observe.Entry, share, step string, probe *smbprobe.Error) observe.Failure {
	code, name := rungCode(probe)
	return say(e.Alert(share, fmt.Sprintf("error[%d], %s", code, name)), fmt.Sprintf("%s error[%d]", step, code), probe)
}

// rungCode is the Win32 code or the errno of a failed rung, and its name.
func rungCode(probe *smbprobe.Error) (int, string) {
	var (
		status smbprobe.Status
		op     *net.OpError
	)
	switch {
	case errors.As(probe, &status):
		name, _, _ := strings.Cut(status.Error(), " (")
		if name == "NTSTATUS" { // not in the table
			name = status.Error()
		}
		return status.Win32(), name
	case errors.Is(probe, context.DeadlineExceeded):
		return int(unix.ETIMEDOUT), "ETIMEDOUT"
	case errors.Is(probe, smbprobe.ErrReadBack):
		return win32BadData, "data differ"
	case errors.As(probe, &op):
		n := errno(probe, syscall.ECONNRESET)
		return int(n), unix.ErrnoName(n)
	}
	return win32BadResponse, "malformed answer"
}

// networkFailure is the part of the table about sockets (71 to 75).
func networkFailure(probe *smbprobe.Error) (observe.Failure, bool) {
	switch probe.Step {
	case smbprobe.Resolve:
		code := syscall.EHOSTUNREACH
		var dns *net.DNSError
		if errors.Is(probe, context.DeadlineExceeded) || errors.As(probe, &dns) && dns.IsTimeout {
			code = syscall.ETIMEDOUT
		}
		return network(msgConnect, "connect", code, probe), true
	case smbprobe.Socket:
		f := network(msgSocket, "socket", errno(probe, syscall.EIO), probe)
		f.Local = true
		return f, true
	case smbprobe.Connect:
		return network(msgConnect, "connect", errno(probe, syscall.ETIMEDOUT), probe), true
	}
	if errors.Is(probe, context.DeadlineExceeded) {
		return network(msgSelect, "select", syscall.ETIMEDOUT, probe), true
	}
	var op *net.OpError
	if !errors.As(probe, &op) {
		return observe.Failure{}, false
	}
	if op.Op == "write" {
		return network(msgSend, "send", errno(probe, syscall.EPIPE), probe), true
	}
	code := errno(probe, syscall.ECONNRESET)
	if errors.Is(probe, io.EOF) {
		code = syscall.ECONNRESET
	}
	return network(msgRecv, "recv", code, probe), true
}

// errno is the error number in err's chain, or without one the given.
func errno(err error, without syscall.Errno) syscall.Errno {
	if errors.Is(err, context.DeadlineExceeded) {
		return syscall.ETIMEDOUT
	}
	var n syscall.Errno
	if errors.As(err, &n) {
		return n
	}
	return without
}

func network(e observe.Entry, call string, code syscall.Errno, err error) observe.Failure {
	return say(e.Alert(int(code)), fmt.Sprintf("%s error[%d]", call, int(code)), err)
}

func samba(e observe.Entry, share, step string, code int, err error) observe.Failure {
	return say(e.Alert(share, code), fmt.Sprintf("%s error[%d]", step, code), err)
}

func say(a observe.Alert, code string, err error) observe.Failure {
	a.Detail = err.Error()
	return observe.Failure{Alerts: []observe.Alert{a}, Code: code}
}

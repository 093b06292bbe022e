package sambamon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/cli"
	"fsmon/smbprobe"
)

// Win32 codes that stand for something else than a status of the server.
const (
	win32BadData      = 23 // ERROR_CRC
	win32NotSupported = 50 // ERROR_NOT_SUPPORTED
	win32BadResponse  = 58 // ERROR_BAD_NET_RESP
	win32LogonFailure = 1326
)

// diagnose puts a failed probe into words: its message (FSM manual 8.1; the
// table is in clp_sambamon(8)), the cause, and what to look at.
func (f *flags) diagnose(err error) cli.Diagnosis {
	var probe *smbprobe.Error
	var d cli.Diagnosis
	var a cli.Alert
	var disk *cli.DiskError
	switch {
	case errors.As(err, &disk):
		d.Brief, d.Look = "another disk", lookOtherDisk
		a = cli.OtherDisk.Alert(f.share, disk)
	case errors.As(err, &probe) && probe.Step == smbprobe.Ticket:
		d.Step = probe.Step.String()
		a = d.ExplainTicket(probe.Err, f.share)
	case errors.As(err, &probe):
		d, a = f.failedStep(probe)
		d.Class = f.classOf(probe, d.Class)
	case errors.Is(err, context.DeadlineExceeded):
		d.Brief, a = "select error[110]", msgSelect.Alert(int(unix.ETIMEDOUT))
	default:
		d.Class, d.Brief, a = cli.Local, "system error", catalogue.System.Alert("probe", 0)
	}
	a.Detail = err.Error()
	d.Alerts = []cli.Alert{a}
	return d
}

func (f *flags) failedStep(probe *smbprobe.Error) (cli.Diagnosis, cli.Alert) {
	var (
		status    smbprobe.Status
		netbios   *smbprobe.NetBIOSError
		shareType *smbprobe.ShareTypeError
		malformed *smbprobe.MalformedError
	)
	var refusal *smbprobe.RefusedError
	d := cli.Diagnosis{Step: probe.Step.String()}
	// Without another message, what the server answered is a tree connect
	// error.
	message, what, code := msgTree, "tree connect", win32BadResponse
	args := []any{f.share}
	if probe.Step == smbprobe.Negotiate {
		message, what = msgNegotiate, "negotiate"
	}
	reason := "" // for the steps that open files, where it is not d.Name
	switch {
	case errors.Is(probe, smbprobe.ErrOtherLogin):
		code = win32NotSupported
		d.Name, d.Look = smbprobe.ErrOtherLogin.Error(), lookNoNTLM
		if f.kerberos {
			d.Look = lookNoKerberos
		}
	case errors.As(probe, &status):
		code, reason = status.Win32(), cmp.Or(status.Name(), status.Error())
		f.explainStatus(&d, probe.Step, status)
		var dfs *smbprobe.DFSError
		if errors.As(probe, &dfs) && dfs.Target != "" {
			d.Look = fmt.Sprintf(lookDFSTo, dfs.Target)
		}
	case errors.As(probe, &netbios) && !probe.Step.OpensFiles():
		message, what, code = msgRefused, "connect", int(netbios.Code)
		d.Name, d.Code = "negative session response", fmt.Sprintf("0x%02X, %d", code, code)
		switch d.Look = lookTurnedAway; {
		case netbios.NameUnknown():
			d.Look = lookCalledName
		case netbios.Code == 0x83: // RFC 1002 4.3.4
			d.Look = lookResources
		}
	case errors.As(probe, &shareType):
		d.Name, d.Brief = shareType.Error(), "share type error"
		if d.Look = lookPipe; shareType.Type == smbprobe.ShareTypePrinter {
			d.Look = lookPrinter
		}
		return d, msgShareType.Alert(f.share)
	case errors.Is(probe, smbprobe.ErrReadBack):
		code, reason = win32BadData, "data differ"
		d.Name, d.Look = smbprobe.ErrReadBack.Error(), lookReadBack
	case errors.As(probe, &refusal):
		code, d.Name, d.Look = win32LogonFailure, refusal.Err.Error(), lookTicketRefused
	case errors.Is(probe, smbprobe.ErrSMB1Only):
		code = win32NotSupported
		d.Name, d.Look = smbprobe.ErrSMB1Only.Error(), lookSMB1
	case errors.As(probe, &malformed):
		d.Name, d.Look = "malformed answer", lookMalformed
	default:
		if m, call, errno := socketMessage(probe); call != "" {
			message, what, code, args = m, call, errno, nil
		}
		d.ExplainNetwork(probe, stage(probe.Step))
		if probe.Step == smbprobe.Negotiate && message == msgRecv &&
			code == int(unix.ECONNRESET) {
			d.Look = lookClosedEarly
		}
	}
	if files := fileMessages[probe.Step]; files.Number != 0 {
		if errors.Is(probe, context.DeadlineExceeded) {
			d.Look = lookHangs
			if probe.Step == smbprobe.LockTest {
				d.Look = lookLocksHang
			}
		}
		d.Brief = fmt.Sprintf("%s error[%d]", probe.Step, code)
		reason = fmt.Sprintf("error[%d], %s", code, cmp.Or(reason, d.Name, "malformed answer"))
		return d, files.Alert(f.share, reason)
	}
	if probe.Step == smbprobe.Root && errors.Is(probe, context.DeadlineExceeded) {
		d.Look = lookHangs
	}
	d.Brief = fmt.Sprintf("%s error[%d]", what, code)
	return d, message.Alert(append(args, code)...)
}

// fileMessages are for the steps that FSM does not have. However such a step
// failed, by a status or by the network, it says more of the disk than of the
// network: everything before it was answered a moment ago.
var fileMessages = map[smbprobe.Step]cli.Message{
	smbprobe.Marker:    cli.MarkerFailed,
	smbprobe.WriteTest: cli.WriteFailed,
	smbprobe.LockTest:  cli.LockFailed,
}

func stage(step smbprobe.Step) cli.Stage {
	switch step {
	case smbprobe.Resolve:
		return cli.Resolving
	case smbprobe.Socket, smbprobe.Connect:
		return cli.Connecting
	}
	return cli.Connected
}

// socketMessage is the part of the table about sockets (71 to 75): the message,
// its word for the call, and the errno. Without a word it is no error of a
// socket.
func socketMessage(probe *smbprobe.Error) (message cli.Message, call string, errno int) {
	var dns *net.DNSError
	var op *net.OpError
	timedOut := errors.Is(probe, context.DeadlineExceeded) ||
		errors.As(probe, &dns) && dns.IsTimeout
	switch {
	case probe.Step == smbprobe.Resolve && timedOut:
		return msgConnect, "connect", int(unix.ETIMEDOUT)
	case probe.Step == smbprobe.Resolve:
		return msgConnect, "connect", int(unix.EHOSTUNREACH)
	case probe.Step == smbprobe.Socket:
		return msgSocket, "socket", errnoOf(probe, unix.EIO)
	case probe.Step == smbprobe.Connect:
		return msgConnect, "connect", errnoOf(probe, unix.ETIMEDOUT)
	case timedOut:
		return msgSelect, "select", int(unix.ETIMEDOUT)
	case errors.As(probe, &op) && op.Op == "write":
		return msgSend, "send", errnoOf(probe, unix.EPIPE)
	case op != nil && errors.Is(probe, io.EOF):
		return msgRecv, "recv", int(unix.ECONNRESET)
	case op != nil:
		return msgRecv, "recv", errnoOf(probe, unix.ECONNRESET)
	}
	return cli.Message{}, "", 0
}

// errnoOf is the error number in err's chain, or without one the given.
func errnoOf(err error, without syscall.Errno) int {
	if errors.Is(err, context.DeadlineExceeded) {
		return int(unix.ETIMEDOUT)
	}
	errors.As(err, &without)
	return int(without)
}

func (f *flags) explainStatus(d *cli.Diagnosis, step smbprobe.Step, status smbprobe.Status) {
	d.Name = cmp.Or(status.Name(), "NTSTATUS")
	d.Code = fmt.Sprintf("0x%08X, Win32 %d", uint32(status), status.Win32())
	d.LogonRefused = f.user != "" && !f.kerberos && status.LogonRefused()
	denied := status == smbprobe.StatusAccessDenied
	switch {
	case step.OpensFiles(): // whoever it is has been let in
		d.Look = cmp.Or(fileLooks[step][status], fileLooks[f.locked(step)][status],
			diskLooks[status], looks[status], lookUnknown)
	case f.kerberos && step == smbprobe.SessionSetup && (denied || status.LogonRefused()):
		d.Look = lookUserRefused
		if status == logonFailure {
			d.Look = lookTicketRefused
		}
	case f.user == "" && !f.kerberos && (denied || status.LogonRefused()):
		d.Look = deniedAnonymous
	case denied && step == smbprobe.SessionSetup:
		d.Look = deniedLogon
	default:
		d.Look = cmp.Or(looks[status], lookUnknown)
		if d.Look == lookPassword && f.noPassword {
			d.Look = lookNoPassword + d.Look
		}
	}
}

// locked is the step that uses the same file as the lock test; other steps have
// none.
func (f *flags) locked(step smbprobe.Step) smbprobe.Step {
	switch {
	case step != smbprobe.LockTest:
		return step
	case f.marker != "":
		return smbprobe.Marker
	}
	return smbprobe.WriteTest
}

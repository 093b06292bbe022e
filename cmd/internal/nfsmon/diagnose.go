package nfsmon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"fsmon/cmd/internal/cli"
	"fsmon/nfsprobe"
)

// diagnose puts a failed probe into words: its messages (a 0 that says what it
// was, and 66; FSM manual 8.2, the table is in clp_nfsmon(8)), the cause, and
// what to look at.
func (f *flags) diagnose(err error) cli.Diagnosis {
	var probe *nfsprobe.Error
	var d cli.Diagnosis
	var a cli.Alert
	var grace *cli.GraceError
	var disk *cli.DiskError
	switch {
	case errors.As(err, &disk):
		d.Brief, a = "another disk", cli.OtherDisk.Alert(f.dir, disk)
		d.Look = lookOtherDisk
	case errors.As(err, &grace):
		d.Brief, a = "still in grace", cli.GraceFailed.Alert(f.dir, grace.Limit)
	case errors.As(err, &probe) && probe.Step == nfsprobe.Ticket:
		d.Step = probe.Step.String()
		a = d.ExplainTicket(probe.Err, f.dir)
	case errors.As(err, &probe):
		d, a = f.failedStep(probe)
		d.Class = classOf(probe, d.Class)
	case errors.Is(err, context.DeadlineExceeded):
		d.Brief, a = timedOut, msgRPC.Alert(timedOut)
	default:
		d.Class, d.Brief, a = cli.Local, "system error", catalogue.System.Alert("probe", 0)
	}
	a.Detail = err.Error()
	d.Alerts = []cli.Alert{a}
	if d.Class != cli.Local {
		d.Alerts = append(d.Alerts, msgDetected.Alert())
	}
	return d
}

const timedOut = "RPC: Timed out"

// failedStep returns the diagnosis of a failed step, and its first message.
func (f *flags) failedStep(probe *nfsprobe.Error) (cli.Diagnosis, cli.Alert) {
	d := cli.Diagnosis{Step: probe.Step.String()}
	d.Brief = f.explain(&d, probe)
	var insecure *nfsprobe.TLSError
	if errors.As(probe, &insecure) {
		d.Brief = "TLS, " + insecure.Error()
		return d, cli.TLSFailed.Alert(f.dir, insecure)
	}
	switch probe.Step {
	case nfsprobe.Socket: // this machine lacked something
		n := int(errnoOf(probe, syscall.EIO))
		d.Brief = fmt.Sprintf("system error (socket %d)", n)
		return d, catalogue.System.Alert("socket", n)
	case nfsprobe.Marker, nfsprobe.WriteTest, nfsprobe.LockTest: // FSM does not have them
		message := cli.MarkerFailed
		switch probe.Step {
		case nfsprobe.WriteTest:
			message = cli.WriteFailed
		case nfsprobe.LockTest:
			message, d.Look = cli.LockFailed, lookLocks
		}
		text := probe.Err.Error()
		d.Brief = d.Step + ", " + text
		return d, message.Alert(f.dir, text)
	}
	return d, msgRPC.Alert(d.Brief)
}

// explain fills in the cause and what to look at. It returns the failure in the
// words of the RPC library and of mount, which message 0 passes on.
func (f *flags) explain(d *cli.Diagnosis, probe *nfsprobe.Error) (text string) {
	if text, ok := f.explainSecurity(d, probe); ok {
		return text
	}
	for _, c := range causes {
		if errors.Is(probe, c.err) {
			d.Name, d.Look = c.err.Error(), c.look
			return c.text
		}
	}
	var (
		status    nfsprobe.Status
		rpc       *nfsprobe.RPCError
		malformed *nfsprobe.MalformedError
	)
	text = rpcText(probe)
	if probe.Step == nfsprobe.PortMap {
		text = "RPC: Port mapper failure - " + text
	}
	switch {
	case errors.As(probe, &status):
		explainStatus(d, probe, status)
		if f.usesKerberos() && fileLooks[probe.Step] != nil &&
			slices.Contains([]string{"PERM", "ACCES", "ACCESS"}, status.Name()) {
			d.Look = lookKerberosUser
		}
		text = status.Error()
		switch status.(type) {
		case nfsprobe.MountStatus:
			text = "mount error(" + text + ")"
		case nfsprobe.Status3:
			text = strings.ToUpper(d.Step) + ": " + text
		}
	case errors.As(probe, &rpc) && errors.Is(probe, nfsprobe.ErrPortOrKerberos):
		d.Name = rpc.Error()
		d.Look = lookPort(probe) + "If root's watch fails too, the export requires Kerberos: add sys to " +
			"its sec=."
	case errors.As(probe, &rpc):
		d.Name, d.Look = rpc.Error(), cmp.Or(rpcLooks[rpc.Stat], lookServer)
		if rpc.Stat == "AUTH_ERROR" {
			d.Look = withPort(probe, d.Look)
		}
	case errors.As(probe, &malformed):
		d.Name, d.Look = "malformed answer", lookMalformed
	default:
		explainNetwork(d, probe)
	}
	return text
}

// explainStatus explains a status by the name that the RFCs give it.
func explainStatus(d *cli.Diagnosis, probe *nfsprobe.Error, status nfsprobe.Status) {
	name := status.Name()
	d.Name, d.Code = status.Error(), fmt.Sprint(status.Number())
	if d.Look = fileLooks[probe.Step][name]; d.Look == "" {
		d.Look = cmp.Or(lookOf(name), lookUnknown)
		switch name {
		case "PERM", "ACCES", "ACCESS":
			d.Look = withPort(probe, d.Look)
		case "NOENT":
			// What a server hides from ordinary ports is not there for them
			// (NFS-Ganesha, version 4).
			if probe.OrdinaryPort() {
				d.Look = withPort(probe, d.Look)
			}
		}
	}
	if _, v4 := status.(*nfsprobe.Status4); v4 && name == "NOENT" && fileLooks[probe.Step] == nil {
		d.Look += " " + lookPath4
	}
}

// withPort adds to what may have been refused because of the source port: the
// port that was used.
func withPort(probe *nfsprobe.Error, look string) string {
	switch {
	case probe.OrdinaryPort():
		return lookPort(probe) + look
	case probe.SourcePort > 0:
		return look + fmt.Sprintf(lookNAT, probe.SourcePort)
	}
	return look
}

func lookPort(probe *nfsprobe.Error) string { return fmt.Sprintf(lookOrdinary, probe.SourcePort) }

func explainNetwork(d *cli.Diagnosis, probe *nfsprobe.Error) {
	stage := cli.Connected
	switch probe.Step {
	case nfsprobe.Resolve:
		stage = cli.Resolving
	case nfsprobe.Socket, nfsprobe.MountConnect, nfsprobe.Connect:
		stage = cli.Connecting
	case nfsprobe.PortMap: // its connect included
		if !probe.Connected {
			stage = cli.Connecting
		}
	}
	d.ExplainNetwork(probe, stage)
	switch probe.Step {
	case nfsprobe.StartTLS:
		d.Look += lookTLS
	case nfsprobe.BeginContext:
		d.Look += lookNoHelper
	}
	silent := d.Name == "ETIMEDOUT"
	if silent && fileLooks[probe.Step] != nil {
		d.Look = lookHangs
	}
	if probe.Step == nfsprobe.PortMap &&
		(probe.Connected || silent || errors.Is(probe, syscall.ECONNREFUSED)) {
		d.Look += lookPortMapper
		if probe.Other == nil { // else version 4 was tried, and failed too
			d.Look += lookWithoutPortMapper
		}
	}
	var other *nfsprobe.Status4
	if errors.As(probe.Other, &other) && other.Name() == "NOENT" {
		d.Look += " " + lookPath4
	}
}

// rpcText is what the RPC library would print of this error.
func rpcText(probe *nfsprobe.Error) string {
	var (
		dns       *net.DNSError
		rpc       *nfsprobe.RPCError
		malformed *nfsprobe.MalformedError
		op        *net.OpError
	)
	switch {
	case errors.Is(probe, context.DeadlineExceeded), errors.Is(probe, syscall.ETIMEDOUT),
		errors.As(probe, &dns) && dns.IsTimeout:
		return timedOut
	case probe.Step == nfsprobe.Resolve:
		return "RPC: Unknown host"
	case errors.As(probe, &rpc):
		return "RPC: " + rpc.Error()
	case errors.As(probe, &malformed):
		return "RPC: Can't decode result"
	case !errors.As(probe, &op):
		return "RPC: Failed (unspecified error)"
	}
	n := errnoOf(probe, syscall.ECONNRESET)
	switch {
	case op.Op == "write":
		return "RPC: Unable to send: errno = " + strerror(n)
	case n == syscall.ECONNREFUSED: // with a full stop, as FSM prints it
		return "RPC: Unable to receive: errno = " + strerror(n) + "."
	}
	return "RPC: Unable to receive: errno = " + strerror(n)
}

// strerror is the C library's text of an error number, which begins with a
// capital.
func strerror(n syscall.Errno) string {
	text := n.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// errnoOf is the error number in err's chain, or without one the given. A
// connection that was closed was reset as far as the messages are concerned.
func errnoOf(err error, without syscall.Errno) syscall.Errno {
	if errors.Is(err, io.EOF) {
		return syscall.ECONNRESET
	}
	errors.As(err, &without)
	return without
}

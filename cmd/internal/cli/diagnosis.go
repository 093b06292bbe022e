package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/watch"
)

// Diagnosis is a failed probe in words: what a watch sends, and what -check
// shows.
type Diagnosis struct {
	Alerts []Alert // at the verdict, before message 6; at least one
	Brief  string  // for the message about one failed probe: "select error[110]"
	Class  Class   // empty: Server

	Step string // the rung that broke, as the report names it: "session setup"
	// Name is the cause as the manuals spell it: "STATUS_LOGON_FAILURE",
	// "ECONNREFUSED". Code is its number in the forms that logs and manuals
	// use: "0xC000006D, Win32 1326", "errno 111". Either may be empty.
	Name, Code string
	Look       string // one or two sentences: what it means, and what to look at

	// LogonRefused: the server refused the password. Lockout policies count
	// that.
	LogonRefused bool
}

// failoverHelps says for each class whether a failover would help.
var failoverHelps = map[Class]string{
	watch.Server:  "a failover should help",
	watch.Path:    "a failover helps if the other node is reached in another way",
	watch.Account: "a failover would not help, since the other node would refuse this user too",
	watch.Access:  "a failover would not help, since the other node would refuse this watch too",
	watch.KDC:     "a failover would not help, since the other node would get no ticket either",
	watch.Local:   "a failover of the file server would not help",
}

// classInWords is the class and what it means.
func (d *Diagnosis) classInWords() string {
	return fmt.Sprintf("%s: %s", d.Class, failoverHelps[d.Class])
}

// Stage is how far a connection had come when the network failed it: the same
// error number means different things.
type Stage int

// The stages of a connection.
const (
	Resolving  Stage = iota // the name of the server is looked up
	Connecting              // there is no TCP connection yet
	Connected               // a request is under way
)

const (
	lookClosed = "The server closed the connection: " +
		"its process ended, or it turns this client away. " +
		"Look at the server's log and for crashes; a firewall that cuts connections looks the same."
	lookNoConnection = "Nothing answers on the network. " +
		"The host is down, nobody has this address, or a firewall drops the packets: " +
		"try ping, and look at the firewalls on the way for this port."
	lookNoDescriptors = "This machine has no file descriptors left, " +
		"so nothing is known about the server. Look at ulimit -n and /proc/sys/fs/file-nr."
	lookNoMemory = "This machine has no memory left for a socket, " +
		"so nothing is known about the server. Look at free and dmesg."
	lookForbidden = "A packet filter or security module of this machine forbids the connection. " +
		"Look at nft list ruleset (or iptables -S OUTPUT) and at the audit log."
	lookNoFamily = "This machine cannot speak to this kind of address " +
		"(IPv6 may be switched off). Give -a an address of the other kind."
)

// errnoLooks says what an error number of a socket means, while connecting or
// later.
var errnoLooks = map[syscall.Errno]string{
	unix.ECONNREFUSED: "Nothing listens on this address and port. " +
		"Does the server run, and does it listen there (ss -ltn on the server)? " +
		"A firewall that rejects looks the same.",
	unix.EHOSTUNREACH: "The host cannot be reached: " +
		"it is down, or it is not where this machine looks for it. " +
		"Try ping, and look at ip neigh, ip route and the firewalls on the way.",
	unix.ENETUNREACH: "This machine has no way to that network. " +
		"Look at ip route and at the interface it should use.",
	unix.ENETDOWN:        "The network interface of this machine is down. Look at ip link.",
	unix.ETIMEDOUT:       lookNoConnection,
	unix.ECONNRESET:      lookClosed,
	unix.ECONNABORTED:    lookClosed,
	unix.EPIPE:           lookClosed,
	unix.EMFILE:          lookNoDescriptors,
	unix.ENFILE:          lookNoDescriptors,
	unix.ENOMEM:          lookNoMemory,
	unix.ENOBUFS:         lookNoMemory,
	unix.EACCES:          lookForbidden,
	unix.EPERM:           lookForbidden,
	unix.EAFNOSUPPORT:    lookNoFamily,
	unix.EPROTONOSUPPORT: lookNoFamily,
	unix.EADDRINUSE: "The source ports that the server wants are all taken on this machine, " +
		"so nothing is known about the server. Look at ss -tan for who has those below 1024.",
	unix.EADDRNOTAVAIL: "This machine has no local port or address left for the connection. " +
		"Look at ss -s (many in timewait?), at net.ipv4.ip_local_port_range, " +
		"and whether the interface has an address.",
	unix.EINVAL: "This machine cannot use the address. " +
		"An IPv6 address that begins with fe80 needs its interface: -a fe80::1%eth0.",
}

// pathErrnos are of class Path. What this machine lacks is found by the step.
var pathErrnos = []syscall.Errno{
	unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENETDOWN, unix.EACCES, unix.EPERM,
	unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.EINVAL,
}

// ExplainNetwork fills in Class, Name, Code and Look for what sockets, name servers
// and deadlines answer. It returns false, and changes nothing, when err is none
// of these.
func (d *Diagnosis) ExplainNetwork(err error, at Stage) bool {
	var dns *net.DNSError
	var errno syscall.Errno
	switch {
	case isTimeout(err) || errors.As(err, &dns) && dns.IsTimeout:
		d.explainErrno(unix.ETIMEDOUT)
		switch at {
		case Resolving:
			d.Class = Path
			d.Look = "The name server does not answer. Look at /etc/resolv.conf and the network, " +
				"or give -a an IP address: then no name server is needed."
		case Connected:
			d.Look = "TCP connects, but the server does not answer: it hangs. " +
				"On the server look for processes in state D (ps -eo pid,stat,wchan:30,comm), " +
				"at its disks and at its load. For a server that is merely slow, -r can be larger."
		}
	case errors.As(err, &dns) && dns.IsNotFound:
		d.Class, d.Name, d.Code = Path, "host name not found", ""
		d.Look = "This machine cannot resolve the name. " +
			"Look at its spelling, at /etc/hosts and at the name server, or give -a an IP address."
	case errors.As(err, &dns):
		d.Class, d.Name, d.Code = Path, "name server failure", ""
		d.Look = "The name server could not answer (" + dns.Err + "). " +
			"Look at /etc/resolv.conf and at the name server, or give -a an IP address."
	case errors.As(err, &errno):
		d.explainErrno(errno)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		d.explainErrno(unix.ECONNRESET)
	default:
		return false
	}
	return true
}

// isTimeout reports a deadline of this program, not the kernel's ETIMEDOUT.
func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

func (d *Diagnosis) explainErrno(n syscall.Errno) {
	if d.Class = Server; slices.Contains(pathErrnos, n) {
		d.Class = Path
	}
	d.Name, d.Code = unix.ErrnoName(n), fmt.Sprintf("errno %d", int(n))
	if d.Look = errnoLooks[n]; d.Look == "" {
		d.Look = "The network of this machine or the way to the server fails " +
			"in an unusual manner (" + n.Error() + "). Look at dmesg and at the server's log."
	}
}

// explain is Diagnose with what is the same for both commands.
func (s Service) explain(err error) Diagnosis {
	if err == watch.ErrDrill {
		return Diagnosis{Alerts: []Alert{drill.Alert()}, Class: Server}
	}
	d := s.Diagnose(err)
	d.Class = cmp.Or(d.Class, Server)
	d.Alerts[0].Detail = strings.TrimPrefix(d.Alerts[0].Detail+"; class "+d.classInWords(), "; ")
	return d
}

func (s Service) classify(err error) Class { return s.explain(err).Class }

// diagnose is explain for -check, which also explains what the command's own
// tables do not have.
func (s Service) diagnose(err error, report watch.Report) Diagnosis {
	d := s.explain(err)
	if class := d.Class; d.Look == "" {
		d.ExplainNetwork(err, Connected)
		d.Class = class
	}
	var panicked *watch.PanicError
	if errors.As(err, &panicked) {
		d.Name, d.Code = "the probe panicked", ""
		d.Look = "This is a mistake in " + s.Command + " itself " +
			"and says nothing about the server. Please report it with what stands here."
	}
	if n := len(report.Rungs); d.Step == "" && n > 0 {
		d.Step = report.Rungs[n-1].Name
	}
	d.Step = cmp.Or(d.Step, "the probe")
	d.Name = cmp.Or(d.Name, err.Error())
	d.Alerts = append(d.Alerts, s.Catalogue.Terminate.Alert())
	return d
}

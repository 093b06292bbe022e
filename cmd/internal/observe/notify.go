package observe

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/alert"
	"fsmon/cmd/internal/watch"
)

// Notify tells the service manager how the watch is doing (sd_notify(3)):
// READY=1 after the first success, STATUS= with each result, STOPPING=1 when
// the watch ends, and WATCHDOG=1 with each Beat. A nil *Notify does nothing.
type Notify struct {
	fd    int
	to    unix.SockaddrUnix
	every time.Duration
	ready bool // READY=1 has gone out
}

const maxStatusLine = 256 // bytes of STATUS=

// NewNotify removes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID from the
// environment, so that no child speaks for the watch. It returns nil if there
// is no manager, or none that listens on a unix socket. Its socket stays open,
// so that telling the manager needs no new descriptor.
func NewNotify() *Notify {
	env := map[string]string{}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		env[name] = os.Getenv(name)
		os.Unsetenv(name)
	}
	to := env["NOTIFY_SOCKET"]
	// @ is an abstract socket, which SockaddrUnix knows.
	if !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "@") {
		return nil
	}
	// Non-blocking: a manager that does not read must not stop the watch.
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	return &Notify{fd: fd, to: unix.SockaddrUnix{Name: to},
		every: watchdogBeat(env["WATCHDOG_USEC"], env["WATCHDOG_PID"])}
}

// watchdogBeat returns half of the time within which the manager expects a
// message; 0 if it expects none (sd_watchdog_enabled(3)).
func watchdogBeat(usec, pid string) time.Duration {
	if pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0 // meant for another process
	}
	n, err := strconv.ParseUint(usec, 10, 63)
	if err != nil || n == 0 || n > uint64(1<<63-1)/uint64(time.Microsecond) {
		return 0
	}
	// No manager can mean less than a millisecond, and a beat of 0 would spin.
	return max(time.Duration(n)*time.Microsecond/2, time.Millisecond)
}

// Every returns how often Beat is due; 0: never.
func (n *Notify) Every() time.Duration {
	if n == nil {
		return 0
	}
	return n.every
}

// Beat tells the manager that the loop is alive. It never blocks. If one is
// lost, another follows.
func (n *Notify) Beat() { n.send("WATCHDOG=1") }

// On takes one event.
func (n *Notify) On(e watch.Event) {
	if n == nil {
		return
	}
	took := e.Took.Round(100 * time.Microsecond)
	switch e.Kind {
	case watch.Started:
		n.send(statusLine("starting: no probe has ended yet"))
	case watch.Healthy:
		state := statusLine("%s: the last probe took %s", entered(e), took)
		if n.ready {
			n.send(state)
		} else {
			// It is sent with the next success if the manager does not read
			// now.
			n.ready = n.send("READY=1\n" + state)
		}
	case watch.Failed:
		n.send(statusLine("failing, %d of %d: %v", e.Failures, e.Allowed, e.Err))
	case watch.Refused:
		n.send(statusLine("refused, not counted (class %s): %v", e.Class, e.Err))
	case watch.Forgiven:
		n.send(statusLine("starting: %v", e.Err))
	case watch.Void:
		n.send(statusLine("this machine was late, the probe is repeated: %v", e.Err))
	case watch.Paused:
		if e.Until.IsZero() {
			n.send(statusLine("paused until -continue"))
		} else {
			n.send(statusLine("paused until %s", e.Until.Format(time.DateTime)))
		}
	case watch.Continued:
		n.send(statusLine("continued: no probe has ended yet"))
	case watch.Judged:
		n.send("STOPPING=1\n" + statusLine("judged failed: %v", e.Err))
	case watch.Stopped:
		if !n.ready {
			// An end before READY=1 is a failure to systemd ("protocol"), even
			// with code 0. Of two states in one message only the last counts.
			n.send("READY=1")
		}
		n.send("STOPPING=1\n" + statusLine("stopped by %s", e.Reason))
	}
}

func statusLine(format string, args ...any) string {
	return "STATUS=" + alert.OneLine(fmt.Sprintf(format, args...), maxStatusLine)
}

// send reports whether the manager's socket took the message. It never blocks.
func (n *Notify) send(state string) bool {
	if n == nil {
		return false
	}
	return unix.Sendto(n.fd, []byte(state), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, &n.to) == nil
}

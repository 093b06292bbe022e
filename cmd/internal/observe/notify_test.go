package observe

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/watch"
)

// manager listens as a service manager does, and puts its variables into the
// environment.
func manager(t *testing.T, name, usec, pid string) *net.UnixConn {
	t.Helper()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := l.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", usec)
	t.Setenv("WATCHDOG_PID", pid)
	return l
}

func newNotify(t *testing.T) *Notify {
	t.Helper()
	n := NewNotify()
	if n != nil {
		t.Cleanup(func() { unix.Close(n.fd) })
	}
	return n
}

// What the manager is told during the life of a watch, over both kinds of
// socket.
func TestNotify(t *testing.T) {
	until := time.Date(2026, 11, 21, 20, 41, 0, 0, time.Local)
	for name, socket := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": "@fsmon-test-" + strconv.Itoa(os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			l := manager(t, socket, "30000000", strconv.Itoa(os.Getpid()))
			n := newNotify(t)
			for _, variable := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
				if v, set := os.LookupEnv(variable); set {
					t.Errorf("children inherit %s=%s", variable, v)
				}
			}
			if got := n.Every(); got != 15*time.Second {
				t.Errorf("a beat every %s", got)
			}
			multi := errors.New("negotiate:\nREADY=1 " + strings.Repeat("x", 1000))
			for _, step := range []struct {
				e    watch.Event
				want string
			}{
				{watch.Event{Kind: watch.Started}, "STATUS=starting: no probe has ended yet"},
				{watch.Event{Kind: watch.Forgiven, Err: errBroken},
					"STATUS=starting: negotiate: broken"},
				{watch.Event{Kind: watch.Refused, Err: errBroken, Class: watch.Account},
					"STATUS=refused, not counted (class account): negotiate: broken"},
				{watch.Event{Kind: watch.Failed, Err: errBroken, Failures: 2, Allowed: 6},
					"STATUS=failing, 2 of 6: negotiate: broken"},
				{watch.Event{Kind: watch.Healthy, Took: 3210 * time.Microsecond, First: true},
					"READY=1\nSTATUS=healthy: the last probe took 3.2ms"},
				{watch.Event{Kind: watch.Healthy, Took: time.Second},
					"STATUS=healthy: the last probe took 1s"},
				{watch.Event{Kind: watch.Healthy, Took: time.Second, Report: watch.Report{Grace: true}},
					"STATUS=grace: the last probe took 1s"},
				{watch.Event{Kind: watch.Void, Err: errBroken},
					"STATUS=this machine was late, the probe is repeated: negotiate: broken"},
				{watch.Event{Kind: watch.Paused}, "STATUS=paused until -continue"},
				{watch.Event{Kind: watch.Paused, Until: until},
					"STATUS=paused until 2026-11-21 20:41:00"},
				{watch.Event{Kind: watch.Continued}, "STATUS=continued: no probe has ended yet"},
				{watch.Event{Kind: watch.Failed, Err: multi, Failures: 6, Allowed: 6},
					`STATUS=failing, 6 of 6: negotiate:\nREADY=1 x`},
				{watch.Event{Kind: watch.Judged, Err: errBroken},
					"STOPPING=1\nSTATUS=judged failed: negotiate: broken"},
				{watch.Event{Kind: watch.Stopped, Reason: "SIGTERM"},
					"STOPPING=1\nSTATUS=stopped by SIGTERM"},
			} {
				if step.e.Kind == watch.Started { // a stop before the first success is no failure
					n.On(watch.Event{Kind: watch.Stopped, Reason: "-stop"})
					for _, want := range []string{"READY=1", "STOPPING=1\nSTATUS=stopped by -stop"} {
						if got := packet(t, l); got != want {
							t.Errorf("got  %q\nwant %q", got, want)
						}
					}
				}
				n.On(step.e)
				got := packet(t, l)
				if step.e.Err == multi {
					if !strings.HasPrefix(got, step.want) || strings.Contains(got, "\n") ||
						len(got) > 300 {
						t.Errorf("got %q", got)
					}
				} else if got != step.want {
					t.Errorf("got  %q\nwant %q", got, step.want)
				}
			}
			n.Beat()
			if got := packet(t, l); got != "WATCHDOG=1" {
				t.Errorf("the beat is %q", got)
			}
		})
	}
}

func TestWatchdogBeat(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"2000000", "", time.Second},
		{"2000000", self, time.Second},
		{"2000000", "1", 0}, // another process is meant
		{"2000000", "x", 0},
		{"3", self, time.Millisecond},
		{"", "", 0},
		{"0", self, 0},
		{"-5", self, 0},
		{"1.5", self, 0},
		{"18446744073709551615", self, 0}, // systemd's "infinity"
		{"9223372036854775807", self, 0},
	} {
		if got := watchdogBeat(c.usec, c.pid); got != c.want {
			t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: %s, want %s", c.usec, c.pid, got, c.want)
		}
	}
}

// Without a manager, or with one on another kind of socket, nothing is sent.
func TestNoManager(t *testing.T) {
	for _, name := range []string{"", "vsock:2:1234", "relative/path"} {
		t.Setenv("NOTIFY_SOCKET", name)
		n := newNotify(t)
		if n != nil {
			t.Errorf("NOTIFY_SOCKET=%q made %+v", name, n)
		}
		n.On(watch.Event{Kind: watch.Healthy})
		n.Beat()
		if n.Every() != 0 {
			t.Error("a beat for nobody")
		}
	}
}

// A manager that does not read never delays the watch, and gets READY=1 when it
// reads again.
func TestManagerDoesNotRead(t *testing.T) {
	l := manager(t, filepath.Join(t.TempDir(), "notify"), "", "")
	n := newNotify(t)
	sent := 0
	for n.send("WATCHDOG=1") { // until its queue is full
		if sent++; sent > 1_000_000 {
			t.Fatal("the queue never fills")
		}
	}
	n.On(watch.Event{Kind: watch.Healthy, First: true})
	for range sent {
		packet(t, l)
	}
	n.On(watch.Event{Kind: watch.Healthy})
	n.On(watch.Event{Kind: watch.Healthy})
	if got := packet(t, l); !strings.HasPrefix(got, "READY=1\n") {
		t.Errorf("then %q", got)
	}
	if got := packet(t, l); strings.Contains(got, "READY=1") {
		t.Errorf("READY twice: %q", got)
	}
}

func packet(t *testing.T, l *net.UnixConn) string {
	t.Helper()
	b := make([]byte, 64<<10)
	n, err := l.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

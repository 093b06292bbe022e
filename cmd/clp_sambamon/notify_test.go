package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
)

// manager is a service manager as far as a watch sees one.
type manager struct {
	t   *testing.T
	env []string

	mu   sync.Mutex
	got  []string    // in order
	when []time.Time // of each
}

func newManager(t *testing.T, socket string) *manager {
	t.Helper()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{t: t, env: []string{"NOTIFY_SOCKET=" + socket}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 64<<10)
		for {
			n, err := l.Read(b)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.got, m.when = append(m.got, string(b[:n])), append(m.when, time.Now())
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return m
}

// count is how often it has been told something that contains part, since then.
func (m *manager) count(part string, since time.Time) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, got := range m.got {
		if strings.Contains(got, part) && !m.when[i].Before(since) {
			n++
		}
	}
	return n
}

// hears waits until it has been told so n times from now on.
func (m *manager) hears(part string, n int) {
	m.t.Helper()
	now := time.Now()
	cmdtest.Eventually(m.t, fmt.Sprintf("%q, %d times", part, n),
		func() bool { return m.count(part, now) >= n })
}

// READY=1 only after the first success; the beat while failing, healthy, paused
// and in a stalled probe; STOPPING=1 at the end.
func TestNotify(t *testing.T) {
	t.Parallel()
	for name, abstract := range map[string]bool{"path": false, "abstract": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := smbtest.Samba(t, smbtest.Config{})
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			l := newLab(t)
			socket := filepath.Join(t.TempDir(), "notify")
			if abstract {
				socket = fmt.Sprintf("@fsmon-test-%d", os.Getpid())
			}
			m := newManager(t, socket)
			l.Env = append(m.env, "WATCHDOG_USEC=200000")
			w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-c", "1000", "-r", "1000")...)
			began := time.Now()
			w.Message(cmdtest.ProbeFailed)
			cmdtest.Eventually(t, "the second failure",
				func() bool { return m.count("STATUS=failing, 2 of 1001: connect", began) > 0 })
			m.hears("WATCHDOG=1", 3)
			if n := m.count("READY=1", time.Time{}); n > 0 {
				t.Error("READY=1 before the first success")
			}
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
			w.Message(cmdtest.Watching)
			m.hears("STATUS=healthy: ", 2)
			m.hears("WATCHDOG=1", 3)
			if n := m.count("READY=1", began); n != 1 {
				t.Errorf("READY=1 came %d times", n)
			}
			l.Silent("-pause")
			cmdtest.Eventually(t, "the pause",
				func() bool { return m.count("STATUS=paused until -continue", began) > 0 })
			m.hears("WATCHDOG=1", 3)
			if n := m.count("STATUS=paused until -continue", began); n != 1 {
				t.Errorf("paused was said %d times", n)
			}
			freeze(t, s)
			l.Silent("-continue") // into a probe that stalls for 1000 s
			m.hears("WATCHDOG=1", 3)
			l.Silent("-stop")
			w.Exits(0)
			cmdtest.Eventually(t, "STOPPING=1",
				func() bool { return m.count("STOPPING=1\nSTATUS=stopped by -stop", began) == 1 })
		})
	}
}

// A verdict is a stop too. The watchdog of another process is not fed, that of
// this one is, although it starts itself anew.
func TestNotifyVerdictAndWatchdogPID(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	for name, c := range map[string]struct {
		pid   string
		beats bool
	}{"its own": {"$$", true}, "another's": {"1", false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			m := newManager(t, filepath.Join(t.TempDir(), "notify"))
			// A shell gives the process its own number, as the manager does.
			args := append([]string{"-c", "WATCHDOG_PID=" + c.pid + ` exec "$0" "$@"`, command(),
				l.ID, "--log-file", l.Log, "--no-evidence"},
				at(s.Addr(), "-s", "nosuch", "-i", "1", "-c", "2")...)
			cmd := exec.Command("/bin/sh", args...)
			cmd.Env = append(m.env, "FSMON_REGISTRY="+l.Registry, "WATCHDOG_USEC=200000")
			w := cmdtest.Launch(t, cmd)
			w.Exits(1)
			const judged = "STOPPING=1\nSTATUS=judged failed: tree connect: "
			cmdtest.Eventually(t, "STOPPING=1",
				func() bool { return m.count(judged, time.Time{}) == 1 })
			if beats := m.count("WATCHDOG=1", time.Time{}); (beats > 0) != c.beats {
				t.Errorf("%d beats", beats)
			}
		})
	}
}

// Where that is permitted, a watch is not the first to go when memory runs out.
func TestOOMScore(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	want := strings.TrimSpace(readAll("/proc/self/oom_score_adj"))
	if _, caps, ok := strings.Cut(readAll("/proc/self/status"), "CapEff:"); ok {
		var effective uint64
		if _, err := fmt.Sscanf(caps, "%x", &effective); err != nil {
			t.Fatal(err)
		}
		if effective&(1<<unix.CAP_SYS_RESOURCE) != 0 {
			want = "-500"
		}
	}
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1")...)
	w.Message(cmdtest.Watching)
	got := strings.TrimSpace(readAll(fmt.Sprintf("/proc/%d/oom_score_adj", w.PID)))
	if got != want {
		t.Errorf("oom_score_adj is %s, want %s", got, want)
	}
	w.Signal(syscall.SIGTERM)
	w.Exits(0)
}

package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// promise is how long a watch that is told to end may take, and slack is what a busy machine may add.
const (
	promise = 200 * time.Millisecond
	slack   = 500 * time.Millisecond
)

// Runs alone, since it measures.
func TestStopDuringStalledProbe(t *testing.T) {
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	frozen := freeze(t, s)
	for _, c := range []struct {
		by   string
		stop func(*cmdtest.Lab, *cmdtest.Process)
	}{
		{"-stop", func(l *cmdtest.Lab, _ *cmdtest.Process) { l.Silent("-stop") }},
		{"SIGTERM", func(_ *cmdtest.Lab, w *cmdtest.Process) { w.Signal(syscall.SIGTERM) }},
		{"SIGINT", func(_ *cmdtest.Lab, w *cmdtest.Process) { w.Signal(syscall.SIGINT) }},
	} {
		l := newLab(t)
		w := l.Watch(at(tap.addr, "-s", "share", "-i", "60", "-r", "60")...)
		frozen = tap.probeAfter(frozen).began // in flight from now on
		sent := time.Now()
		c.stop(l, w)
		ended := w.Exits(0)
		took := ended.Sub(sent)
		t.Logf("%s: message 3 after %v, exit after %v", c.by, w.Message(3).At.Sub(sent), took)
		if took > promise+slack {
			t.Errorf("%s took %v, promised are %v", c.by, took, promise)
		}
		w.Want(1, 3)
		if l := w.Last(3); l.Text != "The clp_sambamon will stop watching Samba [share]." || l.Detail != "asked by "+c.by {
			t.Errorf("%+v", l)
		}
		l.Gone()
	}
}

func TestHealthy(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	l := newLab(t)
	w := l.Watch(at(tap.addr, "-s", "share", "-i", "1")...)
	if m := w.Message(1); m.Text != "The clp_sambamon has started watching Samba." || m.Severity != "INFO" {
		t.Errorf("%+v", m)
	}
	if m := w.Message(2); m.Text != "The clp_sambamon is going to watch share resource [share]." || m.Severity != "INFO" {
		t.Errorf("%+v", m)
	}
	tap.finished(4)
	probed := l.Healthy()
	w.Want(1, 2)

	disp := l.Verb("-disp")
	disp.Exits(0)
	rows := map[string]string{}
	for row := range strings.Lines(disp.Output()) {
		name, value, _ := strings.Cut(row, "  ")
		rows[name] = strings.TrimSpace(value)
	}
	last, rest, _ := strings.Cut(rows["last probe"], ", ")
	when, err := time.ParseInLocation(time.DateTime, last, time.Local)
	if err != nil || when.Before(probed.LastProbe.Truncate(time.Second)) || time.Since(when) > 5*time.Second {
		t.Errorf("last probe %q, %v, want %v or a little later", last, err, probed.LastProbe)
	}
	if rows["pid"] != fmt.Sprint(w.PID) || !strings.HasPrefix(rows["state"], "healthy since ") || !strings.HasSuffix(rest, "ms, healthy") {
		t.Errorf("-disp said\n%s", disp.Output())
	}
	if disp.Errors() != "" {
		t.Error(disp.Errors())
	}

	l.Silent("-stop")
	w.Exits(0)
	w.Want(1, 2, 3)
	l.Gone()
	if log := readAll(l.Log); log != w.Errors() {
		t.Errorf("the log file has\n%swhere stderr had\n%s", log, w.Errors())
	}
	for i, p := range tap.seen() {
		if !p.finished {
			t.Errorf("probe %d did not go to its end", i)
		}
	}
}

func TestSecondStart(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1")...)
	w.Message(2)
	began := time.Now()
	second := l.Watch(at(s.Addr(), "-s", "other")...)
	second.Exits(3)
	t.Logf("refused after %v", time.Since(began))
	second.Want(14, cmdtest.Plain)
	if text := second.Last(14).Text; text != "The specified monitor id is already under use in other processes." {
		t.Error(text)
	}
	if by := fmt.Sprintf(`identifier "w" is in use by process %d `, w.PID); !strings.Contains(second.Last(cmdtest.Plain).Text, by) {
		t.Errorf("%q does not hold %q", second.Last(cmdtest.Plain).Text, by)
	}
	if st := l.Healthy(); st.PID != w.PID || st.Target != "//"+s.Addr()+"/share" {
		t.Errorf("the status is now %+v", st)
	}
	l.Silent("-stop")
	w.Exits(0)
	w.Want(1, 2, 3)
}

func TestHangup(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1")...)
	w.Message(2)
	w.Signal(syscall.SIGHUP)
	w.Signal(syscall.SIGPIPE)
	l.Healthy()
	w.Signal(syscall.SIGHUP)
	l.Healthy()
	w.Want(1, 2)
	l.Silent("-stop")
	w.Exits(0)
}

// A machine that sleeps: the watch is stopped for 10 s while its server is well.
func TestAsleep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		timeout string
		probing bool // the stop falls into a probe
		void    bool // so that the probe's deadline passes, too
	}{
		"in the wait":                           {timeout: "5"},
		"in a probe, past its deadline":         {timeout: "1", probing: true, void: true},
		"in a probe, past a longer deadline":    {timeout: "5", probing: true, void: true},
		"in a probe that has time left for all": {timeout: "60", probing: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := smbtest.Samba(t, smbtest.Config{})
			tap := newTap(t, s.Addr())
			l := newLab(t)
			w := l.Watch(at(tap.addr, "-s", "share", "-i", "2", "-c", "1", "-r", c.timeout)...)
			w.Message(2)
			l.Status("the first probe in the status", state(watchreg.Healthy))
			if c.probing {
				tap.probeAfter(freezeBetween(t, s, tap)) // surely in flight from now on
			}
			w.Signal(syscall.SIGSTOP)
			cmdtest.Eventually(t, "the stop", func() bool { return strings.Contains(readAll(fmt.Sprintf("/proc/%d/status", w.PID)), "State:\tT") })
			if c.probing {
				thaw(t, s) // a healthy server, which answers into the sleep
			}
			select {
			case <-time.After(10 * time.Second):
			case <-t.Context().Done():
			}
			woken := time.Now()
			w.Signal(syscall.SIGCONT)
			t.Logf("next probe %v after the wake-up", tap.probeAfter(woken).began.Sub(woken))
			l.Healthy()
			l.Healthy()
			if c.void {
				w.Message(103)
			}
			w.Want(1, 2)
			l.Silent("-stop")
			w.Exits(0)
		})
	}
}

func TestKilledWatchIsSucceeded(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	for name, paused := range map[string]bool{"watching": false, "paused": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			first := l.Watch(at(s.Addr(), "-s", "share", "-i", "1")...)
			first.Message(2)
			l.Healthy()
			if paused {
				l.Silent("-pause")
			}
			killed := time.Now()
			first.Signal(syscall.SIGKILL)
			second := l.Watch(at(s.Addr(), "-s", "share", "-i", "1")...) // at once
			watching := second.Message(2)
			t.Logf("watched again %v after the kill", watching.At.Sub(killed))
			first.Exits(-1)
			want := []int{1, 108, 2}
			if paused {
				want = []int{1, 108, 109, 2}
			}
			second.Want(want...)
			if text := second.Last(108).Text; !strings.Contains(text, fmt.Sprintf("process %d,", first.PID)) {
				t.Error(text)
			}
			if st := l.Healthy(); st.PID != second.PID {
				t.Errorf("the status is of process %d", st.PID)
			}
			l.Silent("-stop")
			second.Exits(0)
			l.Gone()
		})
	}
}

// Nothing grows with the number of probes.
func TestNoGrowth(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	l := newLab(t)
	w := l.Watch(at(tap.addr, "-s", "share", "-i", "1")...)
	tap.finished(3)
	l.Healthy()
	before := cmdtest.Settled(t, w.PID)
	tap.finished(20)
	after := cmdtest.Settled(t, w.PID)
	t.Logf("after 3 probes: %d descriptors, %d threads; after 20: %d, %d", before.Descriptors, before.Threads, after.Descriptors, after.Threads)
	if after.Descriptors != before.Descriptors {
		t.Errorf("%d descriptors have become %d: %v", before.Descriptors, after.Descriptors, after.Open)
	}
	// The runtime adds a thread now and then, up to a few more than it has tasks.
	if after.Threads > before.Threads+4 {
		t.Errorf("%d threads have become %d", before.Threads, after.Threads)
	}
	w.Want(1, 2)
	l.Silent("-stop")
	w.Exits(0)
}

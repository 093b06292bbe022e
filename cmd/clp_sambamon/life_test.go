package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// promise is how long a watch that is told to end may take, and slack is what a busy machine may add.
const (
	promise = 200 * time.Millisecond
	slack   = 300 * time.Millisecond
)

// Runs alone, since it measures.
func TestStopDuringStalledProbe(t *testing.T) {
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	frozen := freeze(t, s)
	for _, c := range []struct {
		by   string
		stop func(*lab, *process)
	}{
		{"-stop", func(l *lab, _ *process) { l.silent("-stop") }},
		{"SIGTERM", func(_ *lab, w *process) { w.signal(syscall.SIGTERM) }},
		{"SIGINT", func(_ *lab, w *process) { w.signal(syscall.SIGINT) }},
	} {
		l := newLab(t)
		w := l.watch(tap.addr, "-s", "share", "-i", "60", "-r", "60")
		frozen = tap.probeAfter(frozen).began // in flight from now on
		sent := time.Now()
		c.stop(l, w)
		ended := w.exits(0)
		took := ended.Sub(sent)
		t.Logf("%s: message 3 after %v, exit after %v", c.by, w.message(3).at.Sub(sent), took)
		if took > promise+slack {
			t.Errorf("%s took %v, promised are %v", c.by, took, promise)
		}
		w.want(1, 3)
		if l := w.last(3); l.text != "The clp_sambamon will stop watching Samba [share]." || l.detail != "asked by "+c.by {
			t.Errorf("%+v", l)
		}
		l.gone()
	}
}

func TestHealthy(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	l := newLab(t)
	w := l.watch(tap.addr, "-s", "share", "-i", "1")
	if m := w.message(1); m.text != "The clp_sambamon has started watching Samba." || m.severity != "INFO" {
		t.Errorf("%+v", m)
	}
	if m := w.message(2); m.text != "The clp_sambamon is going to watch share resource [share]." || m.severity != "INFO" {
		t.Errorf("%+v", m)
	}
	tap.finished(4)
	probed := l.healthy()
	w.want(1, 2)

	disp := l.verb("-disp")
	disp.exits(0)
	rows := map[string]string{}
	for row := range strings.Lines(disp.output()) {
		name, value, _ := strings.Cut(row, "  ")
		rows[name] = strings.TrimSpace(value)
	}
	last, rest, _ := strings.Cut(rows["last probe"], ", ")
	when, err := time.ParseInLocation(time.DateTime, last, time.Local)
	if err != nil || when.Before(probed.LastProbe.Truncate(time.Second)) || time.Since(when) > 5*time.Second {
		t.Errorf("last probe %q, %v, want %v or a little later", last, err, probed.LastProbe)
	}
	if rows["pid"] != fmt.Sprint(w.pid) || !strings.HasPrefix(rows["state"], "healthy since ") || !strings.HasSuffix(rest, "ms, healthy") {
		t.Errorf("-disp said\n%s", disp.output())
	}
	if disp.errors() != "" {
		t.Error(disp.errors())
	}

	l.silent("-stop")
	w.exits(0)
	w.want(1, 2, 3)
	l.gone()
	if log := readAll(l.log); log != w.errors() {
		t.Errorf("the log file has\n%swhere stderr had\n%s", log, w.errors())
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
	w := l.watch(s.Addr(), "-s", "share", "-i", "1")
	w.message(2)
	began := time.Now()
	second := l.watch(s.Addr(), "-s", "other")
	second.exits(3)
	t.Logf("refused after %v", time.Since(began))
	second.want(14, 0)
	if text := second.last(14).text; text != "The specified monitor id is already under use in other processes." {
		t.Error(text)
	}
	if by := fmt.Sprintf(`identifier "w" is in use by process %d `, w.pid); !strings.Contains(second.last(0).text, by) {
		t.Errorf("%q does not hold %q", second.last(0).text, by)
	}
	if st := l.healthy(); st.PID != w.pid || st.Target != "//"+s.Addr()+"/share" {
		t.Errorf("the status is now %+v", st)
	}
	l.silent("-stop")
	w.exits(0)
	w.want(1, 2, 3)
}

func TestHangup(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.watch(s.Addr(), "-s", "share", "-i", "1")
	w.message(2)
	w.signal(syscall.SIGHUP)
	w.signal(syscall.SIGPIPE)
	l.healthy()
	w.signal(syscall.SIGHUP)
	l.healthy()
	w.want(1, 2)
	l.silent("-stop")
	w.exits(0)
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
			w := l.watch(tap.addr, "-s", "share", "-i", "2", "-c", "1", "-r", c.timeout)
			w.message(2)
			l.status("the first probe in the status", state(watchreg.Healthy))
			if c.probing {
				tap.probeAfter(freezeBetween(t, s, tap)) // surely in flight from now on
			}
			w.signal(syscall.SIGSTOP)
			eventually(t, "the stop", func() bool { return strings.Contains(readAll(fmt.Sprintf("/proc/%d/status", w.pid)), "State:\tT") })
			if c.probing {
				thaw(t, s) // a healthy server, which answers into the sleep
			}
			select {
			case <-time.After(10 * time.Second):
			case <-t.Context().Done():
			}
			woken := time.Now()
			w.signal(syscall.SIGCONT)
			t.Logf("next probe %v after the wake-up", tap.probeAfter(woken).began.Sub(woken))
			l.healthy()
			l.healthy()
			if c.void {
				w.message(103)
			}
			w.want(1, 2)
			l.silent("-stop")
			w.exits(0)
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
			first := l.watch(s.Addr(), "-s", "share", "-i", "1")
			first.message(2)
			l.healthy()
			if paused {
				l.silent("-pause")
			}
			killed := time.Now()
			first.signal(syscall.SIGKILL)
			second := l.watch(s.Addr(), "-s", "share", "-i", "1") // at once
			watching := second.message(2)
			t.Logf("watched again %v after the kill", watching.at.Sub(killed))
			first.exits(-1)
			want := []int{1, 108, 2}
			if paused {
				want = []int{1, 108, 109, 2}
			}
			second.want(want...)
			if text := second.last(108).text; !strings.Contains(text, fmt.Sprintf("process %d,", first.pid)) {
				t.Error(text)
			}
			if st := l.healthy(); st.PID != second.pid {
				t.Errorf("the status is of process %d", st.PID)
			}
			l.silent("-stop")
			second.exits(0)
			l.gone()
		})
	}
}

// Nothing grows with the number of probes.
func TestNoGrowth(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	l := newLab(t)
	w := l.watch(tap.addr, "-s", "share", "-i", "1")
	tap.finished(3)
	l.healthy()
	before := settled(t, w.pid)
	tap.finished(20)
	after := settled(t, w.pid)
	t.Logf("after 3 probes: %d descriptors, %d threads; after 20: %d, %d", before.descriptors, before.threads, after.descriptors, after.threads)
	if after.descriptors != before.descriptors {
		t.Errorf("%d descriptors have become %d: %v", before.descriptors, after.descriptors, after.open)
	}
	// The runtime adds a thread now and then, up to a few more than it has tasks.
	if after.threads > before.threads+4 {
		t.Errorf("%d threads have become %d", before.threads, after.threads)
	}
	w.want(1, 2)
	l.silent("-stop")
	w.exits(0)
}

type resources struct {
	descriptors, threads int
	open                 []string
}

// settled is what a watch holds between two probes: the least of many looks.
func settled(t *testing.T, pid int) resources {
	var least resources
	looks := 0
	eventually(t, "a look at the watch", func() bool {
		var r resources
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			if name, err := os.Readlink(filepath.Join(fmt.Sprintf("/proc/%d/fd", pid), fd.Name())); err == nil {
				r.open = append(r.open, name)
			}
		}
		r.descriptors = len(r.open)
		for row := range strings.Lines(readAll(fmt.Sprintf("/proc/%d/status", pid))) {
			fmt.Sscanf(row, "Threads: %d", &r.threads)
		}
		if looks == 0 || r.descriptors < least.descriptors {
			least = r
		}
		looks++
		return looks == 40
	})
	slices.Sort(least.open)
	return least
}

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

// A machine that sleeps: the watch is stopped for 10 s while its server is
// well.
func TestAsleep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		timeout string
		probing bool // the stop falls into a probe
		void    bool // so that the probe's deadline passes, too
	}{
		"in the wait":                           {timeout: "5"},
		"in a probe, past its deadline":         {timeout: "3", probing: true, void: true},
		"in a probe, past a longer deadline":    {timeout: "5", probing: true, void: true},
		"in a probe that has time left for all": {timeout: "60", probing: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := smbtest.Samba(t, smbtest.Config{})
			tap := newTap(t, s.Addr())
			l := newLab(t)
			w := l.Watch(at(tap.addr, "-s", "share", "-i", "2", "-c", "1", "-r", c.timeout)...)
			w.Message(cmdtest.Watching)
			l.Status("the first probe in the status", cmdtest.State(watchreg.Healthy))
			if c.probing {
				tap.probeAfter(freezeBetween(t, s, tap)) // surely in flight from now on
			}
			w.Signal(syscall.SIGSTOP)
			cmdtest.Eventually(t, "the stop", func() bool {
				return strings.Contains(readAll(fmt.Sprintf("/proc/%d/status", w.PID)), "State:\tT")
			})
			if c.probing {
				thaw(t, s) // a healthy server, which answers into the sleep
			}
			select {
			case <-time.After(10 * time.Second): // how long it sleeps
			case <-t.Context().Done():
			}
			woken := time.Now()
			w.Signal(syscall.SIGCONT)
			t.Logf("next probe %v after the wake-up", tap.probeAfter(woken).began.Sub(woken))
			l.Healthy()
			l.Healthy()
			if c.void {
				w.Message(cmdtest.Void)
			}
			w.Told("started watching")
			l.Silent("-stop")
			w.Exits(0)
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
	cmdtest.NoGrowth(t, w.PID, tap.finished)
	w.Told("started watching")
	l.Silent("-stop")
	w.Exits(0)
}

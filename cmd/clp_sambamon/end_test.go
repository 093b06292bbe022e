package main

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// On a machine that is merely busy nothing is lost at the end: -stop returns
// when the registry is clear, and the log has the last message.
func TestEndOnABusyMachine(t *testing.T) {
	s := smbtest.Samba(t, smbtest.Config{})
	type watch struct {
		*cmdtest.Lab
		*cmdtest.Process
	}
	var watches []watch
	for range 4 {
		l := newLab(t)
		watches = append(watches, watch{l, l.Watch(at(s.Addr(), "-s", "share", "-r", "60")...)})
	}
	for _, w := range watches {
		w.Message(cmdtest.Watching)
	}
	// Each ends by itself, should this test not come to its end.
	for range 8 {
		loop := exec.Command("timeout", "60", "sh", "-c", "while :; do :; done")
		loop.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := loop.Start(); err != nil {
			t.Fatal(err)
		}
		defer loop.Wait()
		defer syscall.Kill(-loop.Process.Pid, syscall.SIGKILL)
	}
	var all sync.WaitGroup
	for i, w := range watches {
		all.Go(func() {
			if i%3 == 2 {
				w.Signal(syscall.SIGTERM)
			} else {
				w.Silent("-stop")
				if _, err := w.Entry(); !errors.Is(err, watchreg.ErrUnknown) {
					t.Errorf("-stop has returned, and the registry has %v", err)
				}
			}
			w.Exits(0)
			w.Gone()
			w.Told("started watching stopping")
			said := w.Errors()
			cmdtest.Eventually(t, "a log with all that stderr has", func() bool { // by an errand
				log, _ := os.ReadFile(w.Log)
				return string(log) == said
			})
		})
	}
	all.Wait()
}

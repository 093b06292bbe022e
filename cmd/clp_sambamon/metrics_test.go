package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
)

// sample waits until a line of the metrics file begins with name and ends with value.
func sample(t *testing.T, path, name, value string) {
	t.Helper()
	cmdtest.Eventually(t, name+" "+value, func() bool {
		for row := range strings.Lines(readAll(path)) {
			if strings.HasPrefix(row, name) && strings.HasSuffix(row, " "+value+"\n") {
				return true
			}
		}
		return false
	})
}

// The metrics file through a life: healthy, frozen, paused, judged.
func TestMetricsFile(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	path := filepath.Join(t.TempDir(), "w.prom")
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-c", "2", "-r", "4", "--metrics-file", path)...)
	w.Message(cmdtest.Watching)
	sample(t, path, "fsmon_up{", "1")
	sample(t, path, `fsmon_rung_duration_seconds{id="w",kind="samba",rung="negotiate"}`, lastOf(t, path, `rung="negotiate"`))
	sample(t, path, "fsmon_info{", "1")
	sample(t, path, "fsmon_retries{", "2")
	if !strings.Contains(readAll(path), fmt.Sprintf(`target="//%s/share"`, s.Addr())) {
		t.Error(readAll(path))
	}
	freeze(t, s)
	sample(t, path, "fsmon_consecutive_failures{", "1")
	sample(t, path, "fsmon_up{", "0")
	l.Silent("-pause")
	sample(t, path, "fsmon_paused{", "1")
	l.Silent("-continue")
	sample(t, path, "fsmon_paused{", "0")
	w.Exits(1)
	sample(t, path, "fsmon_up{", "0")
	sample(t, path, "fsmon_consecutive_failures{", "3")
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// lastOf waits for a sample whose labels have the given one, and is its value.
func lastOf(t *testing.T, path, label string) (value string) {
	t.Helper()
	cmdtest.Eventually(t, label, func() bool {
		for row := range strings.Lines(readAll(path)) {
			if strings.Contains(row, label) && !strings.HasPrefix(row, "fsmon_probes_total") {
				value = strings.TrimSpace(row[strings.LastIndexByte(row, ' '):])
				return true
			}
		}
		return false
	})
	return value
}

// After a stop on request the watch is no longer there to be asked for; a file that cannot be written is said once.
func TestMetricsFileRemovedAndRefused(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	for name, broken := range map[string]bool{"removed": false, "refused": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			dir := t.TempDir()
			path, victim := filepath.Join(dir, "w.prom"), filepath.Join(dir, "victim")
			if broken {
				writeFile(t, victim, "precious", 0o600)
				if err := os.Symlink(victim, path); err != nil {
					t.Fatal(err)
				}
			}
			tap := newTap(t, s.Addr())
			w := l.Watch(at(tap.addr, "-s", "share", "-i", "1", "--metrics-file", path)...)
			w.Message(cmdtest.Watching)
			if broken {
				if lost := w.Message(cmdtest.MetricsLost); lost.Severity != "WARN" || !strings.Contains(lost.Text, path) {
					t.Errorf("%+v", lost)
				}
				tap.finished(3)
			} else {
				sample(t, path, "fsmon_up{", "1")
			}
			l.Silent("-stop")
			w.Exits(0)
			if !broken {
				if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
					t.Errorf("left are %v, %v", left, err)
				}
				return
			}
			if got := readAll(victim); got != "precious" {
				t.Errorf("the link was followed: %q", got)
			}
			w.Told("started watching metrics-lost stopping")
		})
	}
}

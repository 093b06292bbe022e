package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
)

const markerFile = "MOUNTED"

// marked is a server with a marker in its share, as an administrator puts it on
// the disk.
func marked(t *testing.T, shares map[string][]string) (s *smbtest.Server, marker string) {
	t.Helper()
	s = smbtest.Samba(t, smbtest.Config{Shares: shares})
	marker = filepath.Join(s.Dir, "shares", "share", markerFile)
	writeFile(t, marker, "the shared disk\n", 0o644)
	return s, marker
}

// leftovers is what write tests left behind in the share.
func leftovers(t testing.TB, s *smbtest.Server) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.Dir, "shares", "share", ".fsmon-*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// tidy waits until there is nothing of a write test.
func tidy(t testing.TB, s *smbtest.Server) {
	t.Helper()
	cmdtest.Eventually(t, "no file of the write test",
		func() bool { return len(leftovers(t, s)) == 0 })
}

// The disk is unmounted while it is watched: what is served now is its mount
// point, whose tree connect is as good as ever.
func TestMarkerVanishes(t *testing.T) {
	t.Parallel()
	s, marker := marked(t, nil)
	l := newLab(t)
	evidence := t.TempDir()
	w := l.Watch(at(s.Addr(), "-s", "share", "-u", "root", "-p", "pw", "--marker", markerFile,
		"-i", "1", "-c", "2", "--evidence-dir", evidence)...)
	w.Message(cmdtest.Watching)
	if err := os.Remove(marker); err != nil {
		t.Fatal(err)
	}
	failed := w.Message(cmdtest.ProbeFailed)
	const want = "Probe failed (1 of 3), marker error[2]: marker: " +
		"STATUS_OBJECT_NAME_NOT_FOUND (0xC0000034)"
	if failed.Text != want {
		t.Errorf("%q, want %q", failed.Text, want)
	}
	w.Message(cmdtest.Terminate)
	w.Exits(1)
	w.Told("started watching probe-failed probe-failed probe-failed marker-failed terminate saved")
	// The transcript shows the request that failed, and nothing of the login.
	var capture string
	for name, text := range cmdtest.Files(t, evidence) {
		if filepath.Base(name) == "probe.pcap" {
			capture = text
		}
	}
	if !strings.Contains(capture, "M\x00O\x00U\x00N\x00T\x00E\x00D\x00") ||
		strings.Contains(capture, "NTLMSSP") {
		t.Errorf("the capture of %d bytes lacks the marker's name or holds the login", len(capture))
	}
	if v := w.Last(cmdtest.MarkerFailed); v.Severity != "ERROR" ||
		v.Text != "The file server has failed the marker check of [share] (error[2], STATUS_OBJECT_NAME_NOT_FOUND)." {
		t.Errorf("%+v", v)
	}
	l.Gone()
}

// A disk hangs under a server that answers everything else: without a write
// test nobody would notice. When the disk is back, so is the server, and what
// the stalled probes left behind is removed.
func TestDiskHangs(t *testing.T) {
	t.Parallel()
	s, _ := marked(t, nil)
	var hangs atomic.Bool
	addr := smbtest.Relay(t, s.Addr(),
		smbtest.OnReply(smbtest.Write, func(f *smbtest.Frame) smbtest.Behaviour {
			if hangs.Load() {
				return smbtest.Hold(f)
			}
			return nil
		}))
	l := newLab(t)
	w := l.Watch(at(addr, "-s", "share", "--write-test",
		"-i", "12", "-c", "1", "-r", "8")...) // 4 s between a failed probe and the next
	w.Message(cmdtest.Watching)
	hangs.Store(true)
	failed := w.Message(cmdtest.ProbeFailed)
	if !strings.HasPrefix(failed.Text, "Probe failed (1 of 2), write test error[110]: ") {
		t.Error(failed.Text)
	}
	hangs.Store(false)
	w.Message(cmdtest.Recovered)
	tidy(t, s)
	hangs.Store(true)
	w.Message(cmdtest.Terminate)
	w.Exits(1)
	w.Told("started watching probe-failed recovered", "probe-failed probe-failed write-test-failed terminate")
	if v := w.Last(cmdtest.WriteTestFailed); v.Text != "The file server has failed the write test of [share] (error[110], ETIMEDOUT)." {
		t.Errorf("%+v", v)
	}
	l.Gone()

	hangs.Store(false)
	check := l.Run(append([]string{"-check", "-s", "share", "--write-test"}, at(addr)...)...)
	check.Exits(0)
	cmdtest.Eventually(t, "no file of the write test", func() bool {
		l.Run(append([]string{"-check", "-s", "share", "--write-test"}, at(addr)...)...).Exits(0)
		return len(leftovers(t, s)) == 0
	})
	if out := check.Output(); !strings.Contains(out,
		"64 bytes written, flushed, read back, removed") {
		t.Error(out)
	}
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// smallRegistry starts a watch whose registry lies on a file system of 32 KB
// that only it and its verbs see. The second result is that file system as this
// process reaches it.
func smallRegistry(t *testing.T,
	s *smbtest.Server) (l *cmdtest.Lab, w *cmdtest.Process, registry string) {
	l = cmdtest.NewLab(t, "clp_sambamon")
	disk := filepath.Join(t.TempDir(), "disk")
	must(t, os.Mkdir(disk, 0o755))
	l.Registry = filepath.Join(disk, "registry")
	l.Exec = func(name string, args ...string) *exec.Cmd {
		return exec.Command("unshare", append([]string{"--mount", "--", "/bin/sh", "-c",
			`mount --make-rprivate / && mount -t tmpfs -o size=32k,mode=0755 tmpfs "$0" && exec "$@"`,
			disk, name}, args...)...)
	}
	w = l.Watch("-s", "share", "-a", s.Address, "--port", fmt.Sprint(s.Port), "-i", "1", "-c", "2",
		"-r", "10")
	w.Message(cmdtest.Watching)
	inside := fmt.Sprintf("--mount=/proc/%d/ns/mnt", w.PID)
	l.Exec = func(name string, args ...string) *exec.Cmd {
		return exec.Command("nsenter", append([]string{inside, "--", name}, args...)...)
	}
	return l, w, fmt.Sprintf("/proc/%d/root%s", w.PID, l.Registry)
}

// statusOf reads the status below a path of another mount namespace.
func statusOf(registry, id string) string {
	b, _ := os.ReadFile(filepath.Join(registry, id, "status")) // none: no status
	return string(b)
}

// The registry's disk is full: the watch goes on, says so once, and comes back
// when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l, w, registry := smallRegistry(t, s)
	fill := filepath.Join(filepath.Dir(registry), "fill")
	f, err := os.Create(fill)
	must(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	if !strings.Contains(err.Error(), "no space left") {
		t.Fatal(err)
	}
	lost := w.Message(cmdtest.StatusLost)
	t.Log(lost.Text)
	if lost.Severity != "WARN" || !strings.Contains(lost.Text, "no space left on device") {
		t.Errorf("%+v", lost)
	}
	stale := statusOf(registry, l.ID)
	if !strings.Contains(stale, `"state":"healthy"`) {
		t.Errorf("the old status is not readable any more: %q", stale)
	}
	// It still watches: a server that hangs is noticed, and one that is back
	// too.
	must(t, s.Kill())
	w.Message(cmdtest.ProbeFailed)
	must(t, s.Restart())
	w.Message(cmdtest.Recovered)
	if now := statusOf(registry, l.ID); now != stale {
		t.Errorf("the status on a full disk is %q, was %q", now, stale)
	}
	// -pause cannot show its effect, and says so; the watch can be ended
	// nevertheless.
	pause := l.Verb("-pause")
	pause.Exits(1)
	w.Message(cmdtest.Paused)
	must(t, os.Remove(fill))
	l.Verb("-continue").Exits(0)
	w.Message(cmdtest.Continued)
	cmdtest.Eventually(t, "a status after there is room again", func() bool {
		return statusOf(registry, l.ID) != stale &&
			strings.Contains(statusOf(registry, l.ID), `"state":"healthy"`)
	})
	l.Silent("-stop")
	w.Exits(0)
	w.Told("started watching status-lost probe-failed recovered paused continued stopping")
}

// The registry has become read-only: the watch goes on, says so, obeys, and
// leaves what it cannot remove.
func TestReadOnlyRegistry(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l, w, registry := smallRegistry(t, s)
	// A second mount on top, since the watch has a file open for writing on the
	// first.
	mount := exec.Command("nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", w.PID), "--", "/bin/sh",
		"-c",
		`mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"`, filepath.Dir(l.Registry))
	if out, err := mount.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lost := w.Message(cmdtest.StatusLost)
	t.Log(lost.Text)
	if !strings.Contains(lost.Text, "read-only file system") {
		t.Errorf("%+v", lost)
	}
	must(t, s.Kill())
	w.Message(cmdtest.ProbeFailed)
	must(t, s.Restart())
	w.Message(cmdtest.Recovered)
	second := l.Start("another", "-s", "share", "--no-evidence", "--log-file", "/dev/null")
	second.Exits(4)
	if text := second.Last(cmdtest.System).Text; !strings.HasSuffix(text, "(mkdir 30).") { // EROFS
		t.Errorf("a start in a read-only registry says %q", text)
	}
	keep := l.Start("keep", "-list") // wrong usage; what matters is that the namespace is alive
	keep.Exits(2)
	if e := statusOf(registry, l.ID); !strings.Contains(e, string(watchreg.Healthy)) {
		t.Errorf("the old status: %q", e)
	}
	l.Verb("-stop").Exits(0)
	w.Exits(0)
	w.Told("started watching status-lost probe-failed recovered stopping")
}

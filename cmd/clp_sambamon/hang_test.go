package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/cmd/internal/lab/disk"
	"fsmon/smbprobe/smbtest"
)

// The disk with clplogcmd hangs, and nothing of it is in memory. Who starts a
// program of Go then stands still until the kernel has read it.
func TestHungAlertViewHidesNoVerdict(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	product := disk.NewFuse(t, "/bin/true")
	l.Exec = func(name string, args ...string) *exec.Cmd {
		return exec.Command("unshare", append([]string{"--mount", "--", "/bin/sh", "-c",
			`mount --make-rprivate / && mount -t tmpfs tmpfs /usr/sbin &&
			ln -s "$0" /usr/sbin/clplogcmd && exec "$@"`,
			filepath.Join(product.Dir, disk.ProgramName), name}, args...)...)
	}
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-c", "1")...)
	w.Message(cmdtest.Watching)
	l.Healthy()
	f, err := unix.Open(filepath.Join(product.Dir, disk.ProgramName), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Fadvise(f, 0, 0, unix.FADV_DONTNEED), unix.Close(f))
	}
	if err != nil {
		t.Fatal(err)
	}
	product.Hang()
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	w.Exits(1)
	<-product.Touched
	w.Told("started watching probe-failed probe-failed net-connect terminate")
	l.Gone()
}

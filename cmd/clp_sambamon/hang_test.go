package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// The disk with the file that stderr leads to hangs, or that with the registry.
// The verdict comes all the same, and when the disk comes back, all is as after
// any other verdict.
func TestHungDiskOfStderrOrRegistry(t *testing.T) {
	t.Parallel()
	for name, withRegistry := range map[string]bool{"stderr": false, "registry": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := smbtest.Samba(t, smbtest.Config{})
			l := newLab(t)
			hung, back := disk.NewMirror(t)
			l.Exec = hung.Mount
			if withRegistry {
				l.Registry = filepath.Join(hung.Dir, "registry")
			} else {
				l.Exec = func(name string, args ...string) *exec.Cmd {
					return hung.Mount("/bin/sh", append([]string{"-c", `exec "$0" "$@" 2>"$STDERR"`,
						name}, args...)...)
				}
				l.Env = []string{"STDERR=" + filepath.Join(hung.Dir, "stderr")}
			}
			w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-c", "2", "-r", "5")...)
			cmdtest.Eventually(t, "its start", func() bool {
				return strings.Contains(readAll(l.Log), " INFO 2 ")
			})
			l.Exec = disk.Inside(w.PID)
			l.Silent("-pause")
			l.Silent("-continue")
			stderr := func() string { return readAll(filepath.Join(back, "stderr")) }
			if !withRegistry { // what is behind a message that hangs is lost
				cmdtest.Eventually(t, "all until now on stderr", func() bool {
					return strings.Contains(stderr(), " INFO 8 ")
				})
			}
			hung.Hang()
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			w.Exits(1)
			<-hung.Touched
			hung.Resume()
			if withRegistry {
				cmdtest.Eventually(t, "an empty registry", func() bool {
					left, err := os.ReadDir(filepath.Join(back, "registry"))
					return err == nil && len(left) == 0
				})
				w.Told("started watching paused continued probe-failed probe-failed probe-failed " +
					"net-connect terminate")
				return
			}
			cmdtest.Eventually(t, "what was on its way to stderr", func() bool {
				return strings.Contains(stderr(), " WARN 101 ")
			})
			if log := readAll(l.Log); !strings.Contains(log, " ERROR 6 ") {
				t.Errorf("the log has no verdict:\n%s", log)
			}
		})
	}
}

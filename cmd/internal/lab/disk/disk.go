// Package disk makes full disks, and directories that another user has tampered
// with, for tests.
package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Stranger is a user who is neither root nor the test's.
const Stranger = 12345

// NeedsRoot skips the test unless root runs it; in CI it fails it.
func NeedsRoot(t testing.TB) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatal("this needs root")
	default:
		t.Skip("this needs root")
	}
}

// Give makes the stranger the owner of a file, or of a link (not of its
// target).
func Give(t testing.TB, path string) {
	t.Helper()
	if err := os.Lchown(path, Stranger, Stranger); err != nil {
		t.Fatal(err)
	}
}

// StrangersLinks fails the test unless write, which writes something in a
// directory, refuses links that a stranger has planted on the way there, and
// writes nothing where they lead. It needs root, who alone can give links away.
func StrangersLinks(t *testing.T, write func(dir string) error) {
	NeedsRoot(t)
	// sticky makes a directory like /tmp.
	sticky := func(t *testing.T) (temp, victim string) {
		base := t.TempDir()
		temp, victim = filepath.Join(base, "tmp"), filepath.Join(base, "victim")
		if err := errors.Join(os.Chmod(base, 0o755), os.Mkdir(temp, 0o777),
			os.Chmod(temp, 0o777|fs.ModeSticky),
			os.MkdirAll(filepath.Join(victim, "below"), 0o755)); err != nil {
			t.Fatal(err)
		}
		return temp, victim
	}
	refused := func(t *testing.T, victim, dir string) {
		t.Helper()
		before := Tree(t, victim)
		err := write(dir)
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", dir, err)
		}
		if after := Tree(t, victim); len(after) != len(before) {
			t.Errorf("%s: followed: %q, before %q", dir, after, before)
		}
	}
	t.Run("link", func(t *testing.T) {
		temp, victim := sticky(t)
		link := filepath.Join(temp, "planted")
		if err := os.Symlink(victim, link); err != nil {
			t.Fatal(err)
		}
		if err := write(filepath.Join(link, "below")); err != nil { // root's own
			t.Fatal(err)
		}
		Give(t, link)
		refused(t, victim, link)
		refused(t, victim, filepath.Join(link, "below"))
		refused(t, victim, filepath.Join(link, "new"))
	})
	t.Run("link in a link", func(t *testing.T) {
		temp, victim := sticky(t)
		inner, outer := filepath.Join(temp, "planted"), filepath.Join(filepath.Dir(temp), "roots")
		if err := errors.Join(os.Symlink(victim, inner),
			os.Symlink("tmp/planted/below", outer)); err != nil {
			t.Fatal(err)
		}
		Give(t, inner)
		refused(t, victim, outer)
	})
	t.Run("exchanged all the time", func(t *testing.T) {
		temp, victim := sticky(t)
		dir, link := filepath.Join(temp, "dir"), filepath.Join(temp, "link")
		if err := errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(filepath.Join(dir, "below"), 0o755),
			os.Symlink(victim, link)); err != nil {
			t.Fatal(err)
		}
		Give(t, dir)
		Give(t, link)
		before := Tree(t, victim)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
				}
			}
		}()
		wrote, refused := 0, 0
		for until := time.Now().Add(time.Minute); (wrote < 20 || refused < 20) &&
			time.Now().Before(until); {
			if err := write(filepath.Join(dir, "below")); err == nil {
				wrote++
			} else {
				refused++
			}
		}
		close(stop)
		<-stopped
		if wrote < 20 || refused < 20 {
			t.Errorf("%d written, %d refused: no race was run", wrote, refused)
		}
		if after := Tree(t, victim); len(after) != len(before) {
			t.Errorf("followed: %q, before %q", after, before)
		}
	})
}

// Tree lists the files below dir.
func Tree(t testing.TB, dir string) (paths []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	}); err != nil {
		t.Error(err)
	}
	return paths
}

// Small makes a file system of 64 kB, which is gone when the test ends. It
// needs root.
func Small(t *testing.T) string {
	t.Helper()
	NeedsRoot(t)
	// It is mounted nowhere, so that it goes with its descriptor, however the
	// test ends (fsmount(2)).
	fsys, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err == nil {
		defer unix.Close(fsys)
		err = unix.FsconfigSetString(fsys, "size", "64k")
	}
	if err == nil {
		err = unix.FsconfigCreate(fsys)
	}
	fd := -1
	if err == nil {
		fd, err = unix.Fsmount(fsys, unix.FSMOUNT_CLOEXEC, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	dir := fmt.Sprintf("/proc/self/fd/%d/disk", fd)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

package trust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A directory is what its path says, links of this user included, and what is missing of it is made.
func TestOpenDir(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.MkdirAll(filepath.Join(base, "dir", "inner"), 0o755),
		os.Symlink("dir", filepath.Join(base, "relative")),
		os.Symlink(filepath.Join(base, "relative"), filepath.Join(base, "absolute")),
		os.Symlink("../dir/inner/..", filepath.Join(base, "dir", "back")),
		os.Symlink("loop", filepath.Join(base, "loop")),
		os.Symlink("nowhere/at/all", filepath.Join(base, "dangling")),
		os.WriteFile(filepath.Join(base, "file"), nil, 0o600),
		os.Symlink("file", filepath.Join(base, "to-file")),
		os.Mkdir(filepath.Join(base, "unreadable"), 0o311),
		os.Mkdir(filepath.Join(base, "unreadable", "inner"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		path, want string // below base
		perm       fs.FileMode
		err        error
	}{
		{"", "", 0, nil},
		{"dir/inner", "dir/inner", 0, nil},
		{"dir//./inner/", "dir/inner", 0, nil},
		{"relative/inner", "dir/inner", 0, nil},
		{"absolute/inner", "dir/inner", 0, nil},
		{"dir/back/back/inner", "dir/inner", 0, nil},
		{"unreadable/inner", "unreadable/inner", 0, nil},
		{"missing", "", 0, fs.ErrNotExist},
		{"absolute/new/er", "dir/new/er", 0o750, nil},
		{"dangling", "nowhere/at/all", 0o700, nil},
		{"loop", "", 0o750, unix.ELOOP},
		{"file", "", 0o750, unix.ENOTDIR},
		{"to-file/x", "", 0o750, unix.ENOTDIR},
	} {
		dir, err := OpenDir(filepath.Join(base, tt.path)+"/", tt.perm)
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", tt.path, err, tt.err)
		}
		if err != nil {
			continue
		}
		if want := filepath.Join(base, tt.want); dir.Name() != want {
			t.Errorf("%s: %s, want %s", tt.path, dir.Name(), want)
		}
		got, err := dir.Stat()
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.Stat(filepath.Join(base, tt.path))
		if err != nil || !os.SameFile(got, want) {
			t.Errorf("%s: another directory than the kernel's, %v", tt.path, err)
		}
		if tt.perm != 0 && got.Mode().Perm() != tt.perm {
			t.Errorf("%s: made with %v, want %v", tt.path, got.Mode().Perm(), tt.perm)
		}
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenDirLeavesNothingOpen(t *testing.T) {
	base := t.TempDir()
	if err := errors.Join(os.Symlink(base, filepath.Join(base, "self")), os.Symlink("loop", filepath.Join(base, "loop"))); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	before := open()
	for range 200 {
		for _, path := range []string{"self/self/self", "loop", "missing", "self/self/missing/x"} {
			if dir, err := OpenDir(filepath.Join(base, path), 0); err == nil {
				dir.Close()
			}
		}
	}
	if after := open(); after > before+5 { // other tests may run
		t.Errorf("%d descriptors, before %d", after, before)
	}
}

// stranger is a user who is neither root nor this one.
const stranger = 65533

// What a stranger has planted on the way to a file is refused, and nothing is written where it leads. Only root can give
// things away, so only root can test it.
func TestStrangersLinks(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("this needs root")
		}
		t.Skip("this needs root")
	}
	give := func(t *testing.T, path string) {
		t.Helper()
		if err := os.Lchown(path, stranger, stranger); err != nil {
			t.Fatal(err)
		}
	}
	writers := map[string]func(dir string) error{
		"log": func(dir string) error {
			return LogFile(filepath.Join(dir, "watch.log"), "sambamon").Deliver(Alert{Text: "x"})
		},
		"metrics":  func(dir string) error { return replaceFile(filepath.Join(dir, "fsmon.prom"), []byte("x 1\n")) },
		"evidence": func(dir string) error { return newEvidence(filepath.Join(dir, "evidence"), "192.0.2.1:445").Prepare() },
	}
	for writer, write := range writers {
		// In a directory as /tmp is.
		sticky := func(t *testing.T) (temp, victim string) {
			base := t.TempDir()
			temp, victim = filepath.Join(base, "tmp"), filepath.Join(base, "victim")
			for _, err := range []error{os.Chmod(base, 0o755), os.Mkdir(temp, 0o777), os.Chmod(temp, 0o777|fs.ModeSticky), os.MkdirAll(filepath.Join(victim, "below"), 0o755)} {
				if err != nil {
					t.Fatal(err)
				}
			}
			return temp, victim
		}
		refused := func(t *testing.T, victim, dir string) {
			t.Helper()
			before := tree(t, victim)
			err := write(dir)
			if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%s: %v", dir, err)
			}
			if after := tree(t, victim); len(after) != len(before) {
				t.Errorf("%s: followed: %q, before %q", dir, after, before)
			}
		}
		t.Run(writer+"/link", func(t *testing.T) {
			temp, victim := sticky(t)
			link := filepath.Join(temp, "planted")
			if err := os.Symlink(victim, link); err != nil {
				t.Fatal(err)
			}
			if err := write(filepath.Join(link, "below")); err != nil { // root's own
				t.Fatal(err)
			}
			give(t, link)
			refused(t, victim, link)
			refused(t, victim, filepath.Join(link, "below"))
			refused(t, victim, filepath.Join(link, "new"))
		})
		t.Run(writer+"/link in a link", func(t *testing.T) {
			temp, victim := sticky(t)
			inner, outer := filepath.Join(temp, "planted"), filepath.Join(filepath.Dir(temp), "roots")
			if err := errors.Join(os.Symlink(victim, inner), os.Symlink("tmp/planted/below", outer)); err != nil {
				t.Fatal(err)
			}
			give(t, inner)
			refused(t, victim, outer)
		})
		t.Run(writer+"/exchanged all the time", func(t *testing.T) {
			temp, victim := sticky(t)
			dir, link := filepath.Join(temp, "dir"), filepath.Join(temp, "link")
			if err := errors.Join(os.Mkdir(dir, 0o755), os.Mkdir(filepath.Join(dir, "below"), 0o755), os.Symlink(victim, link)); err != nil {
				t.Fatal(err)
			}
			give(t, dir)
			give(t, link)
			before := tree(t, victim)
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
			for until := time.Now().Add(time.Minute); (wrote < 20 || refused < 20) && time.Now().Before(until); {
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
			if after := tree(t, victim); len(after) != len(before) {
				t.Errorf("followed: %q, before %q", after, before)
			}
		})
	}

	t.Run("a stranger's log", func(t *testing.T) {
		base := t.TempDir()
		path := filepath.Join(base, "watch.log")
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		give(t, path)
		deliver(t, LogFile(path, "sambamon"), "root's directory: so root wants it there")
		if err := os.Chmod(base, 0o777|fs.ModeSticky); err != nil {
			t.Fatal(err)
		}
		if err := LogFile(path, "sambamon").Deliver(Alert{Text: "x"}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("in a directory for all: %v", err)
		}
		give(t, base)
		if err := errors.Join(os.Remove(path), os.Chmod(base, 0o755)); err != nil {
			t.Fatal(err)
		}
		if err := LogFile(path, "sambamon").Deliver(Alert{Text: "x"}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("in his directory: %v", err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Error("it was made")
		}
		// A collector's directory is often its own.
		if err := replaceFile(filepath.Join(base, "fsmon.prom"), []byte("x 1\n")); err != nil {
			t.Error(err)
		}
	})
}

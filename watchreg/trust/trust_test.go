package trust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

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

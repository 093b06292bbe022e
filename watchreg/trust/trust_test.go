package trust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// OpenDir finds the directory that the kernel finds, through links of this user
// too, and makes what is missing.
func TestOpenDir(t *testing.T) {
	for name, policy := range map[string]Policy{"file": File, "registry": Registry} {
		t.Run(name, func(t *testing.T) { testOpenDir(t, policy) })
	}
}

// newBase makes a directory that no policy refuses, and whose path has no
// links.
func newBase(t *testing.T) string {
	t.Helper()
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err == nil {
		err = os.Chmod(base, 0o755) // whatever the umask
	}
	if err != nil {
		t.Fatal(err)
	}
	return base
}

func testOpenDir(t *testing.T, policy Policy) {
	base := newBase(t)
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
		dir, err := OpenDir(filepath.Join(base, tt.path)+"/", tt.perm, policy)
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
	base := newBase(t)
	if err := errors.Join(os.Symlink(base, filepath.Join(base, "self")),
		os.Symlink("loop", filepath.Join(base, "loop"))); err != nil {
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
			for _, policy := range []Policy{File, Registry} {
				if dir, err := OpenDir(filepath.Join(base, path), 0, policy); err == nil {
					dir.Close()
				}
			}
		}
	}
	if after := open(); after > before+5 { // other tests may run
		t.Errorf("%d descriptors, before %d", after, before)
	}
}

const stranger = 65533 // a user who is neither root nor this one

// What each policy refuses, in its own words.
func TestPolicies(t *testing.T) {
	if os.Geteuid() != 0 { // only root can give things away
		if os.Getenv("CI") == "true" {
			t.Fatal("this needs root")
		}
		t.Skip("this needs root")
	}
	base := newBase(t)
	at := func(name string) string { return filepath.Join(base, name) }
	for _, err := range []error{
		os.Mkdir(at("well"), 0o775), os.Chmod(at("well"), 0o775),
		os.Mkdir(at("sticky"), 0o777), os.Chmod(at("sticky"), 0o777|fs.ModeSticky),
		os.Mkdir(at("open"), 0o777), os.Chmod(at("open"), 0o777),
		os.Mkdir(at("theirs"), 0o755), os.Lchown(at("theirs"), stranger, stranger),
		os.Symlink("well", at("link")),
		os.Symlink("well", at("planted")), os.Lchown(at("planted"), stranger, stranger),
		os.Symlink("planted/below", at("through")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ path, bad, file, registry string }{ // empty: accepted
		{path: "well"},
		{path: "sticky"},
		{path: "link"},
		{path: "open", bad: "open",
			registry: "can be written by all users (mode 0777), who could replace the registry " +
				"below it (run chmod o-w on it, or set FSMON_REGISTRY to a directory elsewhere)"},
		{path: "theirs", bad: "theirs",
			registry: "belongs to user 65533, who could replace the registry below it " +
				"(set FSMON_REGISTRY to a directory elsewhere)"},
		{path: "through", bad: "planted",
			file: "is a symbolic link of user 65533, which is not followed " +
				"(permission denied: look at it and remove it, or name another path)",
			registry: "is a symbolic link of user 65533, who chose where the registry is " +
				"(look at it and remove it, or set FSMON_REGISTRY to a directory elsewhere)"},
	} {
		for policy, reason := range map[Policy]string{File: tt.file, Registry: tt.registry} {
			dir, err := OpenDir(at(tt.path)+"/new/er", 0o700, policy)
			if err == nil {
				dir.Close()
			}
			unsafe := new(UnsafeError)
			if got := errors.As(err, &unsafe); got != (reason != "") || !got && err != nil {
				t.Errorf("%s, policy %d: %v", tt.path, policy, err)
			} else if got && (*unsafe != UnsafeError{at(tt.bad), reason} ||
				!errors.Is(err, fs.ErrPermission)) {
				t.Errorf("%s, policy %d:\n got %v\nwant %s %s", tt.path, policy, err, at(tt.bad),
					reason)
			}
			_, err = os.Lstat(filepath.Join(base, tt.path, "new"))
			if made := err == nil; made != (reason == "") {
				t.Errorf("%s, policy %d: made: %v", tt.path, policy, made)
			}
			os.RemoveAll(filepath.Join(base, tt.path, "new"))
		}
	}
}

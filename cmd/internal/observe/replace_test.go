package observe

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"fsmon/cmd/internal/errand"
	"fsmon/cmd/internal/lab/disk"
)

// A link in place of the file or of its temporary is not followed.
func TestMetricsFilePlanted(t *testing.T) {
	dir := t.TempDir()
	victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "fsmon.prom")
	const secret = "precious"
	if err := os.WriteFile(victim, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(at string) {
		t.Helper()
		if err := os.Symlink(victim, at); err != nil {
			t.Fatal(err)
		}
	}
	unharmed := func() {
		t.Helper()
		if got := readFile(t, victim); got != secret {
			t.Errorf("the link was followed: %q", got)
		}
	}

	link(path + ".tmp-fsmon")
	if err := replaceFile(path, []byte("x 1\n")); err != nil || readFile(t, path) != "x 1\n" {
		t.Errorf("a link in the temporary's place: %v", err)
	}
	unharmed()

	for _, text := range [][]byte{[]byte("x 1\n"), nil} {
		os.Remove(path)
		link(path)
		if err := replaceFile(path, text); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("a link in the file's place: %v", err)
		}
		unharmed()
		os.Remove(path)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(path, []byte("x 1\n")); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a FIFO in the file's place: %v", err)
	}
	os.Remove(path)

	if err := os.Mkdir(path+".tmp-fsmon", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(path, []byte("x 1\n")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a directory in the temporary's place: %v", err)
	}
}

// If the directory is full or missing, writing fails, and no half of a file is
// left.
func TestMetricsFileCannotBeWritten(t *testing.T) {
	if err := replaceFile(filepath.Join(t.TempDir(), "missing", "fsmon.prom"),
		[]byte("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	dir := disk.Small(t)
	path := filepath.Join(dir, "fsmon.prom")
	if err := replaceFile(path, []byte("old 1\n")); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(path, make([]byte, 1<<20)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk: %v", err)
	}
	if got := readFile(t, path); got != "old 1\n" {
		t.Errorf("the old file is now %q", got)
	}
	if _, err := os.Lstat(path + ".tmp-fsmon"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary is left: %v", err)
	}
}

// The directory may be another user's, as that of a collector often is. His
// links are not followed.
func TestStrangersDirectory(t *testing.T) {
	write := func(dir string) error {
		return replaceFile(filepath.Join(dir, "fsmon.prom"), []byte("x 1\n"))
	}
	disk.StrangersLinks(t, write)
	dir := t.TempDir()
	disk.Give(t, dir)
	if err := write(dir); err != nil {
		t.Error(err)
	}
}

// An errand does the same as this process.
func TestMetricsErrand(t *testing.T) {
	errand.Enabled = true
	t.Cleanup(func() { errand.Enabled = false })
	path := filepath.Join(t.TempDir(), "w.prom")
	for _, text := range []string{"x 1\n", "x 2\n"} {
		_, err := replaceErrand.Run(t.Context(), newFile{path, []byte(text)})
		if err != nil || readFile(t, path) != text {
			t.Errorf("%v, %q", err, readFile(t, path))
		}
	}
	if _, err := replaceErrand.Run(t.Context(), newFile{Path: path}); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("still there")
	}
}

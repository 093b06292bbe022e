package evidence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/disk"
)

// If evidence cannot or must not be saved there is one error, and no file is
// touched.
func TestEvidenceRefused(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string) (evidence string)
		says    string
	}{
		"the directory cannot be made": {func(t *testing.T, dir string) string {
			return "/proc/fsmon/evidence"
		}, "/proc/fsmon"},
		"a file is in its place": {func(t *testing.T, dir string) string {
			return must(t, filepath.Join(dir, "file"),
				os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
		}, "not a directory"},
		"others may write it": {func(t *testing.T, dir string) string {
			open := filepath.Join(dir, "open")
			return must(t, open, errors.Join(os.Mkdir(open, 0o777), os.Chmod(open, 0o777)))
		}, "can be written by others (mode 0777"},
		"its group may write the watch's": {func(t *testing.T, dir string) string {
			return must(t, dir, errors.Join(os.Mkdir(filepath.Join(dir, "w"), 0o770),
				os.Chmod(filepath.Join(dir, "w"), 0o770)))
		}, "w can be written by others (mode 0770"},
		"the watch's is a link": {func(t *testing.T, dir string) string {
			inner := filepath.Join(dir, "evidence")
			return must(t, inner, errors.Join(os.Mkdir(inner, 0o700),
				os.Mkdir(filepath.Join(dir, "victim"), 0o700),
				os.Symlink("../victim", filepath.Join(inner, "w"))))
		}, "w is a symbolic link"},
		"it is a link itself": {func(t *testing.T, dir string) string {
			link := filepath.Join(dir, "evidence")
			return must(t, link, errors.Join(os.Mkdir(filepath.Join(dir, "victim"), 0o700),
				os.Symlink("victim", link)))
		}, "evidence is a symbolic link"},
		"it is a link to the outside": {func(t *testing.T, dir string) string {
			link := filepath.Join(dir, "evidence")
			return must(t, link, os.Symlink(must(t, t.TempDir(), nil), link))
		}, "evidence is a symbolic link"},
		"the watch's is a file": {func(t *testing.T, dir string) string {
			return must(t, dir, os.WriteFile(filepath.Join(dir, "w"), nil, 0o600))
		}, "w is not a directory"},
		"another user's": {func(t *testing.T, dir string) string {
			if os.Geteuid() != 0 {
				return "/proc/1/fd" // of root
			}
			foreign := filepath.Join(dir, "foreign")
			return must(t, foreign, errors.Join(os.Mkdir(foreign, 0o755),
				os.Chown(foreign, 65534, 65534)))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			v := newEvidence(c.prepare(t, dir), "192.0.2.1:445")
			before := disk.Tree(t, dir)
			if err := v.Prepare(); err == nil {
				t.Error("Prepare finds nothing wrong")
			}
			if _, err := v.Save(t.Context(), time.Minute); err == nil ||
				!strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
			if after := disk.Tree(t, dir); !slices.Equal(before, after) {
				t.Errorf("before %q, after %q", before, after)
			}
		})
	}
}

// If the clock was set back, a time comes twice. Both cases stay.
func TestEvidenceOfTheSameMillisecond(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var names []string
	for range 3 {
		path, _ := save(t, newEvidence(dir, "192.0.2.1:445"), time.Minute)
		names = append(names, filepath.Base(path))
	}
	if want := []string{"20261121T194100.000Z", "20261121T194100.001Z",
		"20261121T194100.002Z"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

// A relative directory is below the working directory at the start of the
// watch.
func TestRelativeEvidenceDirectory(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	t.Chdir(dir)
	v := newEvidence("evidence", "192.0.2.1:445")
	t.Chdir(elsewhere)
	path, _ := save(t, v, time.Minute)
	if want := filepath.Join(dir, "evidence", "w", "20261121T194100.000Z"); path != want {
		t.Errorf("saved in %s, want %s", path, want)
	}
}

func TestEvidenceOnAFullDisk(t *testing.T) {
	v := newEvidence(disk.Small(t), "127.0.0.1:445",
		says("large.txt", strings.Repeat("x", 100_000)))
	_, err := v.Save(t.Context(), time.Minute)
	if err == nil || !strings.Contains(err.Error(),
		"no space left on device; what there was room for is in ") {
		t.Errorf("got %v", err)
	}
}

// The newest ten stay. So does whatever no watch has made. No link is followed.
func TestEvidenceIsPruned(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "w")
	victim := filepath.Join(dir, "victim")
	for _, err := range []error{
		os.Chmod(dir, 0o700), os.Mkdir(mine, 0o700), os.Mkdir(victim, 0o700),
		os.WriteFile(filepath.Join(victim, "precious"), nil, 0o600),
		os.Symlink("../victim", filepath.Join(mine, "20000101T000000.000Z")),
		os.Mkdir(filepath.Join(mine, "kept for the vendor"), 0o700),
		os.WriteFile(filepath.Join(mine, "20000102T000000.000Z"), nil, 0o600),
		os.Mkdir(filepath.Join(mine, "20000103T000000,000Z"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		old := filepath.Join(mine, fmt.Sprintf("20250101T0000%02d.000Z", i))
		if err := errors.Join(os.Mkdir(old, 0o700),
			os.WriteFile(filepath.Join(old, "f"), nil, 0o600),
			os.Symlink(victim, filepath.Join(old, "link"))); err != nil {
			t.Fatal(err)
		}
	}
	path, _ := save(t, newEvidence(dir, "192.0.2.1:445"), time.Minute)
	entries, err := os.ReadDir(mine)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	want := []string{"20000101T000000.000Z", "20000102T000000.000Z", "20000103T000000,000Z"}
	for i := 3; i < 12; i++ {
		want = append(want, fmt.Sprintf("20250101T0000%02d.000Z", i))
	}
	want = append(want, filepath.Base(path), "kept for the vendor")
	if !slices.Equal(got, want) {
		t.Errorf("left are %q\nwant     %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(victim, "precious")); err != nil {
		t.Error(err)
	}
}

func TestStrangersLinks(t *testing.T) {
	disk.StrangersLinks(t, func(dir string) error {
		return newEvidence(filepath.Join(dir, "evidence"), "192.0.2.1:445").Prepare()
	})
}

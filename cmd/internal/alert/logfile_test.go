package alert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fsmon/cmd/internal/errand"
	"fsmon/cmd/internal/lab/disk"

	"golang.org/x/sys/unix"
)

// logged returns the texts in a log file, and fails on half a line.
func logged(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for line := range strings.Lines(string(b)) {
		_, text, ok := strings.Cut(line, " sambamon ")
		if !ok || !strings.HasSuffix(line, "\n") {
			t.Fatalf("%s: not a line: %q", path, line)
		}
		texts = append(texts, strings.TrimSuffix(text, "\n"))
	}
	return texts
}

func deliver(t *testing.T, s Sink, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := s.Deliver(Alert{Number: 1, Text: text}); err != nil {
			t.Fatal(err)
		}
	}
}

// fill appends one long line that brings a file to n bytes.
func fill(t *testing.T, path string, n int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	const head = "2026-11-21T20:41:00+09:00 sambamon INFO 1 fill"
	_, err = f.WriteString(head + strings.Repeat("x", int(n-size(t, path))-len(head)-1) + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestLogFileIsMade(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	path := filepath.Join(t.TempDir(), "fsmon", "id", "watch.log")
	s := LogFile(path, "sambamon")
	if err := s.Deliver(Alert{Number: 62, Severity: Error, Text: "refused",
		Detail: "STATUS_ACCESS_DENIED"}); err != nil {
		t.Fatal(err)
	}
	same(t, "log", logged(t, path),
		[]string{"ERROR 62 refused", "ERROR 62 ... STATUS_ACCESS_DENIED"})
	for name, want := range map[string]fs.FileMode{
		path: 0o640, filepath.Dir(path): 0o750 | fs.ModeDir,
		filepath.Dir(filepath.Dir(path)): 0o750 | fs.ModeDir,
	} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v %v, want %v", name, info.Mode(), err, want)
		}
	}
	deliver(t, LogFile(path, "sambamon"), "a second watch")
	same(t, "log", logged(t, path),
		[]string{"ERROR 62 refused", "ERROR 62 ... STATUS_ACCESS_DENIED", "INFO 1 a second watch"})
}

func TestLogFileRefusals(t *testing.T) {
	chmod := func(mode fs.FileMode) func(dir, _ string) error {
		return func(dir, _ string) error { return os.Chmod(dir, mode) }
	}
	tests := []struct {
		name  string
		plant func(dir, path string) error
		want  error // nil: accepted
	}{
		{"group may write the directory", chmod(0o770), fs.ErrPermission},
		{"others may write the directory", chmod(0o702), fs.ErrPermission},
		{"sticky directory", chmod(0o777 | fs.ModeSticky), nil},
		{"symbolic link", func(dir, path string) error {
			return os.Symlink(filepath.Join(dir, "target"), path)
		}, unix.ELOOP},
		{"hard link", func(dir, path string) error {
			return os.Link(filepath.Join(dir, "victim"), path)
		}, fs.ErrInvalid},
		{"directory", func(_, path string) error { return os.Mkdir(path, 0o700) }, unix.EISDIR},
		{"FIFO without a reader", func(_, path string) error { return unix.Mkfifo(path, 0o600) },
			unix.ENXIO},
		{"a file where the directory should be", func(dir, _ string) error {
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600))
		}, unix.ENOTDIR},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "log")
			path, victim := filepath.Join(dir, "watch.log"), filepath.Join(dir, "victim")
			if err := os.Mkdir(dir, 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := tt.plant(dir, path); err != nil {
				t.Fatal(err)
			}
			err := LogFile(path, "sambamon").Deliver(Alert{Text: "x"})
			if !errors.Is(err, tt.want) {
				t.Errorf("Deliver: %v, want %v", err, tt.want)
			}
			if _, err := os.Lstat(filepath.Join(dir, "target")); err == nil {
				t.Error("the link was followed")
			}
			if b, err := os.ReadFile(victim); err == nil && string(b) != "precious" {
				t.Errorf("the other file now holds %q", b)
			}
		})
	}
	if err := LogFile("/dev/full", "sambamon").Deliver(Alert{Text: "x"}); err == nil {
		t.Error("a device was accepted")
	}
}

func TestLogFileRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "watch.log")
	s := LogFile(path, "sambamon")
	for _, text := range []string{"one", "two", "three", "four", "five"} {
		deliver(t, s, text)
		fill(t, path, logBytes)
	}
	for name, want := range map[string]string{path: "INFO 1 five", path + ".1": "INFO 1 four",
		path + ".2": "INFO 1 three"} {
		if got := logged(t, name); got[0] != want || len(got) != 2 {
			t.Errorf("%s: %d lines, the first %.50q, want %q", name, len(got), got[0], want)
		}
	}
	if names, err := os.ReadDir(filepath.Dir(path)); len(names) != logFiles {
		t.Errorf("%d files (%v), want %d", len(names), err, logFiles)
	}
}

// Line by line through two rotations: every line is there, in order, and no
// file is too large.
func TestLogFileLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "watch.log")
	s := LogFile(path, "sambamon")
	var want []string
	text := strings.Repeat("x", 200)
	for i := range 2 * logBytes / 230 {
		line := text + string(rune('a'+i%26))
		deliver(t, s, line)
		want = append(want, "INFO 1 "+line)
	}
	var got []string
	for _, name := range []string{path + ".2", path + ".1", path} {
		got = append(got, logged(t, name)...)
		if n := size(t, name); n > logBytes {
			t.Errorf("%s has %d bytes", name, n)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d lines came out of %d, or in another order", len(got), len(want))
	}
}

// A file that cannot be rotated grows to its cap and not beyond. No older file
// is overwritten.
func TestLogFileCannotRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "watch.log")
	s := LogFile(path, "sambamon")
	if err := os.Mkdir(path+".2", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".1", []byte("history\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, "first")
	fill(t, path, logBytes)
	deliver(t, s, "goes to the same file")
	if got := logged(t, path); got[len(got)-1] != "INFO 1 goes to the same file" {
		t.Errorf("last line %.50q", got[len(got)-1])
	}

	fill(t, path, logCap-10)
	before := size(t, path)
	err := s.Deliver(Alert{Text: "too much"})
	if !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EISDIR) {
		t.Errorf("at the cap: %v, want the reason why it cannot be rotated", err)
	}
	if n := size(t, path); n != before {
		t.Errorf("the file grew from %d to %d bytes at its cap", before, n)
	}
	if b, err := os.ReadFile(path + ".1"); string(b) != "history\n" {
		t.Errorf("older file: %q, %v", b, err)
	}

	if err := os.Remove(path + ".2"); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, "well again")
	same(t, "log", logged(t, path), []string{"INFO 1 well again"})
}

func TestLogFileSurvivesItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fsmon", "id")
	path := filepath.Join(dir, "watch.log")
	s := LogFile(path, "sambamon")
	deliver(t, s, "one")
	if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, "two")
	same(t, "after it disappeared", logged(t, path), []string{"INFO 1 two"})

	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, "three")
	same(t, "after it was replaced", logged(t, path), []string{"INFO 1 three"})

	if err := os.Rename(path, path+".moved"); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, "four")
	same(t, "after somebody else's rotation", logged(t, path), []string{"INFO 1 four"})
}

// A full disk takes part of a line, but the file must hold whole lines only.
func TestLogFileDiskFull(t *testing.T) {
	dir := disk.Small(t)
	path, filler := filepath.Join(dir, "watch.log"), filepath.Join(dir, "filler")
	s := LogFile(path, "sambamon")
	deliver(t, s, "one")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("a disk that takes everything: %v", err)
	}
	// There is room in the last page of the file.
	want := []string{"INFO 1 one"}
	var err error
	for i := 0; err == nil && i < 10_000; i++ {
		line := fmt.Sprintf("line %d", i)
		if err = s.Deliver(Alert{Number: 1, Text: line}); err == nil {
			want = append(want, "INFO 1 "+line)
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("no room for the line: %v, want ENOSPC", err)
	}
	same(t, "full", logged(t, path), want)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	deliver(t, s, "with room again")
	same(t, "with room again", logged(t, path), append(want, "INFO 1 with room again"))
}

func TestStrangersLinks(t *testing.T) {
	disk.StrangersLinks(t, func(dir string) error {
		return LogFile(filepath.Join(dir, "watch.log"), "sambamon").Deliver(Alert{Text: "x"})
	})
}

// A log that is another user's, or in a directory of his.
func TestStrangersLog(t *testing.T) {
	disk.NeedsRoot(t)
	base := t.TempDir()
	path := filepath.Join(base, "watch.log")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	disk.Give(t, path)
	deliver(t, LogFile(path, "sambamon"), "root's directory: so root wants it there")
	if err := os.Chmod(base, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	log := LogFile(path, "sambamon")
	if err := log.Deliver(Alert{Text: "x"}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("in a directory for all: %v", err)
	}
	disk.Give(t, base)
	if err := errors.Join(os.Remove(path), os.Chmod(base, 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := log.Deliver(Alert{Text: "x"}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("in his directory: %v", err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("it was made")
	}
}

// An errand writes the same as this process would, and fails in the same words.
func TestLogErrand(t *testing.T) {
	errand.Enabled = true
	t.Cleanup(func() { errand.Enabled = false })
	path := filepath.Join(t.TempDir(), "log", "watch.log")
	deliver := func(path string, a Alert) error { return LogFile(path, "sambamon").Deliver(a) }
	if err := deliver(path, Alert{Number: 1, Text: "one line",
		Detail: strings.Repeat("é", 300)}); err != nil {
		t.Fatal(err)
	}
	if texts := logged(t, path); len(texts) != 4 || texts[0] != "INFO 1 one line" {
		t.Errorf("%q", texts)
	}
	err := deliver("/dev/full", Alert{Text: "x"})
	if err == nil || !strings.Contains(err.Error(), "/dev/full is not a regular file") {
		t.Errorf("%v", err)
	}
}

// The errands of these tests are this test program once more.
func TestMain(m *testing.M) {
	if errand.Main() {
		return
	}
	errand.Enabled = false
	os.Exit(m.Run())
}

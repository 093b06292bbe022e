package observe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	logFiles = 3       // watch.log, watch.log.1, watch.log.2
	logBytes = 1 << 20 // a file is rotated before it grows beyond this
	logCap   = 2 << 20 // it never grows beyond this, even where it cannot be rotated
)

type logFile struct {
	path, ident string
}

// LogFile writes alerts to the file at path in the form of Stderr, one write a
// line (FSM 6.2). At 1 MiB the file becomes path.1 and that path.2; one that
// cannot be rotated grows to 2 MiB, then Deliver fails. Missing directories are
// made with mode 0750, the file with 0640. A directory that group or others may
// write is refused unless it is sticky, and so is a file that is a link or not
// a regular file: somebody else may have put it there. The file must belong to
// this watch alone, since others would not know of its rotation.
//
// Nothing is opened before the first message, whose failure is then named on
// stderr: a log on a hung disk must not keep a watch from starting.
func LogFile(path, ident string) Sink {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return &logFile{path: path, ident: ident}
}

func (l *logFile) Name() string { return "log file " + l.path }

func (l *logFile) Close() error { return nil }

func (l *logFile) Deliver(a Alert) error {
	t := task{Log: &logTask{l.path, lines(logHead(l.ident, a), a)}}
	return t.run(context.Background()).err
}

// logTask appends lines to a log file.
type logTask struct {
	Path  string
	Lines []string
}

func (t logTask) do() error {
	for _, line := range t.Lines {
		if err := logPath(t.Path).write(line + "\n"); err != nil {
			return err
		}
	}
	return nil
}

// logPath is where a log is. No descriptor is kept: alerts are rare, and a file
// that is opened for each line is the right one whatever was renamed, removed or
// mounted meanwhile.
type logPath string

// open returns the file and its size.
func (l logPath) open() (*os.File, int64, error) {
	dir := filepath.Dir(string(l))
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, 0, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, 0, err
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return nil, 0, fmt.Errorf("log directory %s can be written by group or others (%w: take that permission away)", dir, fs.ErrPermission)
	}

	// O_NONBLOCK because opening a FIFO would wait for its reader; it means nothing to a regular file.
	const flags = os.O_WRONLY | os.O_APPEND | os.O_CREATE | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	f, err := os.OpenFile(string(l), flags, 0o640)
	if errors.Is(err, unix.ELOOP) {
		return nil, 0, fmt.Errorf("log file %s is a symbolic link, which is not followed: %w", l, err)
	}
	if err != nil {
		return nil, 0, err
	}
	info, err = f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || !info.Mode().IsRegular() || st.Nlink > 1 {
		f.Close()
		return nil, 0, fmt.Errorf("log file %s is not a regular file with one name (%w)", l, fs.ErrInvalid)
	}
	return f, info.Size(), nil
}

// write appends one line, in a new file when it is time for one.
func (l logPath) write(line string) (err error) {
	f, size, err := l.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()

	grown := size + int64(len(line))
	if grown > logBytes {
		failed := l.rotate()
		switch {
		case failed == nil:
			// Without a new file the line goes to the old one, under its new name.
			if next, n, err := l.open(); err == nil {
				f.Close()
				f, size = next, n
			}
		case grown > logCap:
			return fmt.Errorf("log file %s is full and cannot be rotated: %w", l, failed)
		}
	}

	n, err := f.WriteString(line)
	if err != nil && n > 0 {
		// A full disk takes half a line; the next one must not be glued to it.
		err = errors.Join(err, f.Truncate(size))
	}
	return err
}

// rotate moves every file one further, the oldest over the end. The first
// failure stops it, so that it never moves a file over one that stayed.
func (l logPath) rotate() error {
	for i := logFiles - 1; i > 0; i-- {
		err := os.Rename(l.numbered(i-1), l.numbered(i))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (l logPath) numbered(i int) string {
	if i == 0 {
		return string(l)
	}
	return string(l) + "." + strconv.Itoa(i)
}

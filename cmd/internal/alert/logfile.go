package alert

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

	"fsmon/cmd/internal/errand"
	"fsmon/watchreg/trust"
)

const (
	logFiles = 3       // watch.log, watch.log.1, watch.log.2
	logBytes = 1 << 20 // a file is rotated before it grows beyond this
	logCap   = 2 << 20 // it never grows beyond this, even where it cannot be rotated
)

type logFile struct {
	path  string // empty: stderr
	ident string
}

// LogFile writes alerts to the file at path in the form of Stderr, each line
// with one write (FSM manual 6.2). At 1 MiB the file becomes path.1, and that
// path.2; if that fails it grows to 2 MiB, and then Deliver fails. Missing
// directories are made with mode 0750, the file with 0640. No other process may
// write to the file, since it would not know of the rotation.
//
// It refuses what another user may have put there: a directory that is another
// user's, or that others may write and that is not sticky; a path through
// another user's link; a file that is a link, is not regular, has a second
// name, or is another user's in a sticky directory.
//
// Nothing is opened before the first message: a log on a hung disk must not
// keep a watch from starting.
func LogFile(path, ident string) Sink {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return &logFile{path: path, ident: ident}
}

func (l *logFile) Name() string {
	if l.path == "" {
		return stderrName
	}
	return "log file " + l.path
}

func (l *logFile) Close() error { return nil }

func (l *logFile) Deliver(a Alert) error {
	_, err := l.DeliverAll([]Alert{a})
	return err
}

// DeliverAll sends one errand for all of them.
func (l *logFile) DeliverAll(alerts []Alert) (n int, err error) {
	add := logLines{Path: l.path}
	for _, a := range alerts {
		add.Alerts = append(add.Alerts, lines(logHead(l.ident, a), a))
	}
	return appendErrand.Run(context.Background(), add)
}

// logLines are to be appended to a log file.
type logLines struct {
	Path   string     // as in logFile
	Alerts [][]string // the lines of each alert
}

// The answer is how many alerts were written.
var appendErrand = errand.Handle("log", func(l logLines, reply func(int, error)) {
	write := logPath(l.Path).write
	if l.Path == "" {
		write = func(line string) error {
			_, err := os.Stderr.WriteString(line)
			return err
		}
	}
	for n, alert := range l.Alerts {
		for _, line := range alert {
			if err := write(line + "\n"); err != nil {
				reply(n, err)
				return
			}
		}
	}
	reply(len(l.Alerts), nil)
})

// logPath is where a log is. The file is opened for each line: alerts are rare,
// and so it is the right one, whatever was renamed, removed or mounted
// meanwhile.
type logPath string

// openDir opens the directory of the log. It fails if another user could
// replace files in it. shared is true if others may make files in it.
func (l logPath) openDir() (dir *os.File, shared bool, err error) {
	dir, err = trust.OpenDir(filepath.Dir(string(l)), 0o750, trust.File)
	if err != nil {
		return nil, false, err
	}
	info, err := dir.Stat()
	if err == nil {
		shared = info.Mode().Perm()&0o022 != 0
		switch {
		case trust.Foreign(info):
			err = fmt.Errorf("log directory %s belongs to user %d (%w: "+
				"name one of this user or root)",
				dir.Name(), trust.Owner(info), fs.ErrPermission)
		case shared && info.Mode()&fs.ModeSticky == 0:
			err = fmt.Errorf("log directory %s can be written by group or others (%w: "+
				"take that permission away)", dir.Name(), fs.ErrPermission)
		}
	}
	if err != nil {
		return nil, false, errors.Join(err, dir.Close())
	}
	return dir, shared, nil
}

// open returns the file in its directory, and its size.
func (l logPath) open(dir *os.File, shared bool) (*os.File, int64, error) {
	// O_NONBLOCK, so that opening a FIFO does not wait for a reader.
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT |
		unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), l.numbered(0), flags, 0o640)
	if errors.Is(err, unix.ELOOP) {
		return nil, 0, fmt.Errorf("log file %s is a symbolic link, which is not followed: %w",
			l, err)
	}
	if err != nil {
		return nil, 0, &os.PathError{Op: "open", Path: string(l), Err: err}
	}
	f := os.NewFile(uintptr(fd), string(l))
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if !info.Mode().IsRegular() || info.Sys().(*syscall.Stat_t).Nlink > 1 {
		err := fmt.Errorf("log file %s is not a regular file with one name (%w)", l, fs.ErrInvalid)
		return nil, 0, errors.Join(err, f.Close())
	}
	if shared && trust.Foreign(info) {
		err := fmt.Errorf("log file %s belongs to user %d (%w: "+
			"look at it and remove it, or name another)",
			l, trust.Owner(info), fs.ErrPermission)
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// write appends one line, and rotates before that if the file is full.
func (l logPath) write(line string) (err error) {
	dir, shared, err := l.openDir()
	if err != nil {
		return err
	}
	defer dir.Close()
	f, size, err := l.open(dir, shared)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()

	grown := size + int64(len(line))
	if grown > logBytes {
		failed := l.rotate(dir)
		switch {
		case failed == nil:
			// If there is no new file, the line goes to the old one.
			if next, n, err := l.open(dir, shared); err == nil {
				f.Close()
				f, size = next, n
			}
		case grown > logCap:
			return fmt.Errorf("log file %s is full and cannot be rotated: %w", l, failed)
		}
	}

	n, err := f.WriteString(line)
	if err != nil && n > 0 {
		// A full disk took part of the line; the next line must not follow it.
		err = errors.Join(err, f.Truncate(size))
	}
	return err
}

// rotate renames every file to the next number; the oldest is lost. It stops at
// the first failure, so that no file replaces one that stayed.
func (l logPath) rotate(dir *os.File) error {
	at := int(dir.Fd())
	for i := logFiles - 1; i > 0; i-- {
		err := unix.Renameat(at, l.numbered(i-1), at, l.numbered(i))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &os.LinkError{Op: "rename", Old: l.numbered(i - 1), New: l.numbered(i), Err: err}
		}
	}
	return nil
}

// numbered is a file's name in the directory.
func (l logPath) numbered(i int) string {
	if i == 0 {
		return filepath.Base(string(l))
	}
	return filepath.Base(string(l)) + "." + strconv.Itoa(i)
}

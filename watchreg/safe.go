package watchreg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// UnsafeError means that something in or above the registry could have been
// put there, or could be changed, by somebody else. It is also an EPERM, so
// errors.Is(err, fs.ErrPermission) holds.
type UnsafeError struct {
	Path   string
	Reason string // what is wrong, and what to do about it
}

func (e *UnsafeError) Error() string { return e.Path + " " + e.Reason }

func (e *UnsafeError) Unwrap() error { return syscall.EPERM }

// resolve returns dir, an absolute path, without symbolic links above it, and
// makes sure that nobody but root and this user can put another directory in
// its place. A directory that all may write is fine when it is sticky, as /tmp
// is. One that its group may write is accepted: private user groups make those.
func resolve(dir string) (string, error) {
	parent, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		return "", err
	}
	root, err := os.Stat("/")
	if err != nil {
		return "", err
	}
	for p, last := parent, ""; p != last; p, last = filepath.Dir(p), p {
		info, err := os.Lstat(p)
		if err != nil {
			return "", err
		}
		// The owner of / can do everything anyway; inside a user namespace that is not always number 0.
		if uid := owner(info); !trusted(uid) && uid != owner(root) {
			return "", &UnsafeError{p, fmt.Sprintf("belongs to user %d, who could replace the registry below it "+
				"(set FSMON_REGISTRY to a directory elsewhere)", uid)}
		}
		if mode := info.Mode(); mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0 {
			return "", &UnsafeError{p, fmt.Sprintf("can be written by all users (mode %04o), who could replace the registry "+
				"below it (run chmod o-w on it, or set FSMON_REGISTRY to a directory elsewhere)", mode.Perm())}
		}
	}
	return filepath.Join(parent, filepath.Base(dir)), nil
}

// checkRegistry looks at the registry directory itself.
func checkRegistry(dir string) error {
	info, err := checkKind(dir, fs.ModeDir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &UnsafeError{dir, fmt.Sprintf("can be written by other users (mode %04o), who could pose as a watch "+
			"(run chmod go-w on it, or set FSMON_REGISTRY to another directory)", info.Mode().Perm())}
	}
	return nil
}

// checkKind looks at path without following a symbolic link: it must be of
// kind (fs.ModeDir, fs.ModeNamedPipe, or 0 for a regular file) and belong to
// this user or to root.
func checkKind(path string, kind fs.FileMode) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	return info, checkInfo(path, info, kind)
}

func checkInfo(path string, info fs.FileInfo, kind fs.FileMode) error {
	if info.Mode().Type() != kind {
		return &UnsafeError{path, fmt.Sprintf("is %s, not %s (no watch made it: look at it and remove it)",
			kindName(info.Mode().Type()), kindName(kind))}
	}
	if uid := owner(info); !trusted(uid) {
		return &UnsafeError{path, fmt.Sprintf("belongs to user %d, not to this user or root "+
			"(look at it and remove it, or set FSMON_REGISTRY to another directory)", uid)}
	}
	return nil
}

// removeKind removes path when it is of the kind we make there. A path that is
// not there is no error.
func removeKind(path string, kind fs.FileMode) error {
	_, err := checkKind(path, kind)
	if err == nil {
		err = os.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func owner(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

func trusted(uid int) bool { return uid == 0 || uid == os.Geteuid() }

func kindName(kind fs.FileMode) string {
	switch kind {
	case 0:
		return "a file"
	case fs.ModeDir:
		return "a directory"
	case fs.ModeNamedPipe:
		return "a FIFO"
	case fs.ModeSymlink:
		return "a symbolic link"
	default:
		return "a special file"
	}
}

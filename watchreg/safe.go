package watchreg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const maxLinks = 40 // on one path, as path_resolution(7) has it

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
// its place, or has put one there by a link. A directory that all may write is
// fine when it is sticky, as /tmp is. One that its group may write is accepted:
// private user groups make those. With create it makes what is missing above dir.
func resolve(dir string, create bool) (string, error) {
	root, err := os.Stat("/")
	if err != nil {
		return "", err
	}
	// The owner of / can do everything anyway; inside a user namespace that is not always number 0.
	foreign := func(info fs.FileInfo) bool { return !trusted(owner(info)) && owner(info) != owner(root) }

	parent, links := "/", 0
	for rest := strings.Split("/"+filepath.Dir(dir), "/"); len(rest) > 0; {
		p := filepath.Join(parent, rest[0])
		rest = rest[1:]
		info, err := os.Lstat(p)
		if create && errors.Is(err, fs.ErrNotExist) {
			if err := os.Mkdir(p, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return "", fmt.Errorf("create the registry's parent: %w", err)
			}
			info, err = os.Lstat(p) // not always what was made: somebody may have been faster
		}
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if foreign(info) {
				return "", &UnsafeError{p, fmt.Sprintf("is a symbolic link of user %d, who chose where the registry is "+
					"(look at it and remove it, or set FSMON_REGISTRY to a directory elsewhere)", owner(info))}
			}
			target, err := os.Readlink(p)
			if err != nil {
				return "", err
			}
			if links++; links > maxLinks {
				return "", &os.PathError{Op: "resolve", Path: dir, Err: syscall.ELOOP}
			}
			if filepath.IsAbs(target) {
				parent = "/"
			}
			rest = append(strings.Split(target, "/"), rest...)
			continue
		}
		if !info.IsDir() {
			return "", &os.PathError{Op: "resolve", Path: p, Err: syscall.ENOTDIR}
		}
		if foreign(info) {
			return "", &UnsafeError{p, fmt.Sprintf("belongs to user %d, who could replace the registry below it "+
				"(set FSMON_REGISTRY to a directory elsewhere)", owner(info))}
		}
		if mode := info.Mode(); mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0 {
			return "", &UnsafeError{p, fmt.Sprintf("can be written by all users (mode %04o), who could replace the registry "+
				"below it (run chmod o-w on it, or set FSMON_REGISTRY to a directory elsewhere)", mode.Perm())}
		}
		parent = p
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

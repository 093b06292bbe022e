package watchreg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"fsmon/watchreg/trust"
)

// UnsafeError means that something in or above the registry could have been
// put there, or could be changed, by another user. It is also an EPERM, so that
// errors.Is(err, fs.ErrPermission) holds.
type UnsafeError = trust.UnsafeError

// resolve returns dir, an absolute path, without symbolic links above it, and
// makes sure that nobody but root and this user can put another directory in
// its place, or has put one there by a link. With create it makes what is
// missing above dir.
func resolve(dir string, create bool) (string, error) {
	var perm fs.FileMode
	if create {
		perm = 0o755
	}
	parent, err := trust.OpenDir(filepath.Dir(dir), perm, trust.Registry)
	if err == nil {
		return filepath.Join(parent.Name(), filepath.Base(dir)), parent.Close()
	}
	// Message 42 (FSM manual 8.1) shows the function's name.
	if step := new(os.PathError); errors.As(err, &step) {
		switch {
		case step.Op == "mkdir":
			err = fmt.Errorf("create the registry's parent: %w", err)
		case errors.Is(err, syscall.ELOOP):
			step.Op, step.Path = "resolve", dir
		case errors.Is(err, syscall.ENOTDIR):
			step.Op = "resolve"
		case step.Op == "open":
			step.Op = "lstat"
		}
	}
	return "", err
}

// checkRegistry checks the registry directory itself.
func checkRegistry(dir string) error {
	info, err := checkKind(dir, fs.ModeDir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return trust.Unsafe(dir, "can be written by other users (mode %04o), who could pose as "+
			"a watch (run chmod go-w on it, or set FSMON_REGISTRY to another directory)",
			info.Mode().Perm())
	}
	return nil
}

// checkKind returns an *UnsafeError unless the file at path is of the kind
// (fs.ModeDir, fs.ModeNamedPipe, or 0 for a regular file) and belongs to this
// user or to root. It does not follow a symbolic link.
func checkKind(path string, kind fs.FileMode) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Type() != kind {
		return info, trust.Unsafe(path,
			"is %s, not %s (no watch made it: look at it and remove it)",
			kindName(info.Mode().Type()), kindName(kind))
	}
	// Not trust.Foreign: inside a user namespace the owner of / may have the
	// number that all users outside of it have.
	if uid := trust.Owner(info); !trust.Trusted(uid) {
		return info, trust.Unsafe(path, "belongs to user %d, not to this user or root "+
			"(look at it and remove it, or set FSMON_REGISTRY to another directory)", uid)
	}
	return info, nil
}

// removeKind removes the file at path if it is of the kind that a watch makes
// there. It is no error if there is none.
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

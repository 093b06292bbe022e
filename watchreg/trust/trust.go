// Package trust walks paths that other users may have touched, and says whose
// files can be trusted.
package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	maxLinks  = 40   // on one path, as path_resolution(7) has it
	maxTarget = 4096 // bytes of a link's target: PATH_MAX
)

// Policy says which links and directories a path may lead through. Whatever the
// policy, a link is followed only if it is root's or this user's: anyone may
// plant one where all may write, as in /tmp, and have a watch of root write
// where he cannot.
type Policy int

const (
	// File is for a watch's files, in a directory that its administrator has
	// named: no directory on the way is refused.
	File Policy = iota
	// Registry is for a place that only root and this user may be able to
	// replace: every directory on the way belongs to one of them, and is sticky
	// if all may write it, as /tmp is. One that its group may write is
	// accepted: private user groups make those.
	Registry
)

// UnsafeError means that something could have been put at a path, or could be
// changed there, by another user. It is also an EPERM, so that
// errors.Is(err, fs.ErrPermission) holds.
type UnsafeError struct {
	Path   string
	Reason string // what is wrong, and what to do about it
}

func (e *UnsafeError) Error() string { return e.Path + " " + e.Reason }

// Unwrap returns EPERM.
func (e *UnsafeError) Unwrap() error { return syscall.EPERM }

// Unsafe returns an *UnsafeError about path.
func Unsafe(path, format string, args ...any) error {
	return &UnsafeError{path, fmt.Sprintf(format, args...)}
}

// OpenDir opens the directory at path, which is absolute. The handle is for the
// *at calls (O_PATH); its name is the path without links. Missing directories
// are made with mode perm (less the umask), unless perm is 0. Each step starts
// at the directory that was checked before, so nothing that is planted
// meanwhile is entered. Errors: *UnsafeError, or the *os.PathError of the step
// that failed.
func OpenDir(path string, perm fs.FileMode, policy Policy) (_ *os.File, err error) {
	at, err := policy.open(unix.AT_FDCWD, "/", "/")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			at.Close()
		}
	}()
	links, made := 0, false
	for rest := strings.Split(path, "/"); len(rest) > 0; {
		name := rest[0]
		if name == "" || name == "." {
			rest = rest[1:]
			continue
		}
		next, target, err := policy.step(at, name)
		if errors.Is(err, fs.ErrNotExist) && perm != 0 && !made {
			err := unix.Mkdirat(int(at.Fd()), name, uint32(perm))
			if err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, &os.PathError{Op: "mkdir", Path: filepath.Join(at.Name(), name),
					Err: err}
			}
			made = true // and is checked as any other, since another user may have been faster
			continue
		}
		if err != nil {
			return nil, err
		}
		rest, made = rest[1:], false
		if next == nil {
			if links++; links > maxLinks {
				return nil, &os.PathError{Op: "open", Path: path, Err: unix.ELOOP}
			}
			rest = append(strings.Split(target, "/"), rest...)
			if !filepath.IsAbs(target) {
				continue
			}
			if next, err = policy.open(unix.AT_FDCWD, "/", "/"); err != nil {
				return nil, err
			}
		}
		at.Close()
		at = next
	}
	return at, nil
}

// step opens the directory name in at. If name is a link, next is nil.
func (p Policy) step(at *os.File, name string) (next *os.File, target string, err error) {
	path := filepath.Join(at.Name(), name)
	next, err = p.open(int(at.Fd()), name, path)
	if !errors.Is(err, unix.ENOTDIR) {
		return next, "", err
	}
	other, otherErr := openPath(int(at.Fd()), name, unix.O_NOFOLLOW, path)
	if otherErr != nil {
		return nil, "", otherErr
	}
	defer other.Close()
	info, statErr := other.Stat()
	if statErr != nil {
		return nil, "", statErr
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return nil, "", err
	}
	switch {
	case Foreign(info) && p == Registry:
		return nil, "", Unsafe(path, "is a symbolic link of user %d, who chose where the "+
			"registry is (look at it and remove it, or set FSMON_REGISTRY to a directory "+
			"elsewhere)", Owner(info))
	case Foreign(info):
		return nil, "", Unsafe(path, "is a symbolic link of user %d, which is not followed "+
			"(%v: look at it and remove it, or name another path)", Owner(info), fs.ErrPermission)
	}
	var system unix.Statfs_t
	if p == File && unix.Fstatfs(int(other.Fd()), &system) == nil &&
		system.Type == unix.PROC_SUPER_MAGIC {
		// /proc/self/fd/3 and its like lead straight to a directory, which may
		// have no path.
		next, err = openPath(int(at.Fd()), name, unix.O_DIRECTORY, path)
		return next, "", err
	}
	b := make([]byte, maxTarget)
	n, err := unix.Readlinkat(int(other.Fd()), "", b)
	if err != nil {
		return nil, "", &os.PathError{Op: "readlink", Path: path, Err: err}
	}
	return nil, string(b[:n]), nil
}

// open opens a directory, but no link to one, and checks it.
func (p Policy) open(at int, name, path string) (*os.File, error) {
	// O_DIRECTORY also mounts a file system that waits to be used.
	dir, err := openPath(at, name, unix.O_NOFOLLOW|unix.O_DIRECTORY, path)
	if err != nil || p == File {
		return dir, err
	}
	info, err := dir.Stat()
	if err == nil {
		mode := info.Mode()
		switch {
		case Foreign(info):
			err = Unsafe(path, "belongs to user %d, who could replace the registry below it "+
				"(set FSMON_REGISTRY to a directory elsewhere)", Owner(info))
		case mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0:
			err = Unsafe(path, "can be written by all users (mode %04o), who could replace the "+
				"registry below it (run chmod o-w on it, or set FSMON_REGISTRY to a directory "+
				"elsewhere)", mode.Perm())
		}
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// openPath opens a handle, which takes no permission to read what it is for.
func openPath(at int, name string, flags int, path string) (*os.File, error) {
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Owner is the user of a file.
func Owner(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// Trusted is true for those who can harm a watch anyway: root and its own user.
func Trusted(uid int) bool { return uid == 0 || uid == os.Geteuid() }

// Foreign is true for a file of a user who is not trusted. The owner of / is:
// that is root, who has another number inside a user namespace.
func Foreign(info fs.FileInfo) bool {
	if Trusted(Owner(info)) {
		return false
	}
	root, err := os.Stat("/")
	return err != nil || Owner(info) != Owner(root)
}

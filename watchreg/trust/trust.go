// Package trust walks paths that strangers may have touched.
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

// OpenDir opens the directory at path, which is absolute, as a handle for the
// *at calls whose name is the path without links. What is missing is made with
// mode perm, unless that is 0. A symbolic link is followed only if it is root's
// or this user's: anyone may plant one where all may write, as in /tmp, and have
// a watch of root write where he cannot. Each step is taken from the directory
// that was looked at, so nothing that is planted meanwhile is stepped into.
func OpenDir(path string, perm fs.FileMode) (*os.File, error) {
	at, err := openPath(unix.AT_FDCWD, "/", unix.O_DIRECTORY, "/")
	if err != nil {
		return nil, err
	}
	links, made := 0, false
	for rest := strings.Split(path, "/"); len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == "" || name == "." {
			continue
		}
		next, target, err := step(at, name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && perm != 0 && !made:
			// Whatever is there then, also if somebody was faster, is looked at as any other.
			err = unix.Mkdirat(int(at.Fd()), name, uint32(perm))
			if err != nil && !errors.Is(err, fs.ErrExist) {
				err = &os.PathError{Op: "mkdir", Path: filepath.Join(at.Name(), name), Err: err}
				return nil, errors.Join(err, at.Close())
			}
			rest, made = append([]string{name}, rest...), true
			continue
		case err != nil:
			at.Close()
			return nil, err
		case next == nil:
			if links++; links > maxLinks {
				err := &os.PathError{Op: "open", Path: path, Err: unix.ELOOP}
				return nil, errors.Join(err, at.Close())
			}
			if filepath.IsAbs(target) {
				next, err = openPath(unix.AT_FDCWD, "/", unix.O_DIRECTORY, "/")
				if err != nil {
					at.Close()
					return nil, err
				}
			}
			rest = append(strings.Split(target, "/"), rest...)
		}
		made = false
		if next != nil {
			at.Close()
			at = next
		}
	}
	return at, nil
}

// step opens name in a directory, or is the target of the link that it is.
func step(at *os.File, name string) (next *os.File, target string, err error) {
	path := filepath.Join(at.Name(), name)
	// O_DIRECTORY is what mounts a file system that waits to be used.
	next, err = openPath(int(at.Fd()), name, unix.O_DIRECTORY, path)
	if !errors.Is(err, unix.ENOTDIR) {
		return next, "", err
	}
	other, lerr := openPath(int(at.Fd()), name, 0, path)
	if lerr != nil {
		return nil, "", lerr
	}
	defer other.Close()
	info, lerr := other.Stat()
	if lerr != nil {
		return nil, "", lerr
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return nil, "", err
	}
	if uid := Owner(info); !Trusted(uid) {
		return nil, "", fmt.Errorf("%s is a symbolic link of user %d, which is not followed (%w: look at it and remove it, or name another path)",
			path, uid, fs.ErrPermission)
	}
	var system unix.Statfs_t
	if lerr := unix.Fstatfs(int(other.Fd()), &system); lerr == nil && system.Type == unix.PROC_SUPER_MAGIC {
		// /proc/self/fd/3 and its like lead straight to a directory, not along a path that could be written down.
		fd, lerr := unix.Openat(int(at.Fd()), name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if lerr != nil {
			return nil, "", &os.PathError{Op: "open", Path: path, Err: lerr}
		}
		return os.NewFile(uintptr(fd), path), "", nil
	}
	b := make([]byte, maxTarget)
	n, lerr := unix.Readlinkat(int(other.Fd()), "", b)
	if lerr != nil {
		return nil, "", &os.PathError{Op: "readlink", Path: path, Err: lerr}
	}
	return nil, string(b[:n]), nil
}

// openPath opens a handle that asks for no permission to read. It follows no link.
func openPath(at int, name string, flags int, path string) (*os.File, error) {
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Owner is the user of a file. Inside a user namespace, what belongs to the
// owner of / is root's.
func Owner(info fs.FileInfo) int {
	uid := int(info.Sys().(*syscall.Stat_t).Uid)
	if root, err := os.Stat("/"); err == nil && uid == int(root.Sys().(*syscall.Stat_t).Uid) {
		return 0
	}
	return uid
}

// Trusted is true for those who can harm a watch anyway: root and its own user.
func Trusted(uid int) bool { return uid == 0 || uid == os.Geteuid() }

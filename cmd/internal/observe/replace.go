package observe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/errand"
	"fsmon/watchreg/trust"
)

// newFile is what replaceFile is to do.
type newFile struct {
	Path string
	Text []byte // nil: remove it
}

var replaceErrand = errand.Handle("metrics", func(f newFile, reply func(struct{}, error)) {
	reply(struct{}{}, replaceFile(f.Path, f.Text))
})

// replaceFile replaces the whole file at path, with mode 0644; nil removes it.
// The new one is made as "path.tmp-fsmon", which a collector of *.prom files
// does not read; what a killed watch left there is removed. The directory may
// be another user's, since a collector often has its own.
func replaceFile(path string, text []byte) error {
	dir, err := trust.OpenDir(filepath.Dir(path), 0, trust.File)
	if err != nil {
		return err
	}
	defer dir.Close()
	at, name := int(dir.Fd()), filepath.Base(path)
	failed := func(op string, err error) error {
		return &os.PathError{Op: op, Path: path, Err: err}
	}

	var st unix.Stat_t
	err = unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return failed("stat", err)
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is not a regular file (%w: name another, or remove it)",
			path, fs.ErrInvalid)
	}
	temp := name + ".tmp-fsmon"
	// This removes a link, not what it leads to. If it fails, say because there
	// is a directory, the next call fails too.
	_ = unix.Unlinkat(at, temp, 0)
	if text == nil {
		if err := unix.Unlinkat(at, name, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failed("remove", err)
		}
		return nil
	}
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(at, temp, flags, 0o644)
	if err != nil {
		return &os.PathError{Op: "open", Path: path + ".tmp-fsmon", Err: err}
	}
	f := os.NewFile(uintptr(fd), path+".tmp-fsmon")
	err = f.Chmod(0o644) // whatever the umask: a collector is another user
	if err == nil {
		_, err = f.Write(text)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		if err = unix.Renameat(at, temp, at, name); err != nil {
			err = failed("rename", err)
		}
	}
	if err != nil {
		_ = unix.Unlinkat(at, temp, 0) // if this fails too, the next write removes it
	}
	return err
}

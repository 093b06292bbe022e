package watchreg

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Change is a change of the files of an identifier. It is data, so that a child
// of the watch can make it: a thread that waits for a hung disk keeps its
// process from ending.
type Change struct {
	Dir      string
	PID      int    // of the watch
	Dev, Ino int64  // of its lock
	Status   []byte // the new status; nil: remove all
	Touch    bool   // also give the other files the time of now
}

// Make makes the change. It stops with an error if somebody has removed or
// replaced the lock file, since the files may be another watch's then, and when
// the watch has ended while a child of it hung.
func (c Change) Make() error {
	if err := c.stillOurs(); err != nil {
		return err
	}
	if c.Status == nil {
		return removeEntry(c.Dir, c.stillOurs)
	}
	temp, path := filepath.Join(c.Dir, statusTemp), filepath.Join(c.Dir, statusName)
	err := writeNew(temp, c.Status)
	if errors.Is(err, fs.ErrExist) {
		if err = removeKind(temp, 0); err == nil {
			err = writeNew(temp, c.Status)
		}
	}
	if err == nil {
		err = c.stillOurs()
	}
	if err != nil {
		return err
	}
	// os.Rename asks for the target's kind before.
	if err := unix.Rename(temp, path); err != nil {
		_ = removeKind(temp, 0) // if this fails too, the next write removes it
		return &os.LinkError{Op: "rename", Old: temp, New: path, Err: err}
	}
	if now := time.Now(); c.Touch { // if it fails, nothing is lost today
		_ = os.Chtimes(filepath.Join(c.Dir, lockName), now, now)
		_ = os.Chtimes(filepath.Join(c.Dir, controlName), now, now)
	}
	return nil
}

// stillOurs returns an error unless the watch lives and its lock file is still
// the one at its path.
func (c Change) stillOurs() error {
	if os.Getpid() != c.PID && os.Getppid() != c.PID {
		return errors.New("its watch has ended")
	}
	var named unix.Stat_t
	path := filepath.Join(c.Dir, lockName)
	err := unix.Lstat(path, &named)
	switch {
	case err != nil && err != unix.ENOENT:
		return &os.PathError{Op: "lstat", Path: path, Err: err}
	case err != nil || int64(named.Dev) != c.Dev || int64(named.Ino) != c.Ino:
		return errors.New("its lock file was removed or replaced while the watch was running")
	}
	return nil
}

// Through makes all further changes of the claim with this function, which calls
// Change.Make in this process or in a child of it.
func (c *Claim) Through(make func(Change) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.make = make
}

// InMemory reports whether the registry is on a file system that has no disk.
func (c *Claim) InMemory() bool {
	var st unix.Statfs_t
	err := unix.Statfs(c.dir, &st)
	return err == nil && (int64(st.Type) == unix.TMPFS_MAGIC || int64(st.Type) == unix.RAMFS_MAGIC)
}

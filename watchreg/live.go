package watchreg

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"fsmon/watchreg/trust"
)

// alive reports whether a watch holds the identifier in dir. Somebody who reads
// the FIFO is the answer, so the lock of a running watch is never touched. If
// nobody does, the lock is tested, since its holder may be starting or ending.
// A user who may open neither looks into the kernel's table of locks.
func alive(dir string) (bool, error) {
	live, err := hasReader(dir)
	if err == nil && !live {
		live, err = lockHeld(dir)
	}
	if errors.Is(err, fs.ErrPermission) && !isUnsafe(err) {
		live, err = lockListed(dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return live, err
}

func isUnsafe(err error) bool {
	var unsafe *UnsafeError
	return errors.As(err, &unsafe)
}

var errNoReader = errors.New("nobody reads the control FIFO")

// openControl opens the FIFO for writing, which without a reader (ENXIO) or
// without a FIFO is errNoReader.
func openControl(dir string) (int, error) {
	path := filepath.Join(dir, controlName)
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENXIO || err == unix.ENOENT {
		return -1, errNoReader
	}
	if err != nil {
		if _, kind := checkKind(path, fs.ModeNamedPipe); isUnsafe(kind) {
			return -1, kind // says more than ELOOP or EISDIR
		}
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	if err := checkDescriptor(fd, path); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// checkDescriptor checks what was opened, not what is at the path by now.
func checkDescriptor(fd int, path string) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "fstat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO || !trust.Trusted(int(st.Uid)) {
		return trust.Unsafe(path, "is not a FIFO of this user or root (no watch made it: "+
			"look at it and remove it)")
	}
	return nil
}

func hasReader(dir string) (bool, error) {
	fd, err := openControl(dir)
	if errors.Is(err, errNoReader) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	unix.Close(fd)
	return true, nil
}

// lockHeld tests the lock by taking a shared lock for a moment: two testers can
// hold that at once, and Claim waits for them. fs.ErrNotExist: there is no lock
// file.
func lockHeld(dir string) (bool, error) {
	path := filepath.Join(dir, lockName)
	if _, err := checkKind(path, 0); err != nil {
		return false, err
	}
	const flags = os.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	lock := flock.New(path, flock.SetFlag(flags))
	free, err := lock.TryRLock()
	if err != nil {
		return false, flockError(err)
	}
	return !free, lock.Unlock()
}

// lockListed looks for the lock in /proc/locks, which every user may read:
// "1: FLOCK ADVISORY WRITE <pid> <major>:<minor>:<inode> 0 EOF". Some file
// systems (btrfs subvolumes) show stat another device number than stands there;
// a watch whose registry is on one looks dead to other users. The default
// registries are on tmpfs. The process ID does not matter.
func lockListed(dir string) (bool, error) {
	info, err := checkKind(filepath.Join(dir, lockName), 0)
	if err != nil {
		return false, err
	}
	st := info.Sys().(*syscall.Stat_t)
	want := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev)),
		st.Ino)
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return false, err
	}
	defer locks.Close()
	return listed(locks, want)
}

func listed(locks io.Reader, want string) (bool, error) {
	lines := bufio.NewScanner(locks)
	for lines.Scan() {
		// If somebody only waits for the lock, the second field is "->".
		if f := strings.Fields(lines.Text()); len(f) > 5 && f[1] == "FLOCK" && f[3] == "WRITE" &&
			f[5] == want {
			return true, nil
		}
	}
	return false, lines.Err()
}

package watchreg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"fsmon/watchreg/trust"
)

// The files of an identifier. A temporary file lies beside them, so that it can
// never clash with another identifier.
const (
	lockName    = "lock"
	controlName = "control"
	statusName  = "status"
	statusTemp  = "status.new"
)

// Claim is a watch's hold on an identifier, for the life of its process.
type Claim struct {
	// Leftover is the last status of a dead predecessor that was taken over;
	// nil when there was none, or none that could be read.
	Leftover *Status

	id       string
	dir      string
	lock     *flock.Flock
	control  *os.File // the FIFO
	controls chan Control
	done     chan struct{} // closed by Release
	ended    chan struct{} // closed when the reading goroutine is gone

	mu       sync.Mutex
	released bool
	err      error // of Release
}

// Claim takes the identifier for this process and opens its control FIFO. What
// a dead watch left behind is taken over. It waits for a holder that is just
// starting or ending, at most two seconds, and half a second for one that looks
// alive, since it may have been killed a moment ago.
//
// Errors: ErrInUse when a live watch holds it, *UnsafeError when something was
// planted in the place, otherwise one that wraps the *os.PathError or
// *os.SyscallError of the call that failed (function name and errno for FSM
// chapter 8.1, message 42).
func (r *Registry) Claim(id string) (*Claim, error) {
	if err := ValidID(id); err != nil {
		return nil, err
	}
	if r.dir == "" {
		return nil, fmt.Errorf("claim %q: the registry was opened without creating it: %w", id,
			os.ErrNotExist)
	}
	dir := filepath.Join(r.dir, id)
	lock, err := acquire(dir, true)
	if err != nil {
		return nil, fmt.Errorf("claim %q: %w", id, err)
	}
	c := &Claim{
		id: id, dir: dir, lock: lock,
		controls: make(chan Control), done: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := c.begin(); err != nil {
		_ = removeEntry(dir) // the error that matters is the first one
		_ = lock.Unlock()
		return nil, fmt.Errorf("claim %q: %w", id, err)
	}
	go c.read()
	return c, nil
}

// begin clears away a predecessor's files and makes the FIFO anew, since the
// old one may hold lines that were meant for the predecessor.
func (c *Claim) begin() error {
	c.Leftover, _ = readStatus(c.dir) // an unreadable one is as good as none
	if err := removeFiles(c.dir); err != nil {
		return err
	}
	path := filepath.Join(c.dir, controlName)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	if err := os.Chmod(path, 0o600); err != nil { // whatever the umask
		return err
	}
	// O_RDWR, since a read-only FIFO spins on EOF once the first writer has
	// gone.
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	c.control = f
	return err
}

// Release gives the identifier back: it removes control, status and lock, then
// the directory, and only then drops the lock and closes the FIFO. It ends
// Controls. Calling it again returns the same result. When somebody removed or
// replaced the lock meanwhile, nothing is removed, since it may be another
// watch's, and that is the error.
func (c *Claim) Release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released {
		return c.err
	}
	c.released = true
	err := c.stillOurs()
	if err == nil {
		err = removeEntry(c.dir)
	}
	// The FIFO is closed last: a reader that is gone tells WaitGone that all
	// the rest is done.
	err = errors.Join(err, c.lock.Unlock())
	close(c.done)
	err = errors.Join(err, c.control.Close())
	<-c.ended
	if err != nil {
		c.err = fmt.Errorf("release %q: %w", c.id, err)
	}
	return c.err
}

// stillOurs compares the lock we hold with the one the path names now.
func (c *Claim) stillOurs() error {
	same, err := sameAsPath(c.lock)
	if err == nil && !same {
		err = errors.New("its lock file was removed or replaced while the watch was running")
	}
	return err
}

var errBusy = errors.New("the lock is held for the moment")

// acquire locks the identifier in dir, with patience for holders that will be
// gone soon. With create it makes the directory; without, a missing one is
// ErrUnknown.
func acquire(dir string, create bool) (*flock.Flock, error) {
	began := time.Now()
	for {
		lock, err := tryAcquire(dir, create)
		waited := time.Since(began)
		switch {
		case errors.Is(err, ErrInUse) && waited < dying:
		case errors.Is(err, errBusy) && waited < patience:
		case errors.Is(err, errBusy):
			return nil, ErrInUse
		default:
			return lock, err
		}
		time.Sleep(pollInterval)
	}
}

func tryAcquire(dir string, create bool) (*flock.Flock, error) {
	if err := prepareDir(dir, create); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, lockName)
	if _, err := checkKind(path, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	lock := flock.New(path, flock.SetPermissions(0o600),
		flock.SetFlag(os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC))
	locked, err := lock.TryLock()
	if errors.Is(err, os.ErrNotExist) {
		return nil, errBusy // a releasing predecessor has just removed the directory
	}
	if err != nil {
		return nil, flockError(err)
	}
	if !locked {
		reader, err := hasReader(dir)
		if err == nil && reader {
			err = ErrInUse
		}
		if err == nil {
			err = errBusy
		}
		return nil, err
	}
	if err := confirm(dir, lock); err != nil {
		_ = lock.Unlock()
		return nil, err
	}
	return lock, nil
}

// confirm makes sure that a lock just taken is what decides over dir.
func confirm(dir string, lock *flock.Flock) error {
	same, err := sameAsPath(lock)
	if err != nil {
		return err
	}
	if !same {
		return errBusy // the predecessor removed this file when it released
	}
	reader, err := hasReader(dir)
	if err != nil {
		return err
	}
	if reader {
		return errBusy // its process is just dying, or somebody removed a live watch's lock
	}
	return os.Chmod(lock.Path(), 0o600) // whatever the umask
}

// prepareDir makes the identifier's directory if asked to, and looks at it.
func prepareDir(dir string, create bool) error {
	if create {
		if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	info, err := checkKind(dir, os.ModeDir)
	if err == nil && trust.Owner(info) != os.Geteuid() {
		err = trust.Unsafe(dir, "belongs to root: only root can claim or delete this identifier")
	}
	if err == nil && info.Mode().Perm() != 0o711 {
		err = os.Chmod(dir, 0o711) // whatever the umask
	}
	if errors.Is(err, os.ErrNotExist) {
		if create {
			return errBusy // removed again by a releasing predecessor
		}
		return ErrUnknown
	}
	return err
}

// sameAsPath tells whether the file a lock holds is still the one its path
// names.
func sameAsPath(lock *flock.Flock) (bool, error) {
	held, err := lock.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Lstat(lock.Path())
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(held, named), nil
}

// flockError names the call behind an error of the flock library: opening
// comes as an *os.PathError already, flock(2) itself as a bare errno.
func flockError(err error) error {
	var errno unix.Errno
	var path *os.PathError
	if !errors.As(err, &path) && errors.As(err, &errno) {
		return os.NewSyscallError("flock", err)
	}
	return err
}

// removeFiles removes everything of an identifier but the lock, which its
// caller holds.
func removeFiles(dir string) error {
	return errors.Join(
		removeKind(filepath.Join(dir, controlName), os.ModeNamedPipe),
		removeKind(filepath.Join(dir, statusName), 0),
		removeKind(filepath.Join(dir, statusTemp), 0),
	)
}

// removeEntry removes an identifier whose lock its caller holds. The lock goes
// last of the files: an identifier exists while its lock file does.
func removeEntry(dir string) error {
	err := errors.Join(removeFiles(dir), removeKind(filepath.Join(dir, lockName), 0))
	// From here on a successor may have made its own lock in the directory:
	// then it is not empty, and not ours.
	rmdir := unix.Rmdir(dir)
	if rmdir != nil && rmdir != unix.ENOTEMPTY && rmdir != unix.EEXIST && rmdir != unix.ENOENT {
		err = errors.Join(err, &os.PathError{Op: "rmdir", Path: dir, Err: rmdir})
	}
	return err
}

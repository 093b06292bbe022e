package watchreg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"fsmon/watchreg/trust"
)

// The files of an identifier. The temporary file is among them, so that its
// name cannot be another identifier.
const (
	lockName    = "lock"
	controlName = "control"
	statusName  = "status"
	statusTemp  = "status.new"
)

// Claim is a watch's hold on an identifier, for the life of its process.
type Claim struct {
	// Leftover is the last status of the dead watch that was taken over; nil if
	// there was none, or none that could be read.
	Leftover *Status

	id       string
	dir      string
	lock     *flock.Flock
	dev, ino int64 // of the lock
	make     func(Change) error
	control  *os.File // the FIFO
	controls chan Control
	done     chan struct{} // closed by Release
	ended    chan struct{} // closed when the reading goroutine is gone

	mu       sync.Mutex
	released bool
	touched  time.Time // when lock and control were last touched
	err      error     // of Release
}

// Claim takes the identifier for this process, together with what a dead watch
// left behind, and opens its control FIFO. It waits up to 2 seconds for a
// holder that is starting or ending, and half a second for one that looks
// alive, since that one may just have been killed.
//
// Errors: ErrInUse if a live watch holds the identifier, *UnsafeError if
// another user has put something in its place, otherwise one that wraps the
// *os.PathError or *os.SyscallError of the call that failed (for message 42,
// FSM manual 8.1, which shows function name and errno).
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
		id: id, dir: dir, lock: lock, make: Change.Make,
		controls: make(chan Control), done: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := c.begin(); err != nil {
		_ = removeEntry(dir, always) // the error that matters is the first one
		_ = lock.Unlock()
		return nil, fmt.Errorf("claim %q: %w", id, err)
	}
	go c.read()
	return c, nil
}

// begin removes a predecessor's files and makes a new FIFO, since the old one
// may hold lines that were meant for the predecessor.
func (c *Claim) begin() error {
	info, err := c.lock.Stat()
	if err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	c.dev, c.ino = int64(st.Dev), int64(st.Ino)
	c.Leftover, _ = readStatus(c.dir) // an unreadable one is as good as none
	if err := removeFiles(c.dir, false, always); err != nil {
		return err
	}
	path := filepath.Join(c.dir, controlName)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	if err := os.Chmod(path, 0o600); err != nil { // whatever the umask
		return err
	}
	// O_RDWR: without a writer, a FIFO that is open only for reading is always
	// at its end.
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	c.control = f
	return err
}

// Release frees the identifier: it removes control, status and lock, then the
// directory, and only then drops the lock and closes the FIFO. It ends
// Controls. A second call returns the same result. If somebody has removed or
// replaced the lock file, Release removes nothing, since the files may be
// another watch's, and returns an error.
func (c *Claim) Release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released {
		return c.err
	}
	c.released = true
	err := c.make(c.change(nil, false))
	// The FIFO is closed last: without a reader, WaitGone takes all the rest
	// for done.
	err = errors.Join(err, c.lock.Unlock())
	close(c.done)
	err = errors.Join(err, c.control.Close())
	<-c.ended
	if err != nil {
		c.err = fmt.Errorf("release %q: %w", c.id, err)
	}
	return c.err
}

func (c *Claim) change(status []byte, touch bool) Change {
	return Change{Dir: c.dir, PID: os.Getpid(), Dev: c.dev, Ino: c.ino, Status: status, Touch: touch}
}

var errBusy = errors.New("the lock is held for the moment")

// acquire locks the identifier in dir, and waits for holders that will be gone
// soon. With create it makes the directory; without, a missing one is
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

// confirm returns an error unless the lock that was just taken makes its holder
// the owner of dir.
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

// prepareDir makes the identifier's directory if asked to, and checks it.
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

// sameAsPath reports whether the locked file is still the one at its path.
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

// flockError adds the name of the call to an error of the flock library. That
// of open is an *os.PathError already; that of flock(2) is a bare errno.
func flockError(err error) error {
	var errno unix.Errno
	var path *os.PathError
	if !errors.As(err, &path) && errors.As(err, &errno) {
		return os.NewSyscallError("flock", err)
	}
	return err
}

// files are what a watch makes in its directory. The lock goes last: an
// identifier exists while its lock file does.
var files = []struct {
	name string
	kind os.FileMode
}{{controlName, os.ModeNamedPipe}, {statusName, 0}, {statusTemp, 0}, {lockName, 0}}

// removeFiles removes everything of an identifier whose lock its caller holds,
// but for the lock unless asked to. It stops at an error of may, which is called
// before each file.
func removeFiles(dir string, withLock bool, may func() error) (err error) {
	for _, file := range files {
		if refused := may(); refused != nil {
			return errors.Join(err, refused)
		}
		if file.name != lockName || withLock {
			err = errors.Join(err, removeKind(filepath.Join(dir, file.name), file.kind))
		}
	}
	return err
}

func always() error { return nil }

// removeEntry is removeFiles with the lock and the directory.
func removeEntry(dir string, may func() error) error {
	err := removeFiles(dir, true, may)
	// By now a successor may have made its own lock in the directory. Then it
	// is not empty, and not ours.
	rmdir := unix.Rmdir(dir)
	if rmdir != nil && rmdir != unix.ENOTEMPTY && rmdir != unix.EEXIST && rmdir != unix.ENOENT {
		err = errors.Join(err, &os.PathError{Op: "rmdir", Path: dir, Err: rmdir})
	}
	return err
}

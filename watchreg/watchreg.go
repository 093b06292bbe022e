// Package watchreg is the registry on disk: which watch has which identifier,
// whether it is alive, and how to send it a request.
//
// Each identifier is a directory <registry>/<ID>/ with three files:
//
//	lock     0600  held with flock for the life of the watch: held means alive
//	control  0600  a FIFO, one line per verb; open for reading means alive
//	status   0644  JSON without secrets, replaced by rename
//
// An identifier exists while its lock file does. No process ID is trusted, and
// no signal is sent. The kernel drops the lock of a watch that dies, so the
// next Claim takes over what a killed watch has left behind.
package watchreg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

var (
	// ErrInUse means that a live watch holds the identifier.
	ErrInUse = errors.New("the identifier is in use by a running watch")
	// ErrUnknown means that the registry has no such identifier.
	ErrUnknown = errors.New("the identifier is unknown")
	// ErrNotRunning means that only files of a dead watch are there.
	ErrNotRunning = errors.New("the watch is not running")
)

const (
	maxID = 255 // bytes: FSM manual 7.4, and NAME_MAX of the usual file systems

	// pollInterval is for states that no descriptor announces.
	pollInterval = 10 * time.Millisecond
	// patience is how long we wait for a lock that is held while nobody reads
	// the FIFO: its holder is starting, ending, or only testing the lock.
	patience = 2 * time.Second
	// dying is how long the kernel may take to end a process after a SIGKILL.
	// Until then the watch looks alive.
	dying = 500 * time.Millisecond
)

// Registry is a directory of watches. It holds no descriptors. The path in it
// has no symbolic links, and nobody but root and this user can change it.
type Registry struct {
	dir string // empty: the registry does not exist, so every identifier is unknown
}

// ValidID returns what is wrong with an identifier; nil if it is valid. Valid
// are 1 to 255 bytes of letters, digits, '.', '_' and '-', the first a letter
// or digit. (FSM manual 7.4 permits letters and digits only.)
func ValidID(id string) error {
	if len(id) < 1 || len(id) > maxID {
		return fmt.Errorf("an identifier has 1 to %d bytes, not %d", maxID, len(id))
	}
	for i := range len(id) {
		c := id[i]
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if alnum || i > 0 && (c == '.' || c == '_' || c == '-') {
			continue
		}
		return fmt.Errorf("identifier %q: letters, digits, '.', '_' and '-' are allowed, "+
			"the first a letter or digit", id)
	}
	return nil
}

// machineDir is the registry of root's watches.
const machineDir = "/run/fsmon"

// DefaultDir returns the registry's directory: $FSMON_REGISTRY; else /run/fsmon
// for root; else fsmon under $XDG_RUNTIME_DIR; else fsmon-UID in the directory
// for temporary files.
func DefaultDir() string { return defaultDir(os.Geteuid()) }

// ReadableDirs returns the registries in which this user looks for watches:
// DefaultDir, and for another user than root that of the machine, unless
// $FSMON_REGISTRY names one.
func ReadableDirs() []string {
	own := DefaultDir()
	if own == machineDir || os.Getenv("FSMON_REGISTRY") != "" {
		return []string{own}
	}
	return []string{own, machineDir}
}

func defaultDir(uid int) string {
	if dir := os.Getenv("FSMON_REGISTRY"); dir != "" {
		return dir
	}
	if uid == 0 {
		return machineDir
	}
	// A relative path is ignored, as the XDG Base Directory Specification says.
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "fsmon")
	}
	return filepath.Join(os.TempDir(), "fsmon-"+strconv.Itoa(uid))
}

// Open opens the registry in dir for a watch. It makes dir and its parents with
// mode 0755 if they are missing. The error is an *UnsafeError if another user
// could change the registry; otherwise it wraps the *os.PathError of the call
// that failed.
func Open(dir string) (*Registry, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if abs, err = resolve(abs, true); err != nil {
		return nil, err
	}
	err = os.Mkdir(abs, 0o755)
	if err == nil {
		err = os.Chmod(abs, 0o755) // whatever the umask
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("create the registry: %w", err)
	}
	if err := checkRegistry(abs); err != nil {
		return nil, err
	}
	return &Registry{dir: abs}, nil
}

// OpenExisting opens the registry in dir for verbs and lists. It makes nothing:
// a missing directory is an empty registry. Errors are those of Open.
func OpenExisting(dir string) (*Registry, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	abs, err = resolve(abs, false)
	if err == nil {
		err = checkRegistry(abs)
	}
	if errors.Is(err, os.ErrNotExist) {
		return &Registry{}, nil
	}
	if err != nil {
		return nil, err
	}
	return &Registry{dir: abs}, nil
}

// entryDir returns the directory of an identifier. It is ErrUnknown if there is
// none, and an *UnsafeError if it is not one that a watch has made.
func (r *Registry) entryDir(id string) (string, error) {
	if err := ValidID(id); err != nil {
		return "", err
	}
	if r.dir == "" {
		return "", fmt.Errorf("%q: %w", id, ErrUnknown)
	}
	dir := filepath.Join(r.dir, id)
	switch _, err := checkKind(dir, os.ModeDir); {
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("%q: %w", id, ErrUnknown)
	case err != nil:
		return "", err
	}
	return dir, nil
}

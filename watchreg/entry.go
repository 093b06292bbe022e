package watchreg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Entry is one identifier in the registry.
type Entry struct {
	ID     string
	Live   bool    // false: the watch is dead, only its files are there
	Status *Status // nil if there is none yet, or none that could be read
	Err    error   // why the entry or its status could not be read
}

// Read returns the entry of an identifier. The error is ErrUnknown,
// *UnsafeError, or the entry's Err: a *FormatError if the status is of a newer
// version, or one that says what is wrong with it. ID and Live are valid then
// too. Other users may read the status of root's watches.
func (r *Registry) Read(id string) (Entry, error) {
	dir, err := r.entryDir(id)
	if err != nil {
		return Entry{ID: id, Err: err}, err
	}
	e := Entry{ID: id}
	if e.Live, err = alive(dir); err != nil {
		e.Err = fmt.Errorf("read %q: %w", id, err)
		return e, e.Err
	}
	if e.Status, err = readStatus(dir); err != nil {
		e.Err = fmt.Errorf("read %q: %w", id, err)
	}
	if !e.Live {
		// Without a lock file the watch was not dead: it has just released.
		if _, err := os.Lstat(filepath.Join(dir, lockName)); errors.Is(err, os.ErrNotExist) {
			return Entry{ID: id}, fmt.Errorf("%q: %w", id, ErrUnknown)
		}
	}
	return e, e.Err
}

// List returns all entries, sorted by identifier. It leaves out what no watch
// has made. An entry that cannot be read has an Err.
func (r *Registry) List() ([]Entry, error) {
	if r.dir == "" {
		return nil, nil
	}
	names, err := os.ReadDir(r.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the registry: %w", err)
	}
	var entries []Entry
	for _, name := range names {
		if !name.IsDir() || ValidID(name.Name()) != nil {
			continue
		}
		e, err := r.Read(name.Name())
		if errors.Is(err, ErrUnknown) {
			continue
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// Count returns how many identifiers there are, leftovers among them.
func (r *Registry) Count() int {
	names, _ := os.ReadDir(r.dir) // an error: as far as it could be read
	return len(names)
}

// Delete removes what a dead watch left behind, temporary files included. Like
// Claim it waits for a holder that will be gone soon. Errors: ErrUnknown,
// ErrInUse for a live watch, *UnsafeError, or one that wraps the *os.PathError
// or *os.SyscallError of the call that failed.
func (r *Registry) Delete(id string) error {
	dir, err := r.entryDir(id)
	if err != nil {
		return err
	}
	lock, err := acquire(dir, false)
	if err != nil {
		return fmt.Errorf("delete %q: %w", id, err)
	}
	if err := errors.Join(removeEntry(dir, always), lock.Unlock()); err != nil {
		return fmt.Errorf("delete %q: %w", id, err)
	}
	return nil
}

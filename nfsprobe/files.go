package nfsprobe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"time"
)

// The steps that FSM does not have: a marker is read, and a file is written.
// What a server answers in the steps before, it often has in memory; these need
// its disk.

const (
	maxMarker   = 255     // length of its path in bytes
	markerBytes = 4 << 10 // how much of a marker is read, in bytes
	testBytes   = 64      // what a write test writes, in bytes
	testMode    = 0o600   // mode of its file
	testTries   = 5       // tries of a write test whose file others remove

	// If there is a file of the write test's name, it may be that of another
	// probe at work. A probe waits for it for leftoverWait, doubled with every
	// try, but at most one part in leftoverShare of what is left of the
	// deadline. A file that is still there then is a leftover. The first look
	// comes after shortestTurn.
	leftoverWait  = 500 * time.Millisecond
	leftoverShare = 4
	shortestTurn  = 10 * time.Millisecond
)

var (
	// ErrNotFile: the marker is not a regular file.
	ErrNotFile = errors.New("not a regular file")
	// ErrEmpty: the marker is empty.
	ErrEmpty = errors.New("the file is empty")
	// ErrReadBack: the server gave back other bytes than were written.
	ErrReadBack = errors.New("what was read back is not what was written")

	errRestarted = errors.New("COMMIT: the server has restarted since it took the data")
)

// CheckMarker returns an error if a path cannot be Config.Marker. It must be
// the path of a file below the directory: 1 to 255 bytes, without the names "."
// and "..".
func CheckMarker(path string) error {
	if path == "" || len(path) > maxMarker || strings.Contains(path, "\x00") {
		return fmt.Errorf("1 to %d bytes", maxMarker)
	}
	for _, name := range strings.Split(path, "/") {
		if name == "" || name == "." || name == ".." {
			return errors.New(`a path below the directory: no slash at either end, no "." and ".."`)
		}
	}
	return nil
}

// markerNames are the names on the path from the directory to the marker.
func (a *attempt) markerNames() []string { return strings.Split(a.Marker, "/") }

func (a *attempt) testNames() []string {
	names := a.markerNames()
	return names[:len(names)-1]
}

// opensFiles reports whether any of these steps is configured.
func (a *attempt) opensFiles() bool { return a.Marker != "" || a.WriteTest || a.LockTest }

// openFiles runs the steps that are configured. A server in its grace period is
// alive: it answers that nobody can open a file yet.
func (a *attempt) openFiles(
	ctx context.Context, r *Report, marker, writeTest, lockTest func() (learnt string, err error),
) error {
	alive := func(do func() (string, error)) func() (string, error) {
		return func() (string, error) {
			learnt, err := do()
			if !inGrace(err) {
				return learnt, err
			}
			if !r.Grace {
				r.Grace = true
				r.warn("in grace: files cannot be opened yet")
			}
			return "in grace: " + err.Error(), nil
		}
	}
	if a.Marker != "" {
		if err := a.climb(ctx, r, Marker, alive(marker)); err != nil {
			return err
		}
	}
	if a.WriteTest {
		if err := a.climb(ctx, r, WriteTest, alive(writeTest)); err != nil {
			return err
		}
	}
	if a.LockTest {
		return a.climb(ctx, r, LockTest, alive(lockTest))
	}
	return nil
}

// readMarker says how much was read of the marker, which must not be empty.
func (a *attempt) readMarker(data []byte, err error) (learnt string, _ error) {
	if err == nil && len(data) == 0 {
		err = ErrEmpty
	}
	return fmt.Sprintf("read %d bytes of %s", len(data), a.Marker), err
}

// testName is the name of the write test's file. It is the same for all probes
// of a watch, so that each finds what an earlier one left when it was killed.
func (a *attempt) testName() string {
	host, _ := os.Hostname() // without it the names still differ by export
	id := fnv.New64a()
	fmt.Fprintf(id, "%s\x00%s\x00%d\x00%s", strings.ToLower(host), strings.ToLower(a.Address),
		a.Port, a.Dir)
	return fmt.Sprintf(".fsmon-%016x", id.Sum64())
}

// testFile is the file of a write test, in version 3 or 4.
type testFile interface {
	// create makes a new file; statusExist: there is one. made: the file now
	// exists, even if the answer was of no use.
	create(ctx context.Context, name string) (made bool, err error)
	write(ctx context.Context, data []byte) error // to stable storage
	read(ctx context.Context, most int) ([]byte, error)
	close(ctx context.Context) error
	remove(ctx context.Context, name string) error
}

// The statuses that a write test knows, the same in versions 3 and 4 (RFC 1813
// 2.6, RFC 7530 13.1).
const (
	statusNoEnt = 2
	statusExist = 17
	statusStale = 70
)

// status is the number of the Status in err; 0: there is none.
func status(err error) uint32 {
	var refused Status
	if errors.As(err, &refused) {
		return refused.Number()
	}
	return 0
}

// writeTest writes a new file, reads it back and removes it.
func (a *attempt) writeTest(
	ctx, whole context.Context, r *Report, f testFile,
) (learnt string, err error) {
	if err := a.onTestFile(ctx, whole, r, f, writeAndReadBack); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d bytes written, flushed, read back, removed", testBytes), nil
}

// onTestFile makes a new file, does work with it and removes it, after a
// failure within what is left of whole. Several probes of one watch may do so
// at once (such as "-check"): each uses a file that it has made itself, and
// starts again when another took that file for a leftover and removed it.
func (a *attempt) onTestFile(
	ctx, whole context.Context, r *Report, f testFile,
	work func(context.Context, testFile) error,
) (err error) {
	name := a.testName()
	for try := range testTries {
		made := false
		_, err = guarded(func() (string, error) {
			made, err = createInTurn(ctx, f, name, leftoverWait<<try)
			if err == nil {
				err = work(ctx, f)
			}
			return "", err
		})
		switch code := status(err); {
		case err == nil:
			err = f.close(ctx) // stale: another probe has removed the file
			if e := removeTest(ctx, r, f, name); err == nil || status(err) == statusStale {
				err = e
			}
			return err
		case !made && code == statusExist:
			if err := removeTest(ctx, r, f, name); err != nil {
				return err
			}
		case made && code == statusStale:
			f.close(whole)
		case !made && code != 0:
			return err // no file was made
		default:
			f.close(whole)
			removeTest(whole, r, f, name)
			return err
		}
	}
	return err
}

// removeTest removes the write test's file. It is no error if another probe
// has.
func removeTest(ctx context.Context, r *Report, f testFile, name string) error {
	err := f.remove(ctx, name)
	if status(err) == statusNoEnt {
		return nil
	}
	if err != nil {
		r.warn("the write test's file %s may stay until the next probe (%v)", name, err)
	}
	return err
}

// createInTurn makes the file. If there is one, it waits, for most at most,
// until the other probe has removed its own.
func createInTurn(
	ctx context.Context, f testFile, name string, most time.Duration,
) (made bool, err error) {
	if end, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(end)/leftoverShare)
	}
	for wait := shortestTurn; ; wait *= 2 {
		made, err := f.create(ctx, name)
		if status(err) != statusExist || most <= 0 {
			return made, err
		}
		wait = min(wait, most)
		most -= wait
		if err := sleep(ctx, wait); err != nil {
			return false, err
		}
	}
}

func writeAndReadBack(ctx context.Context, f testFile) error {
	data := make([]byte, testBytes)
	fill(data)
	if err := f.write(ctx, data); err != nil {
		return err
	}
	back, err := f.read(ctx, testBytes+1)
	if err == nil && !bytes.Equal(back, data) {
		err = ErrReadBack
	}
	return err
}

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

// The rungs that FSM does not have: a marker is read, a file is written. What a
// server answers before them, it often has in memory.

const (
	maxMarker   = 255     // bytes of its path
	markerBytes = 4 << 10 // that are read of a marker at most
	testBytes   = 64      // that a write test writes
	testMode    = 0o600   // of its file
	testTries   = 5       // of a write test whose file somebody else removes

	// leftoverWait is how long a file of the write test's name may be that of
	// another probe at work, doubled with every try; at most one part in leftoverShare
	// of what is left of the deadline. One that is still there then is a leftover.
	// shortestTurn is after how long it is looked for first.
	leftoverWait  = 500 * time.Millisecond
	leftoverShare = 4
	shortestTurn  = 10 * time.Millisecond
)

var (
	// ErrNotFile is the cause when the marker is something else than a regular file.
	ErrNotFile = errors.New("not a regular file")
	// ErrEmpty is the cause when the marker has nothing in it.
	ErrEmpty = errors.New("the file is empty")
	// ErrReadBack is the cause when the server gives back other bytes than it took.
	ErrReadBack = errors.New("what was read back is not what was written")
)

// CheckMarker says why a path cannot be Config.Marker: it is the path of a file
// below the directory, 1 to 255 bytes, without the names "." and "..".
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

// markerNames lead from the directory to the marker. The last one left out,
// they lead to where the write test writes: it is the marker's disk that counts.
func (a *attempt) markerNames() []string { return strings.Split(a.Marker, "/") }

func (a *attempt) testNames() []string {
	names := a.markerNames()
	return names[:len(names)-1]
}

// readMarker says what the marker held, which must be something.
func (a *attempt) readMarker(data []byte, err error) (learnt string, _ error) {
	if err == nil && len(data) == 0 {
		err = ErrEmpty
	}
	return fmt.Sprintf("read %d bytes of %s", len(data), a.Marker), err
}

// testName is the name of the write test's file, the same in every probe of a
// watch, so that each finds what one before it was killed over.
func (a *attempt) testName() string {
	host, _ := os.Hostname() // without one the names still differ by export
	id := fnv.New64a()
	fmt.Fprintf(id, "%s\x00%s\x00%d\x00%s", strings.ToLower(host), strings.ToLower(a.Address),
		a.Port, a.Dir)
	return fmt.Sprintf(".fsmon-%016x", id.Sum64())
}

// testFile is the file of a write test, in one version or the other.
type testFile interface {
	// create makes a new one; statusExist: there is one. made: there is one now, also
	// when it is of no use.
	create(ctx context.Context, name string) (made bool, err error)
	write(ctx context.Context, data []byte) error // to stable storage
	read(ctx context.Context, most int) ([]byte, error)
	close(ctx context.Context) error
	remove(ctx context.Context, name string) error
}

// The statuses of versions 3 and 4 that a write test knows (RFC 1813 2.6, RFC
// 7530 13.1).
const (
	statusNoEnt = 2
	statusExist = 17
	statusStale = 70
)

// status is the one that the server answered; 0: none.
func status(err error) uint32 {
	var refused Status
	if errors.As(err, &refused) {
		return refused.Number()
	}
	return 0
}

// writeTest writes a new file and removes it, after a failure within what is
// left of whole. Several probes of one watch may be at it at once ("-check", or
// one that is about to end): each writes to a file that it has made itself, and
// begins anew when another one took that for a leftover.
func (a *attempt) writeTest(
	ctx, whole context.Context, r *Report, f testFile,
) (learnt string, err error) {
	name := a.testName()
	for try := range testTries {
		made := false
		_, err = guarded(func() (string, error) {
			made, err = createInTurn(ctx, f, name, leftoverWait<<try)
			if err == nil {
				err = writeAndReadBack(ctx, f)
			}
			return "", err
		})
		switch code := status(err); {
		case err == nil:
			err = f.close(ctx)
			// another probe has removed it
			if e := removeTest(ctx, r, f, name); err == nil || status(err) == statusStale {
				err = e
			}
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%d bytes written, flushed, read back, removed", testBytes), nil
		case !made && code == statusExist:
			if err := removeTest(ctx, r, f, name); err != nil {
				return "", err
			}
		case made && code == statusStale:
			f.close(whole)
		case !made && code != 0:
			return "", err // and there is no file
		default:
			f.close(whole)
			removeTest(whole, r, f, name)
			return "", err
		}
	}
	return "", err
}

// removeTest removes the write test's file, unless somebody else has.
func removeTest(ctx context.Context, r *Report, f testFile, name string) error {
	err := f.remove(ctx, name)
	if status(err) == statusNoEnt {
		return nil
	}
	if err != nil {
		r.Warnings = append(r.Warnings,
			fmt.Sprintf("the write test's file %s may stay until the next probe (%v)", name, err))
	}
	return err
}

// createInTurn makes the file, at most so much later if there is one: another
// probe removes its own.
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

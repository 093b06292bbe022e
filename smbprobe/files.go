package smbprobe

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloudsoda/go-smb2"
)

// The rungs that FSM does not have: a marker is read, a file is written. A tree
// connect touches neither the disk below a share nor the file system on it.

const (
	maxMarkerName = 255     // bytes
	markerBytes   = 4 << 10 // that are read of a marker at most
	testBytes     = 64      // that a write test writes
	testNames     = 3       // that a write test has
	testRounds    = 3       // through its names, when others use them
	testPause     = 50 * time.Millisecond
)

// CheckMarker says why a path cannot be Config.Marker: it is the path of a file
// within the share, 1 to 255 bytes, with slashes or backslashes, without a drive
// or a stream (no colon) and without the names "." and "..".
func CheckMarker(path string) error {
	switch {
	case path == "" || len(path) > maxMarkerName:
		return fmt.Errorf("1 to %d bytes", maxMarkerName)
	case strings.ContainsAny(path, ":\x00") || !utf8.ValidString(path):
		return errors.New("a path within the share, without a drive")
	}
	for _, name := range strings.Split(strings.ReplaceAll(path, `\`, "/"), "/") {
		if name == "" || name == "." || name == ".." {
			return errors.New(`a path within the share: no slash at either end, no "." and ".."`)
		}
	}
	return nil
}

// tree is a share at one of the rungs that open files.
type tree struct {
	ctx   context.Context // the probe's
	g     *guard
	share *smb2.Share
	step  Step
}

// files climbs the rungs that open files.
func (p *attempt) files(ctx context.Context, g *guard, share *smb2.Share, r *Report) error {
	t := tree{ctx, g, share, Marker}
	if p.Marker != "" {
		g.begin(Marker)
		if err := t.readMarker(p.Marker); err != nil {
			return err
		}
	}
	if !p.WriteTest {
		return nil
	}
	t.step = WriteTest
	g.begin(WriteTest)
	p.tested = true
	var err error
	p.clean, err = t.writeTest(p.testNames(), p.sweep, r)
	return err
}

// forOneFile returns the share for the use of one file, and what ends that. A file
// whose close was refused the library closes again whenever memory is collected, in
// the middle of another request, unless its context has ended. (Finalizers are taken
// off where the file is ours to reach; Remove has one inside.)
func (t *tree) forOneFile() (*smb2.Share, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.ctx)
	return t.share.WithContext(ctx), cancel
}

// failed gives an error its true cause, which the wire shows only until the next
// request.
func (t *tree) failed(err error) error {
	if err == io.EOF { // as the library has it: the server's answer, not the end of a connection
		err = statusEndOfFile
	}
	return classify(t.ctx, t.step, err, t.g.facts())
}

// read reads a file from its start, as much as b holds. An empty file is a
// failure with STATUS_END_OF_FILE.
func (t *tree) read(name string, b []byte) (int, error) {
	share, end := t.forOneFile()
	defer end()
	f, err := share.Open(name)
	if err != nil {
		return 0, t.failed(err)
	}
	runtime.SetFinalizer(f, nil)
	n, err := f.Read(b)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		err = t.failed(err)
		f.Close()
		return 0, err
	}
	if err := f.Close(); err != nil {
		return 0, t.failed(err)
	}
	return n, nil
}

func (t *tree) readMarker(name string) error {
	n, err := t.read(name, make([]byte, markerBytes))
	if err != nil {
		return err
	}
	t.g.learnt(Marker, fmt.Sprintf("read %d bytes of %s", n, name))
	return nil
}

// testNames are the names of the write test, the same for every probe of a watch,
// so that a later one finds what an earlier one was killed over. Another probe of the
// same watch may run at the same time, that of -check for one, or the handle of a dead
// one may live on in the server: then the next name will do.
func (p *attempt) testNames() []string {
	host, _ := os.Hostname() // without one the names still differ by share
	id := sha256.Sum256([]byte(strings.ToLower(fmt.Sprintf("%s\x00%s\x00%d\x00%s", host, p.Address, p.Port, p.Share))))
	dir := p.Marker[:strings.LastIndexAny(p.Marker, `/\`)+1]
	var names []string
	for n := range testNames {
		names = append(names, fmt.Sprintf("%s.fsmon-%x-%d", dir, id[:8], n))
	}
	return names
}

// writeTest creates a file, writes, flushes, reads back through a new handle,
// compares, and deletes it. It never opens a file that exists but to delete it:
// sweep deletes all that bear its names first. clean: nothing is left, for certain.
func (t *tree) writeTest(names []string, sweep bool, r *Report) (clean bool, err error) {
	if sweep {
		for _, name := range names {
			if _, err := t.remove(name); err != nil {
				return false, err
			}
		}
	}
	for round := range testRounds {
		for n, name := range names {
			clean, err = t.writeFile(name, r)
			if err == nil || !contended(err) {
				return clean && n == 0 && round == 0, err
			}
		}
		if round < testRounds-1 {
			select {
			case <-time.After(mathrand.N(testPause)):
			case <-t.ctx.Done():
				return false, t.failed(t.ctx.Err())
			}
		}
	}
	return false, err
}

// contended reports whether a failure may come from another probe that uses the
// same name: it has the file open or is about to delete it, or it took a file that had
// only just been created for one left behind.
func contended(err error) bool {
	for _, e := range []error{statusObjectCollision, statusSharingViolation, statusDeletePending, statusObjectNotFound, ErrReadBack} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// writeFile is the write test with one name.
func (t *tree) writeFile(name string, r *Report) (clean bool, err error) {
	if err := t.writeAndReadBack(name); err != nil {
		return false, err
	}
	status, err := t.remove(name)
	if err != nil {
		return false, err
	}
	end := "removed"
	switch status {
	case statusOK:
	case statusObjectNotFound, statusDeletePending: // somebody else removed it
	case statusSharingViolation: // a virus scanner, for one; the server is well
		end = "not removed"
		r.Warnings = append(r.Warnings, fmt.Sprintf("the write test's file %s is in use and stays until the next probe", name))
	default:
		return false, &Error{Step: WriteTest, Err: status}
	}
	t.g.learnt(WriteTest, fmt.Sprintf("%d bytes written, flushed, read back, %s", testBytes, end))
	return status == statusOK, nil
}

// remove deletes a file. A refusal is not an error; it returns its status.
func (t *tree) remove(name string) (Status, error) {
	share, end := t.forOneFile()
	defer end()
	err := share.Remove(name)
	if err == nil {
		return statusOK, nil
	}
	var s Status
	if err = t.failed(err); errors.As(err, &s) {
		return s, nil
	}
	return 0, err
}

// writeAndReadBack leaves a new file, or none if it fails and that is possible.
// While the file is open, nobody else can delete it.
func (t *tree) writeAndReadBack(name string) error {
	share, end := t.forOneFile()
	defer end()
	f, err := share.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return t.failed(err)
	}
	runtime.SetFinalizer(f, nil)
	err = t.writeTo(f, name)
	if e := f.Close(); err == nil && e != nil {
		err = t.failed(e)
	}
	if end(); err != nil {
		t.remove(name)
	}
	return err
}

func (t *tree) writeTo(f *smb2.File, name string) error {
	data, back := make([]byte, testBytes), make([]byte, testBytes+1)
	rand.Read(data)
	if _, err := f.Write(data); err != nil {
		return t.failed(err)
	}
	if err := f.Sync(); err != nil {
		return t.failed(err)
	}
	n, err := t.read(name, back)
	if errors.Is(err, statusEndOfFile) {
		n, err = 0, nil
	}
	if err == nil && !bytes.Equal(back[:n], data) {
		err = &Error{Step: WriteTest, Err: ErrReadBack}
	}
	return err
}

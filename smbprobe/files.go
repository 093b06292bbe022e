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
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloudsoda/go-smb2"
)

// FSM has neither of these steps: read a marker, write a file. A tree connect
// touches neither the disk below a share nor its file system.

const (
	maxMarkerName = 255                   // bytes
	markerBytes   = 4 << 10               // largest part of a marker that is read
	testBytes     = 64                    // size of the write test's file
	testNames     = 3                     // file names of a write test
	testRounds    = 3                     // how often all names are tried if others use them
	testPause     = 50 * time.Millisecond // longest pause between two rounds
)

// CheckMarker returns an error if path cannot be Config.Marker. It must be a
// path within the share, of 1 to 255 bytes of UTF-8, with slashes or
// backslashes. It must have no drive or stream (no colon), and no names "." and
// "..".
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

// tree is a share during a step that opens files.
type tree struct {
	ctx   context.Context // the probe's
	g     *guard
	share *smb2.Share
	step  Step
}

// files runs the steps that open files.
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

// forOneFile returns the share for one file, and a function that ends its use.
// If the server refuses a close, the library's finalizer closes the file again,
// perhaps during another request, unless the file's context has ended. (Where
// we have the file, we remove the finalizer; Remove has a file inside.)
func (t *tree) forOneFile() (*smb2.Share, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.ctx)
	return t.share.WithContext(ctx), cancel
}

// failed finds the cause of an error. Call it before the next request: then the
// guard still knows the status of the last one.
func (t *tree) failed(err error) error {
	if err == io.EOF { // the library's word for this status, not a closed connection
		err = statusEndOfFile
	}
	return classify(t.ctx, t.step, err, t.g.facts())
}

// read reads a file from its start, up to the size of b. An empty file is an
// error: STATUS_END_OF_FILE.
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

// testNames are the file names of the write test. They are the same for every
// probe of a watch, so that a later probe finds the file of one that was
// killed. Another probe of the same share may run at the same time, for example
// by -check, or the server may still hold the file of a dead one. Then the next
// name is used.
func (p *attempt) testNames() []string {
	host, _ := os.Hostname() // without one the names still differ by share
	watch := fmt.Sprintf("%s\x00%s\x00%d\x00%s", host, p.Address, p.Port, p.Share)
	id := sha256.Sum256([]byte(strings.ToLower(watch)))
	dir := p.Marker[:strings.LastIndexAny(p.Marker, `/\`)+1]
	var names []string
	for n := range testNames {
		names = append(names, fmt.Sprintf("%s.fsmon-%x-%d", dir, id[:8], n))
	}
	return names
}

// writeTest creates a file, writes and flushes it, reads it back through a new
// handle, compares, and deletes it. It opens an existing file only to delete
// it: with sweep it first deletes all files of these names. clean means that
// surely no file is left.
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

// contended reports whether another probe with the same file name may be the
// cause: it has the file open, is deleting it, or has just deleted this probe's
// new file as one that was left behind.
func contended(err error) bool {
	return slices.ContainsFunc([]error{
		statusObjectCollision, statusSharingViolation, statusDeletePending, statusObjectNotFound,
		ErrReadBack,
	}, func(e error) bool { return errors.Is(err, e) })
}

// writeFile is the write test with one file name.
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
	case statusSharingViolation: // perhaps a virus scanner; the server is healthy
		end = "not removed"
		r.warn("the write test's file %s is in use and stays until the next probe", name)
	default:
		return false, &Error{Step: WriteTest, Err: status}
	}
	t.g.learnt(WriteTest,
		fmt.Sprintf("%d bytes written, flushed, read back, %s", testBytes, end))
	return status == statusOK, nil
}

// remove deletes a file. It returns the server's status; a refusal is no error.
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

// writeAndReadBack creates the file and tests it. If that fails, it tries to
// delete the file. While the file is open, nobody else can delete it.
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

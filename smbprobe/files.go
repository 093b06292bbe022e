package smbprobe

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/cloudsoda/go-smb2"
)

// The rungs that FSM does not have: a marker is read, a file is written. A tree
// connect touches neither the disk below a share nor the file system on it.

const (
	maxMarkerName = 255     // bytes
	markerBytes   = 4 << 10 // that are read of a marker at most
	testBytes     = 64      // that a write test writes
	testNames     = 3       // of write tests of one watch that may run at once
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
	// An open file that is given up asks the library to close it whenever memory is
	// collected: by then its context must have ended.
	fctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := tree{ctx: ctx, g: g, share: share.WithContext(fctx)}
	if p.Marker != "" {
		t.step = Marker
		g.begin(Marker)
		if err := t.readMarker(p.Marker); err != nil {
			return err
		}
	}
	if p.WriteTest {
		t.step = WriteTest
		g.begin(WriteTest)
		return t.writeTest(p.testNames(), r)
	}
	return nil
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
	f, err := t.share.Open(name)
	if err != nil {
		return 0, t.failed(err)
	}
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
// so that each finds what one before it was killed over. Another probe of the same
// watch may run at the same time, "-check" for one, or the handle of one that is dead
// may live on in the server: then the next name is free.
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
// compares, and deletes it. It never opens a file that exists but to delete it.
func (t *tree) writeTest(names []string, r *Report) (err error) {
	for _, name := range names {
		if _, err := t.remove(name); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err = t.writeFile(name, r); err == nil || !contended(err) {
			break
		}
	}
	return err
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
func (t *tree) writeFile(name string, r *Report) error {
	f, err := t.share.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return t.failed(err)
	}
	err = t.writeAndReadBack(f, name)
	// While it is open, nobody else can delete it.
	if e := f.Close(); err == nil && e != nil {
		err = t.failed(e)
	}
	status, e := t.remove(name)
	if err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	end := "removed"
	switch status {
	case statusOK:
	case statusObjectNotFound, statusDeletePending: // somebody else removed it
	case statusSharingViolation: // a virus scanner, for one; the server is well
		end = "not removed"
		r.Warnings = append(r.Warnings, fmt.Sprintf("the write test's file %s is in use and stays until the next probe", name))
	default:
		return &Error{Step: WriteTest, Err: status}
	}
	t.g.learnt(WriteTest, fmt.Sprintf("%d bytes written, flushed, read back, %s", testBytes, end))
	return nil
}

// remove deletes a file. A refusal is not an error; it returns its status.
func (t *tree) remove(name string) (Status, error) {
	err := t.share.Remove(name)
	if err == nil {
		return statusOK, nil
	}
	var s Status
	if err = t.failed(err); errors.As(err, &s) {
		return s, nil
	}
	return 0, err
}

func (t *tree) writeAndReadBack(f *smb2.File, name string) error {
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

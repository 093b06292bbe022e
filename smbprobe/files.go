package smbprobe

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"fsmon/smbprobe/smb2"
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

// files runs the steps that open files.
func (l *ladder) files() error {
	if l.Marker != "" {
		if err := l.rung(Marker, l.readMarker); err != nil {
			return err
		}
	}
	if !l.WriteTest {
		return nil
	}
	l.tested = true
	return l.rung(WriteTest, l.writeTest)
}

// read reads a file from its start, up to the size of b. An empty file is an
// error: STATUS_END_OF_FILE.
func (l *ladder) read(name string, b []byte) (int, error) {
	f, err := l.tree.Open(name)
	if err != nil {
		return 0, err
	}
	n, err := f.Read(b)
	if err == nil && n == 0 {
		err = statusEndOfFile
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return n, err
}

// referral asks where a DFS link on the way to a name in the share leads. It
// returns nothing if the server does not tell.
func (l *ladder) referral(name string) string {
	ipc, err := l.conn.TreeConnect(l.unc("IPC$"))
	if err != nil {
		return ""
	}
	defer ipc.Disconnect()
	path := l.unc(l.Share)[1:] + `\` + strings.ReplaceAll(name, "/", `\`)
	target, _ := ipc.Referral(path)
	return target
}

func (l *ladder) readMarker() (string, error) {
	n, err := l.read(l.Marker, make([]byte, markerBytes))
	if errors.Is(err, smb2.StatusPathNotCovered) {
		return "", &DFSError{Target: l.referral(l.Marker), Err: smb2.StatusPathNotCovered}
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("read %d bytes of %s", n, l.Marker), nil
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
// it: the first write test of a watch deletes all files of these names. clean
// is set when surely no file is left.
func (l *ladder) writeTest() (learnt string, err error) {
	names := l.testNames()
	if l.sweep {
		for _, name := range names {
			if _, err := l.remove(name); err != nil {
				return "", err
			}
		}
	}
	for round := range testRounds {
		for n, name := range names {
			learnt, err = l.writeFile(name)
			if err == nil || !contended(err) {
				l.clean = l.clean && n == 0 && round == 0
				return learnt, err
			}
		}
		if round < testRounds-1 {
			select {
			case <-time.After(mathrand.N(testPause)):
			case <-l.ctx.Done():
				return "", os.ErrDeadlineExceeded
			}
		}
	}
	return "", err
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
func (l *ladder) writeFile(name string) (learnt string, err error) {
	if err := l.writeAndReadBack(name); err != nil {
		return "", err
	}
	status, err := l.remove(name)
	if err != nil {
		return "", err
	}
	end := "removed"
	switch status {
	case 0:
		l.clean = true
	case statusObjectNotFound, statusDeletePending: // somebody else removed it
	case statusSharingViolation: // perhaps a virus scanner; the server is healthy
		end = "not removed"
		l.r.warn("the write test's file %s is in use and stays until the next probe", name)
	default:
		return "", status
	}
	return fmt.Sprintf("%d bytes written, flushed, read back, %s", testBytes, end), nil
}

// remove deletes a file. It returns the server's status; a refusal is no error.
func (l *ladder) remove(name string) (status Status, err error) {
	if err = l.tree.Remove(name); errors.As(err, &status) {
		err = nil
	}
	return status, err
}

// writeAndReadBack creates the file and tests it. If that fails, it tries to
// delete the file. While the file is open, nobody else can delete it.
func (l *ladder) writeAndReadBack(name string) error {
	f, err := l.tree.Create(name)
	if err != nil {
		return err
	}
	err = l.writeTo(f, name)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		l.remove(name)
	}
	return err
}

func (l *ladder) writeTo(f *smb2.File, name string) error {
	data, back := make([]byte, testBytes), make([]byte, testBytes+1)
	rand.Read(data)
	for n := 0; n < len(data); {
		took, err := f.Write(data[n:], int64(n))
		if err != nil {
			return err
		}
		n += took
	}
	if err := f.Flush(); err != nil {
		return err
	}
	n, err := l.read(name, back)
	if errors.Is(err, statusEndOfFile) {
		n, err = 0, nil
	}
	if err == nil && !bytes.Equal(back[:n], data) {
		err = ErrReadBack
	}
	return err
}

package smbprobe

import (
	"bytes"
	"context"
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

// FSM has none of these steps. A tree connect touches neither the disk below a
// share nor its file system.

const (
	maxMarkerName = 255                   // bytes
	markerBytes   = 4 << 10               // largest part of a marker that is read
	testBytes     = 64                    // size of the write test's file
	testNames     = 3                     // file names of a write test
	testRounds    = 3                     // how often all names are tried if others use them
	testPause     = 50 * time.Millisecond // longest pause between two rounds
	lockFrom      = 1 << 30               // where locks begin; below twice this, as old systems demand
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
	if l.cleanUp {
		return l.rung(WriteTest, l.removeKept)
	}
	for _, s := range []struct {
		on   bool
		step Step
		do   func() (string, error)
	}{
		{l.Identity, Root, l.identify}, {l.Marker != "", Marker, l.readMarker},
		{l.WriteTest, WriteTest, l.writeTest}, {l.LockTest, LockTest, l.lockTest},
	} {
		if !s.on {
			continue
		}
		if err := l.rung(s.step, s.do); err != nil {
			return err
		}
	}
	return nil
}

// identify asks what is behind the share's root. A server that does not say is
// healthy.
func (l *ladder) identify() (string, error) {
	id, err := l.tree.Identity()
	var status Status
	var odd *MalformedError
	switch {
	case errors.As(err, &status), errors.As(err, &odd):
		return "not told: " + err.Error(), nil
	case err != nil:
		return "", err
	}
	l.r.RootID = fmt.Sprintf("volume %08X, file %d", id.Volume, id.Root)
	return l.r.RootID, nil
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
		err = smb2.StatusEndOfFile
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

// keptName is the name of the file that the write test leaves for the next
// probe. It is the same for every probe of a watch, and its -check.
func (p *attempt) keptName() string {
	host, _ := os.Hostname() // without one the names still differ by share
	watch := fmt.Sprintf("%s\x00%s\x00%d\x00%s", host, p.Address, p.Port, p.Share)
	id := sha256.Sum256([]byte(strings.ToLower(watch)))
	dir := p.Marker[:strings.LastIndexAny(p.Marker, `/\`)+1]
	return fmt.Sprintf("%s.fsmon-%x", dir, id[:8])
}

// testNames are the names of the write test's file while it is tested, so that
// a later probe finds the file of one that was killed. Another probe of the
// same share may run at the same time, for example by -check, or the server may
// still hold the file of a dead one. Then the next name is used.
func (p *attempt) testNames() []string {
	var names []string
	for n := range testNames {
		names = append(names, fmt.Sprintf("%s-%d", p.keptName(), n))
	}
	return names
}

// writeTest writes a file, flushes it, reads it back through a new handle and
// compares.
func (l *ladder) writeTest() (learnt string, err error) {
	end, err := l.withTestFile(l.writeTo)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d bytes written, flushed, read back, %s", testBytes, end), nil
}

// withTestFile creates the write test's file and calls do. The first write test
// of a watch deletes all files of these names before; nothing else is done to a
// file that exists. end says what became of the file. l.clean is set only if
// certainly no file of these names is left.
func (l *ladder) withTestFile(do func(f *smb2.File, name string) error) (end string, err error) {
	names := l.testNames()
	if l.sweep {
		for _, name := range names {
			if _, err := l.remove(name); err != nil {
				return "", err
			}
		}
	}
	before := l.clean || !l.tested
	l.sweep, l.tested, l.clean = false, true, false
	for round := range testRounds {
		for n, name := range names {
			end, err = l.testFile(name, do)
			if err == nil || !contended(err) {
				l.clean = l.clean && before && n == 0 && round == 0
				return end, err
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
	return is(err, smb2.StatusObjectCollision, smb2.StatusSharingViolation, smb2.StatusDeletePending,
		smb2.StatusObjectNotFound, ErrReadBack)
}

func is(err error, causes ...error) bool {
	return slices.ContainsFunc(causes, func(e error) bool { return errors.Is(err, e) })
}

// testFile does it with one file name. While the file is open, nobody else can
// delete it.
func (l *ladder) testFile(name string, do func(f *smb2.File, name string) error) (string, error) {
	f, err := l.tree.Create(name)
	if err != nil {
		return "", err
	}
	kept := false
	if err = do(f, name); err == nil && l.Keep {
		kept, err = l.keep(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	switch {
	case err != nil:
		l.remove(name)
		return "", err
	case !kept:
		return l.discard(name)
	}
	l.clean, l.kept = true, true
	return "kept", nil
}

// keep puts the file into the place of the one of the last probe. It is not
// deleted, since a recycle bin of the server would keep every one of them. Nor
// is the old one written again: Samba does not let an anonymous client open its
// own file to write, and a new one needs room on the disk.
func (l *ladder) keep(f *smb2.File) (kept bool, err error) {
	err = f.Rename(l.keptName())
	if status := Status(0); errors.As(err, &status) {
		return false, nil
	}
	return err == nil, err
}

// discard deletes a file that could not be kept.
func (l *ladder) discard(name string) (end string, err error) {
	status, err := l.remove(name)
	if err != nil {
		return "", err
	}
	end = "removed"
	switch status {
	case 0:
		l.clean = true
	case smb2.StatusObjectNotFound, smb2.StatusDeletePending: // somebody else removed it
	case smb2.StatusSharingViolation: // perhaps a virus scanner; the server is healthy
		end = "not removed"
		l.r.warn("the write test's file %s is in use and stays until the next probe", name)
	default:
		return "", status
	}
	return end, nil
}

// remove deletes a file. It returns the server's status; a refusal is no error.
func (l *ladder) remove(name string) (status Status, err error) {
	if err = l.tree.Remove(name); errors.As(err, &status) {
		err = nil
	}
	return status, err
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
	if errors.Is(err, smb2.StatusEndOfFile) {
		n, err = 0, nil
	}
	if err == nil && !bytes.Equal(back[:n], data) {
		err = ErrReadBack
	}
	return err
}

// lockTest locks a byte of the marker, for which a handle to read will do, also
// on a read-only share; without a marker, of the write test's file.
func (l *ladder) lockTest() (learnt string, err error) {
	if l.Marker == "" {
		_, err = l.withTestFile(func(f *smb2.File, _ string) (err error) {
			learnt, err = lock(f)
			return err
		})
		return learnt, err
	}
	f, err := l.tree.Open(l.Marker)
	if err != nil {
		return "", err
	}
	learnt, err = lock(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return learnt, err
}

// lock locks and unlocks a byte. It is far behind the end of the file, so that
// the lock stops nobody's reads, and another one each time, so that two probes
// do not meet. If somebody else has that lock, the server keeps locks: good.
func lock(f *smb2.File) (string, error) {
	off := lockFrom + mathrand.N[uint64](lockFrom)
	switch err := f.Lock(off, 1); {
	case is(err, smb2.StatusLockNotGranted, smb2.StatusFileLockConflict):
		return "somebody else has the lock", nil
	case err != nil:
		return "", err
	}
	return "locked and unlocked", f.Unlock(off, 1)
}

// Keep sets Config.Keep for all later probes.
func (p *Prober) Keep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config.Keep = true
}

// CleanUp deletes the file that Config.Keep lets stay, if the last probe has
// left it. It asks the server once, as Probe does, and its error is one of
// Probe's. Another watch that keeps the same file makes a new one.
func (p *Prober) CleanUp(ctx context.Context) error {
	p.mu.Lock()
	once, kept := p.attempt(), p.kept
	p.mu.Unlock()
	if !kept {
		return nil
	}
	once.cleanUp = true
	_, err := once.probe(ctx)
	return err
}

// removeKept deletes the kept file. It is no error if another probe has done so
// or is about to put its own there.
func (l *ladder) removeKept() (string, error) {
	err := l.tree.Remove(l.keptName())
	if is(err, smb2.StatusObjectNotFound, smb2.StatusDeletePending, smb2.StatusSharingViolation) {
		err = nil
	}
	return "file removed", err
}

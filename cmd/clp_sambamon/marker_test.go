package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
)

const markerFile = "MOUNTED"

// marked is a server with a marker in its share, as an administrator puts it on the disk.
func marked(t *testing.T, shares map[string][]string) (s *smbtest.Server, marker string) {
	t.Helper()
	s = smbtest.Samba(t, smbtest.Config{Shares: shares})
	marker = filepath.Join(s.Dir, "shares", "share", markerFile)
	writeFile(t, marker, "the shared disk\n", 0o644)
	return s, marker
}

// leftovers is what write tests left behind in the share.
func leftovers(t *testing.T, s *smbtest.Server) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.Dir, "shares", "share", ".fsmon-*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// The disk is unmounted while it is watched: what is served now is its mount point, whose tree connect is as good as ever.
func TestMarkerVanishes(t *testing.T) {
	t.Parallel()
	s, marker := marked(t, nil)
	l := newLab(t)
	evidence := t.TempDir()
	w := l.Watch(at(s.Addr(), "-s", "share", "-u", "root", "-p", "pw", "--marker", markerFile, "-i", "1", "-c", "2", "--evidence-dir", evidence)...)
	w.Message(2)
	if err := os.Remove(marker); err != nil {
		t.Fatal(err)
	}
	failed := w.Message(101)
	if want := "Probe failed (1 of 3), marker error[2]: marker: STATUS_OBJECT_NAME_NOT_FOUND (0xC0000034)"; failed.Text != want {
		t.Errorf("%q, want %q", failed.Text, want)
	}
	w.Message(6)
	w.Exits(1)
	w.Want(1, 2, 101, 101, 101, 112, 6, 116)
	// The transcript shows the request that failed, and nothing of the login.
	var capture string
	for name, text := range filesBelow(t, evidence) {
		if filepath.Base(name) == "probe.pcap" {
			capture = text
		}
	}
	if !strings.Contains(capture, "M\x00O\x00U\x00N\x00T\x00E\x00D\x00") || strings.Contains(capture, "NTLMSSP") {
		t.Errorf("the capture of %d bytes lacks the marker's name or holds the login", len(capture))
	}
	if v := w.Last(112); v.Severity != "ERROR" || v.Text != "The file server has failed the marker check of [share] (error[2], STATUS_OBJECT_NAME_NOT_FOUND)." {
		t.Errorf("%+v", v)
	}
	l.Gone()
}

// A write test beside the marker leaves nothing behind; on a share that has become read-only it is the verdict.
func TestWriteTestOfAWatch(t *testing.T) {
	t.Parallel()
	s, marker := marked(t, nil)
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "--marker", markerFile, "--write-test", "-i", "1", "-c", "1")...)
	w.Message(2)
	l.Healthy()
	cmdtest.Eventually(t, "no file of the write test", func() bool { return len(leftovers(t, s)) == 0 })
	if err := os.Chmod(filepath.Dir(marker), 0o555); err != nil { // to the anonymous client
		t.Fatal(err)
	}
	w.Message(6)
	w.Exits(1)
	w.Want(1, 2, 101, 101, 113, 6)
	if v := w.Last(113); v.Severity != "ERROR" || v.Text != "The file server has failed the write test of [share] (error[5], STATUS_ACCESS_DENIED)." {
		t.Errorf("%+v", v)
	}
	l.Gone()
}

func TestWriteTestOnAReadOnlyShare(t *testing.T) {
	t.Parallel()
	s, _ := marked(t, map[string][]string{"share": {"guest ok = yes", "read only = yes"}})
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "--write-test", "-i", "1", "-c", "1")...)
	w.Exits(1)
	w.Want(1, 101, 101, 113, 6)
	if v := w.Last(113); !strings.Contains(v.Detail, "STATUS_ACCESS_DENIED (0xC0000022)") {
		t.Errorf("%+v", v)
	}
	l.Gone()
}

// A disk hangs under a server that answers everything else: without a write test nobody would notice. When the disk is
// back, so is the server, and what the stalled probes left behind is removed.
func TestDiskHangs(t *testing.T) {
	t.Parallel()
	s, _ := marked(t, nil)
	var hangs atomic.Bool
	addr := smbtest.Relay(t, s.Addr(), smbtest.OnReply(smbtest.Write, func(f *smbtest.Frame) smbtest.Behaviour {
		if hangs.Load() {
			return smbtest.Hold(f)
		}
		return nil
	}))
	l := newLab(t)
	w := l.Watch(at(addr, "-s", "share", "--write-test", "-i", "2", "-c", "1", "-r", "1")...) // a second between a failed probe and the next
	w.Message(2)
	hangs.Store(true)
	failed := w.Message(101)
	if !strings.HasPrefix(failed.Text, "Probe failed (1 of 2), write test error[110]: ") {
		t.Error(failed.Text)
	}
	hangs.Store(false)
	w.Message(102)
	cmdtest.Eventually(t, "no file of the write test", func() bool { return len(leftovers(t, s)) == 0 })
	hangs.Store(true)
	w.Message(6)
	w.Exits(1)
	w.Want(1, 2, 101, 102, 101, 101, 113, 6)
	if v := w.Last(113); v.Text != "The file server has failed the write test of [share] (error[110], ETIMEDOUT)." {
		t.Errorf("%+v", v)
	}
	l.Gone()

	hangs.Store(false)
	check := l.Run(append([]string{"-check", "-s", "share", "--write-test"}, at(addr)...)...)
	check.Exits(0)
	cmdtest.Eventually(t, "no file of the write test", func() bool {
		l.Run(append([]string{"-check", "-s", "share", "--write-test"}, at(addr)...)...).Exits(0)
		return len(leftovers(t, s)) == 0
	})
	if out := check.Output(); !strings.Contains(out, "64 bytes written, flushed, read back, removed") {
		t.Error(out)
	}
}

// What -check says of the rungs that open files, each of them broken in a way of its own.
func TestCheckFiles(t *testing.T) {
	t.Parallel()
	guest := []string{"guest ok = yes", "read only = no"}
	s, _ := marked(t, map[string][]string{"ro": {"guest ok = yes", "read only = yes"}, "veto": append(guest, "veto files = /.*/"), "closed": guest})
	dir := filepath.Join(s.Dir, "shares")
	writeFile(t, filepath.Join(dir, "share", "empty"), "", 0o644)
	writeFile(t, filepath.Join(dir, "share", "secret"), "x", 0o600)
	mkdir(t, filepath.Join(dir, "share", "dir"), 0o755)
	if err := os.Chmod(filepath.Join(dir, "closed"), 0o755); err != nil {
		t.Fatal(err)
	}
	const readBack = 4 + 64 + 16 // the first byte of data in a read answer without padding: MS-SMB2 2.2.20
	spoil := map[string]smbtest.Filter{
		"hangs": smbtest.OnReply(smbtest.Read, smbtest.Hold),
		"hung":  smbtest.OnReply(smbtest.Flush, smbtest.Hold),
		"full":  smbtest.OnReply(smbtest.Write, smbtest.SetStatus(0xC000007F)),
		"ioerr": smbtest.OnReply(smbtest.Read, smbtest.SetStatus(0xC0000185)),
		"rofs":  smbtest.OnReply(smbtest.Create, smbtest.SetStatus(0xC00000A2)),
		"altered": smbtest.OnReply(smbtest.Read, func(f *smbtest.Frame) smbtest.Behaviour {
			f.Bytes[readBack]++
			return nil
		}),
	}
	marker, writeTest := []string{"--marker", markerFile}, []string{"--write-test"}
	for name, c := range map[string]struct {
		spoil              string // a filter before the server; empty: none
		share              string // empty: share
		args               []string
		step, cause, alert string
		look               string
		not                string // advice that does not belong here
	}{
		"no marker": {args: []string{"--marker", "nosuch"}, step: "marker", cause: "STATUS_OBJECT_NAME_NOT_FOUND (0xC0000034, Win32 2)",
			alert: "error[2], STATUS_OBJECT_NAME_NOT_FOUND", look: "Most likely the disk below the share is not mounted", not: "-u and -p"},
		"no directory of the marker": {args: []string{"--marker", "no/such", "-u", "root", "-p", "pw"}, step: "marker", cause: "STATUS_OBJECT_PATH_NOT_FOUND (0xC000003A, Win32 3)",
			alert: "error[3], STATUS_OBJECT_PATH_NOT_FOUND", look: "Most likely the disk below the share is not mounted"},
		"empty marker": {args: []string{"--marker", "empty"}, step: "marker", cause: "STATUS_END_OF_FILE (0xC0000011, Win32 38)",
			alert: "error[38], STATUS_END_OF_FILE", look: "The marker has nothing in it."},
		"a directory": {args: []string{"--marker", "dir"}, step: "marker", cause: "STATUS_INVALID_DEVICE_REQUEST (0xC0000010, Win32 1)",
			alert: "error[1], STATUS_INVALID_DEVICE_REQUEST", look: "Give --marker a plain file."},
		"not to be read": {args: []string{"--marker", "secret"}, step: "marker", cause: "STATUS_ACCESS_DENIED (0xC0000022, Win32 5)",
			alert: "error[5], STATUS_ACCESS_DENIED", look: "The probe may not read the marker.", not: "-u and -p"},
		"read-only share": {share: "ro", args: writeTest, step: "write test", cause: "STATUS_ACCESS_DENIED (0xC0000022, Win32 5)",
			alert: "error[5], STATUS_ACCESS_DENIED", look: "whether the share is read-only", not: "-u and -p"},
		"read-only directory": {share: "closed", args: append(writeTest, "-u", "games", "-p", "pw-games"), step: "write test", cause: "STATUS_ACCESS_DENIED (0xC0000022, Win32 5)",
			alert: "error[5], STATUS_ACCESS_DENIED", look: "at the mode of the directory", not: "valid users"},
		"dot files vetoed": {share: "veto", args: writeTest, step: "write test", cause: "STATUS_OBJECT_NAME_NOT_FOUND (0xC0000034, Win32 2)",
			alert: "error[2], STATUS_OBJECT_NAME_NOT_FOUND", look: "Look at veto files", not: "not mounted"},
		"printer": {share: "printer", args: writeTest, step: "share type", cause: "the share is a printer, which holds no files for a marker or a write test",
			alert: "share type error", look: "leave --marker and --write-test away", not: "pipe"},
		"disk hangs": {spoil: "hangs", args: append(marker, "-r", "1"), step: "marker", cause: "ETIMEDOUT (errno 110)",
			alert: "error[110], ETIMEDOUT", look: "The server answers, but its disk hangs"},
		"disk hangs when written": {spoil: "hung", args: append(writeTest, "-r", "1"), step: "write test", cause: "ETIMEDOUT (errno 110)",
			alert: "error[110], ETIMEDOUT", look: "processes in state D"},
		"disk broken": {spoil: "ioerr", args: marker, step: "marker", cause: "STATUS_IO_DEVICE_ERROR (0xC0000185, Win32 1117)",
			alert: "error[1117], STATUS_IO_DEVICE_ERROR", look: "its disk does not do its part"},
		"disk full": {spoil: "full", args: writeTest, step: "write test", cause: "STATUS_DISK_FULL (0xC000007F, Win32 112)",
			alert: "error[112], STATUS_DISK_FULL", look: "look at df, df -i"},
		"disk read-only": {spoil: "rofs", args: writeTest, step: "write test", cause: "STATUS_MEDIA_WRITE_PROTECTED (0xC00000A2, Win32 19)",
			alert: "error[19], STATUS_MEDIA_WRITE_PROTECTED", look: "after an error of its disk"},
		"disk alters data": {spoil: "altered", args: writeTest, step: "write test", cause: "what was read back is not what was written",
			alert: "error[23], data differ", look: "Do not trust this file system"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, share := s.Addr(), cmp.Or(c.share, "share")
			if c.spoil != "" {
				addr = smbtest.Relay(t, addr, spoil[c.spoil])
			}
			message := map[string]string{
				"marker": "112 The file server has failed the marker check of [%s] (%s).", "write test": "113 The file server has failed the write test of [%s] (%s).",
				"share type": "63 The clp_sambamon has detected an error in Samba [%s] (%s).",
			}[c.step]
			forms := newLab(t).CheckFails(cmdtest.Broken{Target: "//" + addr + "/" + share, Step: c.step, Cause: c.cause, Look: c.look, Alert: fmt.Sprintf(message, share, c.alert)},
				at(addr, append([]string{"-s", share}, c.args...)...)...)
			if c.not != "" && strings.Contains(cmdtest.Flat(forms[0].Output()), c.not) {
				t.Errorf("%q is no advice here:\n%s", c.not, forms[0].Output())
			}
		})
	}
}

// What cannot be a path within the share is wrong usage.
func TestMarkerRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, path := range []string{"/srv/share/MOUNTED", `..\MOUNTED`, "C:MOUNTED", "dir/"} {
		w := l.Watch(at("127.0.0.1:1", "-s", "share", "--marker", path)...)
		w.Exits(2)
		if said := w.Errors(); !strings.Contains(said, "--marker") || !strings.Contains(said, path) && !strings.Contains(said, "within the share") {
			t.Errorf("%q: %s", path, said)
		}
	}
}

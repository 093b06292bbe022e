package main

import (
	"strings"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
)

// The lock manager goes away while everything else works: with a lock test that
// is the verdict.
func TestLockTest(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	for name, c := range map[string]struct {
		args   []string
		breaks func(h *nfstest.Hostile)
		text   string
	}{
		"3": {[]string{"--nfs-version", "3"},
			on(nfstest.Getport, nfstest.Unregistered(100021)), "nlockmgr: program not registered"},
		"3, statd": {[]string{"--nfs-version", "3"},
			on(nfstest.Getport, nfstest.Unregistered(100024)), "status: program not registered"},
		"4.1": {[]string{"--nfs-version", "4.1", "--marker", "MOUNTED"},
			op(-1, nfsv4.OP_LOCK, nfsv4.NFS4ERR_SERVERFAULT), "LOCK: NFS4ERR_SERVERFAULT"},
		"4.0": {[]string{"--nfs-version", "4.0", "--write-test"},
			op(-1, nfsv4.OP_LOCK, nfsv4.NFS4ERR_SERVERFAULT), "LOCK: NFS4ERR_SERVERFAULT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hostile(t, network)
			h.Put("MOUNTED", "a real disk\n")
			l := newLab(t, network)
			args := append(c.args, "-a", h.Address, "-d", "/export", "--lock-test", "-r", "10")
			w := l.Watch(append(args, "-i", "1", "-c", "1")...)
			w.Message(cmdtest.Watching)
			l.Healthy()
			c.breaks(h)
			w.Exits(1)
			verdict := w.Last(cmdtest.LockTestFailed)
			want := "The file server has failed the lock test of [/export] (" + c.text + ")."
			if verdict.Text != want || verdict.Severity != "ERROR" {
				t.Errorf("%s %q, want %q", verdict.Severity, verdict.Text, want)
			}
			check := l.Run(append([]string{"-check"}, args...)...)
			check.Exits(1)
			if !strings.Contains(cmdtest.Flat(check.Output()), "Files open, but locks do not work") {
				t.Error(check.Output())
			}
			if files := h.Files(); len(files) != 1 {
				t.Errorf("left behind: %q", files)
			}
		})
	}
}

// Another disk behind the directory is a warning, with --same-disk a failure;
// after a pause it is the one that is watched.
func TestSameDisk(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	for _, v := range []string{"3", "4.1"} {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			h := hostile(t, network)
			args := []string{"-a", h.Address, "-d", "/export", "--nfs-version", v, "-i", "1", "-c", "1",
				"-r", "10"}
			l := newLab(t, network)
			w := l.Watch(args...)
			w.Message(cmdtest.Watching)
			h.ChangeDisk()
			const want = "Healthy, but another file system is behind this directory than at the " +
				"start (fsid 1.0, fileid 2, at the start fsid 0.0, fileid 2)."
			if text := w.Message(cmdtest.Warned).Text; text != want {
				t.Errorf("%q, want %q", text, want)
			}
			l.Healthy()
			l.Silent("-stop")
			w.Exits(0)

			l = newLab(t, network)
			w = l.Watch(append(args, "--same-disk")...)
			w.Message(cmdtest.Watching)
			l.Silent("-pause")
			h.ChangeDisk()
			l.Silent("-continue")
			w.Message(cmdtest.Continued)
			l.Healthy()
			l.Healthy()
			h.ChangeDisk()
			w.Exits(1)
			const failed = "Another file system is behind [/export] than at the start of the watch " +
				"(fsid 3.0, fileid 2, at the start fsid 2.0, fileid 2)."
			if text := w.Last(cmdtest.OtherDisk).Text; text != failed {
				t.Errorf("%q, want %q", text, failed)
			}
			w.Told("started watching settled paused continued",
				"probe-failed probe-failed other-disk nfs-failed terminate")
		})
	}
}

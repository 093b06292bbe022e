package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
)

const markerFile = "MOUNTED"

// leftovers is what write tests left behind in a directory.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, ".fsmon-*"))
	must(t, err)
	return names
}

// The disk is unmounted while it is watched, and its empty mount point exported
// instead.
func TestDiskUnmounted(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"3", "4.2"} {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			network := nfstest.New(t, nfstest.Config{})
			must(t, network.MountDisk("export", 64))
			must(t, os.WriteFile(filepath.Join(network.Inside(network.Dir()), markerFile),
				[]byte("x"), 0o644))
			l := newLab(t, network)
			w := l.Watch(version(network, "export", v, "--marker", markerFile,
				"-i", "1", "-c", "2")...)
			w.Message(cmdtest.Watching)
			l.Silent("-pause") // the server is restarted
			must(t, network.UnmountDisk("export"))
			l.Silent("-continue")
			w.Message(cmdtest.Terminate)
			w.Exits(1)
			code := map[string]string{"3": "NFS3ERR_NOENT", "4.2": "NFS4ERR_NOENT"}[v]
			failed := w.Last(cmdtest.MarkerFailed)
			want := fmt.Sprintf("The file server has failed the marker check of [%s] (LOOKUP: %s).",
				network.Dir(), code)
			if failed.Text != want || failed.Severity != "ERROR" {
				t.Errorf("%+v, want %q", failed, want)
			}
			want = fmt.Sprintf("Probe failed (3 of 3), marker, LOOKUP: %[1]s: marker: LOOKUP: %[1]s", code)
			if text := w.Last(cmdtest.ProbeFailed).Text; text != want {
				t.Errorf("%q, want %q", text, want)
			}
			l.Gone()
		})
	}
}

// A write test leaves nothing behind; on a file system that is full it is the
// verdict.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"3", "4.1"} {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			network := nfstest.New(t, nfstest.Config{})
			must(t, network.MountDisk("export", 64))
			disk := network.Inside(network.Dir())
			l := newLab(t, network)
			w := l.Watch(version(network, "export", v, "--write-test", "-i", "1", "-c", "1")...)
			w.Message(cmdtest.Watching)
			l.Healthy()
			cmdtest.Eventually(t, "no file of the write test",
				func() bool { return len(leftovers(t, disk)) == 0 })
			os.WriteFile(filepath.Join(disk, "big"), make([]byte, 64<<10),
				0o644) // as much of it as there is room for
			w.Message(cmdtest.Terminate)
			w.Exits(1)
			w.Told("started watching settled", "probe-failed probe-failed write-test-failed nfs-failed terminate",
				"-warned") // of version 4: the verdict may come within a grace period
			code := map[string]string{"3": "NFS3ERR_NOSPC", "4.1": "NFS4ERR_NOSPC"}[v]
			want := fmt.Sprintf("The file server has failed the write test of [%s] (WRITE: %s).",
				network.Dir(), code)
			if text := w.Last(cmdtest.WriteTestFailed).Text; text != want {
				t.Errorf("%q, want %q", text, want)
			}
			if left := leftovers(t, disk); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			l.Gone()
		})
	}
}

// A disk hangs under a server that answers everything else: without a write
// test nobody would notice. When the disk is back, so is the server, and what
// the stalled probes left behind is removed.
func TestDiskHangs(t *testing.T) {
	t.Parallel()
	network := nfstest.New(t, nfstest.Config{Empty: true})
	for _, v := range []string{"3", "4.1"} {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			h := hostile(t, network)
			var hangs atomic.Bool
			hang := func(c net.Conn, call nfstest.Call, healthy func() []byte) bool {
				if hangs.Load() {
					return nfstest.Hang(c, call, healthy)
				}
				return nfstest.Healthy(c, call, healthy)
			}
			h.On(nfstest.Write3, hang)
			h.On(nfstest.Compound, func(c net.Conn, call nfstest.Call, healthy func() []byte) bool {
				var args nfsv4.Compound4args
				args.ReadFrom(bytes.NewReader(call.Args))
				for _, op := range args.Argarray {
					if op.GetArgop() == nfsv4.OP_WRITE {
						return hang(c, call, healthy)
					}
				}
				return nfstest.Healthy(c, call, healthy)
			})
			l := newLab(t, network)
			w := l.Watch("-a", h.Address, "-d", "/export", "--nfs-version", v, "--write-test",
				"-i", "8", "-c", "1", "-r", "4") // 4 s between a failed probe and the next
			w.Message(cmdtest.Watching)
			hangs.Store(true)
			failed := w.Message(cmdtest.ProbeFailed)
			if !strings.HasPrefix(failed.Text,
				"Probe failed (1 of 2), write test, WRITE: no answer within the deadline: ") {
				t.Error(failed.Text)
			}
			hangs.Store(false)
			w.Message(cmdtest.Recovered)
			cmdtest.Eventually(t, "no file of the write test",
				func() bool { return len(h.Files()) == 0 })
			hangs.Store(true)
			w.Message(cmdtest.Terminate)
			w.Exits(1)
			const want = "The file server has failed the write test of [/export] " +
				"(WRITE: no answer within the deadline)."
			if text := w.Last(cmdtest.WriteTestFailed).Text; text != want {
				t.Errorf("%q", text)
			}
			l.Gone()
		})
	}
}

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
)

// hungDisk is the root of a file system that does not answer until the test
// ends: whoever touches it waits in state D, and not even SIGKILL ends the
// wait. It is a FUSE whose server reads every request and answers only the
// first. It is mounted nowhere, and goes with its descriptors however the test
// ends, which ends every wait. touched tells that somebody waits.
func hungDisk(t *testing.T) (dir string, touched <-chan struct{}) {
	t.Helper()
	const flags = unix.O_RDWR | unix.O_CLOEXEC | unix.O_NONBLOCK
	dev, err := unix.Open("/dev/fuse", flags, 0)
	if errors.Is(err, fs.ErrNotExist) { // a sparse /dev, not a kernel without it
		node := filepath.Join(t.TempDir(), "fuse")
		if err = unix.Mknod(node, unix.S_IFCHR|0o600, int(unix.Mkdev(10, 229))); err == nil {
			dev, err = unix.Open(node, flags, 0)
		}
	}
	if err != nil || os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a FUSE needs root and the kernel's: %v", err)
		}
		t.Skipf("a FUSE needs root and the kernel's: %v", err)
	}
	fsys, err := unix.Fsopen("fuse", unix.FSOPEN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fsys)
	for _, option := range [][2]string{{"fd", fmt.Sprint(dev)}, {"rootmode", "40000"},
		{"user_id", "0"}, {"group_id", "0"}} {
		if err := unix.FsconfigSetString(fsys, option[0], option[1]); err != nil {
			t.Fatal(option, err)
		}
	}
	if err := unix.FsconfigCreate(fsys); err != nil {
		t.Fatal(err)
	}
	root, err := unix.Fsmount(fsys, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	fuse := os.NewFile(uintptr(dev), "/dev/fuse") // only now does it tell a poller of requests
	hit := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		request := make([]byte, 1<<18)
		for n := 0; ; n++ {
			if _, err := fuse.Read(request); err != nil {
				return // closed
			}
			switch n {
			case 0:
				fuse.Write(fuseInit(request))
			case 1:
				close(hit)
			}
		}
	}()
	t.Cleanup(func() {
		fuse.Close() // ends every request
		<-ended
		unix.Close(root)
	})
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), root), hit
}

// fuseInit answers FUSE_INIT (include/uapi/linux/fuse.h: fuse_in_header,
// fuse_init_in, fuse_out_header, fuse_init_out).
func fuseInit(request []byte) []byte {
	const header, body = 16, 64
	out := make([]byte, header+body)
	binary.NativeEndian.PutUint32(out, header+body)
	copy(out[8:16], request[8:16])                 // unique
	binary.NativeEndian.PutUint32(out[header:], 7) // version 7.31
	binary.NativeEndian.PutUint32(out[header+4:], 31)
	binary.NativeEndian.PutUint32(out[header+20:], 4096) // max_write
	return out
}

// A disk of this machine that hangs, with all that a watch writes on it, hides
// no verdict: the process ends while the disk still hangs. Nor does the disk
// keep a watch from starting, from being paused and from stopping.
func TestHungDiskHidesNoVerdict(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	for name, stop := range map[string]bool{"verdict": false, "stop": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			disk, touched := hungDisk(t)
			l.Log = filepath.Join(disk, "watch.log")
			share := map[bool]string{true: "share", false: "nosuch"}[stop]
			w := l.Watch(at(s.Addr(), "-s", share, "-i", "1", "-c", "2",
				"--evidence-dir", filepath.Join(disk, "evidence"),
				"--metrics-file", filepath.Join(disk, "w.prom"))...)
			select {
			case <-touched:
			case <-time.After(cmdtest.Limit):
				t.Fatal("nothing was written to the disk")
			}
			if stop {
				w.Message(cmdtest.Watching)
				l.Silent("-pause")
				l.Silent("-continue")
				l.Silent("-stop")
				w.Exits(0)
				return
			}
			w.Message(cmdtest.Terminate)
			lost := w.Message(cmdtest.NotSaved)
			if !strings.Contains(lost.Text, "did not take it within") {
				t.Errorf("%+v", lost)
			}
			w.Exits(1)
			l.Gone()
		})
	}
}

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/watchreg"
)

// hang makes every open of a file in dir by a process, or by an errand, hang
// until resume is called, as on a disk that hangs (fanotify(7)).
func hang(t *testing.T, dir string, pid int) (resume func()) {
	t.Helper()
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK,
		unix.O_RDONLY|unix.O_CLOEXEC)
	must(t, err)
	must(t, unix.FanotifyMark(fd, unix.FAN_MARK_ADD, unix.FAN_OPEN_PERM|unix.FAN_EVENT_ON_CHILD,
		unix.AT_FDCWD, dir))
	events := os.NewFile(uintptr(fd), "fanotify")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// A number that was closed would stand for the next event too.
		var held []int
		defer func() {
			for _, fd := range held {
				unix.Close(fd)
			}
		}()
		buffer := make([]byte, 4096)
		for {
			n, err := events.Read(buffer)
			if err != nil {
				return // closed: the kernel lets all go that wait
			}
			for b := buffer[:n]; len(b) >= 24; b = b[binary.NativeEndian.Uint32(b):] {
				about, who := binary.NativeEndian.Uint32(b[16:]), int(binary.NativeEndian.Uint32(b[20:]))
				comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", who))
				if who == pid || string(comm) == "fsmon-errand\n" {
					held = append(held, int(about))
					continue
				}
				events.Write(binary.NativeEndian.AppendUint32(
					binary.NativeEndian.AppendUint32(nil, about), unix.FAN_ALLOW))
				unix.Close(int(about))
			}
		}
	}()
	return func() {
		events.Close()
		<-ended
	}
}

// A watch whose registry hangs ends with its verdict nevertheless. It is not
// taken for one that was killed, and when the registry can be written again,
// nothing is left in it.
func TestRegistryHangsAtTheVerdict(t *testing.T) {
	t.Parallel()
	l := cmdtest.NewLab(t, "clp_nfsmon")
	w := l.Watch("-a", "127.0.0.99", "-n", "9", "-d", "/export", "--nfs-version", "4", "-i", "1",
		"-c", "4", "-r", "5")
	cmdtest.Eventually(t, "a status that says failing", func() bool {
		e, err := l.Entry()
		return err == nil && e.Status != nil && e.Status.State == watchreg.Failing
	})
	resume := hang(t, filepath.Join(l.Registry, l.ID), w.PID)
	w.Exits(1)
	list := l.Run("-list")
	list.Exits(0)
	if said := cmdtest.Flat(list.Output()); !strings.Contains(said, "not running") ||
		!strings.Contains(said, fmt.Sprintf("its process %d is gone without a word (killed, "+
			"crashed, or its registry hung); it was failing at", w.PID)) {
		t.Error(said)
	}
	resume()
	cmdtest.Eventually(t, "a registry with nothing in it", func() bool {
		_, err := l.Entry()
		return errors.Is(err, watchreg.ErrUnknown)
	})
	l.Gone()
	if list := l.Run("-list"); list.Output() != "no watches\n" {
		t.Error(list.Output())
	}
	w.Told("started probe-failed probe-failed probe-failed probe-failed probe-failed rpc-failed " +
		"nfs-failed terminate")
}

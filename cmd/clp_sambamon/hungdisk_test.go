package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/cmd/internal/lab/disk"
	"fsmon/smbprobe/smbtest"
)

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
			hung := disk.NewFuse(t, "")
			hung.Hang()
			l.Log = filepath.Join(hung.Dir, "watch.log")
			share := map[bool]string{true: "share", false: "nosuch"}[stop]
			w := l.Watch(at(s.Addr(), "-s", share, "-i", "1", "-c", "2",
				"--evidence-dir", filepath.Join(hung.Dir, "evidence"),
				"--metrics-file", filepath.Join(hung.Dir, "w.prom"))...)
			select {
			case <-hung.Touched:
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

// The disk with the program hangs, after memory was so short that the kernel
// took away all that it could of it. The verdict comes all the same, and the
// evidence is saved if it goes to another disk.
func TestHungSystemDiskHidesNoVerdict(t *testing.T) {
	t.Parallel()
	for name, elsewhere := range map[string]bool{"dead": true, "frozen": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := smbtest.Samba(t, smbtest.Config{})
			l := newLab(t)
			evidence := filepath.Join(t.TempDir(), "evidence")
			system := disk.NewFuse(t, l.Command)
			if !elsewhere {
				evidence = filepath.Join(system.Dir, "evidence")
			}
			l.Command = filepath.Join(system.Dir, disk.ProgramName)
			// A Go program that starts another cannot answer for its disk meanwhile.
			l.Exec = func(name string, args ...string) *exec.Cmd {
				return exec.Command("/bin/sh", append([]string{"-c", `exec "$0" "$@"`, name}, args...)...)
			}
			w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-c", "1", "-r", "5",
				"--evidence-dir", evidence)...)
			w.Message(cmdtest.Watching)
			if !elsewhere {
				w.Message(cmdtest.NotSaved) // nothing can be made on the system disk
			}
			l.Healthy()
			shortOfMemory(t, w.PID, l.Command)
			system.Hang()
			fault := s.Kill
			if name == "frozen" {
				fault = s.Freeze
			}
			if err := fault(); err != nil {
				t.Fatal(err)
			}
			w.Message(cmdtest.Terminate)
			if elsewhere {
				w.Message(cmdtest.Saved)
			} else if lost := w.Message(cmdtest.NotSaved); !strings.Contains(lost.Text,
				"did not take it within") {
				t.Errorf("%+v", lost)
			}
			w.Exits(1)
			l.Gone()
		})
	}
}

// shortOfMemory does what the kernel does when memory is short: it takes the
// pages of the program away from the process, where it may, and forgets those
// that it may. It fails the test unless all stay in memory.
func shortOfMemory(t *testing.T, pid int, program string) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(process)
	found := 0
	for line := range strings.Lines(string(maps)) {
		var start, end uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x r", &start, &end); n < 2 ||
			!strings.HasSuffix(line, "/"+disk.ProgramName+"\n") {
			continue
		}
		found++
		piece := []uintptr{start, end - start} // struct iovec
		if _, _, errno := unix.Syscall6(unix.SYS_PROCESS_MADVISE, uintptr(process),
			uintptr(unsafe.Pointer(&piece[0])), 1, unix.MADV_PAGEOUT, 0, 0); errno != 0 {
			t.Errorf("%s%v", line, errno)
		}
	}
	if found < 3 {
		t.Fatalf("the program is not mapped:\n%s", maps)
	}
	// Not os.Open: the runtime would ask the disk whether it can be polled, and
	// let nobody answer meanwhile.
	f, err := unix.Open(program, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(f)
	var info unix.Stat_t
	if err := errors.Join(unix.Fadvise(f, 0, 0, unix.FADV_DONTNEED), unix.Fstat(f, &info)); err != nil {
		t.Fatal(err)
	}
	seen, err := unix.Mmap(f, 0, int(info.Size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(seen)
	pages := make([]byte, (len(seen)+os.Getpagesize()-1)/os.Getpagesize())
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&seen[0])),
		uintptr(len(seen)), uintptr(unsafe.Pointer(&pages[0]))); errno != 0 {
		t.Fatal(errno)
	}
	gone := 0
	for _, in := range pages {
		if in&1 == 0 {
			gone++
		}
	}
	if gone > 0 {
		t.Errorf("%d of %d pages of the program were forgotten", gone, len(pages))
	}
}

// Where nothing lets a watch keep its program in memory, it says so once, and
// the status does.
func TestProgramThatMayLeaveMemory(t *testing.T) {
	t.Parallel()
	disk.NeedsRoot(t)
	const user = disk.Stranger + 1
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	l.As(user)
	as := l.Exec
	l.Exec = func(name string, args ...string) *exec.Cmd {
		cmd := as(name, args...)
		cmd.Path, cmd.Args = "/usr/bin/prlimit", append([]string{"prlimit", "--memlock=0"}, cmd.Args...)
		return cmd
	}
	takePipes(t, user)
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-r", "20")...)
	said := w.Message(cmdtest.NotHeld)
	if !strings.Contains(said.Text, "LimitMEMLOCK") {
		t.Errorf("%+v", said)
	}
	w.Message(cmdtest.Watching)
	if p := l.Verb("-disp"); !strings.Contains(p.Output(), "its program may leave memory") {
		t.Error(p.Output())
	}
	l.Silent("-stop")
	w.Exits(0)
	if n := w.Count(cmdtest.NotHeld); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// takePipes takes all the room that pipes of this user may have
// (fs.pipe-user-pages-soft).
func takePipes(t *testing.T, user int) {
	t.Helper()
	full := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: this thread alone becomes the user
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(user), uintptr(user),
			uintptr(user)); errno != 0 {
			full <- errno
			return
		}
		for range 1000 {
			var ends [2]int
			if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
				full <- err
				return
			}
			t.Cleanup(func() { unix.Close(ends[0]); unix.Close(ends[1]) })
			if _, err := unix.FcntlInt(uintptr(ends[0]), unix.F_SETPIPE_SZ, 1<<20); err != nil {
				full <- nil
				return
			}
		}
		full <- errors.New("there is no limit")
	}()
	if err := <-full; err != nil {
		t.Fatal(err)
	}
}

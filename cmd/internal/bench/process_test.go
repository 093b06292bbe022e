package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A parent-death signal comes when the thread ends that started the process; tests
// run on others than main's.
func onOneThread(t *testing.T) {
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
}

// The peak of a small tool is its own, not that of the large process that measures it.
func TestPeakIsTheToolsOwn(t *testing.T) {
	onOneThread(t)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	const large = 64 << 20
	memory, err := unix.Mmap(-1, 0, large, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(memory)
	peak, err := peakOf(t.Context(), []string{"true"})
	if err != nil {
		t.Fatal(err)
	}
	if peak <= 0 || peak > large/1024/2 {
		t.Errorf("%d kB for true, measured by a process of more than %d", peak, large/1024)
	}
	if _, err := peakOf(t.Context(), []string{"false"}); err == nil || !strings.Contains(err.Error(), "false") {
		t.Errorf("a tool that fails: %v", err)
	}
}

// A tool that nothing but SIGKILL ends is killed at the end of its time, with what
// it has started.
func TestToolIsKilledWithItsChildren(t *testing.T) {
	onOneThread(t)
	fifo := filepath.Join(t.TempDir(), "held")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wait, err := ask(ctx, []string{"sh", "-c", `trap "" TERM; exec 3>"$1"; sleep 1000 & echo up >&3; wait`, "sh", fifo})
	if err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(fifo) // waits for the tool
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := held.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := held.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if n := wait(); n.code != -1 {
		t.Errorf("%+v", n)
	}
	// The end of file comes when the child too, which has the pipe from the tool, is gone.
	if n, err := held.Read(make([]byte, 8)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a child of the tool lives on: read %d, %v", n, err)
	}
}

func TestVerdictsOfWays(t *testing.T) {
	plugin, other := way{plugin: true}, way{}
	for _, c := range []struct {
		way  way
		n    notice
		want string
	}{
		{other, notice{}, ""},
		{other, notice{patience, 0}, "> 30 s  no answer"},
		{other, notice{time.Second, 0}, "        said OK"},
		{plugin, notice{time.Second, 0}, "        said OK"},
		{other, notice{2 * time.Second, 1}, " 2.0 s  exit 1"},
		{other, notice{2 * time.Second, 3}, " 2.0 s  exit 3"},
		{plugin, notice{2 * time.Second, 1}, " 2.0 s  WARNING"},
		{plugin, notice{20 * time.Second, 2}, "20.0 s  CRITICAL"},
		{plugin, notice{2 * time.Second, 3}, " 2.0 s  UNKNOWN"},
		{plugin, notice{2 * time.Second, 9}, " 2.0 s  exit 9"},
		{other, notice{2 * time.Second, -1}, " 2.0 s  died"},
	} {
		if got := c.way.said(c.n); got != c.want {
			t.Errorf("%+v of a plugin (%t): %q, want %q", c.n, c.way.plugin, got, c.want)
		}
	}
}

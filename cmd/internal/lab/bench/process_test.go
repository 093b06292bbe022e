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

// The kernel kills a process when the thread that started it ends, so a test
// keeps its thread.
func onOneThread(t *testing.T) {
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
}

// subreaper makes this process inherit orphans.
func subreaper(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
}

// The peak of a small tool is its own, not that of the large process that
// measures it.
func TestPeakIsTheToolsOwn(t *testing.T) {
	onOneThread(t)
	subreaper(t)
	const large = 64 << 20
	memory, err := unix.Mmap(-1, 0, large, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
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
}

// A tool that fails is named, with how it ended and the end of what it said.
func TestFailureIsExplained(t *testing.T) {
	onOneThread(t)
	subreaper(t)
	for name, ask := range map[string]func(context.Context, []string) error{
		"run": func(ctx context.Context, line []string) error {
			_, err := run(ctx, line)
			return err
		},
		"peakOf": func(ctx context.Context, line []string) error {
			_, err := peakOf(ctx, line)
			return err
		},
	} {
		for script, want := range map[string]string{
			"echo reason; echo trouble >&2; exit 3": "sh: exit status 3 (it said: reason\ntrouble)",
			"exit 2":                                "sh: exit status 2",
			"kill -s KILL $$":                       "sh: signal: killed",
			"head -c 5000 /dev/zero | tr '\\0' x; exit 1": "sh: exit status 1 (it said: " +
				strings.Repeat("x", tailSize) + ")",
		} {
			if err := ask(t.Context(), []string{"sh", "-c", script}); err == nil ||
				err.Error() != want {
				t.Errorf("%s %q: %v, want %s", name, script, err, want)
			}
		}
	}
}

// A tool that nothing but SIGKILL ends is killed at the end of its time, with
// what it has started.
func TestToolIsKilledWithItsChildren(t *testing.T) {
	t.Run("ask", func(t *testing.T) {
		killedWithChildren(t, func(ctx context.Context, line []string) func() {
			wait, err := ask(ctx, line)
			if err != nil {
				t.Fatal(err)
			}
			return func() {
				if n := wait(); n.code != -1 {
					t.Errorf("%+v", n)
				}
			}
		})
	})
	t.Run("peakOf", func(t *testing.T) {
		subreaper(t)
		killedWithChildren(t, func(ctx context.Context, line []string) func() {
			ended := make(chan error)
			go func() {
				_, err := peakOf(ctx, line)
				ended <- err
			}()
			return func() {
				if err := <-ended; err == nil || !strings.Contains(err.Error(), "killed") {
					t.Error(err)
				}
			}
		})
	})
}

// killedWithChildren fails the test unless the end of the context is that of a
// tool, for which the function returned waits, and of the tool's child.
func killedWithChildren(t *testing.T,
	start func(ctx context.Context, line []string) (wait func())) {
	onOneThread(t)
	fifo := filepath.Join(t.TempDir(), "held")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wait := start(ctx,
		[]string{"sh", "-c", `trap "" TERM; exec 3>"$1"; sleep 1000 & echo up >&3; wait`, "sh",
			fifo})
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
	wait()
	// The end of file comes when the child too, which has the pipe from the
	// tool, is gone.
	if n, err := held.Read(make([]byte, 8)); n != 0 || err == nil ||
		errors.Is(err, os.ErrDeadlineExceeded) {
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

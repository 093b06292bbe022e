package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
)

func TestReaderOfStderrGone(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1")...)
	w.Message(cmdtest.Watching)
	w.StopReading()
	// Each of these writes to the broken pipe.
	for range 3 {
		l.Silent("-pause")
		l.Silent("-continue")
	}
	l.Healthy()
	l.Silent("-stop")
	w.Exits(0)
	for number, want := range map[int]int{cmdtest.Paused: 3, cmdtest.Continued: 3, cmdtest.Stopping: 1} {
		line := fmt.Sprintf("sambamon INFO %d The clp_sambamon ", number)
		if got := strings.Count(readAll(l.Log), line); got != want {
			t.Errorf("message %d stands %d times in the log, want %d", number, got, want)
		}
	}
}

// A reader of stderr that does not read holds up neither the watch nor its end:
// the pipe is still full when the watch has ended.
func TestReaderOfStderrHangs(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"stop", "verdict"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			s := smbtest.Samba(t, smbtest.Config{})
			l := newLab(t)
			l.Stderr = fullPipe(t)
			w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-c", "1")...)
			l.Stderr = nil
			l.Healthy()
			l.Silent("-pause")
			l.Silent("-continue")
			l.Healthy()
			if end == "stop" {
				w.Signal(syscall.SIGTERM)
				w.Exits(0)
				return
			}
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			verdict := " ERROR 6 The clp_sambamon will terminate.\n"
			w.Exits(1)
			if log := readAll(l.Log); !strings.HasSuffix(log, verdict) {
				t.Errorf("the log file ends without the verdict:\n%s", log)
			}
		})
	}
}

// fullPipe is a pipe that takes nothing more, and that nobody reads.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); ; {
		if _, err := unix.Write(fds[1], chunk); err == unix.EAGAIN {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.SetNonblock(fds[1], false); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "stderr")
	t.Cleanup(func() {
		if err := errors.Join(r.Close(), w.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// The longest name of a share: no line is longer than 255 bytes, and none ends
// inside a character.
func TestLongLines(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	share := strings.Repeat("é", 127) + "x" // 255 bytes
	w := l.Watch(at(s.Addr(), "-s", share, "-i", "1", "-c", "1")...)
	w.Exits(1)
	w.Told("started probe-failed probe-failed tree-connect terminate")
	for row := range strings.Lines(w.Errors()) {
		if row = strings.TrimSuffix(row, "\n"); len(row) > 255 || !utf8.ValidString(row) {
			t.Errorf("a line of %d bytes: %q", len(row), row)
		}
	}
	verdict := w.Last(cmdtest.TreeConnect)
	want := "The clp_sambamon has detected an error in Samba [" + share +
		"] (tree connect error[67])."
	if whole := verdict.Text + verdict.Detail; !strings.HasPrefix(whole, want) {
		t.Errorf("%q does not begin with %q", whole, want)
	}
}

//go:build unix

package winsys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var systemRoles = map[string]func(argument string) int{
	"signal": func(string) int {
		syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {}
	},
	// escape leaves its process group, so that it cannot be ended with it.
	"escape": func(address string) int {
		group, err := syscall.Getpgid(syscall.Getppid())
		if err != nil || syscall.Setpgid(0, group) != nil {
			return 1
		}
		return hangOn(address)
	},
}

// ending returns what waits for the end of a command: its connection ends with
// it.
func ending(_ *testing.T, conn net.Conn, pid int) func() error {
	return func() error {
		conn.SetReadDeadline(time.Now().Add(execLimit))
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("process %d is still there: %w", pid, err)
		}
		return nil
	}
}

func TestRunCrash(t *testing.T) {
	c := playing(t, "signal")
	if res := c.run(t.Context()); res.err == nil || !strings.Contains(res.err.Error(), "signal 9") {
		t.Errorf("%+v", res)
	}
}

func TestRunReturnsAlthoughTheCommandDoesNotEnd(t *testing.T) {
	l := newTethers(t)
	c := playing(t, "escape "+l.Addr().String())
	c.grace = 10 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := c.start(ctx)
	escaped := l.wait(1)["escape"]
	cancel()
	if res := <-ended; !errors.Is(res.err, context.Canceled) || !strings.Contains(res.err.Error(),
		"does not end") {
		t.Errorf("%+v", res)
	}
	if _, err := escaped.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if err := escaped.gone(); err != nil {
		t.Error(err)
	}
}

// A program that is being written to cannot be started. One that cannot be
// started for now is tried three times, any other once.
func TestRunTriesAgainWhatMayStartLater(t *testing.T) {
	c := playing(t, "exit 7")
	program, err := os.ReadFile(c.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ freed, pauses int }{{1, 1}, {2, 2}, {9, 2}} {
		c.path = filepath.Join(t.TempDir(), "program")
		writer, err := os.OpenFile(c.path, os.O_CREATE|os.O_WRONLY, 0o700)
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Close()
		if _, err := writer.Write(program); err != nil {
			t.Fatal(err)
		}
		pauses := 0
		c.pause = func(context.Context) {
			if pauses++; pauses == tt.freed {
				writer.Close()
			}
		}
		res := c.run(t.Context())
		if pauses != tt.pauses || tt.freed <= 2 != (res.err == nil && res.code == 7) ||
			tt.freed > 2 != errors.Is(res.err, syscall.ETXTBSY) {
			t.Errorf("freed in pause %d: %+v after %d pauses", tt.freed, res, pauses)
		}
	}
	pauses := 0
	c.path, c.pause = filepath.Join(t.TempDir(), "absent"), func(context.Context) { pauses++ }
	if res := c.run(t.Context()); pauses > 0 || !errors.Is(res.err, fs.ErrNotExist) {
		t.Errorf("an absent program: %+v after %d pauses", res, pauses)
	}
}

// It is not tried again once nobody waits for it.
func TestRunAskedToStopBetweenStarts(t *testing.T) {
	c := playing(t, "exit 0")
	c.path = filepath.Join(t.TempDir(), "program")
	writer, err := os.OpenFile(c.path, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	c.pause = func(context.Context) { cancel() }
	if res := c.run(ctx); !errors.Is(res.err, context.Canceled) {
		t.Errorf("%+v", res)
	}
}

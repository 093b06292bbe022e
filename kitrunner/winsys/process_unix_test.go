//go:build unix

package winsys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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

package winsys

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

var systemRoles map[string]func(argument string) int

// ending returns what waits for the end of a command. The connection does not
// tell that: Wine's server sometimes keeps one of a process that was
// terminated.
func ending(t *testing.T, _ net.Conn, pid int) func() error {
	t.Helper()
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { windows.CloseHandle(h) })
	return func() error {
		if event, err := windows.WaitForSingleObject(h,
			uint32(execLimit.Milliseconds())); err != nil || event != windows.WAIT_OBJECT_0 {
			return fmt.Errorf("process %d is still there: %#x, %w", pid, event, err)
		}
		return nil
	}
}

func TestRunCrash(t *testing.T) {
	c := playing(t, "exit 0xC0000005")
	if res := c.run(t.Context()); res.err == nil || !strings.Contains(res.err.Error(), "C0000005") {
		t.Errorf("%+v", res)
	}
}

func TestRunNegativeExitCode(t *testing.T) {
	c := playing(t, "exit 0xFFFFFFFF")
	if res := c.run(t.Context()); res.err != nil || res.code != -1 {
		t.Errorf("%+v", res)
	}
}

// Output of a Japanese Windows: half-width katakana of one byte, kanji of two,
// and one whose second byte is a backslash.
func TestFromCodePage(t *testing.T) {
	for _, c := range []struct {
		page uint32
		in   string
		want string
	}{
		{932, "\x8f\xf3\x91\xd4 : 4  RUNNING", "状態 : 4  RUNNING"},
		{932, "\x95\\\x8e\xa6 \xb1", "表示 ｱ"},
		{437, "\x81ber", "über"},
		{1252, "\xfcber\x00x", "über\x00x"},
		{65001, "\xe7\x8a\xb6", "状"},
		{932, "", ""},
	} {
		if got := fromCodePage(c.page, []byte(c.in)); got != c.want {
			t.Errorf("code page %d: %q is read as %q, want %q", c.page, c.in, got, c.want)
		}
	}
	if got := fromCodePage(65001, []byte("a\xffb")); got != "a\uFFFDb" {
		t.Errorf("%q", got)
	}
	if got := fromCodePage(12345, []byte("a\xffb")); got != "a\uFFFDb" {
		t.Errorf("%q", got)
	}
}

package errand

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The errands of these tests are this test program, started once more.
func TestMain(m *testing.M) {
	if Main() {
		return
	}
	Enabled = false
	os.Exit(m.Run())
}

type order struct {
	Path, Text string
}

type receipt struct {
	Bytes int
	PID   int
}

var write = Handle("write", func(o order, reply func(receipt, error)) {
	err := os.WriteFile(o.Path, []byte(o.Text), 0o600)
	reply(receipt{len(o.Text), os.Getpid()}, err)
	os.WriteFile(o.Path+".after", nil, 0o600) // work after the reply
})

// waitForAfter waits until the errand that wrote path has done its last work.
func waitForAfter(t *testing.T, path string) {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) { // polls a child
		if os.Remove(path+".after") == nil {
			return
		}
		if time.Now().After(until) {
			t.Fatal("no work was done after the reply")
		}
	}
}

func enable(t *testing.T) {
	t.Helper()
	Enabled = true
	t.Cleanup(func() { Enabled = false })
}

// An errand is another process, whose answer and error come back.
func TestErrand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, text := range []string{"short", string(make([]byte, 200_000))} {
		for _, errand := range []bool{false, true} {
			if errand {
				enable(t)
			}
			got, err := write.Run(t.Context(), order{Path: path, Text: text})
			if err != nil || got.Bytes != len(text) || (got.PID == os.Getpid()) == errand {
				t.Errorf("errand %v: %+v, %v", errand, got, err)
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != text {
				t.Errorf("errand %v: %d bytes, %v", errand, len(b), err)
			}
			waitForAfter(t, path)
		}
		Enabled = false
	}
	enable(t)
	_, err := write.Run(t.Context(), order{Path: filepath.Join(path, "below a file")})
	if err == nil || err.Error() != "open "+path+"/below a file: not a directory" {
		t.Error(err)
	}
}

// Run does not wait for a hung errand beyond the end of its context.
func TestHungErrand(t *testing.T) {
	release := make(chan struct{})
	hung := Errand[order, receipt]{"hung", func(order, func(receipt, error)) { <-release }}
	defer close(release)
	cause := errors.New("too late")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := hung.Run(ctx, order{}); !errors.Is(err, cause) {
		t.Error(err)
	}
}

// An errand that hangs does not hold what the watch was started with.
func TestDescriptorsStay(t *testing.T) {
	fd, err := unix.Dup(0) // without FD_CLOEXEC
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	keepDescriptors()
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags != unix.FD_CLOEXEC {
		t.Errorf("descriptor %d has the flags %#x: %v", fd, flags, err)
	}
	if flags, err := unix.FcntlInt(2, unix.F_GETFD, 0); flags != 0 {
		t.Errorf("stderr has the flags %#x: %v", flags, err)
	}
}

// If no errand can be started, this process does the work. An errand that ends
// without a reply has failed: nobody knows whether it did its work.
func TestErrandThatCannotBe(t *testing.T) {
	enable(t)
	t.Cleanup(func() { program = thisProgram })
	path := filepath.Join(t.TempDir(), "file")
	program = path
	if got, err := write.Run(t.Context(), order{Path: path + ".1"}); err != nil ||
		got.PID != os.Getpid() {
		t.Errorf("%+v, %v", got, err)
	}
	waitForAfter(t, path+".1")
	program = "/bin/true"
	if _, err := write.Run(t.Context(), order{Path: path}); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	program = thisProgram
	unknown := Errand[order, receipt]{name: "unknown"}
	if _, err := unknown.Run(t.Context(), order{}); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// When no process can be started just now, this one does not do the work, since
// its disk may hang.
func TestErrandWithoutRoom(t *testing.T) {
	enable(t)
	t.Cleanup(func() { program = thisProgram })
	dir := t.TempDir()
	program = filepath.Join(dir, "no program") // ENOEXEC is as good as EAGAIN
	if err := os.WriteFile(program, []byte("no format"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "file")
	_, err := write.Run(t.Context(), order{Path: path})
	if err == nil || !strings.HasPrefix(err.Error(), "no process could be started for it: ") {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was written nevertheless")
	}
}

var name = Handle("name", func(_ string, reply func(string, error)) {
	comm, err := os.ReadFile("/proc/self/comm") // of the first thread
	reply(string(comm), err)
})

// ps and a service manager's log call an errand by its name.
func TestErrandHasItsName(t *testing.T) {
	enable(t)
	got, err := name.Run(t.Context(), "")
	if err != nil || got != processName+"\n" {
		t.Errorf("%q, %v", got, err)
	}
}

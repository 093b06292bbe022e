package proc

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func start(t *testing.T, script string) *Process {
	t.Helper()
	p, err := Start(exec.Command("/bin/sh", "-c", script, "sh", t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.Kill(), Left(p)); err != nil {
			t.Error(err)
		}
	})
	return p
}

// Messages are told from other lines, and their further lines added to them.
func TestMessages(t *testing.T) {
	p := start(t, `echo out; cat >&2 <<end
2026-11-21T20:41:00+09:00 sambamon INFO 1 The sambamon will start to watch.
words
2026-11-21T20:41:00+09:00 nfsmon ERROR 6 a
2026-11-21T20:41:00+09:00 nfsmon ERROR 6 ... b
2026-11-21T20:41:01+09:00 nfsmon ERROR 6 c
end
exit 3`)
	second, err := p.Message(t.Context(), 6, 1)
	if err != nil || second.Text != "c" || second.Severity != "ERROR" {
		t.Errorf("%+v, %v", second, err)
	}
	if _, err := p.Message(t.Context(), 6, 2); err != ErrEnded {
		t.Error(err)
	}
	if err := p.Wait(t.Context()); err != nil || p.Code() != 3 || p.Output() != "out\n" {
		t.Errorf("%v, exit %d, %q", err, p.Code(), p.Output())
	}
	said := p.Said()
	if len(said) != 4 || said[1].Number != Plain || said[1].Text != "words" ||
		said[2].Detail != "b" || p.Count(6) != 2 {
		t.Errorf("%+v", said)
	}
	if story := p.Story(); !strings.Contains(story, " ... b\n") ||
		!strings.Contains(story, "exit status 3") {
		t.Error(story)
	}
}

// A process that has ended may have left one behind in a group of its own that
// still writes: it is waited for, and named if it stays.
func TestLeft(t *testing.T) {
	p := start(t, `mkfifo "$1/go"; set -m; { read -r line <"$1/go"; touch "$1/done"; } >/dev/null 2>&1 & exit`)
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := living(map[int]bool{p.PID: true})
	if err != nil || len(left) != 1 || !strings.Contains(left[0], `(sh, ["/bin/sh" `) {
		t.Errorf("%q, %v", left, err)
	}
	dir := p.Cmd.Args[len(p.Cmd.Args)-1]
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := Left(p); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "done")); err != nil {
		t.Error(err)
	}
}

// What does not end when the context does is killed with its children.
func TestWaitKillsTheGroup(t *testing.T) {
	p := start(t, `trap "" TERM; echo up; sleep 1000 & wait`)
	if err := p.Until(t.Context(), func() bool { return p.Output() == "up\n" }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := errors.Join(p.Wait(ctx), Left(p)); !errors.Is(err, context.Canceled) ||
		p.Code() != -1 {
		t.Errorf("%v, exit %d", err, p.Code())
	}
	if p.Sent(syscall.SIGKILL).IsZero() || !p.Sent(syscall.SIGTERM).IsZero() {
		t.Error("the signal was not noted, or another one was")
	}
}

// An orderly end is one by SIGTERM.
func TestEnd(t *testing.T) {
	p := start(t, `trap "exit 7" TERM; echo up; while :; do sleep 0.1; done`)
	if err := p.Until(t.Context(), func() bool { return p.Output() == "up\n" }); err != nil {
		t.Fatal(err)
	}
	if err := p.End(); err != nil || p.Code() != 7 {
		t.Errorf("%v, exit %d", err, p.Code())
	}
}

// A directory is removed with what is in it, also when its maker is killed, and
// so are the processes it has started.
func TestKilledMaker(t *testing.T) {
	if os.Getenv("PROC_CHILD") != "" {
		dir, _, err := TempDir("proc-test-")
		if err != nil {
			t.Fatal(err)
		}
		p := start(t, "sleep 1000")
		os.Stdout.WriteString(dir + "\n")
		p.Wait(t.Context())
		return
	}
	for _, killed := range []bool{false, true} {
		if !killed {
			dir, remove, err := TempDir("proc-test-")
			if err == nil {
				err = errors.Join(os.WriteFile(filepath.Join(dir, "file"), nil, 0o600), remove())
			}
			if _, gone := os.Stat(dir); err != nil || !errors.Is(gone, os.ErrNotExist) {
				t.Errorf("%v, %v", err, gone)
			}
			continue
		}
		cmd := exec.Command("/proc/self/exe", "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "PROC_CHILD=1", "TMPDIR="+t.TempDir())
		p, err := Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Until(t.Context(), func() bool { return strings.Contains(p.Output(), "\n") })
		dir, _, _ := strings.Cut(p.Output(), "\n")
		if err = errors.Join(err, p.Kill()); err != nil {
			t.Fatal(err)
		}
		// nothing announces it
		for end := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) {
			if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s is still there", dir)
			}
		}
	}
}

// What a process uses is seen at once, on whichever of its threads.
func TestCPUOfAProcess(t *testing.T) {
	before, err := CPUOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; {
		now, err := CPUOf(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if now-before > 20*time.Millisecond {
			return
		}
		if time.Since(began) > Patience {
			t.Fatalf("%v before, %v now", before, now)
		}
	}
}

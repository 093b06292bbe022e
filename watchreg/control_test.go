package watchreg

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestControlLine(t *testing.T) {
	good := map[string]Control{
		"stop":         {Verb: Stop},
		"pause":        {Verb: Pause},
		"pause 1":      {Verb: Pause, For: time.Second},
		"pause 604800": {Verb: Pause, For: 168 * time.Hour},
		"continue":     {Verb: Continue},
		"drill":        {Verb: Drill},
	}
	for line, want := range good {
		got, err := parseControl(line)
		if err != nil || got != want {
			t.Errorf("%q: %v %v", line, got, err)
		}
		if back, err := want.line(); err != nil || back != line {
			t.Errorf("%v is written as %q %v", want, back, err)
		}
	}
	for _, line := range []string{"", " ", "Stop", "stop ", " stop", "stop 5", "stop now",
		"continue 1", "pause 0", "pause -1",
		"pause +1", "pause 604801", "pause 1.5", "pause  1", "pause 1 2",
		"pause 18446744073709551616", "pause 4294967297", "stop\r"} {
		if c, err := parseControl(line); err == nil {
			t.Errorf("%q is taken as %v", line, c)
		}
	}
	for _, c := range []Control{{}, {Verb: "kill"}, {Verb: Stop, For: time.Second},
		{Verb: Pause, For: -time.Second},
		{Verb: Pause, For: time.Millisecond}, {Verb: Pause, For: 1500 * time.Millisecond},
		{Verb: Pause, For: maxPause + time.Second}} {
		if line, err := c.line(); err == nil {
			t.Errorf("%v is written as %q", c, line)
		}
	}
}

func FuzzControlLine(f *testing.F) {
	for _, line := range []string{"stop", "pause", "pause 3600", "continue", "pause 007",
		"pause 604801", "stop 1", "", "\x00"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := parseControl(line)
		if err != nil {
			return
		}
		if c.For != 0 && (c.Verb != Pause || c.For < time.Second || c.For > maxPause ||
			c.For%time.Second != 0) {
			t.Fatalf("%q is taken as %v", line, c)
		}
		written, err := c.line()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseControl(written); err != nil || again != c {
			t.Fatalf("%v is written as %q and read as %v %v", c, written, again, err)
		}
	})
}

func TestVerbsArriveInOrder(t *testing.T) {
	reg, dir := open(t)
	p := start(t, dir)
	p.want("open", "ok")
	p.want("claim web", "ok")
	for range 20 {
		must(t, reg.Send(deadline(t), "web", Control{Verb: Pause}))
		must(t, reg.Send(deadline(t), "web", Control{Verb: Pause, For: time.Hour}))
		must(t, reg.Send(deadline(t), "web", Control{Verb: Continue}))
	}
	must(t, reg.Send(deadline(t), "web", Control{Verb: Stop}))
	for range 20 {
		p.want("control", "pause 0s true")
		p.want("control", "pause 1h0m0s true")
		p.want("control", "continue 0s true")
	}
	p.want("control", "stop 0s true")
}

// writeControl writes to a FIFO as a person with a shell would.
func writeControl(t *testing.T, dir, id, text string) {
	t.Helper()
	fd, err := openControl(filepath.Join(dir, id))
	must(t, err)
	defer unix.Close(fd)
	if n, err := unix.Write(fd, []byte(text)); err != nil || n != len(text) {
		t.Fatalf("wrote %d bytes: %v", n, err)
	}
}

func TestGarbageLinesAreDropped(t *testing.T) {
	reg, dir := open(t)
	c := claim(t, reg, "web")
	long := strings.Repeat("x", 10000)
	for _, text := range []string{"garbage\n", "\n\n", "stop now\n", "\x00\xff\n", long + "\n",
		"pause 604801\n",
		strings.Repeat("y", maxLine) + "stop\n", // a too long line's end is no line
		"pause ", "60", "\n",                    // put together
		long, "\ncontinue\n", "stop\n"} {
		writeControl(t, dir, "web", text)
	}
	for _, want := range []Control{{Pause, time.Minute}, {Continue, 0}, {Stop, 0}} {
		if got := <-c.Controls(); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestSendToNobody(t *testing.T) {
	reg, dir := open(t)
	wantErr(t, reg.Send(t.Context(), "web", Control{Verb: Stop}), ErrUnknown)
	leftover(t, dir, "web")
	wantErr(t, reg.Send(t.Context(), "web", Control{Verb: Stop}), ErrNotRunning)
	must(t, os.Mkdir(filepath.Join(dir, "empty"), 0o711))
	wantErr(t, reg.Send(t.Context(), "empty", Control{Verb: Stop}), ErrUnknown)
	if err := reg.Send(t.Context(), "web", Control{Verb: "kill"}); err == nil ||
		errors.Is(err, ErrNotRunning) {
		t.Errorf("a verb that does not exist: %v", err)
	}
}

// A stop right after a start must not be lost.
func TestSendWaitsForAStartingWatch(t *testing.T) {
	reg, dir := open(t)
	holdLock(t, dir, "web")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		wantErr(t, reg.Send(ctx, "web", Control{Verb: Stop}), context.DeadlineExceeded)
	})
	synctest.Test(t, func(t *testing.T) {
		sent := make(chan error)
		go func() { sent <- reg.Send(t.Context(), "web", Control{Verb: Stop}) }()
		synctest.Wait() // for it to find the lock held and no FIFO
		fifo := filepath.Join(dir, "web", controlName)
		must(t, unix.Mkfifo(fifo, 0o600))
		fd, err := unix.Open(fifo, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		must(t, err)
		defer unix.Close(fd)
		must(t, <-sent)
		buf := make([]byte, 100)
		if n, err := unix.Read(fd, buf); err != nil || string(buf[:n]) != "stop\n" {
			t.Errorf("the FIFO holds %q %v", buf[:n], err)
		}
	})
}

func TestFrozenWatchWithAFullFIFO(t *testing.T) {
	reg, dir := open(t)
	p := start(t, dir)
	p.want("open", "ok")
	p.want("claim web", "ok")
	p.freeze()
	fd, err := openControl(filepath.Join(dir, "web"))
	must(t, err)
	for _, size := range []int{4096, 1} { // the last page may not be full
		for err = nil; err == nil; {
			_, err = unix.Write(fd, slices.Repeat([]byte("\n"), size))
		}
		wantErr(t, err, unix.EAGAIN)
	}
	unix.Close(fd)

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		wantErr(t, reg.Send(ctx, "web", Control{Verb: Stop}), context.DeadlineExceeded)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("gave up after %v", took)
		}
		wantErr(t, reg.WaitGone(ctx, "web"), context.DeadlineExceeded)
	})
	e, err := reg.Read("web")
	must(t, err)
	if !e.Live {
		t.Error("a frozen watch counts as dead")
	}
	must(t, p.cmd.Process.Signal(unix.SIGCONT))
	must(t, reg.Send(deadline(t), "web", Control{Verb: Stop}))
	p.want("control", "stop 0s true")
}

func TestWaitGone(t *testing.T) {
	reg, dir := open(t)
	must(t, reg.WaitGone(t.Context(), "web"))
	leftover(t, dir, "web")
	must(t, reg.WaitGone(t.Context(), "web"))

	// end starts a watch, and ends it with how while WaitGone waits for its
	// end.
	end := func(how func(p *proc)) {
		t.Helper()
		p := start(t, dir)
		p.want("open", "ok")
		p.tell("claim web")
		p.answer()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantErr(t, reg.WaitGone(ctx, "web"), context.Canceled) // so it waits
		gone := make(chan error)
		go func() { gone <- reg.WaitGone(deadline(t), "web") }()
		how(p)
		must(t, <-gone)
	}
	end(func(p *proc) { _ = p.cmd.Process.Kill() })
	if e, err := reg.Read("web"); err != nil || e.Live {
		t.Errorf("after a kill: %+v %v", e, err)
	}
	end(func(p *proc) { p.want("release", "ok") })
	if _, err := reg.Read("web"); !errors.Is(err, ErrUnknown) {
		t.Errorf("after a release: %v", err)
	}
}

func TestWaitGoneIgnoresTheSuccessor(t *testing.T) {
	reg, dir := open(t)
	first := claim(t, reg, "web")
	fd, err := openSettled(t.Context(), filepath.Join(dir, "web"))
	must(t, err)
	defer unix.Close(fd)
	must(t, first.Release())
	claim(t, reg, "web")
	must(t, waitNoReader(deadline(t), fd))
	fd2, err := openSettled(t.Context(), filepath.Join(dir, "web"))
	if err != nil || fd2 < 0 {
		t.Fatal(fd2, err)
	}
	unix.Close(fd2)
}

func TestWaitGoneWaitsForAStartingWatch(t *testing.T) {
	reg, dir := open(t)
	lock := holdLock(t, dir, "web")
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan error, 1)
		go func() { gone <- reg.WaitGone(t.Context(), "web") }()
		synctest.Wait()
		if len(gone) > 0 {
			t.Fatalf("did not wait: %v", <-gone)
		}
		must(t, lock.Unlock())
		must(t, <-gone)
	})
}

// Another user's watch can be seen, but takes no requests.
func TestSendWithoutPermission(t *testing.T) {
	reg, dir := open(t)
	c := claim(t, reg, "web")
	if os.Geteuid() != 0 {
		must(t, os.Chmod(filepath.Join(dir, "web", controlName), 0))
		wantErr(t, reg.Send(t.Context(), "web", Control{Verb: Stop}), fs.ErrPermission)
		return
	}
	p := asNobody(t, dir)
	p.tell("send web")
	if got := p.answer(); !strings.Contains(got, "permission denied") {
		t.Errorf("send: %q", got)
	}
	must(t, c.Release())
}

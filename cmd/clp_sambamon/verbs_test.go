package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// takes is near for tests that run beside others: a busy machine may add to the time since a command was started, but
// never take from it.
func takes(t testing.TB, what string, got, want time.Duration) {
	t.Helper()
	t.Logf("%s: %.3f s", what, got.Seconds())
	if got < want || got > want+2*time.Second {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	policy := []string{"-s", "share", "-i", "1", "-c", "1", "-r", "2"}
	l, other := newLab(t), newLab(t)
	w := l.Watch(at(tap.addr, policy...)...)
	w.Message(2)
	mortal := other.Watch(at(s.Addr(), policy...)...)
	mortal.Message(2)

	l.Silent("-pause")
	if e, err := l.Entry(); err != nil || e.Status == nil || e.Status.State != watchreg.Paused {
		t.Errorf("-pause came back while the status was %+v, %v", e.Status, err)
	}
	paused := time.Now()
	w.Message(7)
	freeze(t, s)
	again := l.Verb("-pause")
	again.Exits(0)
	if out := again.Output(); strings.Count(out, "\n") != 1 || !strings.Contains(out, `watch "w" was paused already; it stays paused until -continue`) {
		t.Errorf("a second -pause said %q", out)
	}
	if again.Errors() != "" {
		t.Error(again.Errors())
	}
	mortal.Exits(1) // so long was the server gone
	t.Logf("%v after the pause: an unpaused watch has ended, this one lives", time.Since(paused))
	if !w.Alive() {
		t.Fatal("the paused watch has ended, too")
	}
	for i, p := range tap.seen() {
		if p.began.After(paused) {
			t.Errorf("probe %d began %v after -pause came back", i, p.began.Sub(paused))
		}
	}
	thaw(t, s)
	l.Silent("-continue")
	w.Message(8)
	l.Healthy()
	again = l.Verb("-continue")
	again.Exits(0)
	if out := again.Output(); strings.Count(out, "\n") != 1 || !strings.Contains(out, `watch "w" is not paused`) {
		t.Errorf("a second -continue said %q", out)
	}
	l.Healthy()
	w.Want(1, 2, 7, 8)
	l.Silent("-stop")
	w.Exits(0)
}

// A probe that is in flight at -pause is not counted, and -continue begins with a clean count.
func TestPauseDuringStalledProbe(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	l := newLab(t)
	w := l.Watch(at(tap.addr, "-s", "share", "-i", "1", "-c", "2", "-r", "3")...)
	w.Message(2)
	freeze(t, s)
	failed := w.Message(101)
	tap.probeAfter(failed.At.Add(-time.Second)) // the second one is under way
	sent := time.Now()
	l.Silent("-pause")
	t.Logf("-pause during a stalled probe took %v", time.Since(sent))
	l.Silent("-continue")
	if failed := w.Message(101); !strings.HasPrefix(failed.Text, "Probe failed (1 of 3)") {
		t.Error(failed.Text)
	}
	thaw(t, s)
	w.Message(102)
	w.Want(1, 2, 101, 7, 8, 101, 102)
	l.Silent("-stop")
	w.Exits(0)
}

func TestPauseEndsByItself(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "3600")...)
	w.Message(2)
	sent := time.Now()
	l.Silent("-pause", "2")
	w.Message(7)
	until := w.Message(106)
	if st := l.Status("the pause", state(watchreg.Paused)); !strings.Contains(until.Text, st.PausedUntil.Local().Format(time.DateTime)) {
		t.Errorf("%q, but the status says %v", until.Text, st.PausedUntil)
	}
	takes(t, "from -pause 2 to message 8", w.Message(8).At.Sub(sent), 2*time.Second)
	l.Status("a probe at once", func(st watchreg.Status) bool { return st.LastSuccess.After(sent) })
	w.Want(1, 2, 7, 106, 105, 8)

	l.Silent("-pause")
	continued := time.Now()
	l.Silent("-continue")
	l.Status("a probe at once", func(st watchreg.Status) bool { return st.LastSuccess.After(continued) })
	w.Want(1, 2, 7, 106, 105, 8, 7, 8)
	l.Silent("-stop")
	w.Exits(0)
}

func TestPauseTimers(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	shorter, open := newLab(t), newLab(t)
	w, x := shorter.Watch(at(s.Addr(), "-s", "share", "-i", "1")...), open.Watch(at(s.Addr(), "-s", "share", "-i", "1")...)
	w.Message(2)
	x.Message(2)

	shorter.Silent("-pause", "3600")
	open.Silent("-pause", "1")
	again := open.Verb("-pause") // removes the timer
	again.Exits(0)
	if e, _ := open.Entry(); e.Status == nil || e.Status.State != watchreg.Paused || !e.Status.PausedUntil.IsZero() {
		t.Errorf("after the plain -pause: %+v", e.Status)
	}
	again = shorter.Verb("-pause", "2") // replaces it
	again.Exits(0)
	if out := again.Output(); strings.Count(out, "\n") != 1 || !strings.Contains(out, "it stays paused until 2") {
		t.Errorf("a second -pause with a time said %q", out)
	}
	takes(t, "pause of 2 s after one of 3600", w.Message(8).At.Sub(again.Began()), 2*time.Second)
	w.Want(1, 2, 7, 106, 106, 105, 8)

	// By now a timer of 1 s would have ended the other's pause.
	x.Want(1, 2, 7, 106, 106)
	if text := x.Last(106).Text; text != "The pause will last until -continue." {
		t.Error(text)
	}
	if e, _ := open.Entry(); e.Status == nil || e.Status.State != watchreg.Paused {
		t.Errorf("%+v", e.Status)
	}
	for _, l := range []*cmdtest.Lab{shorter, open} {
		l.Silent("-stop")
	}
	w.Exits(0)
	x.Exits(0)
}

// A watch that does not react: no verb claims to have done its work.
func TestFrozenWatch(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1")...)
	w.Message(2)
	l.Healthy()
	w.Signal(syscall.SIGSTOP)

	pause := l.Start(l.ID, "-pause")
	stop := l.Start(l.ID, "-stop", "1")
	takes(t, "-stop 1", stop.Exits(1).Sub(stop.Began()), time.Second)
	stop.Want(15, cmdtest.Plain)
	if text := stop.Last(cmdtest.Plain).Text; !strings.Contains(text, `watch "w" did not end within 1s`) {
		t.Error(text)
	}
	takes(t, "-pause", pause.Exits(1).Sub(pause.Began()), 5*time.Second)
	if text := pause.Errors(); !strings.Contains(text, `watch "w" has not obeyed within 5s`) {
		t.Error(text)
	}
	l.Verb("-del").Exits(1)
	l.Verb("-disp").Exits(0)
	w.Signal(syscall.SIGCONT) // what was written is obeyed now
	w.Exits(0)
	l.Gone()
}

func TestDel(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1")...)
	w.Message(2)
	l.Healthy()
	del := l.Verb("-del")
	del.Exits(1)
	if text := del.Errors(); !strings.Contains(text, `watch "w" is alive`) {
		t.Error(text)
	}
	l.Healthy()
	w.Want(1, 2)

	w.Signal(syscall.SIGKILL)
	w.Exits(-1)
	disp := l.Verb("-disp")
	disp.Exits(1)
	for _, want := range []string{fmt.Sprintf(" %d\n", w.PID), "not running"} {
		if !strings.Contains(disp.Output(), want) {
			t.Errorf("-disp of a leftover does not say %q:\n%s", want, disp.Output())
		}
	}
	for _, verb := range []string{"-pause", "-continue"} {
		v := l.Verb(verb)
		v.Exits(1)
		if v.Errors() != `clp_sambamon: error: no watch "w" is running`+"\n" || v.Output() != "" {
			t.Errorf("%s of a leftover: %q %q", verb, v.Errors(), v.Output())
		}
	}
	stop := l.Verb("-stop")
	stop.Exits(1)
	stop.Want(15, cmdtest.Plain)
	if left := names(filesBelow(t, l.Registry)); len(left) == 0 {
		t.Error("a verb has removed the leftover")
	}
	l.Silent("-del")
	l.Gone()
	unknown(t, l)
}

func TestUnknownID(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"no registry", "another watch"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			if name == "another watch" {
				l.ID = "W" // identifiers are case-sensitive
				w := l.Watch(at(smbtest.Hostile(t, smbtest.Silent), "-s", "share")...)
				w.Message(1)
				l.ID = "w"
				defer w.Want(1)
			}
			unknown(t, l)
			if name == "no registry" {
				if left, _ := filepath.Glob(filepath.Dir(l.Registry) + "/*"); len(left) > 0 {
					t.Errorf("a verb has made %v", left)
				}
			}
		})
	}
}

// unknown runs every verb for an identifier that nobody knows.
func unknown(t *testing.T, l *cmdtest.Lab) {
	t.Helper()
	began := time.Now()
	for verb, want := range map[string]string{
		"-stop": `no watch "w" is running`, "-pause": `no watch "w" is running`, "-continue": `no watch "w" is running`,
		"-disp": `there is no watch "w"`, "-del": `there is no watch "w"`,
	} {
		v := l.Verb(verb)
		v.Exits(1)
		numbers := []int{cmdtest.Plain}
		if verb == "-stop" {
			numbers = []int{15, cmdtest.Plain}
		}
		v.Want(numbers...)
		if text := v.Last(cmdtest.Plain).Text; text != "clp_sambamon: error: "+want {
			t.Errorf("%s: %q", verb, text)
		}
		if v.Output() != "" {
			t.Errorf("%s: %q", verb, v.Output())
		}
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the verbs took %v", took)
	}
}

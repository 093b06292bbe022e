package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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
	w := l.watch(tap.addr, policy...)
	w.message(2)
	mortal := other.watch(s.Addr(), policy...)
	mortal.message(2)

	l.silent("-pause")
	if e, err := l.entry(); err != nil || e.Status == nil || e.Status.State != watchreg.Paused {
		t.Errorf("-pause came back while the status was %+v, %v", e.Status, err)
	}
	paused := time.Now()
	w.message(7)
	freeze(t, s)
	again := l.verb("-pause")
	again.exits(0)
	if out := again.output(); strings.Count(out, "\n") != 1 || !strings.Contains(out, `watch "w" was paused already; it stays paused until -continue`) {
		t.Errorf("a second -pause said %q", out)
	}
	if again.errors() != "" {
		t.Error(again.errors())
	}
	mortal.exits(1) // so long was the server gone
	t.Logf("%v after the pause: an unpaused watch has ended, this one lives", time.Since(paused))
	if !w.alive() {
		t.Fatal("the paused watch has ended, too")
	}
	for i, p := range tap.seen() {
		if p.began.After(paused) {
			t.Errorf("probe %d began %v after -pause came back", i, p.began.Sub(paused))
		}
	}
	thaw(t, s)
	l.silent("-continue")
	w.message(8)
	l.healthy()
	again = l.verb("-continue")
	again.exits(0)
	if out := again.output(); strings.Count(out, "\n") != 1 || !strings.Contains(out, `watch "w" is not paused`) {
		t.Errorf("a second -continue said %q", out)
	}
	l.healthy()
	w.want(1, 2, 7, 8)
	l.silent("-stop")
	w.exits(0)
}

// A probe that is in flight at -pause is not counted, and -continue begins with a clean count.
func TestPauseDuringStalledProbe(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	l := newLab(t)
	w := l.watch(tap.addr, "-s", "share", "-i", "1", "-c", "2", "-r", "3")
	w.message(2)
	freeze(t, s)
	failed := w.message(101)
	tap.probeAfter(failed.at.Add(-time.Second)) // the second one is under way
	sent := time.Now()
	l.silent("-pause")
	t.Logf("-pause during a stalled probe took %v", time.Since(sent))
	l.silent("-continue")
	if failed := w.message(101); !strings.HasPrefix(failed.text, "Probe failed (1 of 3)") {
		t.Error(failed.text)
	}
	thaw(t, s)
	w.message(102)
	w.want(1, 2, 101, 7, 8, 101, 102)
	l.silent("-stop")
	w.exits(0)
}

func TestPauseEndsByItself(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.watch(s.Addr(), "-s", "share", "-i", "3600")
	w.message(2)
	sent := time.Now()
	l.silent("-pause", "2")
	w.message(7)
	until := w.message(106)
	if st := l.status("the pause", state(watchreg.Paused)); !strings.Contains(until.text, st.PausedUntil.Local().Format(time.DateTime)) {
		t.Errorf("%q, but the status says %v", until.text, st.PausedUntil)
	}
	takes(t, "from -pause 2 to message 8", w.message(8).at.Sub(sent), 2*time.Second)
	l.status("a probe at once", func(st watchreg.Status) bool { return st.LastSuccess.After(sent) })
	w.want(1, 2, 7, 106, 105, 8)

	l.silent("-pause")
	continued := time.Now()
	l.silent("-continue")
	l.status("a probe at once", func(st watchreg.Status) bool { return st.LastSuccess.After(continued) })
	w.want(1, 2, 7, 106, 105, 8, 7, 8)
	l.silent("-stop")
	w.exits(0)
}

func TestPauseTimers(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	shorter, open := newLab(t), newLab(t)
	w, x := shorter.watch(s.Addr(), "-s", "share", "-i", "1"), open.watch(s.Addr(), "-s", "share", "-i", "1")
	w.message(2)
	x.message(2)

	shorter.silent("-pause", "3600")
	open.silent("-pause", "1")
	again := open.verb("-pause") // removes the timer
	again.exits(0)
	if e, _ := open.entry(); e.Status == nil || e.Status.State != watchreg.Paused || !e.Status.PausedUntil.IsZero() {
		t.Errorf("after the plain -pause: %+v", e.Status)
	}
	again = shorter.verb("-pause", "2") // replaces it
	again.exits(0)
	if out := again.output(); strings.Count(out, "\n") != 1 || !strings.Contains(out, "it stays paused until 2") {
		t.Errorf("a second -pause with a time said %q", out)
	}
	takes(t, "pause of 2 s after one of 3600", w.message(8).at.Sub(again.began), 2*time.Second)
	w.want(1, 2, 7, 106, 106, 105, 8)

	// By now a timer of 1 s would have ended the other's pause.
	x.want(1, 2, 7, 106, 106)
	if text := x.last(106).text; text != "The pause will last until -continue." {
		t.Error(text)
	}
	if e, _ := open.entry(); e.Status == nil || e.Status.State != watchreg.Paused {
		t.Errorf("%+v", e.Status)
	}
	for _, l := range []*lab{shorter, open} {
		l.silent("-stop")
	}
	w.exits(0)
	x.exits(0)
}

// A watch that does not react: no verb claims to have done its work.
func TestFrozenWatch(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.watch(s.Addr(), "-s", "share", "-i", "1")
	w.message(2)
	l.healthy()
	w.signal(syscall.SIGSTOP)

	pause := l.start(l.id, "-pause")
	stop := l.start(l.id, "-stop", "1")
	takes(t, "-stop 1", stop.exits(1).Sub(stop.began), time.Second)
	stop.want(15, 0)
	if text := stop.last(0).text; !strings.Contains(text, `watch "w" did not end within 1s`) {
		t.Error(text)
	}
	takes(t, "-pause", pause.exits(1).Sub(pause.began), 5*time.Second)
	if text := pause.errors(); !strings.Contains(text, `watch "w" has not obeyed within 5s`) {
		t.Error(text)
	}
	l.verb("-del").exits(1)
	l.verb("-disp").exits(0)
	w.signal(syscall.SIGCONT) // what was written is obeyed now
	w.exits(0)
	l.gone()
}

func TestDel(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.watch(s.Addr(), "-s", "share", "-i", "1")
	w.message(2)
	l.healthy()
	del := l.verb("-del")
	del.exits(1)
	if text := del.errors(); !strings.Contains(text, `watch "w" is alive`) {
		t.Error(text)
	}
	l.healthy()
	w.want(1, 2)

	w.signal(syscall.SIGKILL)
	w.exits(-1)
	disp := l.verb("-disp")
	disp.exits(1)
	for _, want := range []string{fmt.Sprintf(" %d\n", w.pid), "not running"} {
		if !strings.Contains(disp.output(), want) {
			t.Errorf("-disp of a leftover does not say %q:\n%s", want, disp.output())
		}
	}
	for _, verb := range []string{"-pause", "-continue"} {
		v := l.verb(verb)
		v.exits(1)
		if v.errors() != `clp_sambamon: error: no watch "w" is running`+"\n" || v.output() != "" {
			t.Errorf("%s of a leftover: %q %q", verb, v.errors(), v.output())
		}
	}
	stop := l.verb("-stop")
	stop.exits(1)
	stop.want(15, 0)
	if left := names(filesBelow(t, l.registry)); len(left) == 0 {
		t.Error("a verb has removed the leftover")
	}
	l.silent("-del")
	l.gone()
	unknown(t, l)
}

func TestUnknownID(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]*lab{"no registry": newLab(t), "another watch": newLab(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l.t = t
			if name == "another watch" {
				l.id = "W" // identifiers are case-sensitive
				w := l.watch(smbtest.Hostile(t, smbtest.Silent), "-s", "share")
				w.message(1)
				l.id = "w"
				defer w.want(1)
			}
			unknown(t, l)
			if name == "no registry" {
				if left, _ := filepath.Glob(filepath.Dir(l.registry) + "/*"); len(left) > 0 {
					t.Errorf("a verb has made %v", left)
				}
			}
		})
	}
}

// unknown runs every verb for an identifier that nobody knows.
func unknown(t *testing.T, l *lab) {
	t.Helper()
	began := time.Now()
	for verb, want := range map[string]string{
		"-stop": `no watch "w" is running`, "-pause": `no watch "w" is running`, "-continue": `no watch "w" is running`,
		"-disp": `there is no watch "w"`, "-del": `there is no watch "w"`,
	} {
		v := l.verb(verb)
		v.exits(1)
		numbers := []int{0}
		if verb == "-stop" {
			numbers = []int{15, 0}
		}
		v.want(numbers...)
		if text := v.last(0).text; text != "clp_sambamon: error: "+want {
			t.Errorf("%s: %q", verb, text)
		}
		if v.output() != "" {
			t.Errorf("%s: %q", verb, v.output())
		}
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the verbs took %v", took)
	}
}

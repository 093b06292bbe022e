//go:build linux

package winetest

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fsmon/kitrunner"
)

// verb runs kitrunner beside others that use the lab.
func (l *lab) verb(code int, says string, args ...string) {
	l.t.Helper()
	_, wait := l.launch(append(args, l.options()...)...)
	o := wait()
	if o.code != code || !strings.Contains(o.stdout+o.stderr, says) {
		l.t.Fatalf("kitrunner %q: exit code %d, want %d and %q\n%s%s", args, o.code, code, says,
			o.stdout, o.stderr)
	}
}

// until waits until a program that the test does not wait for has logged an
// event so many times.
func (l *lab) until(number, times int) {
	l.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		events := readLines[kitrunner.Event](l.t, filepath.Join(l.dir, "events"))
		seen := 0
		for _, e := range events {
			if e.Number == number {
				seen++
			}
		}
		if seen >= times {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("no event %d, %d times, in %v", number, times, events)
		}
		time.Sleep(100 * time.Millisecond) // another process writes the file
	}
}

// A watch is steered under Wine as everywhere: one at a time, and what is done
// by hand stays.
func TestSteeredWatch(t *testing.T) {
	t.Parallel()
	onSystems(t, everywhere, func(t *testing.T, sys system) {
		s := cluster()
		s.Nodes["NODEA"].Aliases = []string{"SRV01"}
		l := newLab(t, sys, s)
		_, wait := l.start(append(with(alias, "watch", "lanman", "--quick-interval", "1"),
			l.options()...)...)
		l.until(20031, 1)
		has := func(want bool) {
			t.Helper()
			if got := slices.Contains(l.state().Nodes["NODEA"].Aliases, "SRV01"); got != want {
				t.Errorf("the alias is there: %v, want %v", got, want)
			}
		}
		verb := l.verb
		verb(64, "is watched already", with(alias, "watch", "lanman")...)
		verb(0, "running", "list")
		verb(0, "note     watch: running", with(alias, "doctor", "lanman")...)
		verb(0, "is paused until", with(alias, "lanman", "remove")...)
		l.until(20034, 1)
		has(false)
		verb(0, "continues", "continue", "--tag", "lan-tag")
		l.until(13072, 1) // and it recovers
		has(true)
		verb(0, "is paused", "pause", "--tag", "lan-tag")
		verb(0, "paused since", "list")
		verb(0, "has ended", "stop", "--tag", "lan-tag")
		if o := wait(); o.code != 0 {
			t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
		}
		l.until(20032, 1)
	})
}

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// lab is where the commands of one test run: a registry and a log file of their own.
type lab struct {
	t             testing.TB
	id            string
	registry, log string
	env           []string            // besides PATH and the registry
	attr          syscall.SysProcAttr // of what is started next
	stderr        *os.File            // of what is started next; nil: it is collected
}

func newLab(t testing.TB) *lab {
	dir := t.TempDir()
	return &lab{t: t, id: "w", registry: filepath.Join(dir, "registry"), log: filepath.Join(dir, "log", "watch.log")}
}

// start runs the command in the background.
func (l *lab) start(args ...string) *process {
	l.t.Helper()
	cmd := exec.Command(command, args...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "FSMON_REGISTRY=" + l.registry}, l.env...)
	attr := l.attr
	cmd.SysProcAttr = &attr
	if l.stderr != nil {
		cmd.Stderr = l.stderr
	}
	return launch(l.t, cmd)
}

// watch starts a watch of the server at addr. Root's default place for evidence is the machine's, so without a place of its own
// there is none.
func (l *lab) watch(addr string, args ...string) *process {
	l.t.Helper()
	if !slices.Contains(args, "--evidence-dir") {
		args = append(args, "--no-evidence")
	}
	return l.start(append([]string{l.id, "--log-file", l.log}, at(addr, args...)...)...)
}

// at names the server at addr in options.
func at(addr string, args ...string) []string {
	host, port, _ := net.SplitHostPort(addr)
	return append([]string{"-a", host, "--port", port}, args...)
}

// run runs the command to its end.
func (l *lab) run(args ...string) *process {
	l.t.Helper()
	p := l.start(args...)
	p.exit()
	return p
}

// verb runs a verb for the lab's watch to its end.
func (l *lab) verb(words ...string) *process {
	l.t.Helper()
	return l.run(append([]string{l.id}, words...)...)
}

// silent runs a verb that must succeed and say nothing.
func (l *lab) silent(words ...string) {
	l.t.Helper()
	p := l.verb(words...)
	p.exits(0)
	if said := p.output() + p.errors(); said != "" {
		l.t.Errorf("%v said %q", words, said)
	}
}

func (l *lab) entry() (watchreg.Entry, error) {
	l.t.Helper()
	registry, err := watchreg.OpenExisting(l.registry)
	if err != nil {
		l.t.Fatal(err)
	}
	return registry.Read(l.id)
}

// gone fails the test unless nothing is left of the watch in the registry.
func (l *lab) gone() {
	l.t.Helper()
	if e, err := l.entry(); !errors.Is(err, watchreg.ErrUnknown) {
		l.t.Errorf("the registry still has %+v, %v", e, err)
	}
	if left := names(filesBelow(l.t, l.registry)); len(left) > 0 {
		l.t.Errorf("left behind: %v", left)
	}
}

// status waits until the watch is alive and its status is as it should be.
func (l *lab) status(what string, is func(watchreg.Status) bool) watchreg.Status {
	l.t.Helper()
	var st watchreg.Status
	eventually(l.t, what, func() bool {
		e, err := l.entry()
		if err == nil && e.Live && e.Status != nil {
			st = *e.Status
			return is(st)
		}
		return false
	})
	return st
}

// healthy waits for one more successful probe, which began after this call.
func (l *lab) healthy() watchreg.Status {
	l.t.Helper()
	now := time.Now()
	return l.status("a healthy probe", func(st watchreg.Status) bool {
		return st.State == watchreg.Healthy && st.LastSuccess.After(now) && st.LastError == "" && st.Failures == 0
	})
}

func state(want watchreg.State) func(watchreg.Status) bool {
	return func(st watchreg.Status) bool { return st.State == want }
}

// tap is a relay in front of a server that tells when each probe began and how far it got. It changes nothing, so a frozen
// server behind it is frozen.
type tap struct {
	t    testing.TB
	addr string

	mu     sync.Mutex
	probes []sighting
}

// sighting is one probe as the server's side saw it.
type sighting struct {
	began    time.Time // when its first request came
	answered bool      // that request was answered
	finished bool      // the logoff was answered
}

func newTap(t testing.TB, upstream string) *tap {
	r := &tap{t: t}
	r.addr = smbtest.Relay(t, upstream, func(f *smbtest.Frame) smbtest.Behaviour {
		r.mu.Lock()
		defer r.mu.Unlock()
		for len(r.probes) <= f.Conn {
			r.probes = append(r.probes, sighting{})
		}
		s := &r.probes[f.Conn]
		switch {
		case !f.FromServer && f.Index == 0:
			s.began = time.Now()
		case f.Answers(smbtest.Negotiate):
			s.answered = true
		case f.Answers(smbtest.Logoff):
			s.finished = true
		}
		return nil
	})
	return r
}

// seen is the probes so far.
func (r *tap) seen() []sighting {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]sighting(nil), r.probes...)
}

// probeAfter waits for a probe that begins after the given time.
func (r *tap) probeAfter(when time.Time) sighting {
	r.t.Helper()
	var found sighting
	eventually(r.t, "a probe", func() bool {
		for _, s := range r.seen() {
			if s.began.After(when) {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

// finished waits until n probes have gone to their end.
func (r *tap) finished(n int) {
	r.t.Helper()
	eventually(r.t, "probes", func() bool {
		done := 0
		for _, s := range r.seen() {
			if s.finished {
				done++
			}
		}
		return done >= n
	})
}

// freeze freezes a server and returns when it is frozen; from then on every probe stalls.
func freeze(t testing.TB, s *smbtest.Server) time.Time {
	t.Helper()
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	return time.Now()
}

// freezeBetween is freeze at a moment at which no probe is under way.
func freezeBetween(t testing.TB, s *smbtest.Server, tap *tap) time.Time {
	t.Helper()
	for {
		var before []sighting
		eventually(t, "the end of a probe", func() bool {
			before = tap.seen()
			return len(before) > 0 && before[len(before)-1].finished
		})
		frozen := freeze(t, s)
		if len(tap.seen()) == len(before) {
			return frozen
		}
		thaw(t, s)
	}
}

func thaw(t testing.TB, s *smbtest.Server) {
	t.Helper()
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
}

// setPassword changes the password of a user of the server.
func setPassword(t testing.TB, s *smbtest.Server, user, password string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "smbpasswd", "-s", "-c", filepath.Join(s.Dir, "smb.conf"), user)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/bin:/usr/sbin")
	cmd.Stdin = strings.NewReader(password + "\n" + password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("smbpasswd: %v: %s", err, bytes.TrimSpace(out))
	}
}

func writeFile(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	// By rename, as every tool that rotates a password does it.
	next := path + ".new"
	err := os.WriteFile(next, []byte(text), mode)
	if err == nil {
		err = os.Chmod(next, mode) // whatever the umask
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// filesBelow returns every regular file below the directories, by path.
func filesBelow(t testing.TB, dirs ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				var b []byte
				b, err = os.ReadFile(path)
				files[path] = string(b)
			}
			if errors.Is(err, os.ErrNotExist) {
				return nil // the watch replaces its status at any time
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func names(files map[string]string) []string { return slices.Sorted(maps.Keys(files)) }

// readAll is what a file of /proc holds; nothing when the process has ended.
func readAll(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(f)
	return string(b)
}

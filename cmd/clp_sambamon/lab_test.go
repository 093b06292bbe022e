package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
)

// tap is a relay in front of a server that tells when each probe began and how
// far it got. It changes nothing, so a frozen server behind it is frozen.
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
	cmdtest.Eventually(r.t, "a probe", func() bool {
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
	cmdtest.Eventually(r.t, "probes", func() bool {
		done := 0
		for _, s := range r.seen() {
			if s.finished {
				done++
			}
		}
		return done >= n
	})
}

// freeze freezes a server and returns when it is frozen; from then on every
// probe stalls.
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
		cmdtest.Eventually(t, "the end of a probe", func() bool {
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
	ctx, cancel := context.WithTimeout(t.Context(), cmdtest.Limit)
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

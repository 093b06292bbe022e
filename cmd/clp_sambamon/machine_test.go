package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/smbprobe/smbtest"
)

// Ways to name and to log in to a healthy server.
func TestWaysIn(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	six := smbtest.Samba(t, smbtest.Config{Address: "::1"})
	encrypted := smbtest.Samba(t, smbtest.Config{Global: []string{"server smb encrypt = required"}})
	signed := smbtest.Samba(t, smbtest.Config{Global: []string{"server signing = mandatory"}})
	on := func(s *smbtest.Server, address string) []string {
		return []string{"-a", address, "--port", fmt.Sprint(s.Port)}
	}
	for name, c := range map[string]struct {
		server  []string
		args    []string
		env     string
		address string // as the status has it
	}{
		"IPv4":                       {server: on(s, "127.0.0.1"), address: s.Addr()},
		"default address":            {server: []string{"--port", fmt.Sprint(s.Port)}, address: s.Addr()},
		"host name":                  {server: on(s, "localhost"), address: s.Addr()},
		"IPv6":                       {server: on(six, "::1"), address: six.Addr()},
		"IPv6 in brackets":           {server: on(six, "[::1]"), address: six.Addr()},
		"PASSWD":                     {server: on(s, "127.0.0.1"), args: []string{"-u", "root"}, env: "PASSWD=pw"},
		"-p before PASSWD":           {server: on(s, "127.0.0.1"), args: []string{"-u", "root", "-p", "pw"}, env: "PASSWD=wrong"},
		"domain":                     {server: on(s, "127.0.0.1"), args: []string{"-u", "root", "-p", "pw", "--domain", "WORKGROUP"}},
		"domain before the user":     {server: on(s, "127.0.0.1"), args: []string{"-u", `WORKGROUP\root`, "-p", "pw"}},
		"mandatory signing":          {server: on(signed, "127.0.0.1"), args: []string{"-u", "root", "-p", "pw"}},
		"mandatory encryption":       {server: on(encrypted, "127.0.0.1"), args: []string{"-u", "root", "-p", "pw"}},
		"encrypted share":            {server: on(s, "127.0.0.1"), args: []string{"-u", "root", "-p", "pw", "-s", "encrypted"}},
		"printer":                    {server: on(s, "127.0.0.1"), args: []string{"-s", "printer"}},
		"share name in another case": {server: on(s, "127.0.0.1"), args: []string{"-s", "SHARE"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			if c.env != "" {
				l.env = []string{c.env}
			}
			args := append([]string{l.id, "--log-file", l.log, "-i", "1", "-c", "1"}, c.server...)
			switch {
			case len(c.args) > 0 && strings.Contains(strings.Join(c.args, " "), "-s "):
			case len(c.args) > 0:
				args = append(args, "-s", "priv") // no guests
			default:
				args = append(args, "-s", "share")
			}
			w := l.start(append(args, c.args...)...)
			w.message(2)
			if st := l.healthy(); c.address != "" && st.Address != c.address {
				t.Errorf("the address is %s, want %s", st.Address, c.address)
			}
			l.silent("-stop")
			w.exits(0)
			w.want(1, 2, 3)
		})
	}
}

// An unknown user is let in as guest: one warning for as long as it stays so.
func TestGuestWarning(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	l := newLab(t)
	w := l.watch(tap.addr, "-s", "share", "-i", "1", "-u", "nosuchuser", "-p", token)
	warned := w.message(104)
	if warned.severity != "WARN" || !strings.Contains(warned.text, `"nosuchuser"`) || !strings.Contains(warned.text, "guest") {
		t.Errorf("%+v", warned)
	}
	tap.finished(5)
	if st := l.healthy(); len(st.Warnings) != 1 {
		t.Errorf("the status has the warnings %q", st.Warnings)
	}
	w.want(1, 2, 104)
	hidden(t, l, w)
	l.silent("-stop")
	w.exits(0)
}

// A machine without descriptors to spare is judged, but a failover of the server would not help: exit 4.
func TestNoDescriptors(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.watch(s.Addr(), "-s", "share", "-i", "1", "-c", "1")
	w.message(2)
	l.healthy()
	if err := unix.Prlimit(w.pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: 3}, nil); err != nil {
		t.Fatal(err)
	}
	w.exits(4)
	var got []int
	var verdict line
	for _, m := range w.said() {
		switch m.number {
		case 107, 110: // the log file and the status need descriptors, too
			continue
		case 71:
			verdict = m
		}
		got = append(got, m.number)
	}
	if fmt.Sprint(got) != "[1 2 101 101 71 6]" {
		t.Errorf("messages %v", got)
	}
	if verdict.text != "The clp_sambamon has detected network error(socket error[24])." || !strings.Contains(verdict.detail, "too many open files") {
		t.Errorf("%+v", verdict)
	}
	l.gone()
}

// A registry that cannot be had or trusted: message 42, exit 4, no watch.
func TestNoRegistry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string) (registry string)
		errno   syscall.Errno
		says    string
	}{
		"below a file": {func(t *testing.T, dir string) string {
			writeFile(t, filepath.Join(dir, "file"), "", 0o644)
			return filepath.Join(dir, "file", "registry")
		}, syscall.ENOTDIR, "not a directory"},
		"open to all": {func(t *testing.T, dir string) string {
			registry := filepath.Join(dir, "open")
			mkdir(t, registry, 0o777)
			return registry
		}, syscall.EPERM, "can be written by other users (mode 0777)"},
		"below one that is open to all": {func(t *testing.T, dir string) string {
			parent := filepath.Join(dir, "open")
			mkdir(t, parent, 0o777)
			return filepath.Join(parent, "registry")
		}, syscall.EPERM, "can be written by all users (mode 0777)"},
		"of another user": {func(t *testing.T, dir string) string {
			registry := filepath.Join(dir, "foreign")
			mkdir(t, registry, 0o755)
			if err := os.Chown(registry, nobody, nobody); err != nil {
				t.Fatal(err)
			}
			return registry
		}, syscall.EPERM, "belongs to user 65534"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.registry = c.prepare(t, filepath.Dir(l.registry))
			w := l.watch("127.0.0.1:445", "-s", "share")
			w.exits(4)
			w.want(42, 0)
			text, end := w.last(42).text, fmt.Sprintf(" %d).", int(c.errno))
			if !strings.HasPrefix(text, "The clp_sambamon has detected system error (") || !strings.HasSuffix(text, end) {
				t.Errorf("%q, want the error number %d", text, int(c.errno))
			}
			if !strings.Contains(w.last(0).text, c.says) || strings.Count(w.last(0).text, "FSMON_REGISTRY") != 1 {
				t.Errorf("%q does not say %q", w.last(0).text, c.says)
			}
		})
	}
}

// nobody is the number of a user without rights.
const nobody = 65534

func mkdir(t testing.TB, path string, mode os.FileMode) {
	t.Helper()
	err := os.Mkdir(path, mode)
	if err == nil {
		err = os.Chmod(path, mode) // whatever the umask
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Other users see how root's watch is doing, and can do nothing to it.
func TestForeignUser(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	for _, dir := range []string{filepath.Dir(l.registry), filepath.Dir(filepath.Dir(l.registry))} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w := l.watch(s.Addr(), "-s", "share", "-i", "1")
	w.message(2)
	l.healthy()

	foreign := *l
	foreign.attr = syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	disp := foreign.verb("-disp")
	disp.exits(0)
	if out := disp.output(); !strings.Contains(out, fmt.Sprint(w.pid)) || !strings.Contains(out, "healthy since ") {
		t.Errorf("-disp said\n%s%s", out, disp.errors())
	}
	for _, verb := range []string{"-stop", "-pause", "-continue", "-del"} {
		v := foreign.verb(verb)
		v.exits(1)
		if took := v.ended.Sub(v.began); took > 2*time.Second {
			t.Errorf("%s took %v to be refused", verb, took)
		}
		text := v.last(0).text
		t.Logf("%s: %s", verb, text)
		if !strings.Contains(text, "cannot be controlled by this user") && !strings.Contains(text, "belongs to root") {
			t.Errorf("%s: %q does not say that root's rights are needed", verb, text)
		}
	}
	second := foreign.start(l.id, "-s", "share", "--log-file", "/dev/null")
	if code, _ := second.exit(); code != 3 && code != 4 {
		t.Errorf("a second start by another user: exit %d", code)
	}
	t.Logf("start: %s", second.errors())

	l.healthy()
	w.want(1, 2)
	l.silent("-stop")
	w.exits(0)
}

// A user without root's rights has watches of his own.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	dir := filepath.Dir(l.registry)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	l.attr = syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	w := l.watch(s.Addr(), "-s", "share", "-i", "1")
	w.message(2)
	l.silent("-pause")
	w.message(7)
	l.silent("-stop")
	w.exits(0)
	w.want(1, 2, 7, 3)
	if left := names(filesBelow(t, l.registry)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Somebody removes the registry: the watch goes on, and says what it lost.
func TestRegistryRemoved(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	l := newLab(t)
	w := l.watch(tap.addr, "-s", "share", "-i", "1", "-c", "1")
	w.message(2)
	l.healthy()
	if err := os.RemoveAll(l.registry); err != nil {
		t.Fatal(err)
	}
	lost := w.message(110)
	t.Log(lost.text)
	tap.finished(len(tap.seen()) + 2)
	w.want(1, 2, 110)
	w.signal(syscall.SIGTERM)
	w.exits(0)
	w.want(1, 2, 110, 3)
	if left := names(filesBelow(t, l.registry)); len(left) > 0 {
		t.Errorf("it made %v anew", left)
	}
}

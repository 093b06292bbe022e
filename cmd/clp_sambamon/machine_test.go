package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/cmdtest"
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
				l.Env = []string{c.env}
			}
			args := append([]string{l.ID, "--log-file", l.Log, "-i", "1", "-c", "1"}, c.server...)
			switch {
			case len(c.args) > 0 && strings.Contains(strings.Join(c.args, " "), "-s "):
			case len(c.args) > 0:
				args = append(args, "-s", "priv") // no guests
			default:
				args = append(args, "-s", "share")
			}
			w := l.Start(append(args, c.args...)...)
			w.Message(cmdtest.Watching)
			if st := l.Healthy(); c.address != "" && st.Address != c.address {
				t.Errorf("the address is %s, want %s", st.Address, c.address)
			}
			l.Silent("-stop")
			w.Exits(0)
			w.Told("started watching stopping")
		})
	}
}

// An unknown user is let in as guest: one warning for as long as it stays so.
func TestGuestWarning(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	l := newLab(t)
	w := l.Watch(at(tap.addr, "-s", "share", "-i", "1", "-u", "nosuchuser", "-p", token)...)
	warned := w.Message(cmdtest.Warned)
	if warned.Severity != "WARN" || !strings.Contains(warned.Text, `"nosuchuser"`) ||
		!strings.Contains(warned.Text, "guest") {
		t.Errorf("%+v", warned)
	}
	tap.finished(5)
	if st := l.Healthy(); len(st.Warnings) != 1 {
		t.Errorf("the status has the warnings %q", st.Warnings)
	}
	w.Told("started watching warned")
	l.Hides(token, w)
	l.Silent("-stop")
	w.Exits(0)
}

// A watch that has no descriptors to spare is judged, but the fault is local, so a
// failover of the server would not help: exit 4.
func TestNoDescriptors(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-c", "1")...)
	w.Message(cmdtest.Watching)
	l.Healthy()
	limit := unix.Rlimit{Cur: 3, Max: 3}
	if err := unix.Prlimit(w.PID, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	w.Exits(4)
	// The log file and the status need descriptors, too.
	w.Told("started watching probe-failed probe-failed net-socket terminate -dropped -status-lost")
	verdict := w.Last(cmdtest.NetSocket)
	if verdict.Text != "The clp_sambamon has detected network error(socket error[24])." ||
		!strings.Contains(verdict.Detail, "too many open files") {
		t.Errorf("%+v", verdict)
	}
	l.Gone()
}

// Without a registry that it can make and trust, no watch starts: exit 4.
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
			l.Registry = c.prepare(t, filepath.Dir(l.Registry))
			w := l.Watch(at("127.0.0.1:445", "-s", "share")...)
			w.Exits(4)
			w.Told("system-error line")
			text, end := w.Last(cmdtest.System).Text, fmt.Sprintf(" %d).", int(c.errno))
			if !strings.HasPrefix(text, "The clp_sambamon has detected system error (") ||
				!strings.HasSuffix(text, end) {
				t.Errorf("%q, want the error number %d", text, int(c.errno))
			}
			if !strings.Contains(w.Last(cmdtest.Plain).Text, c.says) ||
				strings.Count(w.Last(cmdtest.Plain).Text, "FSMON_REGISTRY") != 1 {
				t.Errorf("%q does not say %q", w.Last(cmdtest.Plain).Text, c.says)
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
	for _, dir := range []string{filepath.Dir(l.Registry), filepath.Dir(filepath.Dir(l.Registry))} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1")...)
	w.Message(cmdtest.Watching)
	l.Healthy()

	foreign := *l
	foreign.Attr = syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	disp := foreign.Verb("-disp")
	disp.Exits(0)
	if out := disp.Output(); !strings.Contains(out, fmt.Sprint(w.PID)) ||
		!strings.Contains(out, "healthy since ") {
		t.Errorf("-disp said\n%s%s", out, disp.Errors())
	}
	for _, verb := range []string{"-stop", "-pause", "-continue", "-del"} {
		v := foreign.Verb(verb)
		v.Exits(1)
		text := v.Last(cmdtest.Plain).Text
		t.Logf("%s: %s", verb, text)
		if !strings.Contains(text, "cannot be controlled by this user") &&
			!strings.Contains(text, "belongs to root") {
			t.Errorf("%s: %q does not say that root's rights are needed", verb, text)
		}
	}
	second := foreign.Start(l.ID, "-s", "share", "--log-file", "/dev/null")
	if code, _ := second.Exit(); code != 3 && code != 4 {
		t.Errorf("a second start by another user: exit %d", code)
	}
	t.Logf("start: %s", second.Errors())

	l.Healthy()
	w.Told("started watching")
	l.Silent("-stop")
	w.Exits(0)
}

// An ordinary user has watches of his own.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	dir := filepath.Dir(l.Registry)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	l.Attr = syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1")...)
	w.Message(cmdtest.Watching)
	l.Silent("-pause")
	w.Message(cmdtest.Paused)
	l.Silent("-stop")
	w.Exits(0)
	w.Told("started watching paused stopping")
	if left := names(cmdtest.Files(t, l.Registry)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Somebody removes the registry: the watch goes on, and says what it lost.
func TestRegistryRemoved(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	l := newLab(t)
	w := l.Watch(at(tap.addr, "-s", "share", "-i", "1", "-c", "1")...)
	w.Message(cmdtest.Watching)
	l.Healthy()
	if err := os.RemoveAll(l.Registry); err != nil {
		t.Fatal(err)
	}
	lost := w.Message(cmdtest.StatusLost)
	t.Log(lost.Text)
	tap.finished(len(tap.seen()) + 2)
	w.Told("started watching status-lost")
	w.Signal(syscall.SIGTERM)
	w.Exits(0)
	w.Told("started watching status-lost stopping")
	if left := names(cmdtest.Files(t, l.Registry)); len(left) > 0 {
		t.Errorf("it made %v anew", left)
	}
}

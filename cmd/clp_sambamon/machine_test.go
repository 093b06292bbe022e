package main

import (
	"fmt"
	"os"
	"strings"
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
		"IPv4": {server: on(s, "127.0.0.1"), address: s.Addr()},
		"default address": {server: []string{"--port", fmt.Sprint(s.Port)},
			address: s.Addr()},
		"host name":        {server: on(s, "localhost"), address: s.Addr()},
		"IPv6":             {server: on(six, "::1"), address: six.Addr()},
		"IPv6 in brackets": {server: on(six, "[::1]"), address: six.Addr()},
		"PASSWD": {server: on(s, "127.0.0.1"), args: []string{"-u", "root"},
			env: "PASSWD=pw"},
		"-p before PASSWD": {server: on(s, "127.0.0.1"),
			args: []string{"-u", "root", "-p", "pw"}, env: "PASSWD=wrong"},
		"domain": {server: on(s, "127.0.0.1"),
			args: []string{"-u", "root", "-p", "pw", "--domain", "WORKGROUP"}},
		"domain before the user": {server: on(s, "127.0.0.1"),
			args: []string{"-u", `WORKGROUP\root`, "-p", "pw"}},
		"mandatory signing": {server: on(signed, "127.0.0.1"),
			args: []string{"-u", "root", "-p", "pw"}},
		"mandatory encryption": {server: on(encrypted, "127.0.0.1"),
			args: []string{"-u", "root", "-p", "pw"}},
		"encrypted share": {server: on(s, "127.0.0.1"),
			args: []string{"-u", "root", "-p", "pw", "-s", "encrypted"}},
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

// A watch that has no descriptors to spare is judged, but the fault is local,
// so a failover of the server would not help: exit 4.
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

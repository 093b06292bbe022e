package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// token is a password that must not be seen anywhere.
const token = "S3cr3tT0ken"

func TestPasswordIsHidden(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	setPassword(t, s, "games", token)
	for name, args := range map[string][]string{
		"good logon":    {"-u", "games", "-p", token},
		"one word":      {"-u", "games", "--password=" + token},
		"long option":   {"-u", "games", "--password", token},
		"refused logon": {"-u", "root", "-p", token},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			w := l.Watch(at(s.Addr(), append([]string{"-s", "priv", "-i", "1", "-c", "1"},
				args...)...)...)
			cmdline := fmt.Sprintf("/proc/%d/cmdline", w.PID)
			looks, shown := 0, 0
			cmdtest.Eventually(t, "message 1", func() bool {
				text := readAll(cmdline)
				looks++
				if strings.Contains(text, token) {
					shown++
				}
				return len(w.Said()) > 0
			})
			w.Message(cmdtest.Started)
			t.Logf("until message 1 the password was seen in %d of %d looks", shown, looks)
			text := readAll(cmdline)
			if strings.Contains(text, token) {
				t.Errorf("after message 1 the command line is %q", text)
			}
			if !strings.Contains(text, "\x00-s\x00priv\x00") {
				t.Errorf("nothing else may be wiped: %q", text)
			}
			if name == "refused logon" {
				l.Hides(token, w)
				w.Exits(1)
				w.Told("started probe-failed probe-failed tree-connect terminate")
			} else {
				w.Message(cmdtest.Watching)
				l.Healthy()
				disp := l.Verb("-disp")
				l.Hides(token, w, disp)
				l.Silent("-stop")
				w.Exits(0)
			}
			l.Hides(token, w)
		})
	}
}

// As root without any setting, in a file system of the test's own: the default
// registry and log file, the CLUSTERPRO alert view, and a password from the
// environment that no child inherits. There is no /proc.
func TestDefaultsOfRoot(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	setPassword(t, s, "root", token)
	root := t.TempDir()
	for dir, mode := range map[string]os.FileMode{"bin": 0o755, "dev": 0o755, "run": 0o755,
		"usr/sbin": 0o755, "var/log": 0o755} {
		if err := os.MkdirAll(filepath.Join(root, dir), mode); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(root, "dev/null"), "", 0o666)
	for from, to := range map[string]string{command(): "bin/clp_sambamon",
		cmdtest.Program("clplogcmd"): "usr/sbin/clplogcmd"} {
		if err := os.Link(from, filepath.Join(root, to)); err != nil {
			t.Fatal(err)
		}
	}
	l := newLab(t)
	l.ID = strings.Repeat("x", 255)
	l.Registry = filepath.Join(root, "run/fsmon")
	l.Log = filepath.Join(root, "var/log/fsmon", l.ID, "watch.log")
	start := func(args ...string) *cmdtest.Process {
		cmd := exec.Command("/bin/clp_sambamon", append([]string{l.ID}, args...)...)
		cmd.Path, cmd.Err = "/bin/clp_sambamon", nil
		cmd.Dir = "/"
		cmd.Env = []string{"PASSWD=" + token}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		return cmdtest.Launch(t, cmd)
	}
	w := start(append(at(s.Addr()), "-s", "priv", "-u", "root", "-i", "1")...)
	w.Message(cmdtest.Watching)
	l.Healthy()
	if e, err := l.Entry(); err != nil || e.Status.State != watchreg.Healthy {
		t.Errorf("%+v, %v", e, err)
	}
	disp := start("-disp")
	disp.Exits(0)
	l.Hides(token, w, disp)
	start("-stop").Exits(0)
	w.Exits(0)
	w.Told("started watching stopping")
	l.Gone()
	if log := readAll(l.Log); log != w.Errors() {
		t.Errorf("the log file has %q, stderr had %q", log, w.Errors())
	}

	calls := filepath.Join(root, "calls")
	cmdtest.Eventually(t, "the calls of clplogcmd",
		func() bool { return strings.Count(readAll(calls), "\n") == 4 })
	want := [][]string{
		{"-m", "The clp_sambamon has started watching Samba.", "-i", "1", "-l", "INFO", "--alert"},
		{"-m", "The watch cannot keep its program in memory: a system disk that hangs may hang the " +
			"watch too (open /proc/self/maps: no such file or directory).", "-i", "126", "-l", "WARN",
			"--alert"},
		{"-m", "The clp_sambamon is going to watch share resource [priv].", "-i", "2", "-l", "INFO", "--alert"},
		{"-m", "The clp_sambamon will stop watching Samba [priv].", "-i", "3", "-l", "INFO", "--alert"},
	}
	n := 0
	for row := range strings.Lines(readAll(calls)) {
		var call struct{ Args, Env []string }
		if err := json.Unmarshal([]byte(row), &call); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(call.Args, want[n]) {
			t.Errorf("clplogcmd was called with %q, want %q", call.Args, want[n])
		}
		if strings.Contains(row, token) || strings.Contains(row, "PASSWD") {
			t.Errorf("the child has inherited %q", call.Env)
		}
		n++
	}
}

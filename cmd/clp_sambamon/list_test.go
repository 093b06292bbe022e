package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// zoo starts a watch of every sort in the lab's registry: failing, healthy,
// killed, paused, and an entry that cannot be read.
func zoo(t *testing.T, l *cmdtest.Lab) map[string]*cmdtest.Process {
	t.Helper()
	s := smbtest.Samba(t, smbtest.Config{})
	watches := map[string]*cmdtest.Process{}
	for id, share := range map[string]string{"failing": "nosuch", "healthy": "share",
		"killed": "share", "paused": "share"} {
		one := *l
		one.ID, one.Log = id, filepath.Join(filepath.Dir(l.Log), id)
		watches[id] = one.Watch(at(s.Addr(), "-s", share, "-i", "1", "-c", "5000", "-r", "60")...)
		want := watchreg.Healthy
		if id == "failing" {
			want = watchreg.Failing
		}
		one.Status("the first probe", cmdtest.State(want))
		switch id {
		case "killed":
			watches[id].Signal(syscall.SIGKILL)
			watches[id].Exits(-1)
		case "paused":
			one.Silent("-pause", "3600")
		}
	}
	damaged := filepath.Join(l.Registry, "unreadable")
	mkdir(t, damaged, 0o755)
	writeFile(t, filepath.Join(damaged, "lock"), "", 0o600)
	writeFile(t, filepath.Join(damaged, "status"), "nonsense", 0o644)
	return watches
}

// On a terminal the table is redrawn in place, in colour, and never wider than
// the terminal; Ctrl-C ends it with 0.
func TestListOnTerminal(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	zoo(t, l)
	for name, c := range map[string]struct {
		env     []string
		width   uint16
		colours bool
	}{
		"wide":     {[]string{"TERM=xterm"}, 200, true},
		"narrow":   {[]string{"TERM=xterm"}, 60, true},
		"NO_COLOR": {[]string{"TERM=xterm", "NO_COLOR=1"}, 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			term := newTerminal(t, c.width, 24)
			cmd := exec.Command(command(), "-list", "--watch", "1")
			cmd.Env = append([]string{"FSMON_REGISTRY=" + l.Registry}, c.env...)
			cmd.Stdin, cmd.Stdout = term.child, term.child
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			p := cmdtest.Launch(t, cmd)
			term.child.Close()
			var frames []string
			cmdtest.Eventually(t, "three tables", func() bool {
				frames = strings.Split(term.shown(), "\x1b[H")
				return len(frames) > 4 // and all of the third
			})
			if colours := strings.Contains(frames[1], "\x1b[32m"); colours != c.colours {
				t.Errorf("colours: %v", colours)
			}
			plain := regexp.MustCompile("\x1b\\[[0-9;]*[mKJ]")
			for _, frame := range frames[1:4] {
				if !strings.HasSuffix(frame, "\x1b[J") {
					t.Errorf("what is below is not cleared: %q", frame)
				}
				lines := strings.Split(strings.TrimSuffix(plain.ReplaceAllString(frame, ""),
					"\r\n"), "\r\n")
				if len(lines) > 23 || !strings.Contains(lines[0], "every 1 s") ||
					!slices.ContainsFunc(lines,
						func(line string) bool { return strings.HasPrefix(line, "healthy ") }) {
					t.Errorf("%q", lines)
				}
				for _, line := range lines {
					if n := len([]rune(line)); n > int(c.width) {
						t.Errorf("%d characters: %q", n, line)
					}
				}
			}
			term.write("\x03")
			p.Exits(0)
			if p.Errors() != "" {
				t.Error(p.Errors())
			}
		})
	}

	// The terminal becomes smaller: it is redrawn at once.
	term := newTerminal(t, 200, 50)
	cmd := exec.Command(command(), "-list", "--watch", "3600")
	cmd.Env = []string{"FSMON_REGISTRY=" + l.Registry, "TERM=xterm"}
	cmd.Stdin, cmd.Stdout = term.child, term.child
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p := cmdtest.Launch(t, cmd)
	cmdtest.Eventually(t, "a table",
		func() bool { return strings.Contains(term.shown(), "\x1b[J") })
	term.resize(50, 4)
	cmdtest.Eventually(t, "a smaller table",
		func() bool { return strings.Contains(term.shown(), "more lines: -list alone") })
	p.Signal(syscall.SIGINT)
	p.Exits(0)
}

// On a terminal that cannot be steered the tables follow each other, none wider
// than it.
func TestListOnDumbTerminal(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	zoo(t, l)
	term := newTerminal(t, 60, 24)
	cmd := exec.Command(command(), "-list", "--watch", "1")
	cmd.Env = []string{"FSMON_REGISTRY=" + l.Registry, "TERM=dumb"}
	cmd.Stdin, cmd.Stdout = term.child, term.child
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p := cmdtest.Launch(t, cmd)
	term.child.Close()
	cmdtest.Eventually(t, "three tables",
		func() bool { return strings.Count(term.shown(), "\r\n\r\nIDENTIFIER ") >= 2 })
	term.write("\x03")
	p.Exits(0)
	for line := range strings.Lines(term.shown()) {
		if line = strings.TrimSuffix(line, "\r\n"); strings.Contains(line, "\x1b") ||
			len([]rune(line)) > 60 {
			t.Errorf("%q", line)
		}
	}
}

// Without a terminal the tables follow each other, with a blank line between
// and without any control sequence.
func TestListIntoPipe(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	zoo(t, l)
	for _, args := range [][]string{{"-list", "--watch", "1"},
		{"-list", "--watch", "1", "--json"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(command(), args...)
		cmd.Env = []string{"FSMON_REGISTRY=" + l.Registry, "TERM=xterm"}
		cmd.Stdout = w
		p := cmdtest.Launch(t, cmd)
		w.Close()
		out := collectOutput(t, r)
		separator := "\n\nIDENTIFIER "
		if len(args) > 3 {
			separator = "\n[{"
		}
		cmdtest.Eventually(t, "three tables",
			func() bool { return strings.Count(out.shown(), separator) >= 2 })
		p.Signal(syscall.SIGINT)
		p.Exits(0)
		if strings.Contains(out.shown(), "\x1b") || p.Errors() != "" {
			t.Errorf("%q %q", out.shown(), p.Errors())
		}
	}
}

// output collects what a process writes into a pipe or terminal.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func collectOutput(t testing.TB, from *os.File) *output {
	o := &output{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := from.Read(b)
			o.mu.Lock()
			o.all.Write(b[:n])
			o.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		from.Close()
		select {
		case <-done:
		case <-time.After(cmdtest.Limit):
			t.Error("still reading")
		}
	})
	return o
}

func (o *output) shown() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

// terminal is a pseudo terminal.
type terminal struct {
	*output
	t      testing.TB
	master *os.File
	child  *os.File // for the process; to be closed once that runs
}

func newTerminal(t testing.TB, width, height uint16) *terminal {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	master := os.NewFile(uintptr(fd), "ptmx")
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	child, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Close() })
	term := &terminal{output: collectOutput(t, master), t: t, master: master, child: child}
	term.resize(width, height)
	return term
}

func (term *terminal) resize(width, height uint16) {
	term.t.Helper()
	conn, err := term.master.SyscallConn()
	if err == nil {
		conn.Control(func(fd uintptr) {
			err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ,
				&unix.Winsize{Col: width, Row: height})
		})
	}
	if err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) write(keys string) {
	term.t.Helper()
	if _, err := term.master.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

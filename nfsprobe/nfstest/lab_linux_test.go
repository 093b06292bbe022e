package nfstest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleEnv makes the test binary do one thing only, for what would end the
// tests' own process.
const roleEnv = "NFSTEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "orphan":
		orphan()
	case "isolate":
		isolate()
	}
	Isolate() // for hostile servers on port 111
	os.Exit(m.Run())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	if err := poll(func() (bool, error) { return is(), nil }); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// asked returns nil if a server answers: both versions and the mount service.
func asked(l *Lab, s Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	return l.answersNow(ctx, s)
}

// silent asserts that a server does not answer.
func silent(t testing.TB, l *Lab, s Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var timeout net.Error
	if err := l.answersNow(ctx, s); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%s: %v, want a timeout", s, err)
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	l := New(t, Config{})
	for _, s := range []Server{Ganesha, Rpcbind, Ganesha} {
		must(t, asked(l, s))
		must(t, l.Freeze(s))
		silent(t, l, s)
		must(t, l.Thaw(s))
		must(t, asked(l, s))
		must(t, l.Freeze(s))
		must(t, l.Kill(s)) // also a frozen one
		must(t, l.Kill(s))
		if err := asked(l, s); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("killed %s: %v", s, err)
		}
		if err := l.Freeze(s); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("killed %s was frozen: %v", s, err)
		}
		must(t, l.Restart(s))
		must(t, asked(l, s))
		must(t, l.Stop(s))
		if err := asked(l, s); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("stopped %s: %v", s, err)
		}
		must(t, l.Restart(s))
		must(t, l.Restart(s))
		must(t, asked(l, s))
	}
}

func TestDrop(t *testing.T) {
	t.Parallel()
	l := New(t, Config{NFSPort: 12049})
	must(t, l.Drop(12049))
	silent(t, l, Ganesha)
	must(t, asked(l, Rpcbind))
	must(t, l.Undrop(12049))
	must(t, asked(l, Ganesha))
	if err := l.Undrop(12049); err == nil {
		t.Error("undropped what was not dropped")
	}
}

// A dropped datagram never comes: the first to come is one sent later.
func TestDropUDP(t *testing.T) {
	t.Parallel()
	l := New(t, Config{Empty: true})
	var server net.PacketConn
	var client net.Conn
	must(t, l.Do(func() {
		var err error
		server, err = net.ListenPacket("udp", "127.0.0.1:0")
		must(t, err)
		client, err = net.Dial("udp", server.LocalAddr().String())
		must(t, err)
	}))
	defer server.Close()
	defer client.Close()
	port := server.LocalAddr().(*net.UDPAddr).Port
	must(t, l.Drop(port))
	_, err := client.Write([]byte("dropped"))
	must(t, err)
	must(t, l.Undrop(port))
	_, err = client.Write([]byte("not dropped"))
	must(t, err)
	must(t, server.SetReadDeadline(time.Now().Add(endTime)))
	b := make([]byte, 100)
	n, _, err := server.ReadFrom(b)
	must(t, err)
	if string(b[:n]) != "not dropped" {
		t.Errorf("%q came through", b[:n])
	}
}

// A disk is seen only in the lab and goes with it.
func TestDisk(t *testing.T) {
	t.Parallel()
	l := New(t, Config{})
	must(t, l.MountDisk("export", 64))
	must(t, asked(l, Ganesha))
	must(t, os.WriteFile(l.Inside(l.Dir()+"/on the disk"), nil, 0o644))
	for path, want := range map[string]bool{l.Inside(l.Dir() + "/on the disk"): true, l.Dir() +
		"/on the disk": false, l.Dir() + "/file": true, l.Inside(l.Dir() + "/file"): false} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := os.WriteFile(l.Inside(l.Dir()+"/big"), make([]byte, 64<<10+1), 0o644); !errors.Is(err,
		syscall.ENOSPC) {
		t.Errorf("64 KiB and one byte: %v", err)
	}
	must(t, l.UnmountDisk("export"))
	must(t, asked(l, Ganesha))
	if err := l.UnmountDisk("export"); err == nil {
		t.Error("unmounted what is not mounted")
	}
	if _, err := os.Stat(l.Inside(l.Dir() + "/file")); err != nil {
		t.Error(err)
	}
	must(t, l.Close())
	if path := l.Inside("/"); path != "" {
		t.Errorf("inside a closed lab: %s", path)
	}
}

// Each lab has a network of its own, which is not that of this process.
func TestNetworks(t *testing.T) {
	t.Parallel()
	a, b := New(t, Config{Empty: true}), New(t, Config{Empty: true})
	for _, address := range []string{"127.0.0.1:111", "[::1]:111", Address + ":111"} {
		listener, err := a.Listen("tcp", address)
		must(t, err)
		defer listener.Close()
		dial := func() error {
			c, err := net.DialTimeout("tcp", address, endTime)
			if err == nil {
				c.Close()
			}
			return err
		}
		must(t, a.Do(func() { err = dial() }))
		must(t, err)
		must(t, b.Do(func() { err = dial() }))
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("in another lab: %v", err)
		}
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	l := New(t, Config{Empty: true})
	cmd := l.Command("sh", "-c",
		`echo $$; readlink /proc/self/ns/net /proc/self/ns/pid /proc/self/ns/mnt; ls "$1"`, "sh",
		l.path("log"))
	out, err := cmd.Output()
	must(t, err)
	var network string
	must(t, l.Do(func() { network, err = os.Readlink("/proc/thread-self/ns/net") }))
	must(t, err)
	pids, err := os.Readlink("/proc/self/ns/pid")
	must(t, err)
	mounts, err := os.Readlink("/proc/self/ns/mnt")
	must(t, err)
	if want := fmt.Sprintf("%d\n%s\n%s\n%s\ninit\n", cmd.Process.Pid, network, pids,
		mounts); string(out) != want {
		t.Errorf("got %s\nwant %s", out, want)
	}
	if mine, err := os.Readlink("/proc/self/ns/net"); err != nil || mine == network {
		t.Errorf("the lab's network is mine, %s (%v)", mine, err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	l := New(t, Config{})
	pid := l.init.Process.Pid
	must(t, l.Freeze(Ganesha))
	must(t, l.Close())
	must(t, l.Close())
	if _, err := os.Stat(l.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory: %v", err)
	}
	if syscall.Kill(pid, 0) == nil {
		t.Error("the lab's first process lives")
	}
	if err := l.Restart(Ganesha); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Restart after Close: %v", err)
	}
	if err := l.Drop(1); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Drop after Close: %v", err)
	}
	if err := l.Reload(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Reload after Close: %v", err)
	}
}

// Without the servers other tests are skipped, which go test does not show. So
// this one fails and says what to install.
func TestInstalled(t *testing.T) { must(t, installed()) }

func TestFailedStart(t *testing.T) {
	t.Parallel()
	New(t, Config{Empty: true}) // skips where labs cannot be had
	_, err := StartLab(t.Context(), Config{Exports: []Export{{Name: "bad", Squash: "nonsense"},
		{Name: "export/file/x"}}})
	if err == nil {
		t.Error("started with an export below a file")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := StartLab(ctx, Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("started although cancelled: %v", err)
	}
}

// Ganesha without its exports is an error, unless a test has removed the
// directory.
func TestRefusedExport(t *testing.T) {
	t.Parallel()
	New(t, Config{Empty: true}) // skips where labs cannot be had
	l, err := StartLab(t.Context(), Config{})
	must(t, err)
	defer l.Close()
	must(t, os.RemoveAll(l.Path("export")))
	must(t, l.Restart(Ganesha))
	must(t, os.Symlink("/proc", l.Path("export"))) // a file system that cannot be exported
	if err := l.Restart(Ganesha); err == nil || !strings.Contains(err.Error(),
		"does not take its exports") {
		t.Errorf("error %v", err)
	}
}

// orphan starts a lab, prints where it is, and never ends it.
func orphan() {
	l, err := StartLab(context.Background(), Config{})
	if err == nil {
		err = l.Freeze(Ganesha)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(l.dir, l.init.Process.Pid)
	select {}
}

// When a process is killed, its lab ends.
func TestOrphan(t *testing.T) {
	t.Parallel()
	New(t, Config{Empty: true}) // skips where labs cannot be had
	cmd, lines := role(t, "orphan")
	var dir string
	var pid int
	if line := <-lines; line == "" {
		t.Fatal("no lab")
	} else if _, err := fmt.Sscan(line, &dir, &pid); err != nil {
		t.Fatal(line)
	}
	must(t, cmd.Process.Kill())
	eventually(t, "the directory's end", func() bool {
		_, err := os.Stat(dir)
		return errors.Is(err, os.ErrNotExist)
	})
	eventually(t, "the lab's end", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		// The process that inherits it may reap it late.
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

// isolate is a test binary that isolates itself.
func isolate() {
	Isolate()
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	fmt.Println(os.Args[1:], isolated(), os.Getpid())
	if os.Args[1] == "wait" {
		select {
		case <-terminated:
		case <-time.After(endTime):
			os.Exit(1)
		}
	}
	os.Exit(7)
}

func TestIsolate(t *testing.T) {
	t.Parallel()
	New(t, Config{Empty: true}) // skips where labs cannot be had
	exits := func(cmd *exec.Cmd) {
		t.Helper()
		if cmd.Wait(); cmd.ProcessState.ExitCode() != 7 {
			t.Errorf("ended with %v, want exit code 7", cmd.ProcessState)
		}
	}
	cmd, lines := role(t, "isolate", "exit", "a b", "")
	if line := <-lines; !strings.HasPrefix(line, "[exit a b ] <nil> ") {
		t.Errorf("got %q", line)
	}
	exits(cmd)

	cmd, lines = role(t, "isolate", "wait")
	<-lines
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	exits(cmd)

	cmd, lines = role(t, "isolate", "wait")
	var inner int
	line := <-lines
	if _, err := fmt.Sscanf(line, "[wait] <nil> %d", &inner); err != nil {
		t.Fatal(line)
	}
	must(t, cmd.Process.Kill())
	eventually(t, "the inner process's end", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", inner))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}

// role runs this test binary in a role and returns the lines it prints.
func role(t testing.TB, name string, args ...string) (*exec.Cmd, <-chan string) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+name, outerEnv+"=")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := make(chan string, 16)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return cmd, lines
}

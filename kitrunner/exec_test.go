package kitrunner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// execLimit is what no single wait comes near to.
const execLimit = time.Minute

// The commands of these tests are this test program, started with a role to play.
const roleVar = "KITRUNNER_TEST_ROLE"

func init() {
	role, argument, _ := strings.Cut(os.Getenv(roleVar), " ")
	if role == "" {
		return
	}
	if play := roles[role]; play != nil {
		os.Exit(play(argument))
	}
	os.Exit(systemRoles[role](argument))
}

var roles = map[string]func(argument string) int{
	// tell prints its arguments, its directory and what its standard input holds.
	"tell": func(string) int {
		for _, a := range os.Args[1:] {
			fmt.Printf("arg %+q\n", a) // in ASCII, which every code page has
		}
		dir, err := os.Getwd()
		fmt.Printf("dir %q %v\n", dir, err)
		in, err := io.ReadAll(os.Stdin)
		fmt.Fprintf(os.Stderr, "stdin %q %v\n", in, err)
		return 0
	},
	"exit": func(code string) int {
		n, err := strconv.ParseUint(code, 0, 32)
		if err != nil {
			panic(err)
		}
		return int(uint32(n))
	},
	"flood": func(string) int {
		line := bytes.Repeat([]byte("x"), 1<<10)
		for range 3 << 10 {
			os.Stdout.Write(line)
		}
		return 0
	},
	// hang connects to the test and hangs as long as the test leaves the connection open.
	"hang": hangOn,
	// family hangs together with a child.
	"family": func(address string) int {
		startRole("hang " + address)
		return hangOn(address)
	},
	// orphan leaves a child with its output open, when the test tells it to end.
	"orphan": func(address string) int {
		startRole("hang " + address)
		hangOn(address)
		fmt.Println("done")
		return 5
	},
	"lock": holdLock,
}

func hangOn(address string) int {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	role, _, _ := strings.Cut(os.Getenv(roleVar), " ")
	fmt.Fprintln(conn, role, os.Getpid())
	conn.Read(make([]byte, 1))
	return 0
}

func startRole(role string) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), roleVar+"="+role)
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		panic(err)
	}
}

// playing returns a runner and the command that plays a role. The test's environment tells it to.
func playing(t *testing.T, role string, args ...string) (Runner, Command) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(roleVar, role)
	return NewRunner(Dirs{LKBin: filepath.Dir(self)}),
		Command{Place: LKBin, Name: filepath.Base(self), Args: args, Timeout: execLimit}
}

// tethers is where commands that hang connect to. It sees them end.
type tethers struct {
	t *testing.T
	net.Listener
}

func newTethers(t *testing.T) *tethers {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.(*net.TCPListener).SetDeadline(time.Now().Add(execLimit))
	return &tethers{t, l}
}

// tether is a command that hangs.
type tether struct {
	net.Conn
	gone func() error // waits for its end
}

// wait waits for n commands that hang, and returns them by their role.
func (l *tethers) wait(n int) map[string]tether {
	l.t.Helper()
	hanging := map[string]tether{}
	for range n {
		conn, err := l.Accept()
		if err != nil {
			l.t.Fatalf("a command has not begun to hang: %v", err)
		}
		l.t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(execLimit))
		var role string
		var pid int
		if _, err := fmt.Fscanln(conn, &role, &pid); err != nil {
			l.t.Fatal(err)
		}
		hanging[role] = tether{conn, ending(l.t, conn, pid)}
	}
	return hanging
}

func TestRunPassesArgumentsAsTheyAre(t *testing.T) {
	args := []string{"-n", "", "two words", `"quoted"`, `back\slash\`, `a\"b`, "%PATH%", "$HOME", "&|<>^", "日本語", "*"}
	runner, c := playing(t, "tell", args...)
	res := runner.Run(t.Context(), c)
	if res.Err != nil || res.Code != 0 {
		t.Fatalf("%+v", res)
	}
	if res.Took <= 0 {
		t.Errorf("it took %v", res.Took)
	}
	var got []string
	for line := range strings.Lines(res.Output) {
		if s, ok := strings.CutPrefix(line, "arg "); ok {
			a, err := strconv.Unquote(strings.TrimSpace(s))
			if err != nil {
				t.Error(err)
			}
			got = append(got, a)
		}
	}
	if !slices.Equal(got, args) {
		t.Errorf("arguments %q, want %q", got, args)
	}
	self, _ := os.Executable()
	for _, want := range []string{fmt.Sprintf("dir %q <nil>\n", filepath.Dir(self)), "stdin \"\" <nil>\n"} {
		if !strings.Contains(res.Output, want) {
			t.Errorf("the output has no %s:\n%s", want, res.Output)
		}
	}
}

func TestRunExitCode(t *testing.T) {
	for _, code := range []int{0, 1, 7, 250} {
		runner, c := playing(t, "exit "+strconv.Itoa(code))
		if res := runner.Run(t.Context(), c); res.Err != nil || res.Code != code {
			t.Errorf("exit code %d: %+v", code, res)
		}
	}
}

func TestRunMissingCommand(t *testing.T) {
	for _, dirs := range []Dirs{nil, {LKBin: t.TempDir()}, {System32: t.TempDir()}, {LKBin: filepath.Join(t.TempDir(), "nowhere")}} {
		res := NewRunner(dirs).Run(t.Context(), Command{Place: LKBin, Name: "missing.exe", Timeout: execLimit})
		if !errors.Is(res.Err, fs.ErrNotExist) || !strings.Contains(fmt.Sprint(res.Err), "missing.exe") {
			t.Errorf("%v: %v", dirs, res.Err)
		}
	}
}

func TestRunDirectoryIsNoCommand(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a.exe"), 0o755); err != nil {
		t.Fatal(err)
	}
	if res := NewRunner(Dirs{LKBin: dir}).Run(t.Context(), Command{Place: LKBin, Name: "a.exe", Timeout: execLimit}); res.Err == nil {
		t.Errorf("%+v", res)
	}
}

func TestRunDeadline(t *testing.T) {
	l := newTethers(t)
	runner, c := playing(t, "hang "+l.Addr().String())
	c.Timeout = 50 * time.Millisecond
	if res := runner.Run(t.Context(), c); !errors.Is(res.Err, context.DeadlineExceeded) || !strings.Contains(fmt.Sprint(res.Err), "50ms") {
		t.Errorf("%+v", res)
	}
}

func TestRunEndsTheWholeTree(t *testing.T) {
	l := newTethers(t)
	runner, c := playing(t, "family "+l.Addr().String())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := make(chan Result, 1)
	go func() { result <- runner.Run(ctx, c) }()
	hanging := l.wait(2)
	cancel()
	if res := <-result; !errors.Is(res.Err, context.Canceled) {
		t.Errorf("%+v", res)
	}
	for role, h := range hanging {
		if err := h.gone(); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
}

func TestRunDoesNotWaitForWhatACommandLeavesBehind(t *testing.T) {
	l := newTethers(t)
	r, c := playing(t, "orphan "+l.Addr().String())
	r.(*runner).drain = 10 * time.Millisecond
	result := make(chan Result, 1)
	go func() { result <- r.Run(t.Context(), c) }()
	hanging := l.wait(2)
	if _, err := hanging["orphan"].Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if res := <-result; res.Err != nil || res.Code != 5 || strings.TrimSpace(res.Output) != "done" {
		t.Errorf("%+v", res)
	}
	if err := hanging["hang"].gone(); err != nil {
		t.Error(err)
	}
}

func TestRunCapsOutput(t *testing.T) {
	runner, c := playing(t, "flood")
	res := runner.Run(t.Context(), c)
	if !errors.Is(res.Err, ErrOutputTooLong) || len(res.Output) != maxOutput {
		t.Errorf("%d bytes, %v", len(res.Output), res.Err)
	}
}

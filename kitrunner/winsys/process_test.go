package winsys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

// execLimit bounds every wait. A busy machine may come near to a minute.
const execLimit = 5 * time.Minute

// The commands of these tests are this test program in one of these roles.
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
	// tell prints its arguments, its directory and what its standard input
	// holds.
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
	// hang connects to the test and hangs as long as the test leaves the
	// connection open.
	"hang": hangOn,
	// family hangs together with a child.
	"family": func(address string) int {
		startRole("hang " + address)
		return hangOn(address)
	},
	// orphan leaves a child with its output open, when the test tells it to
	// end.
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

// played is a command that plays a role.
type played struct {
	runner
	path    string
	args    []string
	timeout time.Duration
}

type result struct {
	code   int
	output string
	err    error
}

// playing returns a command that plays a role. The test's environment says
// which.
func playing(t *testing.T, role string, args ...string) *played {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(roleVar, role)
	return &played{runner{2 * time.Second, 2 * time.Second, pause}, self, args, execLimit}
}

func (p *played) run(ctx context.Context) (res result) {
	res.code, res.output, res.err = p.runner.run(ctx, p.path, p.args, p.timeout)
	return res
}

// start runs it in the background.
func (p *played) start(ctx context.Context) <-chan result {
	ended := make(chan result, 1)
	go func() { ended <- p.run(ctx) }()
	return ended
}

// tethers is where commands connect to when they hang. It sees them end.
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
	args := []string{"-n", "", "two words", `"quoted"`, `back\slash\`, `a\"b`, "%PATH%", "$HOME",
		"&|<>^", "日本語", "*"}
	c := playing(t, "tell", args...)
	res := c.run(t.Context())
	if res.err != nil || res.code != 0 {
		t.Fatalf("%+v", res)
	}
	var got []string
	for line := range strings.Lines(res.output) {
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
	for _, want := range []string{fmt.Sprintf("dir %q <nil>\n", filepath.Dir(self)),
		"stdin \"\" <nil>\n"} {
		if !strings.Contains(res.output, want) {
			t.Errorf("the output has no %s:\n%s", want, res.output)
		}
	}
}

func TestRunExitCode(t *testing.T) {
	for _, code := range []int{0, 1, 7, 250} {
		c := playing(t, "exit "+strconv.Itoa(code))
		if res := c.run(t.Context()); res.err != nil || res.code != code {
			t.Errorf("exit code %d: %+v", code, res)
		}
	}
}

func TestRunDeadline(t *testing.T) {
	l := newTethers(t)
	c := playing(t, "hang "+l.Addr().String())
	c.timeout = 50 * time.Millisecond
	if res := c.run(t.Context()); !errors.Is(res.err, context.DeadlineExceeded) ||
		!strings.Contains(fmt.Sprint(res.err), "no answer within 0.05 s") {
		t.Errorf("%+v", res)
	}
}

func TestRunEndsTheWholeTree(t *testing.T) {
	l := newTethers(t)
	c := playing(t, "family "+l.Addr().String())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := c.start(ctx)
	hanging := l.wait(2)
	cancel()
	if res := <-ended; !errors.Is(res.err, context.Canceled) {
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
	c := playing(t, "orphan "+l.Addr().String())
	c.drain = time.Second // a busy machine may take a moment to read "done"
	ended := c.start(t.Context())
	hanging := l.wait(2)
	if _, err := hanging["orphan"].Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if res := <-ended; res.err != nil || res.code != 5 || strings.TrimSpace(res.output) != "done" {
		t.Errorf("%+v", res)
	}
	if err := hanging["hang"].gone(); err != nil {
		t.Error(err)
	}
}

func TestRunCapsOutput(t *testing.T) {
	c := playing(t, "flood")
	res := c.run(t.Context())
	if !errors.Is(res.err, ErrOutputTooLong) || len(res.output) != maxOutput {
		t.Errorf("%d bytes, %v", len(res.output), res.err)
	}
}

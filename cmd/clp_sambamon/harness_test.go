package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// These tests run the built command against real servers, as a user would, and look at what a user sees: stderr with the
// time of each line, exit codes, the registry, the log file.

// limit is what no single wait comes near to.
const limit = 30 * time.Second

// command and fakeAlertView are the built programs.
var command, fakeAlertView string

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := testMain(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func testMain(m *testing.M) (code int, err error) {
	// The tests wait more than they compute, so the number of cores is no measure.
	if err := flag.Set("test.parallel", "12"); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "clp_sambamon-test-")
	if err != nil {
		return 0, err
	}
	remove, err := removeAtEnd(dir)
	if err != nil {
		return 0, errors.Join(err, os.RemoveAll(dir))
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := os.Chmod(dir, 0o755); err != nil { // other users run the command too
		return 0, err
	}
	// All that the tests make lies below it, the servers' directories too.
	os.Setenv("TMPDIR", dir)
	command, fakeAlertView = filepath.Join(dir, "clp_sambamon"), filepath.Join(dir, "clplogcmd")
	for program, source := range map[string]string{command: ".", fakeAlertView: "./testdata/clplogcmd"} {
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", program, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("go build %s: %w\n%s", source, err, out)
		}
	}
	return m.Run(), nil
}

// removeAtEnd removes dir when the returned function is called or, by a shell that reads from a pipe of this process, when this
// process ends in any other way.
func removeAtEnd(dir string) (remove func() error, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	sh := exec.Command("/bin/sh", "-c", `read -r never
for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && exit; sleep 0.1; done; exit 1`, "sh", dir)
	sh.Stdin = r
	sh.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // the end of a terminal must not be its end
	if err := sh.Start(); err != nil {
		w.Close()
		return nil, err
	}
	return func() error { return errors.Join(w.Close(), sh.Wait()) }, nil
}

// line is one message on stderr.
type line struct {
	at       time.Time // when it was read
	number   int       // 0: not a message of the catalogue
	severity string
	text     string
	detail   string // the further lines of the same message
}

var alertLine = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S+ sambamon (INFO|WARN|ERROR) (\d+) (.*)$`)

// process is one run of a program.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
	pid int

	stderr *os.File // our end
	began  time.Time

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when something below changes
	lines   []line
	raw     bytes.Buffer // all of stderr
	stdout  bytes.Buffer // complete when ended
	seen    map[int]int  // how many messages of a number have been waited for
	read    bool         // stderr is at its end
	ended   time.Time
	code    int
}

// launch starts cmd and reads its stdout and stderr, unless they are something already. Whatever happens to the test, the process does
// not outlive it.
func launch(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, stderr: r, changed: make(chan struct{}), seen: map[int]int{}, began: time.Now()}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = w
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		t.Fatal(err)
	}
	p.pid = cmd.Process.Pid
	go p.collect()
	go func() {
		err := cmd.Wait()
		p.change(func() {
			p.ended, p.code = time.Now(), cmd.ProcessState.ExitCode()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				p.code = -2
			}
		})
	}()
	t.Cleanup(func() {
		cmd.Process.Kill() // an error: it has ended
		p.await("its end", func() bool { return !p.ended.IsZero() })
		r.Close()
		p.await("the end of its stderr", func() bool { return p.read })
		if t.Failed() {
			t.Log(p.story())
		}
	})
	return p
}

// collect reads stderr to its end.
func (p *process) collect() {
	var rest []byte
	b := make([]byte, 4096)
	for {
		n, err := p.stderr.Read(b)
		now := time.Now()
		p.change(func() {
			p.raw.Write(b[:n])
			rest = append(rest, b[:n]...)
			for {
				text, after, whole := bytes.Cut(rest, []byte("\n"))
				if !whole {
					break
				}
				p.add(now, string(text))
				rest = after
			}
			p.read = err != nil
		})
		if err != nil {
			return
		}
	}
}

func (p *process) add(at time.Time, text string) {
	m := alertLine.FindStringSubmatch(text)
	if m == nil {
		p.lines = append(p.lines, line{at: at, text: text})
		return
	}
	number, _ := strconv.Atoi(m[2])
	if more, ok := strings.CutPrefix(m[3], "... "); ok && len(p.lines) > 0 {
		if last := &p.lines[len(p.lines)-1]; last.number == number {
			last.detail += more
			return
		}
	}
	p.lines = append(p.lines, line{at, number, m[1], m[3], ""})
}

func (p *process) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// await waits until done, which is called with p.mu held, says so.
func (p *process) await(what string, done func() bool) {
	p.t.Helper()
	timeout := time.After(limit)
	for {
		p.mu.Lock()
		ok, changed := done(), p.changed
		p.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			p.t.Fatalf("waited %v for %s of process %d", limit, what, p.pid)
		}
	}
}

// message waits for the next message of this number: each call is for one more.
func (p *process) message(number int) line {
	p.t.Helper()
	var found line
	p.await(fmt.Sprintf("message %d", number), func() bool {
		nth := 0
		for _, l := range p.lines {
			if l.number != number {
				continue
			}
			if nth++; nth > p.seen[number] {
				found, p.seen[number] = l, nth
				return true
			}
		}
		return p.read
	})
	if found.at.IsZero() {
		p.t.Fatalf("process %d ended without message %d", p.pid, number)
	}
	return found
}

// exit waits for the end of the process.
func (p *process) exit() (code int, at time.Time) {
	p.t.Helper()
	p.await("the end", func() bool { return !p.ended.IsZero() && p.read })
	return p.code, p.ended
}

// exits is exit for a process that must end with this code.
func (p *process) exits(code int) (at time.Time) {
	p.t.Helper()
	got, at := p.exit()
	if got != code {
		p.t.Errorf("exit code %d, want %d", got, code)
	}
	return at
}

func (p *process) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended.IsZero()
}

// said is the lines so far.
func (p *process) said() []line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// want fails the test unless exactly these messages have come so far, 103 aside: on a busy machine it may come at any time.
func (p *process) want(numbers ...int) {
	p.t.Helper()
	var got []int
	for _, l := range p.said() {
		if l.number != 103 {
			got = append(got, l.number)
		}
	}
	if !slices.Equal(got, numbers) {
		p.t.Errorf("messages %v, want %v", got, numbers)
	}
}

// last is the latest message of this number; 0 is a line that is none.
func (p *process) last(number int) line {
	p.t.Helper()
	for _, l := range slices.Backward(p.said()) {
		if l.number == number {
			return l
		}
	}
	p.t.Errorf("no message %d", number)
	return line{}
}

func (p *process) errors() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.raw.String()
}

// output is stdout of a process that has ended.
func (p *process) output() string {
	p.exit()
	return p.stdout.String()
}

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatalf("%v to process %d: %v", sig, p.pid, err)
	}
}

// story is what the process said, with seconds since its start.
func (p *process) story() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "process %d: %q\n", p.pid, p.cmd.Args[1:])
	for _, l := range p.lines {
		fmt.Fprintf(&b, "%8.3f %3d %s\n", l.at.Sub(p.began).Seconds(), l.number, l.text)
		if l.detail != "" {
			fmt.Fprintf(&b, "%12s ... %s\n", "", l.detail)
		}
	}
	if !p.ended.IsZero() {
		fmt.Fprintf(&b, "%8.3f exit %d\n", p.ended.Sub(p.began).Seconds(), p.code)
	}
	return b.String()
}

// eventually polls for a state that nothing announces.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(limit); !done(); {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("waited %v for %s", limit, what)
		}
	}
}

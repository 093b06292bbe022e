package watchreg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// limit is far more than any single wait in these tests takes.
const limit = time.Minute

func TestMain(m *testing.M) {
	if dir := os.Getenv("WATCHREG_CHILD"); dir != "" {
		os.Exit(child(dir))
	}
	unix.Umask(0o022) // with a wider one t.TempDir is no place that Open trusts
	goleak.VerifyTestMain(m)
}

// child is another process that uses the registry: it obeys each line of its
// standard input, and answers with one line. It ends with its input.
func child(dir string) int {
	if mask, err := strconv.ParseUint(os.Getenv("WATCHREG_UMASK"), 8, 9); err == nil {
		unix.Umask(int(mask))
	}
	var reg *Registry
	var claim *Claim
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		verb, arg, _ := strings.Cut(in.Text(), " ")
		var err error
		answer := "ok"
		switch verb {
		case "open":
			reg, err = Open(dir)
		case "open-existing":
			reg, err = OpenExisting(dir)
		case "claim":
			if claim, err = reg.Claim(arg); err == nil && claim.Leftover != nil {
				answer += " " + claim.Leftover.Note
			}
		case "forget": // a claim whose owner has lost it stays a claim
			if _, err = reg.Claim(arg); err == nil {
				runtime.GC()
				runtime.GC()
				_, err = reg.Claim(arg)
			}
		case "status":
			err = claim.WriteStatus(Status{Note: arg})
		case "small-files": // every write to a file fails from its ninth byte on, as on a full disk
			signal.Ignore(unix.SIGXFSZ)
			err = unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 8, Max: 8})
		case "control":
			c, open := <-claim.Controls()
			answer = fmt.Sprint(c.Verb, " ", c.For, " ", open)
		case "release":
			err = claim.Release()
		case "read":
			var e Entry
			if e, err = reg.Read(arg); err == nil {
				answer = fmt.Sprintf("ok live=%v", e.Live)
				if e.Status != nil {
					answer += " note=" + e.Status.Note
				}
			}
		case "list":
			var entries []Entry
			entries, err = reg.List()
			for _, e := range entries {
				answer += fmt.Sprintf(" %s=%v", e.ID, e.Live)
			}
		case "send":
			err = reg.Send(context.Background(), arg, Control{Verb: Stop})
		case "churn":
			err = churn(reg, arg)
		}
		switch {
		case errors.Is(err, ErrInUse):
			answer = "in use"
		case errors.Is(err, ErrUnknown):
			answer = "unknown"
		case err != nil:
			answer = "error " + err.Error()
		}
		fmt.Println(answer)
	}
	return 0
}

// churn lives whole lives of a watch, a line after each step, until it is
// killed.
func churn(reg *Registry, id string) error {
	for {
		c, err := reg.Claim(id)
		fmt.Println("claimed")
		if err != nil {
			return err
		}
		err = c.WriteStatus(Status{})
		fmt.Println("written")
		if err := errors.Join(err, c.Release()); err != nil {
			return err
		}
		fmt.Println("released")
	}
}

// A proc is a running child.
type proc struct {
	t   *testing.T
	cmd *exec.Cmd
	in  *os.File
	out *os.File
	r   *bufio.Reader
}

// start runs a child on the registry in dir. Each set may change its command.
func start(t *testing.T, dir string, set ...func(*exec.Cmd)) *proc {
	t.Helper()
	// Not os.Args[0]: another user may not be able to reach its directory.
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "WATCHREG_CHILD="+dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	for _, f := range set {
		f(cmd)
	}
	inR, inW, err := os.Pipe()
	must(t, err)
	outR, outW, err := os.Pipe()
	must(t, err)
	cmd.Stdin, cmd.Stdout = inR, outW
	err = cmd.Start()
	inR.Close()
	outW.Close()
	p := &proc{t: t, cmd: cmd, in: inW, out: outR, r: bufio.NewReader(outR)}
	t.Cleanup(func() {
		inW.Close()
		outR.Close()
		p.kill()
	})
	must(t, err)
	return p
}

func (p *proc) tell(line string) {
	p.t.Helper()
	_, err := p.in.WriteString(line + "\n")
	must(p.t, err)
}

func (p *proc) answer() string {
	p.t.Helper()
	must(p.t, p.out.SetReadDeadline(time.Now().Add(limit)))
	line, err := p.r.ReadString('\n')
	must(p.t, err)
	return strings.TrimSuffix(line, "\n")
}

// want tells the child something and checks what it answers.
func (p *proc) want(line, answer string) {
	p.t.Helper()
	p.tell(line)
	if got := p.answer(); got != answer {
		p.t.Fatalf("%s: %q, want %q", line, got, answer)
	}
}

// kill ends the child with SIGKILL and waits for its end.
func (p *proc) kill() {
	if p.cmd.Process != nil && p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// freeze stops the child and waits until it has stopped.
func (p *proc) freeze() {
	p.t.Helper()
	must(p.t, p.cmd.Process.Signal(unix.SIGSTOP))
	var ws unix.WaitStatus
	_, err := unix.Wait4(p.cmd.Process.Pid, &ws, unix.WUNTRACED, nil)
	if err != nil || !ws.Stopped() {
		p.t.Fatalf("not stopped: %v %v", ws, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func wantUnsafe(t *testing.T, err error, path string) {
	t.Helper()
	var unsafe *UnsafeError
	if !errors.As(err, &unsafe) {
		t.Fatalf("error %v, want an UnsafeError", err)
	}
	if unsafe.Path != path {
		t.Errorf("UnsafeError about %s, want %s", unsafe.Path, path)
	}
}

func open(t *testing.T) (*Registry, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "registry")
	reg, err := Open(dir)
	must(t, err)
	return reg, dir
}

func claim(t *testing.T, reg *Registry, id string) *Claim {
	t.Helper()
	c, err := reg.Claim(id)
	must(t, err)
	t.Cleanup(func() { _ = c.Release() })
	return c
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// leftover makes the files of a watch that was killed after it had written a
// status with the note "old".
func leftover(t *testing.T, dir, id string) {
	t.Helper()
	p := start(t, dir)
	p.want("open", "ok")
	p.want("claim "+id, "ok")
	p.want("status old", "ok")
	p.kill()
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	must(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

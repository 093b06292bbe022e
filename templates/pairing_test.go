package templates

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// execResource is the stand-in for an EXEC resource whose start script is asynchronous,
// with the PID monitor that watches the script's process.
type execResource struct {
	cmd   *exec.Cmd
	fired chan struct{} // closed when the monitored process has ended

	mu     sync.Mutex
	output bytes.Buffer
}

func (e *execResource) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.output.Write(p)
}

func (e *execResource) said() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.output.String()
}

func activate(t *testing.T, script string, env []string) *execResource {
	t.Helper()
	e := &execResource{cmd: exec.Command("/bin/sh", script), fired: make(chan struct{})}
	e.cmd.Env, e.cmd.Stdout, e.cmd.Stderr = env, e, e
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		e.cmd.Wait()
		close(e.fired)
	}()
	t.Cleanup(func() {
		syscall.Kill(-e.cmd.Process.Pid, syscall.SIGKILL) // the watch too; an error: both have ended
		<-e.fired
	})
	return e
}

// quiet fails the test when the PID monitor has fired.
func (e *execResource) quiet(t *testing.T) {
	t.Helper()
	select {
	case <-e.fired:
		t.Fatalf("the PID monitor fired: %s", e.said())
	default:
	}
}

// fires waits until it has.
func (e *execResource) fires(t *testing.T) {
	t.Helper()
	select {
	case <-e.fired:
	case <-time.After(30 * time.Second):
		t.Fatalf("the PID monitor did not fire: %s", e.said())
	}
}

// The pairing that FSM chapters 7 and 9 document, with the templates as a user edits them: a hung server, then a
// maintenance, then an ordinary end.
func TestPairing(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	start := edited(t, "cluster/samba-mon/start.sh", "SHARE=XXXX", "SHARE=share")
	start = edited(t, start, `OPTIONS=""`, `OPTIONS="-a `+host+` --port `+port+` -i 1 -c 1 -r 1 --no-evidence --log-file `+t.TempDir()+`/watch.log"`)
	const stop = "cluster/samba-mon/stop.sh"
	registry := t.TempDir()
	env := []string{"PATH=" + build(t) + ":" + os.Getenv("PATH"), "FSMON_REGISTRY=" + registry, "CLP_EVENT=START", "CLP_DISK=SUCCESS", "CLP_SERVER=HOME"}
	watch := &agent{t: t, registry: registry, id: "sambawatch"} // its eyes only
	stopped := func(want string) {
		t.Helper()
		cmd := exec.Command("/bin/sh", stop)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("stop.sh: %v, %q", err, out)
		}
	}
	const quietStop = "NORMAL1\nNORMAL2\nclp_sambamon stop\nEXIT\n"

	// A hung server: the watch exits, the script echoes EXIT, the PID monitor fires, stop.sh has nothing to complain of.
	e := activate(t, start, env)
	watch.status(watchreg.Healthy)
	e.quiet(t)
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	e.fires(t)
	if said := e.said(); !strings.HasPrefix(said, "NORMAL1\nNORMAL2\nclp_sambamon start\n") || !strings.HasSuffix(said, "EXIT\n") ||
		!strings.Contains(said, "ERROR 74 ") || !strings.Contains(said, "ERROR 6 ") {
		t.Errorf("start.sh: %q", said)
	}
	if code := e.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("start.sh: exit code %d", code)
	}
	stopped(quietStop)
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}

	// A maintenance (FSM 7.3): paused, the server is restarted, continued. The PID monitor stays quiet.
	e = activate(t, start, env)
	watch.status(watchreg.Healthy)
	control := func(verb string) {
		t.Helper()
		cmd := exec.Command(strings.TrimPrefix(strings.SplitN(env[0], ":", 2)[0], "PATH=")+"/clp_sambamon", "sambawatch", verb)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", verb, err, out)
		}
	}
	control("-pause")
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	watch.status(watchreg.Paused)
	e.quiet(t)
	control("-continue")
	watch.status(watchreg.Healthy)
	e.quiet(t)
	if said := e.said(); strings.Contains(said, " ERROR ") || strings.Contains(said, " WARN ") {
		t.Errorf("the maintenance raised an alarm: %s", said)
	}

	// An ordinary end: stop.sh ends the watch, and with it start.sh.
	stopped(quietStop)
	e.fires(t)
	if !strings.HasSuffix(e.said(), "EXIT\n") {
		t.Errorf("start.sh: %q", e.said())
	}
	// And again, when there is nothing to stop.
	stopped(quietStop)
}

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

// execResource stands for an EXEC resource with an asynchronous start script,
// and for the PID monitor that watches the script's process.
type execResource struct {
	cmd   *exec.Cmd
	fired chan struct{} // closed when the process has ended

	mu     sync.Mutex
	output bytes.Buffer
}

func (e *execResource) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.output.Write(p)
}

func (e *execResource) printed() string {
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
		syscall.Kill(-e.cmd.Process.Pid, syscall.SIGKILL) // and its watch; an error: both ended
		<-e.fired
	})
	return e
}

// quiet fails the test if the PID monitor has fired.
func (e *execResource) quiet(t *testing.T) {
	t.Helper()
	select {
	case <-e.fired:
		t.Fatalf("the PID monitor fired: %s", e.printed())
	default:
	}
}

// fires waits until the PID monitor has fired.
func (e *execResource) fires(t *testing.T) {
	t.Helper()
	select {
	case <-e.fired:
	case <-time.After(time.Minute):
		t.Fatalf("the PID monitor did not fire: %s", e.printed())
	}
}

// The pairing of watch and PID monitor in the FSM manual, chapters 7 and 9,
// with the templates as a user edits them: a hung server, a maintenance, and an
// ordinary end. A healthy server has 5 seconds to answer, however busy the
// machine is, so the verdict takes 10.
func TestPairing(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	start := edited(t, "cluster/samba-mon/start.sh", "SHARE=XXXX", "SHARE=share")
	start = edited(t, start, `OPTIONS=""`, `OPTIONS="-a `+host+` --port `+port+
		` -i 1 -c 1 -r 5 --no-evidence --log-file `+logFile(t)+`"`)
	const stop = "cluster/samba-mon/stop.sh"
	registry := t.TempDir()
	env := []string{"PATH=" + build(t) + ":" + os.Getenv("PATH"), "FSMON_REGISTRY=" + registry,
		"CLP_EVENT=START", "CLP_DISK=SUCCESS", "CLP_SERVER=HOME"}
	watch := &agent{t: t, registry: registry, id: "sambawatch"} // to read its status
	stopped := func(want string) {
		t.Helper()
		cmd := exec.Command("/bin/sh", stop)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("stop.sh: %v, %q", err, out)
		}
	}
	const quietStop = "NORMAL1\nNORMAL2\nclp_sambamon stop\nEXIT\n"

	// A hung server: the watch exits, the script echoes EXIT, the PID monitor
	// fires, and stop.sh does not complain.
	e := activate(t, start, env)
	watch.status(watchreg.Healthy)
	e.quiet(t)
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	e.fires(t)
	if out := e.printed(); !strings.HasPrefix(out, "NORMAL1\nNORMAL2\nclp_sambamon start\n") ||
		!strings.Contains(out, "ERROR 74 ") || !strings.Contains(out, "ERROR 6 ") ||
		!strings.HasSuffix(out, "EXIT\n") {
		t.Errorf("start.sh: %q", out)
	}
	if code := e.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("start.sh: exit code %d", code)
	}
	stopped(quietStop)
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}

	// A maintenance (FSM manual 7.3): pause, restart the server, continue. The
	// PID monitor stays quiet.
	e = activate(t, start, env)
	watch.status(watchreg.Healthy)
	control := func(verb string) {
		t.Helper()
		cmd := exec.Command(build(t)+"/clp_sambamon", "sambawatch", verb)
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
	if out := e.printed(); strings.Contains(out, " ERROR ") || strings.Contains(out, " WARN ") {
		t.Errorf("the maintenance raised an alarm: %s", out)
	}

	// An ordinary end: stop.sh ends the watch, and so start.sh.
	stopped(quietStop)
	e.fires(t)
	if !strings.HasSuffix(e.printed(), "EXIT\n") {
		t.Errorf("start.sh: %q", e.printed())
	}
	// And again, when there is nothing to stop.
	stopped(quietStop)
}

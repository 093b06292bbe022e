package templates

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// build builds the commands once, and returns their directory.
func build(t *testing.T) (bin string) {
	t.Helper()
	commands.Do(func() {
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", commandDir+"/",
			"../cmd/clp_sambamon", "../cmd/clp_nfsmon", "../cmd/fsmon_exporter", "../cmd/kitrunner")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	})
	return commandDir
}

var (
	commands   sync.Once
	commandDir string
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "fsmon-templates-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	commandDir = dir
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// logFile is the path of a log for a watch. Its directory is removed only after
// the watch's errands have ended, which may still write there.
func logFile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		links, _ := filepath.Glob("/proc/[0-9]*/exe") // the pattern is right
		for _, link := range links {
			eventually(t, "the end of an errand of "+link, func() bool {
				program, _ := os.Readlink(link) // an error: it has ended
				name, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
				ours := strings.HasPrefix(program, commandDir)
				return !ours || !strings.HasPrefix(string(name), "fsmon-errand")
			})
		}
	})
	return filepath.Join(dir, "watch.log")
}

// eventually waits up to a minute for a state that nothing announces.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !done(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// agent is the OCF agent with its parameters and a registry of its own.
type agent struct {
	t        *testing.T
	registry string
	id       string // of the watch
	env      []string
	reason   string // what the last action gave as its reason
}

// The return codes of the OCF resource agent API.
const (
	ocfSuccess    = 0
	ocfGeneric    = 1
	ocfArgs       = 2
	ocfInstalled  = 5
	ocfConfigured = 6
	ocfNotRunning = 7
)

func newAgent(t *testing.T, params ...string) *agent {
	t.Helper()
	installed(t, "/usr/lib/ocf/lib/heartbeat/ocf-shellfuncs")
	dir := t.TempDir()
	a := &agent{t: t, registry: filepath.Join(dir, "registry"), id: "fs-watch"}
	a.env = append(os.Environ(), "OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=fs-watch",
		"OCF_RESOURCE_TYPE=fsmon", "OCF_RESOURCE_PROVIDER=fsmon", "HA_RSCTMP="+dir,
		"HA_LOGFACILITY=none", "FSMON_REGISTRY="+a.registry)
	for _, p := range params {
		a.env = append(a.env, "OCF_RESKEY_"+p)
	}
	t.Cleanup(func() {
		a.do("stop")
		if left, _ := filepath.Glob(filepath.Join(a.registry, "*")); len(left) > 0 {
			t.Errorf("the agent left %v", left)
		}
	})
	return a
}

// do runs one action and returns its code. The action must end and close its
// pipe within a minute.
func (a *agent) do(action string, env ...string) int {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "ocf/fsmon", action)
	cmd.Env = append(append([]string{}, a.env...), env...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); ctx.Err() != nil || cmd.ProcessState == nil {
		a.t.Fatalf("%s: %v: %s", action, err, output.String())
	}
	a.reason = output.String()
	return cmd.ProcessState.ExitCode()
}

// gives fails the test unless an action returns this code.
func (a *agent) gives(code int, action string, env ...string) {
	a.t.Helper()
	if got := a.do(action, env...); got != code {
		a.t.Errorf("%s: code %d, want %d: %s", action, got, code, a.reason)
	}
}

// becomes waits until an action returns this code.
func (a *agent) becomes(code int, action string) {
	a.t.Helper()
	what := fmt.Sprintf("code %d of %s", code, action)
	eventually(a.t, what, func() bool { return a.do(action) == code })
}

// status waits for a state of the watch and returns its status.
func (a *agent) status(want watchreg.State) (status watchreg.Status) {
	a.t.Helper()
	eventually(a.t, fmt.Sprintf("the watch %s to be %s", a.id, want), func() bool {
		r, err := watchreg.OpenExisting(a.registry)
		if err != nil {
			return false
		}
		e, err := r.Read(a.id)
		if err != nil || !e.Live || e.Status == nil || e.Status.State != want {
			return false
		}
		status = *e.Status
		return true
	})
	return status
}

// samba starts a server, and returns the parameters of an agent for it. A
// server that is well has 10 seconds to answer, however busy the machine is.
func samba(t *testing.T) (s *smbtest.Server, params []string) {
	t.Helper()
	s = smbtest.Samba(t, smbtest.Config{})
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return s, []string{"bindir=" + build(t), "kind=samba", "target=share", "address=" + host,
		"interval=1", "retries=1", "timeout=10",
		"options=--port " + port + " --no-evidence --log-file " + logFile(t)}
}

const deep = "OCF_CHECK_LEVEL=10"

// A life in a cluster. Everything is done twice, since Pacemaker repeats
// itself.
func TestAgentLife(t *testing.T) {
	t.Parallel()
	s, params := samba(t)
	a := newAgent(t, params...)
	a.gives(ocfSuccess, "validate-all")
	a.gives(ocfNotRunning, "monitor")
	a.gives(ocfSuccess, "stop")
	a.gives(ocfSuccess, "start")
	a.gives(ocfSuccess, "start")
	st := a.status(watchreg.Healthy)
	a.gives(ocfSuccess, "monitor")
	a.gives(ocfSuccess, "monitor", deep)

	// A paused watch runs, whatever the server does meanwhile.
	command := exec.Command(filepath.Join(build(t), st.Command), "fs-watch", "-pause")
	command.Env = a.env
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("-pause: %v: %s", err, out)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	a.gives(ocfSuccess, "monitor")
	a.gives(ocfSuccess, "monitor", deep)
	a.gives(ocfSuccess, "stop")
	a.gives(ocfSuccess, "stop")
	a.gives(ocfNotRunning, "monitor")
}

// The deep monitor sees a dead server at once, the other one as soon as the
// watch has ended.
func TestAgentDeadServer(t *testing.T) {
	t.Parallel()
	s, params := samba(t)
	a := newAgent(t, params...)
	a.gives(ocfSuccess, "start", "OCF_RESKEY_retries=10000")
	a.status(watchreg.Healthy)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	a.gives(ocfSuccess, "monitor")
	a.gives(ocfGeneric, "monitor", deep)
	if !strings.Contains(a.reason, "ECONNREFUSED") {
		t.Errorf("the reason does not name it: %q", a.reason)
	}
	a.gives(ocfSuccess, "stop")

	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	a.gives(ocfSuccess, "start")
	a.status(watchreg.Healthy)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	a.becomes(ocfNotRunning, "monitor")
}

// A killed watch is "not running", and a new one starts all the same. A frozen
// one is killed.
func TestAgentBrokenWatch(t *testing.T) {
	t.Parallel()
	_, params := samba(t)
	a := newAgent(t, params...)
	a.gives(ocfSuccess, "start")
	st := a.status(watchreg.Healthy)
	if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	a.becomes(ocfNotRunning, "monitor")
	a.gives(ocfSuccess, "start")
	st = a.status(watchreg.Healthy)
	if err := syscall.Kill(st.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	a.gives(ocfSuccess, "stop")
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", st.PID))
	if err == nil && !strings.Contains(string(stat), ") Z ") { // a zombie: nobody has waited yet
		t.Errorf("the frozen watch lives: %s", stat)
	}
}

// An agent that cannot work says why. Its code tells Pacemaker on which nodes
// not to try.
func TestAgentRefusals(t *testing.T) {
	t.Parallel()
	_, params := samba(t)
	for name, c := range map[string]struct {
		code  int
		param []string
	}{
		"no kind":             {ocfConfigured, []string{"kind="}},
		"unknown kind":        {ocfConfigured, []string{"kind=ftp"}},
		"no target":           {ocfConfigured, []string{"target="}},
		"bad interval":        {ocfConfigured, []string{"interval=0"}},
		"unknown option":      {ocfConfigured, []string{"options=--nonsense"}},
		"missing credentials": {ocfArgs, []string{"options=--credentials /nonexistent/file"}},
		"no command":          {ocfInstalled, []string{"bindir=/nonexistent"}},
	} {
		a := newAgent(t, append(params, c.param...)...)
		a.gives(c.code, "start")
		if strings.TrimSpace(a.reason) == "" {
			t.Errorf("%s: no reason", name)
		}
		if c.code == ocfInstalled {
			a.gives(ocfSuccess, "stop")
			a.gives(ocfNotRunning, "monitor",
				"OCF_RESKEY_CRM_meta_interval=0", "__OCF_ACTION=monitor")
		}
	}
	a := newAgent(t, params...)
	a.gives(ocfSuccess, "meta-data")
	if !strings.Contains(a.reason, `<resource-agent name="fsmon"`) {
		t.Errorf("meta-data: %s", a.reason)
	}
	a.gives(3, "nonsense")
}

// ocf-tester, the published tester of resource agents, accepts it.
func TestOcfTester(t *testing.T) {
	t.Parallel()
	_, params := samba(t)
	a := newAgent(t, params...)
	// All may read it there, as when it is installed: the tester also runs it
	// as nobody.
	path := filepath.Join(build(t), "fsmon")
	write(t, path, read(t, "ocf/fsmon"))
	args := []string{"-v", "-n", "fs-watch"}
	for _, p := range params {
		args = append(args, "-o", p)
	}
	cmd := exec.CommandContext(t.Context(), "ocf-tester", append(args, path)...)
	cmd.Env = a.env
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "passed all tests") {
		t.Errorf("ocf-tester: %v\n%s", err, out)
	}
}

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

// build puts the commands into a directory, once.
func build(t *testing.T) (bin string) {
	t.Helper()
	commands.Do(func() {
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", commandDir+"/", "../cmd/clp_sambamon", "../cmd/clp_nfsmon", "../cmd/kitrunner")
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

// agent is the OCF agent with its parameters and a registry of its own.
type agent struct {
	t        *testing.T
	registry string
	id       string // of the watch
	env      []string
	reason   string // of the last action: what it gave as its reason
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
	const library = "/usr/lib/ocf/lib/heartbeat/ocf-shellfuncs"
	if _, err := os.Stat(library); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	a := &agent{t: t, registry: filepath.Join(dir, "registry"), id: "fs-watch"}
	a.env = append(os.Environ(), "OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=fs-watch", "OCF_RESOURCE_TYPE=fsmon", "OCF_RESOURCE_PROVIDER=fsmon",
		"HA_RSCTMP="+dir, "HA_LOGFACILITY=none", "FSMON_REGISTRY="+a.registry)
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

// do runs one action, which must end and let go of its pipe within a minute, and returns its code.
func (a *agent) do(action string, env ...string) int {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "ocf/fsmon", action)
	cmd.Env = append(append([]string{}, a.env...), env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); ctx.Err() != nil || cmd.ProcessState == nil {
		a.t.Fatalf("%s: %v: %s", action, err, said.String())
	}
	a.reason = said.String()
	return cmd.ProcessState.ExitCode()
}

// gives fails the test unless an action returns this code.
func (a *agent) gives(code int, action string, env ...string) {
	a.t.Helper()
	if got := a.do(action, env...); got != code {
		a.t.Errorf("%s: code %d, want %d: %s", action, got, code, a.reason)
	}
}

// status waits for a state of the watch and returns its status.
func (a *agent) status(want watchreg.State) watchreg.Status {
	a.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-tick.C {
		r, err := watchreg.OpenExisting(a.registry)
		if err != nil {
			continue
		}
		if e, err := r.Read(a.id); err == nil && e.Live && e.Status != nil && e.Status.State == want {
			return *e.Status
		}
	}
	a.t.Fatalf("the watch did not become %s", want)
	return watchreg.Status{}
}

func samba(t *testing.T) (s *smbtest.Server, params []string) {
	t.Helper()
	s = smbtest.Samba(t, smbtest.Config{})
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "watch.log")
	return s, []string{"bindir=" + build(t), "kind=samba", "target=share", "address=" + host, "interval=1", "retries=1", "timeout=1",
		"options=--port " + port + " --no-evidence --log-file " + log}
}

const deep = "OCF_CHECK_LEVEL=10"

// A life in a cluster: everything twice, since Pacemaker repeats itself.
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
	command := exec.Command(filepath.Join(strings.TrimPrefix(params[0], "bindir="), st.Command), "fs-watch", "-pause")
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

// A dead server: the deep monitor sees it at once, the other one as soon as the watch has ended.
func TestAgentDeadServer(t *testing.T) {
	t.Parallel()
	s, params := samba(t)
	a := newAgent(t, params...)
	a.gives(ocfSuccess, "start")
	a.status(watchreg.Healthy)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	a.gives(ocfGeneric, "monitor", "OCF_CHECK_LEVEL=10", "OCF_RESKEY_retries=10000")
	if !strings.Contains(a.reason, "ECONNREFUSED") {
		t.Errorf("the reason does not name it: %q", a.reason)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); a.do("monitor") != ocfNotRunning; <-tick.C {
		if time.Now().After(end) {
			t.Fatal("the watch did not end")
		}
	}
}

// A killed watch is "not running", and its leftover is no obstacle; a frozen one is ended by force.
func TestAgentBrokenWatch(t *testing.T) {
	t.Parallel()
	_, params := samba(t)
	a := newAgent(t, params...)
	a.gives(ocfSuccess, "start")
	st := a.status(watchreg.Healthy)
	if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	a.gives(ocfNotRunning, "monitor")
	a.gives(ocfSuccess, "start")
	st = a.status(watchreg.Healthy)
	if err := syscall.Kill(st.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	a.gives(ocfSuccess, "stop")
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", st.PID))
	if err == nil && !strings.Contains(string(stat), ") Z ") { // nobody may have waited for it yet
		t.Errorf("the frozen watch lives: %s", stat)
	}
}

// What cannot work says so, with the code that keeps it from where it cannot.
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
			a.gives(ocfNotRunning, "monitor", "OCF_RESKEY_CRM_meta_interval=0", "__OCF_ACTION=monitor")
		}
	}
	a := newAgent(t, params...)
	if a.gives(ocfSuccess, "meta-data"); !strings.Contains(a.reason, "<resource-agent name=\"fsmon\"") {
		t.Errorf("meta-data: %s", a.reason)
	}
	a.gives(3, "nonsense")
}

// The published tester of resource agents has nothing against it.
func TestOcfTester(t *testing.T) {
	t.Parallel()
	_, params := samba(t)
	a := newAgent(t, params...)
	// Where everybody may read it, as it is installed: the tester also tries as nobody.
	text, err := os.ReadFile("ocf/fsmon")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(build(t), "fsmon")
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
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

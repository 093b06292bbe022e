package templates

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// The commands that the documents show to a person are run as they stand, in order, each against a real server. Only the
// addresses, ports and paths of the example are replaced by those of the test's servers.
func TestDocuments(t *testing.T) {
	t.Parallel()
	for _, document := range []string{"../README.md", "README.ja.md"} {
		t.Run(filepath.Base(document), func(t *testing.T) {
			t.Parallel()
			runDocument(t, document)
		})
	}
}

var shown = regexp.MustCompile(`(?m)^    ((?:clp_|systemctl |kitrunner ).*)$`)

func runDocument(t *testing.T, document string) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	lines := shown.FindAllStringSubmatch(string(text), -1)
	if len(lines) < 10 {
		t.Fatalf("%s shows only %d commands", document, len(lines))
	}
	s := smbtest.Samba(t, smbtest.Config{})
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	l := nfstest.New(t, nfstest.Config{})
	dir := t.TempDir()
	credentials := filepath.Join(dir, "data.cred")
	if err := os.WriteFile(credentials, []byte("username=root\npassword=pw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	samba := strings.NewReplacer("-s data", "-s share --port "+port, "192.0.2.10", host, "/etc/fsmon/data.cred", credentials)
	nfs := strings.NewReplacer("/srv/export", l.Path("export"), "192.0.2.10", nfstest.Address)
	registry := filepath.Join(dir, "registry")
	env := []string{"PATH=" + dir + ":" + build(t) + ":" + os.Getenv("PATH"), "FSMON_REGISTRY=" + registry}

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	running := map[string]chan error{} // by identifier
	for _, m := range lines {
		line := m[1]
		cmd := exec.CommandContext(ctx, "/bin/sh", "-c", samba.Replace(line))
		if strings.HasPrefix(line, "clp_nfsmon") {
			cmd = l.Command("/bin/sh", "-c", nfs.Replace(line))
		}
		cmd.Env = env
		if cmd.SysProcAttr == nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		}
		if !start.MatchString(line) {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
			continue
		}
		id := strings.Fields(line)[1]
		if running[id] != nil { // a further example of the same watch
			stop := exec.CommandContext(ctx, filepath.Join(build(t), strings.Fields(line)[0]), id, "-stop")
			stop.Env = env
			if out, err := stop.CombinedOutput(); err != nil {
				t.Errorf("%s: -stop before: %v\n%s", line, err, out)
			}
			<-running[id]
		}
		ended := make(chan error, 1)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { ended <- cmd.Wait() }()
		running[id] = ended
		(&agent{t: t, registry: registry, id: id}).status(watchreg.Healthy)
	}
	for id, ended := range running {
		cmd := exec.CommandContext(ctx, filepath.Join(build(t), "clp_sambamon"), id, "-stop")
		cmd.Env = env
		cmd.Run() // an error: the document has stopped it
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("watch %s: %v", id, err)
			}
		case <-ctx.Done():
			t.Errorf("watch %s does not end", id)
		}
	}
}

// start is a line that starts a watch: an identifier, and no verb.
var start = regexp.MustCompile(`^clp_\w+ \w+ -[sd] `)

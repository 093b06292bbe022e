package templates

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tool skips the test if a program is missing, and fails it in CI.
func tool(t *testing.T, name string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path = name
	}
	installed(t, path)
}

// installed is tool for a file.
func installed(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("%v (make tools cluster-packages installs it)", err)
	}
}

// systemd accepts the units, and rates their exposure as OK. `make system-test`
// holds README.md's figures against running ones.
func TestUnits(t *testing.T) {
	tool(t, "systemd-analyze")
	root := t.TempDir()
	for _, dir := range []string{"etc/systemd/system", "usr/sbin", "usr/lib/systemd"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copied := exec.Command("cp", "-r", "/usr/lib/systemd/system", root+"/usr/lib/systemd")
	if out, err := copied.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, command := range []string{"clp_sambamon", "clp_nfsmon"} {
		unit := command + "@.service"
		installed := filepath.Join(root, "etc/systemd/system", unit)
		if err := os.WriteFile(installed, []byte(read(t, "systemd/"+unit)), 0o644); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, "usr/sbin", command), "#!/bin/sh\n")
		instance := command + "@fs.service"
		out, err := exec.Command("systemd-analyze", "verify", "--man=no",
			"--root="+root, instance).CombinedOutput()
		if err != nil || strings.Contains(string(out), command) {
			t.Errorf("systemd-analyze verify %s: %v\n%s", instance, err, out)
		}
		out, err = exec.Command("systemd-analyze", "security", "--offline=yes", "--threshold=25",
			"--root="+root, instance).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze security %s: %v\n%s", instance, err, out)
		}
	}
}

// keepalived accepts the configuration, and the command of its script.
func TestKeepalivedConfig(t *testing.T) {
	tool(t, "keepalived")
	path := edited(t, "keepalived/keepalived.conf", "/usr/sbin/", build(t)+"/")
	if err := os.Chmod(path, 0o644); err != nil { // it refuses an executable file
		t.Fatal(err)
	}
	out, err := exec.Command("keepalived", "-t", "-f", path).CombinedOutput()
	if err != nil || len(strings.TrimSpace(string(out))) > 0 {
		t.Errorf("keepalived -t: %v\n%s", err, out)
	}
}

// README.md shows the configuration that is shipped and tested in a cluster.
func TestReadmeShowsConfiguration(t *testing.T) {
	config := read(t, "pacemaker/samba.crm")
	if !strings.Contains(read(t, "README.md"), "```\n"+config+"```\n") {
		t.Error("README.md's configuration differs from pacemaker/samba.crm")
	}
}

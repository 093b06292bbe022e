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

// systemd accepts the units, and rates their exposure as OK, the exporter's as
// README.md says. `make system-test` holds the figures of the watches against
// running ones.
func TestUnits(t *testing.T) {
	tool(t, "systemd-analyze")
	if !strings.Contains(read(t, "README.md"), "rates its unit 1.4.") {
		t.Error("README.md does not have the rating that is tested here")
	}
	for _, c := range []struct{ file, command, instance, exposure string }{
		{"systemd/clp_sambamon@.service", "sbin/clp_sambamon", "clp_sambamon@fs.service", "25"},
		{"systemd/clp_nfsmon@.service", "sbin/clp_nfsmon", "clp_nfsmon@fs.service", "25"},
		{"exporter/fsmon_exporter.service", "bin/fsmon_exporter", "fsmon_exporter.service", "14"},
	} {
		root := t.TempDir()
		installed := filepath.Join(root, "etc/systemd/system", filepath.Base(c.file))
		usr := filepath.Join(root, "usr")
		for _, dir := range []string{filepath.Dir(installed), usr + "/bin", usr + "/sbin",
			usr + "/lib/systemd"} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("usr/bin", root+"/bin"); err != nil {
			t.Fatal(err)
		}
		copied := exec.Command("cp", "-r", "/usr/lib/systemd/system", usr+"/lib/systemd")
		if out, err := copied.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := os.WriteFile(installed, []byte(read(t, c.file)), 0o644); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(usr, c.command), "#!/bin/sh\n")
		write(t, usr+"/bin/kill", "#!/bin/sh\n")
		out, err := exec.Command("systemd-analyze", "verify", "--man=no",
			"--root="+root, c.instance).CombinedOutput()
		if err != nil || strings.Contains(string(out), filepath.Base(c.command)) {
			t.Errorf("systemd-analyze verify %s: %v\n%s", c.instance, err, out)
		}
		out, err = exec.Command("systemd-analyze", "security", "--offline=yes",
			"--threshold="+c.exposure, "--root="+root, c.instance).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze security %s: %v\n%s", c.instance, err, out)
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

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

// systemd accepts the units, and rates their exposure as OK or as README.md says.
// `make system-test` holds README.md's figures against running ones.
func TestUnits(t *testing.T) {
	tool(t, "systemd-analyze")
	if !strings.Contains(read(t, "README.md"), "rates its unit 1.4.") {
		t.Error("README.md does not have the rating that is tested here")
	}
	root := t.TempDir()
	for _, dir := range []string{"etc/systemd/system", "bin", "usr/bin", "usr/sbin", "usr/lib/systemd"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copied := exec.Command("cp", "-r", "/usr/lib/systemd/system", root+"/usr/lib/systemd")
	if out, err := copied.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	write(t, filepath.Join(root, "bin/kill"), "#!/bin/sh\n")
	for _, c := range []struct{ unit, program, exposure string }{
		{"systemd/clp_sambamon@.service", "usr/sbin/clp_sambamon", "25"},
		{"systemd/clp_nfsmon@.service", "usr/sbin/clp_nfsmon", "25"},
		{"exporter/fsmon_exporter.service", "usr/bin/fsmon_exporter", "14"},
	} {
		write(t, filepath.Join(root, c.program), "#!/bin/sh\n")
		file := filepath.Base(c.unit)
		installed := filepath.Join(root, "etc/systemd/system", file)
		if err := os.WriteFile(installed, []byte(read(t, c.unit)), 0o644); err != nil {
			t.Fatal(err)
		}
		unit := strings.Replace(file, "@", "@fs", 1)
		for _, args := range [][]string{{"verify", "--man=no"},
			{"security", "--offline=yes", "--threshold=" + c.exposure}} {
			args = append(args, "--root="+root, unit)
			out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
			if err != nil || args[0] == "verify" && strings.Contains(string(out), filepath.Base(c.program)) {
				t.Errorf("systemd-analyze %q: %v\n%s", args, err, out)
			}
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

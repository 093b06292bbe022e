package templates

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tool finds a program that a test cannot do without.
func tool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// systemd accepts the units, and exposes them no more than the README says.
func TestUnits(t *testing.T) {
	tool(t, "systemd-analyze")
	root := t.TempDir()
	for _, dir := range []string{"etc/systemd/system", "usr/sbin", "lib/systemd"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("cp", "-r", "/lib/systemd/system", filepath.Join(root, "lib/systemd")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, command := range []string{"clp_sambamon", "clp_nfsmon"} {
		unit := command + "@.service"
		text, err := os.ReadFile("systemd/" + unit)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "etc/systemd/system", unit), text, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "usr/sbin", command), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		instance := command + "@fs.service"
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", "--root="+root, instance).CombinedOutput()
		if err != nil || strings.Contains(string(out), command) {
			t.Errorf("systemd-analyze verify %s: %v\n%s", instance, err, out)
		}
		out, err = exec.Command("systemd-analyze", "security", "--offline=yes", "--threshold=25", "--root="+root, instance).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze security %s: %v\n%s", instance, err, out)
		}
	}
}

// keepalived accepts the configuration, the script's command among it.
func TestKeepalivedConfig(t *testing.T) {
	tool(t, "keepalived")
	path := edited(t, "keepalived/keepalived.conf", "/usr/sbin/clp_sambamon", build(t)+"/clp_sambamon")
	if err := os.Chmod(path, 0o644); err != nil { // it takes no executable for a configuration
		t.Fatal(err)
	}
	out, err := exec.Command("keepalived", "-t", "-f", path).CombinedOutput()
	if err != nil || len(strings.TrimSpace(string(out))) > 0 {
		t.Errorf("keepalived -t: %v\n%s", err, out)
	}
}

// The configuration that the README shows is the one that is shipped and tested in a cluster.
func TestReadmeShowsTheConfiguration(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("pacemaker/samba.crm")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```\n"+string(config)+"```\n") {
		t.Error("the README's configuration differs from templates/pacemaker/samba.crm")
	}
}

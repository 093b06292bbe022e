// Package templates holds what administrators copy and edit; its tests run the
// templates as a cluster would.
package templates

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// stubs puts commands into a directory that is all of PATH. Each is a line of
// shell; what it is called with is printed first.
func stubs(t *testing.T, commands map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, body := range commands {
		text := "#!/bin/sh\n" + body + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// run runs a script with nothing but these commands and variables.
func run(t *testing.T, script, path string, env ...string) (output string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", script)
	cmd.Env = append([]string{"PATH=" + path}, env...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return both.String(), cmd.ProcessState.ExitCode()
}

var scripts = []string{
	"samba/start.sh", "samba/stop.sh", "samba-mon/start.sh", "samba-mon/stop.sh",
	"nfs/start.sh", "nfs/stop.sh", "nfs-mon/start.sh", "nfs-mon/stop.sh",
}

// working is a machine with systemd on which all goes well.
var working = map[string]string{
	"systemctl":    `case "$1 $2" in "cat smbd.service" | "cat nfs-kernel-server.service") exit 0 ;; cat*) exit 1 ;; esac; echo "systemctl $*"`,
	"clp_sambamon": `echo "clp_sambamon $*" >&2`,
	"clp_nfsmon":   `echo "clp_nfsmon $*" >&2`,
}

// Every script under every combination of the cluster's variables (FSM
// chapter 10), as it is shipped.
func TestClusterScripts(t *testing.T) {
	path := stubs(t, working)
	var got strings.Builder
	for _, script := range scripts {
		for _, event := range []string{"START", "FAILOVER", "RECOVER", ""} {
			for _, disk := range []string{"SUCCESS", "FAILURE"} {
				for _, server := range []string{"HOME", "OTHER"} {
					output, code := run(t, "cluster/"+script, path, "CLP_EVENT="+event, "CLP_DISK="+disk, "CLP_SERVER="+server)
					fmt.Fprintf(&got, "%s CLP_EVENT=%s CLP_DISK=%s CLP_SERVER=%s: exit %d: %s\n", script, event, disk, server, code,
						strings.ReplaceAll(strings.TrimSpace(output), "\n", " | "))
				}
			}
		}
		// Without any of them: not under the cluster.
		output, code := run(t, "cluster/"+script, path)
		if output != "NO_CLP\nEXIT\n" || code != 0 {
			t.Errorf("%s outside of a cluster: exit %d, %q", script, code, output)
		}
	}
	golden(t, "testdata/cluster.golden", got.String())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("-golden +got:\n%s", d)
	}
}

// stage is what a script says between HOME and EXIT in a normal start.
func stage(t *testing.T, script, path string) string {
	t.Helper()
	output, code := run(t, script, path, "CLP_EVENT=START", "CLP_DISK=SUCCESS", "CLP_SERVER=HOME")
	if code != 0 {
		t.Errorf("%s: exit %d", script, code)
	}
	rest, ok := strings.CutPrefix(output, "NORMAL1\nNORMAL2\n")
	if ok {
		rest, ok = strings.CutSuffix(rest, "EXIT\n")
	}
	if !ok {
		t.Errorf("%s: %q", script, output)
	}
	return rest
}

// The service is found by the name that this machine has, with systemd and
// without, and nothing that goes wrong changes the exit code.
func TestServiceNames(t *testing.T) {
	for _, service := range []struct{ dir, says, unit string }{
		{"samba", "SAMBA", "smbd"}, {"samba", "SAMBA", "smb"},
		{"nfs", "NFS", "nfs-server"}, {"nfs", "NFS", "nfs-kernel-server"}, {"nfs", "NFS", "nfs"},
	} {
		for _, verb := range []string{"start", "stop"} {
			script := "cluster/" + service.dir + "/" + verb + ".sh"
			known := `case "$1 $2" in "cat ` + service.unit + `.service") exit 0 ;; cat*) exit 1 ;; esac; `

			path := stubs(t, map[string]string{"systemctl": known + `echo "systemctl $*"`})
			if got, want := stage(t, script, path), fmt.Sprintf("%s %s\nsystemctl %s %s.service\n", service.says, verb, verb, service.unit); got != want {
				t.Errorf("%s with %s: %q", script, service.unit, got)
			}
			path = stubs(t, map[string]string{"systemctl": known + `exit 5`})
			if got, want := stage(t, script, path), fmt.Sprintf("%s %s\n%s.sh: error: systemctl %s %s.service has failed\n", service.says, verb, verb, verb, service.unit); got != want {
				t.Errorf("%s failing with %s: %q", script, service.unit, got)
			}

			init := t.TempDir()
			if err := os.WriteFile(filepath.Join(init, service.unit), []byte("#!/bin/sh\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			old := edited(t, script, "INIT_D=/etc/init.d", "INIT_D="+init)
			path = stubs(t, map[string]string{"service": `echo "service $*"`})
			if got, want := stage(t, old, path), fmt.Sprintf("%s %s\nservice %s %s\n", service.says, verb, service.unit, verb); got != want {
				t.Errorf("%s without systemd with %s: %q", script, service.unit, got)
			}
			none := edited(t, script, "INIT_D=/etc/init.d", "INIT_D="+t.TempDir())
			if got := stage(t, none, path); !strings.Contains(got, "error: this machine knows none of these services: ") {
				t.Errorf("%s without the service: %q", script, got)
			}
		}
	}
}

// edited is a copy of a script with one line changed, as a user edits it.
func edited(t *testing.T, script, old, new string) string {
	t.Helper()
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(text, []byte(old)) != 1 {
		t.Fatalf("%s does not have %q once", script, old)
	}
	path := filepath.Join(t.TempDir(), filepath.Base(script))
	if err := os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(new), 1), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// A watch that has already gone is nothing to report; anything else is.
func TestStopOfAWatch(t *testing.T) {
	for _, watch := range []struct{ dir, command, id string }{{"samba-mon", "clp_sambamon", "sambawatch"}, {"nfs-mon", "clp_nfsmon", "nfswatch"}} {
		script := "cluster/" + watch.dir + "/stop.sh"
		says := watch.command + " stop\n"
		gone := `echo "message 15" >&2; echo '` + watch.command + `: error: no watch "` + watch.id + `" is running' >&2; exit 1`
		if got := stage(t, script, stubs(t, map[string]string{watch.command: gone})); got != says {
			t.Errorf("%s of a watch that has gone: %q", script, got)
		}
		stuck := `echo "it did not end" >&2; exit 1`
		if got := stage(t, script, stubs(t, map[string]string{watch.command: stuck})); got != says+"it did not end\n" {
			t.Errorf("%s of a watch that does not end: %q", script, got)
		}
	}
}

// The options a user adds are words of their own.
func TestOptionsOfAWatch(t *testing.T) {
	script := edited(t, "cluster/samba-mon/start.sh", `OPTIONS=""`, `OPTIONS="-a 192.0.2.10 -i 5"`)
	path := stubs(t, map[string]string{"clp_sambamon": `for word; do echo "[$word]"; done; exit 1`})
	want := "clp_sambamon start\n[sambawatch]\n[-s]\n[XXXX]\n[-a]\n[192.0.2.10]\n[-i]\n[5]\n"
	if got := stage(t, script, path); got != want {
		t.Errorf("%q", got)
	}
}

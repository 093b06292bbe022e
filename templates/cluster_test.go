// Package templates tests the templates, which administrators copy and edit: it
// runs them as a cluster would, and the commands that the documents show.
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

// stubs makes a directory of commands, each a line of shell.
func stubs(t *testing.T, commands map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, body := range commands {
		write(t, filepath.Join(dir, name), "#!/bin/sh\n"+body+"\n")
	}
	return dir
}

// write writes a file that may be executed.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run runs a script with these commands and variables only.
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
	"systemctl": `case "$1 $2" in
"cat smbd.service" | "cat nfs-kernel-server.service") exit 0 ;;
cat*) exit 1 ;;
esac
echo "systemctl $*"`,
	"clp_sambamon": `echo "clp_sambamon $*" >&2`,
	"clp_nfsmon":   `echo "clp_nfsmon $*" >&2`,
}

// Every script, as it is shipped, under every combination of the cluster's
// variables (FSM manual 10).
func TestClusterScripts(t *testing.T) {
	path := stubs(t, working)
	var got strings.Builder
	var all [][]string
	for _, event := range []string{"START", "FAILOVER", "RECOVER", ""} {
		for _, disk := range []string{"SUCCESS", "FAILURE"} {
			for _, server := range []string{"HOME", "OTHER"} {
				env := []string{"CLP_EVENT=" + event, "CLP_DISK=" + disk, "CLP_SERVER=" + server}
				all = append(all, env)
			}
		}
	}
	for _, script := range scripts {
		for _, env := range all {
			output, code := run(t, "cluster/"+script, path, env...)
			fmt.Fprintf(&got, "%s %s: exit %d: %s\n", script, strings.Join(env, " "), code,
				strings.ReplaceAll(strings.TrimSpace(output), "\n", " | "))
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
	if d := cmp.Diff(read(t, path), got); d != "" {
		t.Errorf("-golden +got:\n%s", d)
	}
}

// stage is what a script prints between NORMAL2 and EXIT in a normal start.
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

// The scripts find the service by the name that the machine has, with systemd
// and without. No failure changes the exit code.
func TestServiceNames(t *testing.T) {
	units := map[string]string{"samba": "smbd smb", "nfs": "nfs-server nfs-kernel-server nfs"}
	for _, service := range []struct{ dir, says, unit string }{
		{"samba", "SAMBA", "smbd"}, {"samba", "SAMBA", "smb"},
		{"nfs", "NFS", "nfs-server"}, {"nfs", "NFS", "nfs-kernel-server"}, {"nfs", "NFS", "nfs"},
	} {
		for _, verb := range []string{"start", "stop"} {
			script := "cluster/" + service.dir + "/" + verb + ".sh"
			prints := func(script, path, want string) {
				t.Helper()
				want = service.says + " " + verb + "\n" + want
				if got := stage(t, script, path); got != want {
					t.Errorf("%s with %s: %q, want %q", script, service.unit, got, want)
				}
			}
			ask := `[ "$1" != cat ] || { [ "$2" = ` + service.unit + `.service ]; exit; }; `
			call := verb + " " + service.unit + ".service"
			prints(script, stubs(t, map[string]string{"systemctl": ask + `echo "systemctl $*"`}),
				"systemctl "+call+"\n")
			prints(script, stubs(t, map[string]string{"systemctl": ask + `exit 5`}),
				verb+".sh: error: systemctl "+call+" has failed\n")

			init := t.TempDir()
			write(t, filepath.Join(init, service.unit), "#!/bin/sh\n")
			path := stubs(t, map[string]string{"service": `echo "service $*"`})
			prints(edited(t, script, "INIT_D=/etc/init.d", "INIT_D="+init), path,
				"service "+service.unit+" "+verb+"\n")
			prints(edited(t, script, "INIT_D=/etc/init.d", "INIT_D="+t.TempDir()), path,
				verb+".sh: error: this machine knows none of these services: "+units[service.dir]+
					" (set UNITS in "+verb+".sh)\n")
		}
	}
}

// edited is a copy of a script with one line changed, as a user edits it.
func edited(t *testing.T, script, old, new string) string {
	t.Helper()
	text := read(t, script)
	if strings.Count(text, old) != 1 {
		t.Fatalf("%s does not have %q once", script, old)
	}
	path := filepath.Join(t.TempDir(), filepath.Base(script))
	write(t, path, strings.Replace(text, old, new, 1))
	return path
}

// stop.sh is silent about a watch that has already gone, and about nothing
// else.
func TestStopOfAWatch(t *testing.T) {
	for _, watch := range []struct{ dir, command, id string }{
		{"samba-mon", "clp_sambamon", "sambawatch"}, {"nfs-mon", "clp_nfsmon", "nfswatch"},
	} {
		script := "cluster/" + watch.dir + "/stop.sh"
		says := watch.command + " stop\n"
		gone := `echo "message 15" >&2
echo '` + watch.command + `: error: no watch "` + watch.id + `" is running' >&2
exit 1`
		if got := stage(t, script, stubs(t, map[string]string{watch.command: gone})); got != says {
			t.Errorf("%s of a watch that has gone: %q", script, got)
		}
		stuck := stubs(t, map[string]string{watch.command: `echo "it did not end" >&2; exit 1`})
		if got := stage(t, script, stuck); got != says+"it did not end\n" {
			t.Errorf("%s of a watch that does not end: %q", script, got)
		}
	}
}

// Each option that a user adds is a word of its own.
func TestOptionsOfAWatch(t *testing.T) {
	script := edited(t, "cluster/samba-mon/start.sh", `OPTIONS=""`, `OPTIONS="-a 192.0.2.10 -i 5"`)
	path := stubs(t, map[string]string{"clp_sambamon": `for word; do echo "[$word]"; done; exit 1`})
	want := "clp_sambamon start\n[sambawatch]\n[-s]\n[XXXX]\n[-a]\n[192.0.2.10]\n[-i]\n[5]\n"
	if got := stage(t, script, path); got != want {
		t.Errorf("%q", got)
	}
}

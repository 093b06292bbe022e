package templates

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The packages of two versions are installed, upgraded, removed and purged on
// an overlay of this machine. .packages/test says what must hold.
func TestPackages(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"dpkg", "rpm", "zip", "unshare"} {
		tool(t, name)
	}
	dirs := map[string]string{}
	for _, version := range []string{"0.1.0~test1", "0.1.0~test2"} {
		bin := t.TempDir()
		flags := "-X fsmon/cmd/internal/cli.version=" + version + " -X main.version=" + version
		for goos, programs := range map[string][]string{
			"linux": {"../cmd/clp_sambamon", "../cmd/clp_nfsmon", "../cmd/fsmon_exporter",
				"../cmd/kitrunner"},
			"windows": {"../cmd/kitrunner"},
		} {
			cmd := exec.Command("go", append([]string{"build", "-trimpath", "-buildvcs=false",
				"-ldflags", flags, "-o", bin + "/"}, programs...)...)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("go build: %v\n%s", err, out)
			}
		}
		dirs[version] = filepath.Join(t.TempDir(), "dist")
		out, err := exec.Command("../.packages/build", version, bin, dirs[version]).CombinedOutput()
		if err != nil {
			t.Fatalf(".packages/build: %v\n%s", err, out)
		}
	}
	out, err := exec.CommandContext(t.Context(), "../.packages/test",
		dirs["0.1.0~test1"], dirs["0.1.0~test2"]).CombinedOutput()
	if err != nil {
		t.Errorf(".packages/test: %v\n%s", err, out)
	}
	// For those who configure the cluster from Windows: the layout of the FSM
	// manual, 1.2.1 and 2.2.1.
	archive, err := zip.OpenReader(dirs["0.1.0~test2"] + "/fsmon-0.1.0~test2-windows.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	for _, want := range []string{"kitrunner.exe", "README.txt",
		"kitrunner/README.md", "kitrunner/README.ja.md", "templates/README.txt",
		"scripts/linux/samba/start.sh", "scripts/linux/samba-mon/stop.sh",
		"scripts/linux/nfs/start.sh", "scripts/linux/nfs-mon/stop.sh"} {
		if f, err := archive.Open("fsmon-0.1.0~test2-windows/" + want); err != nil {
			t.Errorf("the zip: %v", err)
		} else {
			f.Close()
		}
	}
}

// The shell completes options from --help, identifiers from -list, files, and
// the words that an option takes.
func TestCompletion(t *testing.T) {
	path := build(t)
	for _, c := range []struct{ words, want string }{
		{"clp_sambamon --cred", "--credentials"},
		{"clp_nfsmon -pau", "-pause"},
		{"clp_nfsmon --nfs-version 4.", "4.0 4.1 4.2"},
		{"clp_sambamon --exit-style n", "nagios"},
		{"clp_sambamon -check --cre", "--credentials"},
	} {
		cmd := exec.Command("bash", "-c", `source ../.packages/completion.bash
			COMP_WORDS=(`+c.words+`)
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _fsmon; echo "${COMPREPLY[*]}"`)
		cmd.Env = []string{"PATH=" + path + ":" + os.Getenv("PATH"),
			"FSMON_REGISTRY=" + filepath.Join(t.TempDir(), "registry")}
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.words, got, err, c.want)
		}
	}
}

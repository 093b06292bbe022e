// Package cmd_test holds the house to its plan: which package may import which.
package cmd_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "fsmon/"

// rooms says which packages of ours a package may import, tests aside. A name
// that ends in "/..." means everything below it; the rule with the longest name
// holds. A package without a rule has no place here yet: add it on purpose.
var rooms = map[string]string{
	"cmd/clp_sambamon": "cmd/internal/cli cmd/internal/sambamon",
	"cmd/clp_nfsmon":   "cmd/internal/cli cmd/internal/nfsmon",
	"cmd/kitrunner":    "kitrunner kitrunner/...",

	// Of observe only the figures, which are those of a watch's metrics.
	"cmd/fsmon_exporter": "cmd/internal/cli cmd/internal/sambamon cmd/internal/nfsmon " +
		"cmd/internal/observe cmd/internal/watch watchreg",

	"cmd/internal/sambamon": "cmd/internal/cli smbprobe cmd/internal/kerberos",
	"cmd/internal/nfsmon":   "cmd/internal/cli nfsprobe cmd/internal/kerberos",

	"cmd/internal/argv": "",
	"cmd/internal/cli": "cmd/internal/argv cmd/internal/watch cmd/internal/alert " +
		"cmd/internal/observe cmd/internal/evidence cmd/internal/errand cmd/internal/kerberos " +
		"watchreg",
	"cmd/internal/watch": "",
	"cmd/internal/alert": "cmd/internal/errand watchreg/trust",
	// alert only for its printable lines.
	"cmd/internal/observe": "cmd/internal/watch cmd/internal/errand cmd/internal/alert " +
		"watchreg watchreg/trust",
	"cmd/internal/evidence": "cmd/internal/watch cmd/internal/errand cmd/internal/alert " +
		"watchreg watchreg/trust",
	"cmd/internal/errand":   "",
	"cmd/internal/kerberos": "",

	"smbprobe":         "smbprobe/smb2 smbprobe/ntlm",
	"smbprobe/smb2":    "smbprobe/spnego",
	"smbprobe/ntlm":    "",
	"smbprobe/spnego":  "",
	"smbprobe/...":     "smbprobe smbprobe/...", // a hostile server and a KDC, for tests
	"nfsprobe":         "",
	"nfsprobe/...":     "nfsprobe nfsprobe/...",
	"watchreg":         "watchreg/trust",
	"watchreg/trust":   "",
	"kitrunner":        "kitrunner/parse kitrunner/winsys",
	"kitrunner/parse":  "",
	"kitrunner/winsys": "",
	"kitrunner/...":    "kitrunner kitrunner/...", // doubles and generators

	"cmd/internal/lab":     "...", // imported by tests only: no other rule names it
	"cmd/internal/lab/...": "...",
}

// heavy is what no watch may carry, whatever a library brings along: memory
// counts there. crypto/tls is for clp_nfsmon --tls alone: it costs every watch of
// NFS 0.1 MB.
var heavy = []string{
	"net/http", "encoding/gob", "github.com/prometheus", "gonum.org",
	// The exporter's alone:
	"github.com/goccy", "go.yaml.in", "google.golang.org/protobuf", "html/template",
}

// within reports whether a package is the named one, or below a name that ends
// in "/...".
func within(pkg, name string) bool {
	above, tree := strings.CutSuffix(name, "...")
	return pkg == name || tree && strings.HasPrefix(pkg, above)
}

// rule returns what pkg may import.
func rule(pkg string) (allowed []string, found bool) {
	longest := -1
	for name, list := range rooms {
		if within(pkg, name) && len(name) > longest {
			longest, allowed, found = len(name), strings.Fields(list), true
		}
	}
	return allowed, found
}

// list runs go list for a system and returns its lines, each split into words.
func list(t *testing.T, system string, args ...string) (lines [][]string) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Env = append(os.Environ(), "GOOS="+system)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.Fields(line))
	}
	return lines
}

// Every import between packages of ours is one that the plan allows.
func TestImports(t *testing.T) {
	for _, system := range []string{"linux", "windows"} {
		t.Run(system, func(t *testing.T) { imports(t, system) })
	}
}

func imports(t *testing.T, system string) {
	// -e: some packages have no files for Windows.
	packages := list(t, system, "-e", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...")
	if len(packages) < 20 {
		t.Errorf("only %d packages were found", len(packages))
	}
	for _, words := range packages {
		pkg, _ := strings.CutPrefix(words[0], module)
		allowed, found := rule(pkg)
		if !found && len(words) > 1 {
			t.Errorf("%s is in no rule of this test", pkg)
			continue
		}
		for _, imported := range words[1:] {
			imported, ours := strings.CutPrefix(imported, module)
			fits := func(name string) bool { return within(imported, name) }
			if ours && !slices.ContainsFunc(allowed, fits) {
				t.Errorf("%s imports %s; it may import: %s",
					pkg, imported, strings.Join(allowed, ", "))
			}
		}
	}
}

// A watch carries nothing heavy, not even through a library.
func TestWatchesAreLight(t *testing.T) {
	for _, command := range []string{"clp_sambamon", "clp_nfsmon"} {
		for _, words := range list(t, "linux", "-deps", module+"cmd/"+command) {
			if words[0] == "crypto/tls" && command != "clp_nfsmon" {
				t.Errorf("%s carries %s", command, words[0])
			}
			for _, name := range heavy {
				if words[0] == name || strings.HasPrefix(words[0], name+"/") {
					t.Errorf("%s carries %s", command, words[0])
				}
			}
		}
	}
}

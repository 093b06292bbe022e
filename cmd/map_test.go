package cmd_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The map names each package, and each directory that it names is there.
func TestMap(t *testing.T) {
	var named []string
	for _, page := range []string{"README.md", "internal/lab/README.md", "../kitrunner/README.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("`([a-z0-9_/.]+)`").FindAllStringSubmatch(string(text), -1) {
			named = append(named, m[1])
		}
	}
	tops := map[string]bool{}
	for _, words := range list(t, "linux", "-tags", "system", module+"...") {
		pkg, _ := strings.CutPrefix(words[0], module)
		top, _, _ := strings.Cut(pkg, "/")
		tops[top] = true
		last := pkg[strings.LastIndexByte(pkg, '/')+1:]
		if pkg != "cmd" && !slices.Contains(named, pkg) && !slices.Contains(named, last) {
			t.Errorf("no README names the package %s", pkg)
		}
	}
	for _, name := range named {
		top, _, below := strings.Cut(name, "/")
		if _, err := os.Stat("../" + name); below && tops[top] && err != nil {
			t.Errorf("a README names %s: %v", name, err)
		}
	}
}

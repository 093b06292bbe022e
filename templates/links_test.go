package templates

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README is the door: one page.
func TestReadmeIsShort(t *testing.T) {
	text := read(t, "../README.md")
	if lines := strings.Count(text, "\n"); lines > 150 || len(text) > 10<<10 {
		t.Errorf("README.md has %d lines and %d bytes, 150 and 10240 are allowed", lines, len(text))
	}
}

// cmd/README.md says what each make target is for.
func TestMakeTargets(t *testing.T) {
	targets := regexp.MustCompile(`(?m)^([a-z-]+):.* ## `).FindAllStringSubmatch(read(t, "../Makefile"), -1)
	text := read(t, "../cmd/README.md")
	for _, m := range targets {
		if !strings.Contains(text, "`"+m[1]+"`") {
			t.Errorf("cmd/README.md does not say what make %s is for", m[1])
		}
	}
}

// Each relative link of each document leads to a file of the repository, and to
// a heading if it names one.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "dist"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		for _, m := range link.FindAllStringSubmatch(read(t, path), -1) {
			to := path
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(path), m[1])
			}
			switch _, err := os.Stat(to); {
			case strings.Contains(m[1], "://"):
			case err != nil:
				t.Errorf("%s: a link leads nowhere: %v", path, err)
			case m[2] != "" && !strings.Contains(headings(read(t, to)), m[2]+"\n"):
				t.Errorf("%s: %s has no heading %s", path, to, m[2])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// headings is the anchors of a document's headings, one a line.
func headings(text string) string {
	var anchors strings.Builder
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchor := regexp.MustCompile(`[^\pL\pN -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		anchors.WriteString("#" + strings.ReplaceAll(anchor, " ", "-") + "\n")
	}
	return anchors.String()
}

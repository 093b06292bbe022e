package cmdtest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fsmon/cmd/internal/alert"
)

// These are about what a command and the README say. They run in the command's
// own directory.

const readme = "../../README.md"

var update = flag.Bool("update", false, "write testdata/catalogue.golden anew")

// command is the name of the lab's command.
func (l *Lab) command() string { return filepath.Base(l.Command) }

// WrongUsage runs a command line that must be answered with exit 2, a message and
// one line for people that holds each of named; nothing is started.
func (l *Lab) WrongUsage(number int, message string, named []string, args ...string) *Process {
	l.t.Helper()
	p := l.Run(args...)
	p.Exits(2)
	if p.Output() != "" {
		l.t.Errorf("on stdout: %q", p.Output())
	}
	said := p.Said()
	if len(said) != 2 || said[0].Number != number || said[0].Text != message || said[0].Severity != "ERROR" || said[0].Detail != "" || said[1].Number != Plain {
		l.t.Fatalf("want message %d and one line, got %q", number, p.Errors())
	}
	text, ok := strings.CutPrefix(said[1].Text, l.command()+": error: ")
	if !ok {
		l.t.Error(said[1].Text)
	}
	for _, name := range named {
		if !strings.Contains(text, name) {
			l.t.Errorf("%q does not name %q", text, name)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(l.Registry)); len(left) > 0 || err != nil {
		l.t.Errorf("something was started: %v, %v", left, err)
	}
	return p
}

// Catalogue compares the messages of an FSM chapter and those of our own, which
// only one command shows, with testdata/catalogue.golden, and their numbers with
// the chapter's.
func Catalogue(t *testing.T, fsm []alert.Entry, numbers []int, own []alert.Entry) {
	t.Helper()
	var got strings.Builder
	render := func(e alert.Entry) {
		var args []any
		for i, verb := range regexp.MustCompile(`%[a-z]`).FindAllString(e.Text, -1) {
			args = append(args, map[string]any{"%s": "xxx", "%v": "xxx", "%d": 67 + i}[verb])
		}
		fmt.Fprintf(&got, "%d %s %s\n", e.Number, e.Severity, e.Alert(args...).Text)
	}
	var have []int
	for _, e := range fsm {
		render(e)
		have = append(have, e.Number)
		want := alert.Error
		if slices.Contains([]int{1, 2, 3, 7, 8}, e.Number) {
			want = alert.Info
		}
		if e.Severity != want {
			t.Errorf("message %d is %s", e.Number, e.Severity)
		}
	}
	if !slices.Equal(have, numbers) {
		t.Errorf("the catalogue has %v, FSM has %v", have, numbers)
	}
	for _, e := range own {
		render(e)
		if e.Number <= 100 {
			t.Errorf("message %d is among FSM's", e.Number)
		}
	}
	const golden = "testdata/catalogue.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(read(t, golden), got.String()); d != "" {
		t.Errorf("-golden +catalogue:\n%s", d)
	}
}

// ReadmeLists fails the test unless the README lists these messages, and no
// others, below its mark for their section.
func ReadmeLists(t *testing.T, section string, entries []alert.Entry) {
	t.Helper()
	verbs := strings.NewReplacer("%s", "xxx", "%d", "nn", "%v", "xxx")
	var want []string
	for _, e := range entries {
		want = append(want, fmt.Sprintf("| %d | %s | %s |", e.Number, e.Severity, verbs.Replace(e.Text)))
	}
	_, text, _ := strings.Cut(read(t, readme), "<!-- messages of "+section+":")
	text, _, _ = strings.Cut(text, "\n<!-- ")
	got := regexp.MustCompile(`(?m)^\| \d+ \| (INFO|WARN|ERROR) \| .* \|$`).FindAllString(text, -1)
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("%s: the README has\n%s\n\nthe code has\n%s", section, g, w)
	}
}

// ReadmeShows fails the test unless the README has the usage text.
func ReadmeShows(t *testing.T, usage string) {
	t.Helper()
	if !strings.Contains(read(t, readme), "```\n"+usage+"```\n") {
		t.Error("the README's usage differs from --help")
	}
}

// LinksNothingHeavy fails the test when the command carries a package that no
// watch must, whatever a library brings along, since memory counts, or one of
// those given.
func LinksNothingHeavy(t *testing.T, heavy ...string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(out))
	for _, name := range append(heavy, "net/http", "crypto/tls", "encoding/gob") {
		if slices.Contains(linked, name) {
			t.Errorf("%s is linked into the command", name)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

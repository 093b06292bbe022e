package cmdtest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fsmon/cmd/internal/alert"
)

// These are about what a command and its manual page say. They run in the
// command's own directory.

var update = flag.Bool("update", false, "write the golden files in testdata anew")

// command is the name of the lab's command.
func (l *Lab) command() string { return filepath.Base(l.Command) }

// WrongUsage runs a command line that must end with code 2, the message, and
// one line for people that holds each of named. Nothing may be started.
func (l *Lab) WrongUsage(number int, message string, named []string, args ...string) *Process {
	l.t.Helper()
	p := l.Run(args...)
	p.Exits(2)
	if p.Output() != "" {
		l.t.Errorf("on stdout: %q", p.Output())
	}
	said := p.Said()
	if len(said) != 2 || said[0].Number != number || said[0].Text != message ||
		said[0].Severity != "ERROR" || said[0].Detail != "" || said[1].Number != Plain {
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

// Shared lists the messages of a catalogue, in the order of their numbers.
func Shared(c alert.Catalogue) (all []alert.Entry) {
	for _, e := range reflect.ValueOf(c).Fields() {
		all = append(all, e.Interface().(alert.Entry))
	}
	return all
}

// Catalogue compares the messages of a chapter of the FSM manual, and those of
// our own, with testdata/catalogue.golden of the command's directory. numbers are those of the chapter.
// Only one command passes our own.
func Catalogue(t *testing.T, command string, fsm []alert.Entry, numbers []int, own []alert.Entry) {
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
		t.Errorf("the catalogue has %v, the FSM manual has %v", have, numbers)
	}
	for _, e := range own {
		render(e)
		if e.Number <= 100 {
			t.Errorf("message %d is among those of the FSM manual", e.Number)
		}
	}
	Golden(t, filepath.Join(command, "testdata/catalogue.golden"), got.String())
}

// Golden compares the text with the file, or writes the file with -update.
func Golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(read(t, file), got); d != "" {
		t.Errorf("-%s +code:\n%s", file, d)
	}
}

// ManualLists fails the test unless the manual page lists these messages, in
// this order, and no others.
func ManualLists(t *testing.T, page string, entries []alert.Entry) {
	t.Helper()
	verbs := strings.NewReplacer("%s", "xxx", "%d", "nn", "%v", "xxx")
	var want []string
	for _, e := range entries {
		row := fmt.Sprintf("| %d | %s | %s |", e.Number, e.Severity, verbs.Replace(e.Text))
		want = append(want, row)
	}
	text := strings.ReplaceAll(read(t, page), `\[`, "[") // else "[xxx] (" is a link
	got := regexp.MustCompile(`(?m)^\| \d+ \| (INFO|WARN|ERROR) \| .* \|$`).FindAllString(text, -1)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-code +%s:\n%s", page, d)
	}
}

// LinksNothingHeavy fails the test if the command links one of the packages
// given, or one that costs every watch too much memory, whichever library
// brings it along. crypto/tls is not among these: see TestWatchesAreLight.
func LinksNothingHeavy(t *testing.T, heavy ...string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(out))
	for _, name := range append(heavy, "net/http", "encoding/gob") {
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

package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fsmon/cmd/internal/observe"
)

// messages is FSM 8.1 in order.
var messages = []observe.Entry{
	msgStarted, msgWatching, msgStopping, msgTerminate, msgPaused, msgContinued, msgInvalid, msgMissing, msgNoID, msgInUse, msgNotEnded,
	msgSystem, msgNoName, msgTree, msgShareType, msgRefused, msgNegotiate, msgSocket, msgConnect, msgSend, msgSelect, msgRecv,
}

// The README lists every message, as the code has it, and nothing else.
func TestReadmeListsTheMessages(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for section, entries := range map[string][]observe.Entry{"clp_sambamon": messages, "ours": observe.Own()} {
		verbs := strings.NewReplacer("%s", "xxx", "%d", "nn", "%v", "xxx")
		var want []string
		for _, e := range entries {
			want = append(want, fmt.Sprintf("| %d | %s | %s |", e.Number, e.Severity, verbs.Replace(e.Text)))
		}
		_, text, _ := strings.Cut(string(readme), "<!-- messages of "+section+":")
		text, _, _ = strings.Cut(text, "\n<!-- ")
		got := regexp.MustCompile(`(?m)^\| \d+ \| (INFO|WARN|ERROR) \| .* \|$`).FindAllString(text, -1)
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Errorf("%s: the README has\n%s\n\nthe code has\n%s", section, g, w)
		}
	}
}

// The usage text in the README is what --help prints.
func TestReadmeShowsTheUsage(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```\n"+usage+"```\n") {
		t.Error("the README's usage differs from --help")
	}
}

// What a watch must not carry, whatever a library brings along: memory counts.
func TestNothingHeavyIsLinked(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, heavy := range []string{"net/http", "crypto/tls", "encoding/gob"} {
		if slices.Contains(strings.Fields(string(out)), heavy) {
			t.Errorf("%s is linked into clp_sambamon", heavy)
		}
	}
}

package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The README lists every message of FSM 8.2, as the code has it, and shows the usage text.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	verbs := strings.NewReplacer("%s", "xxx", "%d", "nn")
	var want []string
	for _, e := range messages {
		want = append(want, fmt.Sprintf("| %d | %s | %s |", e.Number, e.Severity, verbs.Replace(e.Text)))
	}
	_, text, _ := strings.Cut(string(readme), "<!-- messages of clp_nfsmon:")
	text, _, _ = strings.Cut(text, "\n<!-- ")
	got := regexp.MustCompile(`(?m)^\| \d+ \| (INFO|WARN|ERROR) \| .* \|$`).FindAllString(text, -1)
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("the README has\n%s\n\nthe code has\n%s", g, w)
	}
	if !strings.Contains(string(readme), "```\n"+usage+"```\n") {
		t.Error("the README's usage differs from --help")
	}
}

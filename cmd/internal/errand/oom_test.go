package errand

import (
	"os"
	"path/filepath"
	"testing"
)

// A watch is protected, and no less than somebody wanted. Few test machines permit it for real, so this file is none of /proc.
func TestLowerOOMScore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "oom_score_adj")
	for before, want := range map[string]string{"0\n": "-500", "300\n": "-500", "-500\n": "-500\n", "-900\n": "-900\n", "": ""} {
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		lowerOOMScore(path)
		if got := readFile(t, path); got != want {
			t.Errorf("from %q to %q, want %q", before, got, want)
		}
	}
	os.Remove(path)
	lowerOOMScore(path)
	if _, err := os.Stat(path); err == nil {
		t.Error("it was made anew")
	}
}

// A child does not keep what it inherits.
func TestChildOOMScore(t *testing.T) {
	const own = "/proc/self/oom_score_adj"
	before := readFile(t, own)
	// More than zero is permitted to everybody, and so is the way back.
	defer func() {
		if err := os.WriteFile(own, []byte(before), 0); err != nil {
			t.Error(err)
		}
	}()
	if err := os.WriteFile(own, []byte("300"), 0); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := stub(t, dir, `
read -r score </proc/$$/oom_score_adj
until [ "$score" = 0 ]; do read -r score </proc/$$/oom_score_adj; done # until the deadline of the call
echo "$score" >score
`)
	if err := s.Deliver(Alert{Number: 1, Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, filepath.Join(dir, "score")); got != "0\n" {
		t.Errorf("the child has %q", got)
	}
}

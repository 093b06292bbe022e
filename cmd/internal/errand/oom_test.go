package errand

import (
	"os"
	"path/filepath"
	"testing"
)

// A watch is protected, and never less than before. Few test machines permit
// that, so this file is not the one in /proc.
func TestLowerOOMScore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "oom_score_adj")
	for before, want := range map[string]string{"0\n": "-500", "300\n": "-500", "-500\n": "-500\n",
		"-900\n": "-900\n", "": ""} {
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		lowerOOMScore(path)
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("from %q to %q, want %q (%v)", before, got, want, err)
		}
	}
	os.Remove(path)
	lowerOOMScore(path)
	if _, err := os.Stat(path); err == nil {
		t.Error("it was made anew")
	}
}

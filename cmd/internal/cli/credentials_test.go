package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// Who may read a credentials file beside its owner: nobody, and its group only
// where a service manager has put it.
func TestCredentialsMode(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "files.cred")
	if err := os.WriteFile(path, []byte("username=monitor\npassword=pw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode     os.FileMode
		handed   string // CREDENTIALS_DIRECTORY
		accepted bool
	}{
		{0o600, "", true}, {0o400, "", true}, {0o440, "", false}, {0o604, "", false},
		{0o440, dir, true}, {0o440, dir + "/", true}, {0o400, dir, true},
		{0o444, dir, false}, {0o460, dir, false}, {0o440, filepath.Dir(dir), false},
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", c.handed)
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		if l, err := readCredentials(path); (err == nil) != c.accepted || c.accepted && l.User != "monitor" {
			t.Errorf("mode %04o, CREDENTIALS_DIRECTORY=%s: %v", c.mode, c.handed, err)
		}
	}
}

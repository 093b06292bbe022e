package winsys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// Below %ProgramData% the directory lets only the administrators in.
func TestMakeDirBelowProgramData(t *testing.T) {
	shared := t.TempDir()
	t.Setenv("ProgramData", shared)
	dir := filepath.Join(shared, "kitrunner")
	for range 2 { // the second time it is there
		if err := MakeDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ip-tag.nic"), nil, 0o600); err != nil {
		t.Error(err)
	}
	sd, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		t.Fatal(err)
	}
	for _, everybody := range []string{";;;BU)", ";;;AU)", ";;;IU)", ";;;WD)"} {
		if strings.Contains(sd.String(), everybody) {
			t.Errorf("who may enter: %s", sd)
		}
	}
}

// A file in its place is refused. Elsewhere the user decides.
func TestMakeDirOfOthers(t *testing.T) {
	shared := t.TempDir()
	t.Setenv("ProgramData", shared)
	file := filepath.Join(shared, "kitrunner")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MakeDir(file); err == nil || !strings.Contains(err.Error(), "is no directory") {
		t.Errorf("a file in its place: %v", err)
	}
	if err := MakeDir(filepath.Join(shared, "a", "b")); err != nil {
		t.Error(err)
	}
}

package kitrunner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// Below %ProgramData%, where every user may make files, the directory lets only the administrators in.
func TestStateDirBelowProgramData(t *testing.T) {
	shared := t.TempDir()
	t.Setenv("ProgramData", shared)
	dir := filepath.Join(shared, "kitrunner")
	for range 2 { // the second time it is there
		if err := makeStateDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeFile(filepath.Join(dir, "ip-tag.nic"), nicGUID); err != nil {
		t.Error(err)
	}
	sd, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		t.Fatal(err)
	}
	for _, everybody := range []string{";;;BU)", ";;;AU)", ";;;IU)", ";;;WD)"} {
		if strings.Contains(sd.String(), everybody) {
			t.Errorf("who may enter: %s", sd)
		}
	}
}

// What is no directory of ours is refused, and elsewhere it is up to the user.
func TestStateDirOfOthers(t *testing.T) {
	shared := t.TempDir()
	t.Setenv("ProgramData", shared)
	file := filepath.Join(shared, "kitrunner")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := makeStateDir(file); err == nil || !strings.Contains(err.Error(), "is no directory") {
		t.Errorf("a file in its place: %v", err)
	}
	if err := makeStateDir(filepath.Join(shared, "a", "b")); err != nil {
		t.Error(err)
	}
}

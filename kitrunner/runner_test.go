package kitrunner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The command is this test program, which runs no test.
func TestRun(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := Command{Place: LKBin, Name: filepath.Base(self), Args: []string{"-test.run=^$"},
		Timeout: 5 * time.Minute}
	res := Dirs{LKBin: filepath.Dir(self)}.Run(t.Context(), c)
	if res.Err != nil || res.Code != 0 || !strings.Contains(res.Output, "PASS") || res.Took <= 0 {
		t.Errorf("%+v", res)
	}
}

func TestRunMissingCommand(t *testing.T) {
	for _, dirs := range []Dirs{
		nil, {LKBin: t.TempDir()}, {System32: t.TempDir()},
		{LKBin: filepath.Join(t.TempDir(), "nowhere")},
	} {
		res := dirs.Run(t.Context(), Command{Place: LKBin, Name: "missing.exe",
			Timeout: time.Minute})
		if !errors.Is(res.Err, fs.ErrNotExist) || !strings.Contains(fmt.Sprint(res.Err),
			"missing.exe") {
			t.Errorf("%v: %v", dirs, res.Err)
		}
	}
}

func TestRunDirectoryIsNoCommand(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a.exe"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := Command{Place: LKBin, Name: "a.exe", Timeout: time.Minute}
	if res := (Dirs{LKBin: dir}).Run(t.Context(), c); res.Err == nil {
		t.Errorf("%+v", res)
	}
}

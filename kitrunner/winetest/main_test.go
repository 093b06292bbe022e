//go:build linux

// Package winetest runs kitrunner as users do, against doubles of the
// documented commands: as the program of this system, and as the real program
// for Windows under Wine (https://www.winehq.org), on an English and on a
// Japanese Windows.
package winetest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

const (
	wine       = "/usr/lib/wine/wine64"
	wineserver = "/usr/lib/wine/wineserver64"
)

// What the tests run is below root: programs by GOOS, and Wine's prefix.
var (
	root, prefix string
	programs     = map[string]program{}
)

// program is one build of what the tests run.
type program struct{ kitrunner, double, messages string }

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := testMain(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func testMain(m *testing.M) (code int, err error) {
	// Most tests wait, for a slot or for the timeout of a command that hangs.
	if err := flag.Set("test.parallel", "512"); err != nil {
		return 0, err
	}
	if root, err = os.MkdirTemp("", "kitrunner-test-"); err != nil {
		return 0, err
	}
	prefix = filepath.Join(root, "wine")
	for _, goos := range []string{"linux", "windows"} {
		dir := filepath.Join(root, goos)
		programs[goos] = program{filepath.Join(dir, "kitrunner.exe"),
			filepath.Join(dir, "double.exe"), filepath.Join(dir, "messages.exe")}
	}
	end, err := endAtEnd()
	if err != nil {
		return 0, errors.Join(err, os.RemoveAll(root))
	}
	defer func() { err = errors.Join(err, end()) }()
	os.Setenv("TMPDIR", root)
	return m.Run(), nil
}

// built builds the programs for an operating system, once.
var built = map[string]func() error{
	"linux":   sync.OnceValue(func() error { return buildAll("linux") }),
	"windows": sync.OnceValue(func() error { return buildAll("windows") }),
}

func buildAll(goos string) error {
	p := programs[goos]
	for out, source := range map[string]string{
		p.kitrunner: "fsmon/cmd/kitrunner", p.double: "fsmon/kitrunner/kitdouble/play",
		p.messages: "./testdata/messages",
	} {
		if out == p.messages && goos != "windows" {
			continue
		}
		if err := build(goos, "build", "-o", out, source); err != nil {
			return err
		}
	}
	return nil
}

// wineStarted starts Wine, once.
var wineStarted = sync.OnceValue(startWine)

// build runs the go command for an operating system.
func build(goos, verb string, args ...string) error {
	cmd := exec.Command("go", append([]string{verb, "-trimpath", "-buildvcs=false"}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s %q: %w\n%s", verb, args, err, out)
	}
	return nil
}

// endAtEnd ends what was run in the labs, and Wine, and removes root when the
// returned function is called or, by a shell that reads from a pipe of this
// process, when this process ends in any other way.
func endAtEnd() (end func() error, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	sh := exec.Command("/bin/sh", "-c", `read -r never
for p in /proc/[0-9]*; do ! grep -qs "KITDOUBLE=.*$4" "$p/environ" || kill -s KILL "${p#/proc/}"; done
test ! -d "$2" || TMPDIR=$1 WINEPREFIX=$2 "$3" -k -w
for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && exit; sleep 0.1; done; exit 1`,
		"sh", root, prefix, wineserver, filepath.Base(root))
	sh.Stdin = r
	sh.Dir = "/"
	sh.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // the end of a terminal must not be its end
	if err := sh.Start(); err != nil {
		w.Close()
		return nil, err
	}
	return func() error { return errors.Join(w.Close(), sh.Wait()) }, nil
}

// need gets ready what runs programs for an operating system. It skips a test
// where Wine is missing, except where all tests must run.
func need(t *testing.T, goos string) {
	t.Helper()
	if goos == "windows" {
		if _, err := os.Stat(wine); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("Wine is missing: %v (.ci/packages wine64)", err)
			}
			t.Skipf("Wine is missing: %v (.ci/packages wine64)", err)
		}
		if err := wineStarted(); err != nil {
			t.Fatal(err)
		}
	}
	if err := built[goos](); err != nil {
		t.Fatal(err)
	}
}

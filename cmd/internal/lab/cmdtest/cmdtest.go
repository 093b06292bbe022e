// Package cmdtest runs the built commands as a user would, and looks at what a
// user sees: stderr with the time of each line, exit codes, the registry, the
// log file. Only tests use it.
package cmdtest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Limit is what no single wait comes near to.
const Limit = 30 * time.Second

// Main builds programs (name to package directory) into a directory of its own,
// which is also the tests' TMPDIR, runs the tests and exits. Program returns
// where a program was built.
func Main(m *testing.M, programs map[string]string) {
	flag.Parse()
	code, err := run(m, programs)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var built string

// Program is the path of a program that Main has built.
func Program(name string) string { return filepath.Join(built, name) }

func run(m *testing.M, programs map[string]string) (code int, err error) {
	// The tests wait more than they compute, so the number of cores is no measure.
	if err := flag.Set("test.parallel", "12"); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "fsmon-test-")
	if err != nil {
		return 0, err
	}
	remove, err := removeAtEnd(dir)
	if err != nil {
		return 0, errors.Join(err, os.RemoveAll(dir))
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := os.Chmod(dir, 0o755); err != nil { // other users run the commands too
		return 0, err
	}
	// All that the tests make lies below it, the servers' directories too.
	os.Setenv("TMPDIR", dir)
	built = dir
	for program, source := range programs {
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", Program(program), source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("go build %s: %w\n%s", source, err, out)
		}
	}
	return m.Run(), nil
}

// removeAtEnd removes dir when the returned function is called or, by a shell
// that reads from a pipe of this process, when this process ends in any other
// way. Then what it started is being ended too, and may make some of it anew
// for a moment.
func removeAtEnd(dir string) (remove func() error, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	sh := exec.Command("/bin/sh", "-c", `read -r word; orderly=$?
for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && [ $orderly = 0 ] && exit; sleep 0.2; done; ! [ -e "$1" ]`, "sh", dir)
	sh.Stdin = r
	sh.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // the end of a terminal must not be its end
	if err := sh.Start(); err != nil {
		w.Close()
		return nil, err
	}
	return func() error {
		_, err := w.WriteString("end\n")
		return errors.Join(err, w.Close(), sh.Wait())
	}, nil
}

// Package cmdtest runs the built commands as a user would, and looks at what a
// user sees: stderr with the time of each line, exit codes, the registry, the
// log file. Only tests use it.
package cmdtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fsmon/cmd/internal/lab/proc"
)

// Limit bounds every single wait. A busy machine may need a large part of it.
const Limit = proc.Patience

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
	// The tests wait more than they compute, so more of them run at once than
	// there are cores.
	if err := flag.Set("test.parallel", "12"); err != nil {
		return 0, err
	}
	dir, remove, err := proc.TempDir("fsmon-test-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	os.Setenv("TMPDIR", dir) // the servers' directories too
	built = dir
	for program, source := range programs {
		if err := proc.Build(context.Background(), dir, program, source); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

package main

import (
	"os"
	"path/filepath"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/nfsprobe/nfstest"
)

// The tests are the soaks, shorter, and what the commands do on a bad machine.
func TestMain(m *testing.M) {
	helper()
	if len(os.Args) > 2 && os.Args[1] == foreignArg {
		os.Exit(foreignMain(os.Args[2], os.Args[3:]))
	}
	nfstest.Isolate()
	cmdtest.Main(m, map[string]string{"clp_sambamon": "fsmon/cmd/clp_sambamon",
		"clp_nfsmon": "fsmon/cmd/clp_nfsmon"})
}

// bin is where the commands were built.
func bin() string { return filepath.Dir(cmdtest.Program("clp_sambamon")) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

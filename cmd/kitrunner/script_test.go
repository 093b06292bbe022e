//go:build !windows

package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kitrunner": main})
}

// The command line, as scripts in which shell scripts stand for the documented
// commands.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			for _, dir := range []string{"system32", "lkbin", "lkroot", "emc"} {
				if err := os.MkdirAll(env.WorkDir+"/"+dir, 0o755); err != nil {
					return err
				}
			}
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("LKROOT", "")
			env.Setenv("LKBIN", "")
			env.Setenv("ExtMirrBase", "")
			return nil
		},
	})
}

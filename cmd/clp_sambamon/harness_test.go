package main

import (
	"net"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
)

// These tests run the built command against real servers, as a user would, and
// look at what a user sees.

func TestMain(m *testing.M) {
	cmdtest.Main(m, map[string]string{"clp_sambamon": ".", "clplogcmd": "./testdata/clplogcmd"})
}

// command is the built command.
func command() string { return cmdtest.Program("clp_sambamon") }

func newLab(t testing.TB) *cmdtest.Lab { return cmdtest.NewLab(t, "clp_sambamon") }

// at names the server at addr in options.
func at(addr string, args ...string) []string {
	host, port, _ := net.SplitHostPort(addr)
	return append([]string{"-a", host, "--port", port}, args...)
}

// Command clp_sambamon watches a Samba share and exits when its server is dead
// or hung, so that a PID monitor starts a failover (FSM chapter 7).
package main

import (
	"os"

	"fsmon/cmd/internal/cli"
)

func main() {
	var f flags
	os.Exit(cli.Main(cli.Service{
		Command:   "clp_sambamon",
		Module:    "sambamon",
		Kind:      "samba",
		Usage:     usage,
		Catalogue: catalogue,
		Declare:   f.declare,
		Target:    f.target,
		Diagnose:  f.diagnose,
	}))
}

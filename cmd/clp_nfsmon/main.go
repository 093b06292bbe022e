// Command clp_nfsmon watches an NFS export and exits when its server is dead
// or hung, so that a PID monitor starts a failover (FSM chapter 7).
package main

import (
	"os"

	"fsmon/cmd/internal/cli"
)

func main() {
	var f flags
	os.Exit(cli.Main(cli.Service{
		Command:   "clp_nfsmon",
		Module:    "nfsmon",
		Kind:      "nfs",
		Usage:     usage,
		Catalogue: catalogue,
		Declare:   f.declare,
		Target:    f.target,
		Diagnose:  f.diagnose,
	}))
}

// Command clp_nfsmon watches an NFS export and exits when its server is dead
// or hung, so that a PID monitor starts a failover (FSM chapter 7).
package main

import (
	"os"

	"fsmon/cmd/internal/cli"
	"fsmon/cmd/internal/nfsmon"
)

func main() { os.Exit(cli.Main(nfsmon.Service())) }

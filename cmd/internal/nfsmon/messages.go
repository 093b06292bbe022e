package nfsmon

import "fsmon/cmd/internal/cli"

// The messages of FSM manual 8.2, exact. 51 to 56 are about licences and never
// sent.
var (
	catalogue = cli.NewCatalogue("clp_nfsmon", "-d",
		"The clp_nfsmon has started watching NFS.",
		"The clp_nfsmon is going to watch shared directory '%s'.",
		"The clp_nfsmon will stop watching NFS shared directory '%s'.")
	msgRPC      = cli.Fault(0, "clp_nfsmon: %s")
	msgDetected = cli.Fault(66, "The clp_nfsmon has detected an error in NFS.")
)

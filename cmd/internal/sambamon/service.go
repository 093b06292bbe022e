// Package sambamon is what makes clp_sambamon differ from the other watch command:
// its options, its messages, and what a failed probe means. fsmon_exporter uses
// it too.
package sambamon

import "fsmon/cmd/internal/cli"

// Service returns the command. Each has options of its own, so it makes one
// probe.
func Service() cli.Service {
	var f flags
	return cli.Service{
		Command:   "clp_sambamon",
		Module:    "sambamon",
		Kind:      "samba",
		Usage:     usage,
		Catalogue: catalogue,
		Declare:   f.declare,
		Target:    f.target,
		Diagnose:  f.diagnose,
	}
}

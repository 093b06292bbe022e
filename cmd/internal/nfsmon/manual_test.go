package nfsmon

import (
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
)

// The manual page lists the messages of the FSM manual 8.2 as the code has
// them.
func TestManual(t *testing.T) { cmdtest.ManualLists(t, "../../clp_nfsmon/clp_nfsmon.8.md", messages) }

func TestNothingHeavyIsLinked(t *testing.T) { cmdtest.LinksNothingHeavy(t, "fsmon/smbprobe") }

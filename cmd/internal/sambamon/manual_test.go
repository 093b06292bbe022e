package sambamon

import (
	"testing"

	"fsmon/cmd/internal/cli"
	"fsmon/cmd/internal/lab/cmdtest"
)

// messages is the FSM manual 8.1 in order.
var messages = append(cmdtest.Shared(catalogue), msgTree, msgShareType, msgRefused, msgNegotiate,
	msgSocket, msgConnect, msgSend, msgSelect, msgRecv)

// The manual pages list the messages as the code has them.
func TestManual(t *testing.T) {
	cmdtest.ManualLists(t, "../../clp_sambamon/clp_sambamon.8.md", messages)
	cmdtest.ManualLists(t, "../../fsmon.7.md", cli.Own())
}

func TestNothingHeavyIsLinked(t *testing.T) { cmdtest.LinksNothingHeavy(t, "fsmon/nfsprobe") }

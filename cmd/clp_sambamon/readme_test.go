package main

import (
	"testing"

	"fsmon/cmd/internal/alert"
	"fsmon/cmd/internal/cli"
	"fsmon/cmd/internal/lab/cmdtest"
)

// messages is FSM 8.1 in order.
var messages = []alert.Entry{
	msgStarted, msgWatching, msgStopping, msgTerminate, msgPaused, msgContinued, msgInvalid, msgMissing, msgNoID, msgInUse, msgNotEnded,
	msgSystem, msgNoName, msgTree, msgShareType, msgRefused, msgNegotiate, msgSocket, msgConnect, msgSend, msgSelect, msgRecv,
}

// The README lists every message, as the code has it, and nothing else, and
// shows the usage text.
func TestReadme(t *testing.T) {
	cmdtest.ReadmeLists(t, "clp_sambamon", messages)
	cmdtest.ReadmeLists(t, "ours", cli.Own())
	cmdtest.ReadmeShows(t, usage)
}

func TestNothingHeavyIsLinked(t *testing.T) { cmdtest.LinksNothingHeavy(t, "fsmon/nfsprobe") }

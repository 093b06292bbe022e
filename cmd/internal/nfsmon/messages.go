package nfsmon

import "fsmon/cmd/internal/cli"

// The messages of FSM manual 8.2, exact. 51 to 56 are about licences and never
// sent.
var (
	msgRPC       = fault(0, "clp_nfsmon: %s")
	msgStarted   = info(1, "The clp_nfsmon has started watching NFS.")
	msgWatching  = info(2, "The clp_nfsmon is going to watch shared directory '%s'.")
	msgStopping  = info(3, "The clp_nfsmon will stop watching NFS shared directory '%s'.")
	msgTerminate = fault(6, "The clp_nfsmon will terminate.")
	msgPaused    = info(7, "The clp_nfsmon is going to stop monitoring.")
	msgContinued = info(8, "The clp_nfsmon is going to monitor.")
	msgInvalid   = fault(11, "Invalid parameter in the clp_nfsmon.")
	msgMissing   = fault(12, "'-d' parameter is not specified at the clp_nfsmon command.")
	msgNoID      = fault(13, "The monitor id is not specified at the clp_nfsmon command.")
	msgInUse     = fault(14, "The specified monitor id is already under use in other processes.")
	msgNotEnded  = fault(15, "The clp_nfsmon has not performed end processing.")
	msgSystem    = fault(42, "The clp_nfsmon has detected system error (%s %d).")
	msgNoName    = fault(61, "The clp_nfsmon could not get environment of server(error[%d]). The "+
		"clp_nfsmon will terminate.")
	msgDetected = fault(66, "The clp_nfsmon has detected an error in NFS.")
)

// catalogue is what the shared part needs of FSM manual 8.2.
var catalogue = cli.Catalogue{
	Started: msgStarted, Watching: msgWatching, Stopping: msgStopping, Terminate: msgTerminate,
	Paused: msgPaused, Continued: msgContinued,
	Invalid: msgInvalid, Missing: msgMissing, NoID: msgNoID, InUse: msgInUse, NotEnded: msgNotEnded, System: msgSystem, NoName: msgNoName,
}

func info(number int, text string) cli.Message {
	return cli.Message{Number: number, Severity: cli.Info, Text: text}
}

func fault(number int, text string) cli.Message {
	return cli.Message{Number: number, Severity: cli.Error, Text: text}
}

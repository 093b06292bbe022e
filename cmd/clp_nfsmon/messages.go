package main

import "fsmon/cmd/internal/cli"

// The messages of FSM manual 8.2, exact. 51 to 56 are about licences and never sent.
var (
	msgRPC       = cli.Message{Number: 0, Severity: cli.Error, Text: "clp_nfsmon: %s"}
	msgStarted   = cli.Message{Number: 1, Severity: cli.Info, Text: "The clp_nfsmon has started watching NFS."}
	msgWatching  = cli.Message{Number: 2, Severity: cli.Info, Text: "The clp_nfsmon is going to watch shared directory '%s'."}
	msgStopping  = cli.Message{Number: 3, Severity: cli.Info, Text: "The clp_nfsmon will stop watching NFS shared directory '%s'."}
	msgTerminate = cli.Message{Number: 6, Severity: cli.Error, Text: "The clp_nfsmon will terminate."}
	msgPaused    = cli.Message{Number: 7, Severity: cli.Info, Text: "The clp_nfsmon is going to stop monitoring."}
	msgContinued = cli.Message{Number: 8, Severity: cli.Info, Text: "The clp_nfsmon is going to monitor."}
	msgInvalid   = cli.Message{Number: 11, Severity: cli.Error, Text: "Invalid parameter in the clp_nfsmon."}
	msgMissing   = cli.Message{Number: 12, Severity: cli.Error, Text: "'-d' parameter is not specified at the clp_nfsmon command."}
	msgNoID      = cli.Message{Number: 13, Severity: cli.Error, Text: "The monitor id is not specified at the clp_nfsmon command."}
	msgInUse     = cli.Message{Number: 14, Severity: cli.Error, Text: "The specified monitor id is already under use in other processes."}
	msgNotEnded  = cli.Message{Number: 15, Severity: cli.Error, Text: "The clp_nfsmon has not performed end processing."}
	msgSystem    = cli.Message{Number: 42, Severity: cli.Error, Text: "The clp_nfsmon has detected system error (%s %d)."}
	msgNoName    = cli.Message{Number: 61, Severity: cli.Error, Text: "The clp_nfsmon could not get environment of server(error[%d]). The clp_nfsmon will terminate."}
	msgDetected  = cli.Message{Number: 66, Severity: cli.Error, Text: "The clp_nfsmon has detected an error in NFS."}
)

// catalogue is what the shared part needs of FSM manual 8.2.
var catalogue = cli.Catalogue{
	Started: msgStarted, Watching: msgWatching, Stopping: msgStopping, Terminate: msgTerminate,
	Paused: msgPaused, Continued: msgContinued, Invalid: msgInvalid, Missing: msgMissing, NoID: msgNoID,
	InUse: msgInUse, NotEnded: msgNotEnded, System: msgSystem, NoName: msgNoName,
}

package main

import "fsmon/cmd/internal/cli"

// The messages of FSM manual 8.1, exact. 51 to 56 are about licences and never sent.
var (
	msgStarted   = cli.Message{Number: 1, Severity: cli.Info, Text: "The clp_sambamon has started watching Samba."}
	msgWatching  = cli.Message{Number: 2, Severity: cli.Info, Text: "The clp_sambamon is going to watch share resource [%s]."}
	msgStopping  = cli.Message{Number: 3, Severity: cli.Info, Text: "The clp_sambamon will stop watching Samba [%s]."}
	msgTerminate = cli.Message{Number: 6, Severity: cli.Error, Text: "The clp_sambamon will terminate."}
	msgPaused    = cli.Message{Number: 7, Severity: cli.Info, Text: "The clp_sambamon is going to stop monitoring."}
	msgContinued = cli.Message{Number: 8, Severity: cli.Info, Text: "The clp_sambamon is going to monitor."}
	msgInvalid   = cli.Message{Number: 11, Severity: cli.Error, Text: "Invalid parameter in the clp_sambamon."}
	msgMissing   = cli.Message{Number: 12, Severity: cli.Error, Text: "'-s' parameter is not specified at the clp_sambamon command."}
	msgNoID      = cli.Message{Number: 13, Severity: cli.Error, Text: "The monitor id is not specified at the clp_sambamon command."}
	msgInUse     = cli.Message{Number: 14, Severity: cli.Error, Text: "The specified monitor id is already under use in other processes."}
	msgNotEnded  = cli.Message{Number: 15, Severity: cli.Error, Text: "The clp_sambamon has not performed end processing."}
	msgSystem    = cli.Message{Number: 42, Severity: cli.Error, Text: "The clp_sambamon has detected system error (%s %d)."}
	msgNoName    = cli.Message{Number: 61, Severity: cli.Error, Text: "The clp_sambamon could not get environment of server(error[%d]). The clp_sambamon will terminate."}
	msgTree      = cli.Message{Number: 62, Severity: cli.Error, Text: "The clp_sambamon has detected an error in Samba [%s] (tree connect error[%d])."}
	msgShareType = cli.Message{Number: 63, Severity: cli.Error, Text: "The clp_sambamon has detected an error in Samba [%s] (share type error)."}
	msgRefused   = cli.Message{Number: 64, Severity: cli.Error, Text: "The clp_sambamon has detected an error in Samba [%s] (connect error[%d])."}
	msgNegotiate = cli.Message{Number: 65, Severity: cli.Error, Text: "The clp_sambamon has detected an error in Samba [%s] (negotiate error[%d])."}
	msgSocket    = cli.Message{Number: 71, Severity: cli.Error, Text: "The clp_sambamon has detected network error(socket error[%d])."}
	msgConnect   = cli.Message{Number: 72, Severity: cli.Error, Text: "The clp_sambamon has detected network error(connect error[%d])."}
	msgSend      = cli.Message{Number: 73, Severity: cli.Error, Text: "The clp_sambamon has detected network error(send error[%d])."}
	msgSelect    = cli.Message{Number: 74, Severity: cli.Error, Text: "The clp_sambamon has detected network error(select error[%d])."}
	msgRecv      = cli.Message{Number: 75, Severity: cli.Error, Text: "The clp_sambamon has detected network error(recv error[%d])."}
)

// catalogue is what the shared part needs of FSM manual 8.1.
var catalogue = cli.Catalogue{
	Started: msgStarted, Watching: msgWatching, Stopping: msgStopping, Terminate: msgTerminate,
	Paused: msgPaused, Continued: msgContinued, Invalid: msgInvalid, Missing: msgMissing, NoID: msgNoID,
	InUse: msgInUse, NotEnded: msgNotEnded, System: msgSystem, NoName: msgNoName,
}

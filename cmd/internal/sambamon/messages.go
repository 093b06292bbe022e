package sambamon

import "fsmon/cmd/internal/cli"

const inSamba = "The clp_sambamon has detected an error in Samba [%s] "

// The messages of FSM manual 8.1, exact. 51 to 56 are about licences and never
// sent.
var (
	msgStarted   = info(1, "The clp_sambamon has started watching Samba.")
	msgWatching  = info(2, "The clp_sambamon is going to watch share resource [%s].")
	msgStopping  = info(3, "The clp_sambamon will stop watching Samba [%s].")
	msgTerminate = fault(6, "The clp_sambamon will terminate.")
	msgPaused    = info(7, "The clp_sambamon is going to stop monitoring.")
	msgContinued = info(8, "The clp_sambamon is going to monitor.")
	msgInvalid   = fault(11, "Invalid parameter in the clp_sambamon.")
	msgMissing   = fault(12, "'-s' parameter is not specified at the clp_sambamon command.")
	msgNoID      = fault(13, "The monitor id is not specified at the clp_sambamon command.")
	msgInUse     = fault(14, "The specified monitor id is already under use in other processes.")
	msgNotEnded  = fault(15, "The clp_sambamon has not performed end processing.")
	msgSystem    = fault(42, "The clp_sambamon has detected system error (%s %d).")
	msgNoName    = fault(61, "The clp_sambamon could not get environment of server(error[%d]). "+
		"The clp_sambamon will terminate.")
	msgTree      = fault(62, inSamba+"(tree connect error[%d]).")
	msgShareType = fault(63, inSamba+"(share type error).")
	msgRefused   = fault(64, inSamba+"(connect error[%d]).")
	msgNegotiate = fault(65, inSamba+"(negotiate error[%d]).")
	msgSocket    = fault(71, "The clp_sambamon has detected network error(socket error[%d]).")
	msgConnect   = fault(72, "The clp_sambamon has detected network error(connect error[%d]).")
	msgSend      = fault(73, "The clp_sambamon has detected network error(send error[%d]).")
	msgSelect    = fault(74, "The clp_sambamon has detected network error(select error[%d]).")
	msgRecv      = fault(75, "The clp_sambamon has detected network error(recv error[%d]).")
)

// catalogue is what the shared part needs of FSM manual 8.1.
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

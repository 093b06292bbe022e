package sambamon

import "fsmon/cmd/internal/cli"

const inSamba = "The clp_sambamon has detected an error in Samba [%s] "

// The messages of FSM manual 8.1, exact. 51 to 56 are about licences and never
// sent.
var (
	catalogue = cli.NewCatalogue("clp_sambamon", "-s",
		"The clp_sambamon has started watching Samba.",
		"The clp_sambamon is going to watch share resource [%s].",
		"The clp_sambamon will stop watching Samba [%s].")
	msgTree      = cli.Fault(62, inSamba+"(tree connect error[%d]).")
	msgShareType = cli.Fault(63, inSamba+"(share type error).")
	msgRefused   = cli.Fault(64, inSamba+"(connect error[%d]).")
	msgNegotiate = cli.Fault(65, inSamba+"(negotiate error[%d]).")
	msgSocket    = cli.Fault(71, "The clp_sambamon has detected network error(socket error[%d]).")
	msgConnect   = cli.Fault(72, "The clp_sambamon has detected network error(connect error[%d]).")
	msgSend      = cli.Fault(73, "The clp_sambamon has detected network error(send error[%d]).")
	msgSelect    = cli.Fault(74, "The clp_sambamon has detected network error(select error[%d]).")
	msgRecv      = cli.Fault(75, "The clp_sambamon has detected network error(recv error[%d]).")
)

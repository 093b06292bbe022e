package cli

import (
	"strings"

	"fsmon/cmd/internal/alert"
)

// NewCatalogue has the messages of FSM manual 8 that both commands have in the
// same words, and the three given ones. required is the option that no watch is
// without.
func NewCatalogue(command, required, started, watching, stopping string) Catalogue {
	words := strings.NewReplacer("COMMAND", command, "OPTION", required)
	info := func(number int, text string) Message { return entry(number, alert.Info, words.Replace(text)) }
	fault := func(number int, text string) Message { return Fault(number, words.Replace(text)) }
	return Catalogue{
		Started:   info(1, started),
		Watching:  info(2, watching),
		Stopping:  info(3, stopping),
		Terminate: fault(6, "The COMMAND will terminate."),
		Paused:    info(7, "The COMMAND is going to stop monitoring."),
		Continued: info(8, "The COMMAND is going to monitor."),
		Invalid:   fault(11, "Invalid parameter in the COMMAND."),
		Missing:   fault(12, "'OPTION' parameter is not specified at the COMMAND command."),
		NoID:      fault(13, "The monitor id is not specified at the COMMAND command."),
		InUse:     fault(14, "The specified monitor id is already under use in other processes."),
		NotEnded:  fault(15, "The COMMAND has not performed end processing."),
		System:    fault(42, "The COMMAND has detected system error (%s %d)."),
		NoName: fault(61, "The COMMAND could not get environment of server(error[%d]). "+
			"The COMMAND will terminate."),
	}
}

// Fault is a message of the FSM manual about something that failed.
func Fault(number int, text string) Message { return entry(number, alert.Error, text) }

func entry(number int, severity alert.Severity, text string) Message {
	return Message{Number: number, Severity: severity, Text: text}
}

// The messages that both commands have beyond the FSM manual, numbered from
// 101. 107 is alert.Dropped.
var (
	probeFailed = entry(101, alert.Warning, "Probe failed (%d of %d), %s: %s")
	recovered   = entry(102, alert.Info, "The file server answers again after %d failed probe(s).")
	void        = entry(103, alert.Warning, "A failed probe is not counted, since this machine "+
		"woke the watch %s late. It is repeated. %s")
	warned     = entry(104, alert.Warning, "Healthy, but %s.")
	pauseEnded = entry(105, alert.Info, "The pause has ended by itself.")
	pauseUntil = entry(106, alert.Info, "The pause will end by itself at %s.")
	pauseOpen  = entry(106, alert.Info, "The pause will last until -continue.")
	tookOver   = entry(108, alert.Warning, "Took over the identifier that process %d left behind.")
	unpaused   = entry(109, alert.Warning, "The watch before this one was paused. This one is not.")
	statusLost = entry(110, alert.Warning, "The status cannot be written, the watch goes on (%v).")
	settled    = entry(111, alert.Info, "The watch has settled on %s.") // at the start, and on a change
	// MarkerFailed and WriteFailed are for Service.Diagnose. Their verbs are
	// the target's name and the reason.
	MarkerFailed = entry(112, alert.Error, "The file server has failed the marker check of [%s] (%s).")
	WriteFailed  = entry(113, alert.Error, "The file server has failed the write test of [%s] (%s).")
	fileStays    = entry(135, alert.Warning, "The write test's file stays on the server (%v).")
	// LockFailed and OtherDisk too, the latter for a *DiskError.
	LockFailed = entry(128, alert.Error, "The file server has failed the lock test of [%s] (%s).")
	OtherDisk  = entry(129, alert.Error, "Another file system is behind [%s] than at the start of the "+
		"watch (%s).")
	// TLSFailed is like them, for an NFS server.
	TLSFailed = entry(132, alert.Error, "The connection to the file server of [%s] cannot be secured with "+
		"TLS (%s).")
	slow = entry(114, alert.Warning, "Healthy, but slow: "+
		"the probe took %s of the %s it has (%s).")
	forgiven    = entry(115, alert.Info, "Probe failed, not counted before %s (start wait), %s: %s")
	saved       = entry(116, alert.Info, "Evidence was saved in %s.")
	notSaved    = entry(117, alert.Warning, "Evidence could not be saved (%v).")
	metricsLost = entry(118, alert.Warning, "The metrics file cannot be written, "+
		"the watch goes on (%v).")
	refused = entry(119, alert.Error, "The file server answers, but refuses this watch: not counted, "+
		"since the other node would refuse it too (class %s), %s: %s")
	notReached = entry(119, alert.Error, "The file server cannot be asked: not counted, "+
		"since the other node could not ask it either (class %s), %s: %s")
	// GraceFailed is for Service.Diagnose of a *GraceError. Its verbs are the
	// target's name and the limit.
	GraceFailed = entry(121, alert.Error, "The file server of [%s] is still in its grace period "+
		"after %s.")
	notHeld = entry(126, alert.Warning, "The watch cannot keep its program in memory: a system disk "+
		"that hangs may hang the watch too (%v).")
	graceEnded = entry(122, alert.Info, "The grace period of the file server has ended: files can be "+
		"opened again.")
	drill = entry(123, alert.Warning, "This is a drill: the watch ends as if the file server had "+
		"failed.")
	// NoTicket is the message of Diagnosis.ExplainTicket.
	NoTicket = entry(124, alert.Error, "No Kerberos ticket for the watch of [%s] (%s). The file server "+
		"was not asked.")
	accepted = entry(120, alert.Info, "The file server serves this watch again.")
)

// Own lists these messages in order, for the manual and the tests.
func Own() []Message {
	return []Message{
		probeFailed, recovered, void, warned, pauseEnded, pauseUntil, pauseOpen, alert.Dropped,
		tookOver, unpaused, statusLost, settled, MarkerFailed, WriteFailed, slow, forgiven,
		saved, notSaved, metricsLost, refused, notReached, accepted,
		GraceFailed, graceEnded, drill, NoTicket, notHeld, LockFailed, OtherDisk, TLSFailed,
		fileStays,
	}
}

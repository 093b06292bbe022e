package kitrunner

import (
	"time"

	"fsmon/kitrunner/parse"
)

// The answers of the lanman kit.
const (
	aliasThere   answer = "the alias is on this node"
	aliasMissing answer = "the alias is not on this node"

	stopped    answer = "the service is stopped"
	running    answer = "the service is running"
	otherState answer = "the service is neither stopped nor running"
)

// The documents have Sysnative instead, for 32-bit programs.
var (
	nbtstat     = query(System32, "nbtstat.exe", "-n")
	scServer    = query(System32, "sc.exe", "query", "LanmanServer")
	addAlias    = change(LKBin, "LmServerNameAdd.exe", "$ID")
	deleteAlias = change(LKBin, "LmServerNameDel.exe", "$ID")
)

// lanman is the LAN kit: a computer-name alias.
var lanman = Kit{
	Name: "lanman",
	Actions: []Action{
		{Name: "quickCheck", Needs: []string{"tag", "id"}, Steps: []Step{
			{"(1)", "Is the alias on this node?", []Op{
				ask(nbtstat, readAlias,
					on(aliasThere, end(Success)),
					on(aliasMissing, goTo("(2)"))),
			}},
			{"(2)", "The check has failed: log it and delete the alias.", []Op{
				say(ev13051),
				do(deleteAlias),
				end(Failure),
			}},
		}},
		{Name: "deepCheck", Needs: []string{"tag", "id"}, Steps: []Step{
			{"(1)", "Is the alias on this node? If not, this is logged, but no failure.", []Op{
				ask(nbtstat, readAlias,
					on(aliasThere, end(Success)),
					on(aliasMissing, say(ev13034), end(Success))),
			}},
		}},
		{Name: "restore", Needs: []string{"tag", "id"}, Closing: "(A)", Steps: []Step{
			{"(1)", "Log that the restore starts.", []Op{say(ev13083)}},
			{"(2)", "Is the LanmanServer service stopped?", []Op{
				ask(scServer, readService,
					on(stopped, goTo("(3)")),
					onAny([]answer{running, otherState}, goTo("(5)"))),
			}},
			{"(3)", "Start the LanmanServer and browser services; current systems have " +
				"no browser service.", []Op{
				say(ev13085),
				do(change(System32, "sc.exe", "start", "LanmanServer")),
				do(change(System32, "sc.exe", "start", "browser")),
			}},
			{"(4)", "Is the LanmanServer service still stopped?", []Op{
				ask(scServer, readService,
					on(stopped, say(ev13085Failed), ret(Failure, "(A)")),
					onAny([]answer{running, otherState}, goTo("(5)"))),
			}},
			{"(5)", "Is the alias on this node already?", []Op{
				ask(nbtstat, readAlias,
					on(aliasThere, ret(Success, "(A)")),
					on(aliasMissing, goTo("(6)"))),
			}},
			{"(6)", "Add the alias to this node.", []Op{
				ask(addAlias, exitCode,
					on(ok, goTo("(7)")),
					on(failed, say(ev13086), ret(Failure, "(A)"))),
			}},
			{"(7)", "Wait until the alias is on this node.", []Op{
				ask(nbtstat, readAlias,
					on(aliasThere, ret(Success, "(A)")),
					on(aliasMissing, say(ev13088), ret(TimeIsUp, "(A)"))).
					until(aliasThere, 3*time.Second, time.Minute, say(ev13087)),
			}},
			{"(A)", "Log that the restore ends.", []Op{say(ev13084), endAsSet()}},
		}},
		{Name: "remove", Needs: []string{"tag", "id"}, Closing: "(A)", Steps: []Step{
			{"(1)", "Log that the remove starts.", []Op{say(ev13062)}},
			{"(2)", "Is the LanmanServer service running?", []Op{
				ask(scServer, readService,
					on(running, goTo("(3)")),
					onAny([]answer{stopped, otherState}, say(ev13064), ret(Success, "(A)"))),
			}},
			{"(3)", "Is the alias on this node?", []Op{
				ask(nbtstat, readAlias,
					on(aliasThere, goTo("(4)")),
					on(aliasMissing, ret(Success, "(A)"))),
			}},
			{"(4)", "Delete the alias.", []Op{
				ask(deleteAlias, exitCode,
					on(ok, ret(Success, "(A)")),
					on(failed, say(ev13065), ret(Failure, "(A)"))),
			}},
			{"(A)", "Log that the remove ends.", []Op{say(ev13063), endAsSet()}},
		}},
		{Name: "recover", Needs: []string{"tag", "id"}, Closing: "(2)", Steps: []Step{
			{"(1)", "Do what restore does.", []Op{
				perform("restore",
					on(failed, goTo("(2)"))),
			}},
			{"(2)", "Log whether the recovery has succeeded.", []Op{
				check(succeeded,
					on(ok, say(ev13072), end(Success)),
					on(failed, say(ev13071), endAsSet())),
			}},
		}},
	},
}

// readAlias compares the whole name, as far as NetBIOS can hold it. (The
// document's greps take the ID as a pattern; in deepCheck SRV would match
// SRV01.) An alias that is missing gets deleted, so it must be missing from a
// list in which every name that may be it can be read. As in the document the
// exit code does not count.
func readAlias(r *run, res Result) answer {
	names, understood := parse.NetBIOSNames(res.Output)
	for _, name := range names {
		if parse.SameNetBIOSName(name, r.res.ID) {
			return aliasThere
		}
		if parse.MayBeNetBIOSName(name, r.res.ID) {
			r.why = oneLine("the name " + name + " cannot be read, and may be " + r.res.ID)
			understood = false
		}
	}
	if !understood {
		return unknown
	}
	return aliasMissing
}

func readService(r *run, res Result) answer {
	state, understood := parse.ServiceState(res.Output)
	switch {
	case !understood:
		return unknown
	case state == parse.ServiceStopped:
		return stopped
	case state == parse.ServiceRunning:
		return running
	}
	return otherState
}

func succeeded(r *run) answer {
	if r.code == Success {
		return ok
	}
	return failed
}

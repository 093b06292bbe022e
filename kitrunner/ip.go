package kitrunner

// The answers of the ip kit.
const (
	connected    answer = "the cable is connected"
	disconnected answer = "the cable is disconnected"

	onAdapter    answer = "the address is on the network adapter"
	onPrimaryNIC answer = "the address is on the primary network adapter, not on the stored one"
	onOther      answer = "the address is on another network adapter"
	onNone       answer = "the address is on no network adapter"
	answered     answer = "a host answers"
	silent       answer = "no host answers"
	firstTime    answer = "this is the first time"
	secondTime   answer = "this is the second time"
	localOn      answer = "local recovery is enabled"
	localOff     answer = "local recovery is not enabled"
	ipchange            = "Admin/kit/Ipapp/bin/ips_ipchange.exe"
	ipArpupdate         = "Admin/kit/Ipapp/bin/ips_arpupdate.exe"
	standbyWaits        = "3000" // ms that a ping waits for its answer
)

var (
	cable     = templated(queries, "nic-state")
	peerCable = templated(queries, "peer-nic-state")
	ipList    = query(LKRoot, ipchange, "-l").orNative("addresses")
	ipAdd     = change(LKRoot, ipchange, "-a", "-n$GUID", "-i$ID", "-m$MASK")
	ipDelete  = change(LKRoot, ipchange, "-d", "-c$CONTEXT")
	clearARP  = change(System32, "arp.exe", "-d", "$ID")
)

func ping(host string) cmd {
	return query(System32, "ping.exe", "-4", "-n", "1", "-w", standbyWaits, host)
}

// ip is the IP kit: a virtual IP address on a network adapter.
var ip = Kit{
	Name:  "ip",
	begin: (*Engine).loadNIC,
	Actions: []Action{
		{Name: "quickCheck", Needs: []string{"tag", "id", "nic", "guid"}, Steps: []Step{
			{"(1)", "Is the cable of the address's network adapter connected?", []Op{
				ask(cable, readCable,
					on(disconnected, say(ev6507), end(Failure)),
					onAny([]answer{connected, unknown}, goTo("(2)"))),
			}},
			{"(2)", "Is the address on the network adapter of the resource?", []Op{
				ask(ipList, readList,
					on(onAdapter, end(Success)),
					onAny([]answer{onOther, onNone}, say(ev6508), end(Failure))),
			}},
		}},
		{Name: "deepCheck", Needs: []string{"tag", "id", "nic", "guid", "peer"}, Steps: []Step{
			{"(1)", "Is the standby node up?", []Op{
				ask(ping("$PEER"), readPing,
					on(answered, goTo("(2)")),
					onAny([]answer{silent, unknown}, end(Success))),
			}},
			{"(2)", "Is the cable of the standby node's network adapter connected? If not, this " +
				"is logged, but no failure.", []Op{
				ask(peerCable, readCable,
					on(disconnected, say(ev6406), end(Success)),
					onAny([]answer{connected, unknown}, end(Success))),
			}},
		}},
		{Name: "restore", Needs: []string{"tag", "id", "nic", "guid", "mask"}, Closing: "(7)",
			Steps: ipRestore},
		{Name: "remove", Needs: []string{"tag", "id", "nic", "guid"}, Closing: "(6)",
			Steps: ipRemove},
		{Name: "recover", Needs: []string{"tag", "id", "nic", "guid", "mask", "peer"},
			Closing: "(8)", Steps: ipRecover},
	},
}

var ipRestore = []Step{
	{"(1)", "Log that the restore starts.", []Op{say(ev6013)}},
	{"(2)", "Clear the address from the ARP cache.", []Op{do(clearARP)}},
	{"(3)", "Is the address in use already?", []Op{
		ask(ipList, readUse,
			on(onAdapter, goTo("(3-1)")),
			on(onPrimaryNIC,
				let("take the primary network adapter", usePrimary), goTo("(3-1)")),
			on(onOther, goTo("(3-2)")),
			on(onNone,
				let("take the primary network adapter", usePrimary),
				ask(query(API, "arp", "$ID"), readAnswer,
					on(answered, say(ev20003), ret(Failure, "(7)")),
					on(silent, goTo("(4)")),
					on(unknown, // SendARP is missing
						ask(ping("$ID"), readPing,
							on(answered, say(ev20003), ret(Failure, "(7)")),
							on(silent, goTo("(4)"))))))),
	}},
	{"(3-1)", "The address is on the network adapter where it belongs.", []Op{goTo("(4)")}},
	{"(3-2)", "The address is on another network adapter.",
		[]Op{say(ev20002), ret(Failure, "(7)")}},
	{"(4)", "If the cable is connected, assign the address to the network adapter.", []Op{
		ask(cable, readCable,
			on(disconnected, say(ev6019), goTo("(5)")),
			onAny([]answer{connected, unknown}, assign("(4-1)", "(4-2)"))),
	}},
	{"(4-1)", "Update the ARP caches.", []Op{
		ask(change(LKRoot, ipArpupdate, "$ID", "$GUID"), exitCode,
			onAny([]answer{failed, unknown}, say(ev6016))),
	}},
	{"(4-2)", "Is the address on the network adapter now?", []Op{
		ask(ipList, readList,
			on(onAdapter, goTo("(6)")),
			onAny([]answer{onOther, onNone}, say(ev6017), goTo("(5)"))),
	}},
	{"(5)", "If local recovery is enabled, try once more.", []Op{
		check(localRecovery,
			on(localOff, say(ev6008), ret(Failure, "(7)"))),
		check(attempts,
			on(secondTime, ret(Failure, "(7)")),
			on(firstTime,
				let("take the other network adapter, if there is one", useOther),
				goTo("(4)"))),
	}},
	{"(6)", "Log that the restore has succeeded.", []Op{
		storeTheNIC,
		say(ev6001),
		end(Success),
	}},
	{"(7)", "Log that the restore has failed.", []Op{say(ev6002), endAsSet()}},
}

var ipRemove = []Step{
	{"(1)", "Which network adapter holds the address?", []Op{
		ask(ipList, readList,
			onAny([]answer{onAdapter, onOther}, goTo("(2)")),
			on(onNone, goTo("(3)"))), // there is nothing to name to (2)
	}},
	{"(2)", "Remove the address from the network adapter. That it did not work " +
		"is no failure yet.", []Op{
		ask(ipDelete, exitCode,
			on(failed, say(ev6105)),
			on(unknown, goTo("(4)"))),
	}},
	{"(3)", "Clear the address from the ARP cache.", []Op{do(clearARP)}},
	{"(4)", "Is the address gone?", []Op{
		ask(ipList, readList,
			on(onNone, goTo("(5)")),
			onAny([]answer{onAdapter, onOther}, say(ev6018), ret(Failure, "(6)"))),
	}},
	{"(5)", "Log that the remove has succeeded.", []Op{
		act("forget which network adapter held the address", forgetNIC),
		say(ev6101),
		end(Success),
	}},
	{"(6)", "Log that the remove has failed.", []Op{say(ev6102), endAsSet()}},
}

// removeIfThere removes the address from where it is.
var removeIfThere = ask(ipList, readList,
	onAny([]answer{onAdapter, onOther},
		ask(ipDelete, exitCode)))

// storeTheNIC comes as soon as the address is there, so that the next
// quickCheck looks in the right place whatever else the recovery finds out.
var storeTheNIC = act("store which network adapter holds the address", storeNIC)

// assign gives the address to the adapter. It is fine if the adapter has it
// already.
func assign(there, notThere string) Op {
	return ask(ipAdd, exitCode,
		on(ok, goTo(there)),
		onAny([]answer{failed, unknown},
			ask(ipList, readList,
				on(onAdapter, goTo(there)),
				onAny([]answer{onOther, onNone}, goTo(notThere)))))
}

var ipRecover = []Step{
	{"(1)", "Log that the recovery starts.", []Op{say(ev6605)}},
	{"(2)", "Is local recovery enabled?", []Op{
		check(localRecovery,
			on(localOff, say(ev6605Local), ret(Failure, "(8)"))),
	}},
	{"(3)", "Remove the address from its network adapter.", []Op{removeIfThere}},
	{"(4)", "Assign the address to the primary network adapter.", []Op{
		let("take the primary network adapter", usePrimary),
		assign("(4-2)", "(4-1)"),
	}},
	{"(4-1)", "The assignment has failed.", []Op{say(ev6607), goTo("(5)")}},
	{"(4-2)", "The assignment has succeeded: check it.", []Op{
		storeTheNIC,
		perform("quickCheck", on(failed, goTo("(5)"))),
		perform("deepCheck", on(failed, goTo("(5)"))),
		goTo("(7)"),
	}},
	{"(5)", "Clear the address from the primary network adapter and the ARP cache.", []Op{
		removeIfThere,
		do(clearARP),
	}},
	{"(6)", "Assign the address to the local recovery network adapter.", []Op{
		let("take the backup network adapter, if there is one", useBackup),
		assign("(6-2)", "(6-1)"),
	}},
	{"(6-1)", "The assignment has failed.", []Op{say(ev6608), ret(Failure, "(8)")}},
	{"(6-2)", "The assignment has succeeded: check it.", []Op{
		storeTheNIC,
		perform("quickCheck", on(failed, ret(Failure, "(8)"))),
		perform("deepCheck", on(failed, ret(Failure, "(8)"))),
		goTo("(7)"),
	}},
	{"(7)", "Log that the recovery has succeeded.", []Op{say(ev6603), end(Success)}},
	{"(8)", "Log that the recovery has failed.", []Op{say(ev6604), endAsSet()}},
}

package kitrunner

import "slices"

// EventText is one message of the catalogue. A $NAME in Text is a variable, for
// what the documents have in brackets.
type EventText struct {
	Number   int
	Severity Severity
	Text     string
}

// Catalogue lists every message that the kits log: the exact messages of the
// documents, and our own from 20001. As in the documents, 13085 (LAN kit) and
// 6605 (IP kit) have two texts each.
func Catalogue() []EventText {
	return slices.Concat(lanEvents, ipEvents, volEvents, ownEvents, watchEvents, rejoinEvents)
}

// The messages of the LAN kit. $ERR is the action's return value.
var (
	ev13034 = EventText{13034, Error,
		`Lan Manager machine name $ID is in service but it is not possible to confirm that it is an alias on this node. If this condition persists, check the configuration of nodes on this network.`}
	ev13051 = EventText{13051, Error, `Resource $TAG (Machine Alias $ID) not available`}
	ev13062 = EventText{13062, Info,
		`LifeKeeper: REMOVE LAN MANAGER COMPUTER NAME ALIAS $ID START.`}
	ev13063 = EventText{13063, Info,
		`LifeKeeper: REMOVE LAN MANAGER COMPUTER NAME ALIAS $ID END (err=$ERR). This is an ERROR if err is not 0.`}
	ev13064 = EventText{13064, Info,
		`Server service is not up and running on the $NODE machine.`}
	ev13065 = EventText{13065, Info,
		`Unable to delete the computer name alias $ID on the $NODE machine.`}
	ev13071 = EventText{13071, Error, `Local Recovery of Lan Manager Resource $ID FAILED.`}
	ev13072 = EventText{13072, Info, `Recovery of Lan Manager Resource $ID Succeeded.`}
	ev13083 = EventText{13083, Info,
		`LifeKeeper Resource $TAG: RESTORE LAN MANAGER COMPUTER NAME ALIAS $ID START.`}
	ev13084 = EventText{13084, Info,
		`LifeKeeper Resource $TAG: RESTORE LAN MANAGER COMPUTER NAME ALIAS $ID END (err=$ERR). This is an ERROR if err is not 0.`}
	ev13085 = EventText{13085, Info,
		`Starting the LanManager service as it is not up and running on machine $NODE.`}
	ev13085Failed = EventText{13085, Info,
		`Unable to successfully start the LanManager service on machine $NODE.`}
	ev13086 = EventText{13086, Error,
		`Lifekeeper Resource $TAG: The computer alias name $ID could not be added to the local server.`}
	ev13087 = EventText{13087, Info,
		`Lifekeeper Resource $TAG: Waiting up to 60 seconds to verify computer alias name exists on the local server.`}
	ev13088 = EventText{13088, Error,
		`Lifekeeper Resource $TAG: A search could not find the computer alias name $ID on the local server.`}
)

var lanEvents = []EventText{
	ev13034, ev13051, ev13062, ev13063, ev13064, ev13065, ev13071, ev13072,
	ev13083, ev13084, ev13085, ev13085Failed, ev13086, ev13087, ev13088,
}

// The messages of the IP kit. $ID is the address; $GUID and $NIC are the
// adapter that is checked or gets the address.
var (
	ev6001 = EventText{6001, Info, `Restore IP Address $ID End: Successful`}
	ev6002 = EventText{6002, Error, `Restore IP Address $ID Failed`}
	ev6008 = EventText{6008, Error,
		`Local Recovery was not enabled for $ID. Failing IP restore action.`}
	ev6013 = EventText{6013, Info, `Restore IP Address $ID Start`}
	ev6016 = EventText{6016, Error,
		`ARP cache update for IP address $ID on the Primary network adapter failed ($STATUS) (ips_arpupdate $ID $GUID).`}
	ev6017 = EventText{6017, Error,
		`Verification of IP address insertion of IP address $ID on the Primary network adapter failed. (IPINDEX=$GUID; EXTIPADDR=$ID; EXTMASK=$MASK).`}
	ev6018 = EventText{6018, Error,
		`IP address $ID was still active on a network interface $FOUNDNIC. IP address deletion has failed.`}
	ev6019 = EventText{6019, Error, `Network cable on adapter $NIC is not connected !`}
	ev6101 = EventText{6101, Info, `Remove IP Address $ID End: Successful`}
	ev6102 = EventText{6102, Error, `Remove IP Address $ID Failed`}
	ev6105 = EventText{6105, Error,
		`IP address deletion was not successful. ips_ipchange.exe returned an error. However, the remove action is continuing. The IPCONTEXT=$CONTEXT; SWITCHABLEIP=$ID; Error Code=$STATUS; Error Message: $OUTPUT`}
	ev6406 = EventText{6406, Warning,
		`The network cable for network adapter $NIC servicing protected IP address $ID on system $PEER is currently disconnected! This could prevent a successful resource failover to that system. Please reconnect the cable.`}
	ev6507 = EventText{6507, Error,
		`Network cable for IP address $ID on network adapter $NIC is disconnected !.`}
	ev6508 = EventText{6508, Error,
		`IP address $ID was not found on network adapter $NIC. Failing IP resource.`}
	ev6603      = EventText{6603, Info, `Recover IP Address $ID End: Successful`}
	ev6604      = EventText{6604, Error, `Recover IP Address $ID Failed`}
	ev6605      = EventText{6605, Info, `Recover IP Address $ID Start.`}
	ev6605Local = EventText{6605, Error,
		`$TAG was not created for local recovery. Aborting local recovery.`}
	ev6607 = EventText{6607, Error,
		`IP address addition for resource $TAG and IP address $ID on the primary network adapter failed; ( -n$GUID -i$ID -m$MASK). Trying Local Recovery Adapter.`}
	ev6608 = EventText{6608, Error,
		`IP address addition for resource $TAG and IP address $ID on the local recovery adapter failed; (-n$GUID -i$ID -m$MASK). Failing the resource.`}
)

var ipEvents = []EventText{
	ev6001, ev6002, ev6008, ev6013, ev6016, ev6017, ev6018, ev6019, ev6101, ev6102,
	ev6105, ev6406, ev6507, ev6508, ev6603, ev6604, ev6605, ev6605Local, ev6607, ev6608,
}

// The messages of the volume kit. $STATUS is the error code of the failed
// command.
var (
	ev12022 = EventText{12022, Error, `Resource "$TAG" (Volume $VOLUME:) not available`}
	ev12029 = EventText{12029, Error,
		`Unable to get information on volume $VOLUME:. The command "Emcmd . GETMIRRORVOLINFO $VOLUME:" returned a value of $STATUS.`}
	ev12030 = EventText{12030, Error,
		`Mirrored Volume $VOLUME: not in Source Mode; ROLE=$ROLE; EMOUT=$EMOUT`}
	ev12039 = EventText{12039, Error,
		`LifeKeeper: Volume $VOLUME: is being used for Volume Shadow Copy snapshot storage. Cannot take this volume out of service.`}
	ev12045 = EventText{12045, Error, `Unable to unlock volume "$VOLUME:" on "$NODE" machine.`}
	ev12053 = EventText{12053, Error,
		`Volume $VOLUME: was found dirty by Microsoft utility chkntfs during the restore on "$NODE". Chkdsk should be scheduled to run for this volume.`}
	ev12061 = EventText{12061, Error, `CheckVolume failed. Unable to access Volume $VOLUME:.`}
	ev12065 = EventText{12065, Info, `VSS scheduled backups on volume "$VOLUME:" are enabled.`}
	ev12066 = EventText{12066, Error,
		`Failed to enable a VSS backup schedule on volume "$VOLUME:". If shadow copies are required, please enable it manually. However, the volume restore was successful.`}
	ev12092 = EventText{12092, Error, `LifeKeeper is stopping; volume $VOLUME: not switched over.`}
	ev12093 = EventText{12093, Error,
		`Unable to get information on volume "$VOLUME:" on system "$NODE". The command "Emcmd . GETMIRRORVOLINFO $VOLUME:" on system "$NODE" returned a value of $STATUS.`}
	ev12097 = EventText{12097, Error,
		`Unable to delete Volume Shadow Copy snapshots for volume "$VOLUME:" on "$NODE". Cannot remove volume resource.`}
	ev12098 = EventText{12098, Error,
		`Unable to lock volume "$VOLUME:" on "$NODE". The command "EmCmd . LOCKVOLUME $VOLUME:" on system "$NODE" returned a value of $STATUS.`}
	ev12500 = EventText{12500, Error, `Switchover of volume "$VOLUME:" failed - status $STATUS`}
	ev12501 = EventText{12501, Error, `Unlock of volume "$VOLUME:" failed - status $STATUS`}
)

var volEvents = []EventText{
	ev12022, ev12029, ev12030, ev12039, ev12045, ev12053, ev12061, ev12065,
	ev12066, ev12092, ev12093, ev12097, ev12098, ev12500, ev12501,
}

// Our own messages, where the documents have none.
var (
	ev20001 = EventText{20001, Warning,
		`Step $STEP could not be determined, and nothing more was changed on its account: $COMMAND: $WHY`}
	ev20002 = EventText{20002, Error,
		`IP address $ID is already on another network adapter of this system ($FOUNDNIC).`}
	ev20003 = EventText{20003, Error, `IP address $ID is already used by another host.`}
	ev20004 = EventText{20004, Warning,
		`Which network adapter holds IP address $ID could not be stored, so that the next action may look at another one: $WHY`}
	ev20005 = EventText{20005, Warning,
		`The state of resource $TAG on system $PEER could not be read, so it was not compared with the mirror of volume $VOLUME:: $WHY`}
	ev20006 = EventText{20006, Warning,
		`The state of resource $TAG on system $PEER could not be changed to $STATE: $WHY`}
	ev20007 = EventText{20007, Warning,
		`System $PEER could not be asked about volume $VOLUME:, so split brain was not looked for: $WHY`}
	ev20008 = EventText{20008, Error,
		`Split brain: volume $VOLUME: is the mirror's source on both $NODE and $PEER.`}
	ev20009 = EventText{20009, Warning,
		`The flag SplitBrain_$VOLUME: could not be set on both systems: $WHY`}
	ev20010 = EventText{20010, Warning,
		`The SNMP trap about the split brain of volume $VOLUME: could not be sent: $WHY`}
	ev20011 = EventText{20011, Info,
		`The split brain of volume $VOLUME: is over: $NODE is the only source, and the mirror is mirroring. The flag SplitBrain_$VOLUME: was removed.`}
	ev20012 = EventText{20012, Warning,
		`The split brain of volume $VOLUME: is over, but the flag SplitBrain_$VOLUME: could not be removed on both systems, so that the next one may not be reported: $WHY`}
)

// Our own messages about a rejoin.
var (
	ev20051 = EventText{20051, Info,
		`LifeKeeper: CLEAN UP SYSTEM $NODE AFTER $PEER WAS INSTALLED ANEW START.`}
	ev20052 = EventText{20052, Error,
		`Clean-up of system $NODE after $PEER was installed anew: step $STEP failed, and nothing was changed after it: $COMMAND: $WHY`}
	ev20053 = EventText{20053, Info,
		`LifeKeeper: CLEAN UP SYSTEM $NODE AFTER $PEER WAS INSTALLED ANEW END (err=$ERR). This is an ERROR if err is not 0.`}
	ev20054 = EventText{20054, Warning,
		`Clean-up of system $NODE after $PEER was installed anew: step $SKIPPED was skipped on request: $REASON`}
	ev20055 = EventText{20055, Error,
		`Clean-up of system $NODE after $PEER was installed anew was refused, and nothing was changed: $WHY`}
)

var rejoinEvents = []EventText{ev20051, ev20052, ev20053, ev20054, ev20055}

var ownEvents = []EventText{ev20001, ev20002, ev20003, ev20004, ev20005, ev20006, ev20007, ev20008,
	ev20009, ev20010, ev20011, ev20012}

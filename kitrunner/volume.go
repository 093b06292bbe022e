package kitrunner

// The answers of the volume kit.
const (
	isSource  answer = "this system is the mirror's source"
	isTarget  answer = "this system is the mirror's target"
	otherRole answer = "this system is neither the mirror's source nor its target"

	mirrorsOSU    answer = "the mirror is mirroring and the peer's resource is OSU"
	mirrorsNotOSU answer = "the mirror is mirroring and the peer's resource is not OSU"
	brokenOSF     answer = "the mirror is not mirroring and the peer's resource is OSF"
	brokenNotOSF  answer = "the mirror is not mirroring and the peer's resource is not OSF"

	oneTarget   answer = "the mirror has one target"
	moreTargets answer = "the mirror has several targets"
	splitBrain  answer = "both systems are the mirror's source: split brain"
	peerTarget  answer = "the peer is the mirror's target"
	flagMade    answer = "the flag was made"
	flagStood   answer = "the flag was there already"
	noFlag      answer = "there is no flag"
	whole       answer = "every target is a target and mirroring"
	notWhole    answer = "not every target is a target and mirroring"
	splitIsNew  answer = "the split brain is new"
	splitStands answer = "the split brain was reported before"

	locked      answer = "the volume is locked"
	notLocked   answer = "the volume is not locked"
	shadows     answer = "there are some"
	noShadows   answer = "there are none"
	stopping    answer = "LifeKeeper is stopping"
	notStopping answer = "LifeKeeper is not stopping"
	noTask      answer = "there is no scheduled task"
)

// The lists of the volume kit. Most mirrors have one target, the peer.
const (
	targets     = "the mirror's targets"
	trueTargets = "the targets that say so too"
)

func mirrorCmd(k kind, node, verb string) cmd {
	return cmd{kind: k, place: ExtMirrBase, name: "EMCMD.exe",
		args: []string{node, verb, "$MIRROR"}}
}

func lcdremexec(words ...string) cmd {
	return change(LKBin, "lcdremexec.exe", append([]string{"-d", "$PEER", "--"}, words...)...)
}

// splitFlag is flg_create or flg_remove, here or with -d on another system.
func splitFlag(command string, where ...string) cmd {
	return change(LKBin, command, append(where, "-f", "SplitBrain_$VOLUME:")...)
}

const splitText = "LifeKeeper replicated volume Split Brain detected."

// The documents do not say where volume.exe, CheckVolume.exe and
// EISMEventNotice.exe are.
var (
	checkVolume = change(LKBin, "CheckVolume.exe", "$VOLUME:").orNative("write-test", "$VOLUME")
	splitTrap   = change(LKBin, "EISMEventNotice.exe", "$NODE", "6", "160",
		"s:"+splitText, "s:$VOLUME:", "s:$PEER").
		orNative("snmp-trap", "$NODE", "6", "160", splitText, "$VOLUME:", "$PEER")
	deletePeerVSS = lcdremexec("vssadmin.exe", "delete", "shadows", "/for=$VOLUME:",
		"/quiet").within(deleteShadows)
	deleteVSS = change(System32, "vssadmin.exe", "delete", "shadows", "/for=$VOLUME:",
		"/quiet").within(deleteShadows)
)

// volume is the volume kit: a DataKeeper mirrored volume. It has no recover.
var volume = Kit{
	Name: "volume",
	Actions: []Action{
		{Name: "quickCheck", Needs: []string{"tag", "volume", "peer"},
			Steps: mirrorChecks(end(Success))},
		{Name: "deepCheck", Needs: []string{"tag", "volume", "peer"},
			Steps: append(mirrorChecks(goTo("(6)")),
				Step{"(6)", "Can the volume be written to?", []Op{
					ask(checkVolume, exitCode,
						on(ok, end(Success)),
						on(failed, say(ev12022), end(Failure))),
				}})},
		{Name: "restore", Needs: []string{"tag", "volume"}, Steps: volumeRestore},
		{Name: "remove", Needs: []string{"tag", "volume"}, Steps: volumeRemove},
	},
}

// mirrorChecks are the steps (1) to (5), which quickCheck and deepCheck share.
// They end with then.
func mirrorChecks(then Op) []Step {
	return []Step{
		{"(1)", "Get the mirror's information.", []Op{
			ask(mirrorCmd(queries, ".", "GETMIRRORVOLINFO"), readMirror,
				on(failed, say(ev12029), end(Failure))),
		}},
		{"(2)", "Is this system the mirror's source?", []Op{
			check(role,
				on(isSource, goTo("(3)")),
				onAny([]answer{isTarget, otherRole}, say(ev12030), end(Success))),
		}},
		{"(3)", "Does the peer's resource have the state that belongs to the mirror's? Every " +
			"target of the mirror is a peer.", []Op{
			check(several,
				on(oneTarget),
				on(moreTargets, // $PEER is one of them; the job has their names
					ask(query(ExtMirrBase, "EMCMD.exe", ".", "getjobinfoforvol", "$VOLUME"),
						readTargets, on(unknown)))),
			each(targets, nil,
				ask(query(LKBin, "ins_list.exe", "-d", "$PEER", "-t", "$TAG"), readPeerState,
					onAny([]answer{mirrorsOSU, brokenOSF}),
					onAny([]answer{mirrorsNotOSU, brokenNotOSF},
						ask(templated(changes, "set-state"), exitCode,
							onAny([]answer{failed, unknown}, say(ev20006)))),
					on(unknown, say(ev20005)))),
		}},
		{"(4)", "Is the peer the mirror's source as well? If the mirror is whole, remove the " +
			"flag of a split brain that is over.", []Op{
			each(targets, nil,
				ask(mirrorCmd(queries, "$PEER", "GETMIRRORVOLINFO"), readPeerRole,
					on(peerTarget),
					onAny([]answer{failed, unknown}, say(ev20007)),
					on(splitBrain,
						ask(splitFlag("flg_create.exe"), readFlag,
							onAny([]answer{failed, unknown}, say(ev20009))),
						ask(splitFlag("flg_create.exe", "-d", "$PEER"), readPeerFlag,
							onAny([]answer{failed, unknown}, say(ev20009))),
						check(split,
							on(splitIsNew, say(ev20008),
								ask(splitTrap, exitCode,
									onAny([]answer{failed, unknown}, say(ev20010)))),
							on(splitStands))))),
			check(isWhole,
				on(notWhole),
				on(whole,
					ask(query(LKBin, "flg_test.exe", "-f", "SplitBrain_$VOLUME:"), readFlagTest,
						onAny([]answer{noFlag, unknown}),
						on(flagStood,
							each(targets, nil,
								ask(splitFlag("flg_remove.exe", "-d", "$PEER"), readFlagRemoved,
									onAny([]answer{failed, unknown}, say(ev20012)))),
							ask(splitFlag("flg_remove.exe"), readFlagRemoved,
								on(ok, say(ev20011)),
								onAny([]answer{failed, unknown}, say(ev20012))))))),
		}},
		{"(5)", "Delete the volume's shadow copies on the peer, unless it is a source or could " +
			"not be asked.", []Op{
			each(trueTargets, nil, do(deletePeerVSS)),
			then,
		}},
	}
}

var volumeRestore = []Step{
	{"(1)", "Bring the mirror's information up to date.",
		[]Op{do(mirrorCmd(changes, ".", "UPDATEVOLUMEINFO"))}},
	{"(2)", "Is this system the mirror's source? Then unlock the volume; if it is the target, " +
		"switch over to it.", []Op{
		ask(mirrorCmd(queries, "$NODE", "GETMIRRORVOLINFO"), readMirror,
			on(isSource,
				ask(mirrorCmd(changes, ".", "UNLOCKVOLUME"), readEmcmd,
					on(failed, say(ev12501), end(Failure)))),
			on(isTarget,
				ask(mirrorCmd(switchover, ".", "SWITCHOVERVOLUME"), readEmcmd,
					on(failed, say(ev12500), end(Failure)))),
			onAny([]answer{otherRole, failed}, cannotTell())),
	}},
	{"(3)", "Is the volume locked? Then unlock it.", []Op{
		ask(query(LKBin, "volume.exe", "-d"), readLocked,
			on(locked,
				ask(change(LKBin, "volume.exe", "-u", "$VOLUME:"), exitCode,
					on(failed, say(ev12045), end(Failure)))),
			on(notLocked, goTo("(4)"))),
	}},
	{"(4)", "Is the file system clean?", []Op{
		ask(query(System32, "chkntfs.exe", "$VOLUME:"), exitCode,
			on(failed, say(ev12053), end(Failure))),
	}},
	{"(5)", "Can the volume be written to?", []Op{
		ask(checkVolume, exitCode,
			on(failed, say(ev12061), end(Failure))),
	}},
	{"(6)", "Enable the scheduled task of the volume's shadow copies, if there is one. The " +
		"volume is restored in any case.", []Op{
		ask(query(System32, "mountvol.exe", "$VOLUME:", "/L"), readVolumeGUID,
			on(unknown, say(ev12066), end(Success))),
		ask(templated(queries, "find-task"), readTask,
			on(noTask, end(Success)),
			on(unknown, say(ev12066), end(Success))),
		ask(templated(changes, "enable-task"), exitCode,
			on(ok, say(ev12065), end(Success)),
			onAny([]answer{failed, unknown}, say(ev12066), end(Success))),
	}},
}

var volumeRemove = []Step{
	{"(1)", "Are shadow copies stored on the volume?", []Op{
		ask(query(System32, "vssadmin.exe", "list", "shadowstorage", "/On=$VOLUME:"), readShadows,
			on(shadows, say(ev12039), end(Failure)),
			on(noShadows, goTo("(2)"))),
	}},
	{"(2)", "Is LifeKeeper stopping?", []Op{
		ask(templated(queries, "lifekeeper-state"), readLifeKeeper,
			on(stopping, say(ev12092), end(Failure)),
			on(notStopping, goTo("(3)"))),
	}},
	{"(3)", "Bring the mirror's information up to date.",
		[]Op{do(mirrorCmd(changes, ".", "UPDATEVOLUMEINFO"))}},
	{"(4)", "Is this system the mirror's source?", []Op{
		ask(mirrorCmd(queries, ".", "GETMIRRORVOLINFO"), readMirror,
			on(isSource, goTo("(5)")),
			on(isTarget, end(Success)),
			on(failed, say(ev12093), end(Failure)),
			on(otherRole, cannotTell())),
	}},
	{"(5)", "Delete the volume's shadow copies, and see whether any is left.", []Op{
		do(deleteVSS),
		ask(query(System32, "vssadmin.exe", "list", "shadows", "/for=$VOLUME:"), readShadows,
			on(shadows, say(ev12097), end(Failure)),
			on(noShadows, goTo("(6)"))),
	}},
	{"(6)", "Lock the volume.", []Op{
		ask(mirrorCmd(lockVolume, ".", "LOCKVOLUME"), readEmcmd,
			on(ok, end(Success)),
			on(failed, say(ev12098), end(Failure))),
	}},
}

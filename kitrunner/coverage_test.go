package kitrunner

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sentences are the numbered sentences of the documents, each with the scenario
// that covers it and what the scenario's step must show.
var sentences = []struct{ kit, action, step, sentence, scenario, shows string }{
	{"lanman", "quickCheck", "(1)", "nbtstat lists the alias of the ID: success",
		"the alias is there",
		"> %SystemRoot%\\System32\\nbtstat.exe -n\nthe alias is on this node"},
	{"lanman", "quickCheck", "(1)", "not listed: go to (2)", "the alias is missing",
		"the alias is not on this node"},
	{"lanman", "quickCheck", "(2)", "log Error 13051", "the alias is missing",
		"Error 13051 Resource lan-tag (Machine Alias SRV) not available"},
	{"lanman", "quickCheck", "(2)", "then LmServerNameDel, and the check has failed",
		"the alias is missing", "> %LKBIN%\\LmServerNameDel.exe SRV"},
	{"lanman", "deepCheck", "(1)", "nbtstat lists the alias: success", "the alias is there",
		"the alias is on this node"},
	{"lanman", "deepCheck", "(1)", "not listed: Error 13034, and success all the same",
		"the alias is missing", "Error 13034 Lan Manager machine name SRV is in service but"},
	{"lanman", "restore", "(1)", "log Information 13083", "the alias is there",
		"Information 13083 "},
	{"lanman", "restore", "(2)", "LanmanServer is STOPPED: go to (3)", "the service was stopped",
		"> %SystemRoot%\\System32\\sc.exe query LanmanServer\nthe service is stopped"},
	{"lanman", "restore", "(2)", "any other state: go to (5)", "the service is starting",
		"neither stopped nor running"},
	{"lanman", "restore", "(3)", "log Information 13085 Starting", "the service was stopped",
		"Information 13085 Starting the LanManager service as it is not up and " +
			"running on machine NODE1."},
	{"lanman", "restore", "(3)", "start LanmanServer, then browser", "the service was stopped",
		"sc.exe start LanmanServer\n> %SystemRoot%\\System32\\sc.exe start browser"},
	{"lanman", "restore", "(4)",
		"still STOPPED: Information 13085 Unable, return value 1, go to (A)",
		"the service stays stopped", "Information 13085 Unable to successfully start"},
	{"lanman", "restore", "(4)", "any other state: go to (5)", "the service was stopped",
		"the service is running"},
	{"lanman", "restore", "(5)", "nbtstat lists the alias: return value 0, go to (A)",
		"the alias is there", "the alias is on this node"},
	{"lanman", "restore", "(5)", "not listed: go to (6)", "the alias is added and there at once",
		"the alias is not on this node"},
	{"lanman", "restore", "(6)", "LmServerNameAdd succeeds: go to (7)",
		"the alias is added and there at once", "> %LKBIN%\\LmServerNameAdd.exe SRV\nit succeeded"},
	{"lanman", "restore", "(6)", "it fails: Error 13086, return value 1, go to (A)",
		"the alias cannot be added", "Error 13086 "},
	{"lanman", "restore", "(7)", "listed at the first look: return value 0, go to (A)",
		"the alias is added and there at once", "the alias is on this node\nwas here"},
	{"lanman", "restore", "(7)", "not listed at first: Information 13087 once, every 3 s",
		"the alias is added and there after 6 seconds",
		"the alias is not on this node\nthe alias is not on this node\nthe alias is on this " +
			"node\nInformation 13087 "},
	{"lanman", "restore", "(7)", "not listed after 60 s: Error 13088, return value 2, go to (A)",
		"the alias never comes", "Error 13088 "},
	{"lanman", "restore", "(A)", "log Information 13084 with the return value",
		"the alias never comes", "END (err=2). This is an ERROR if err is not 0."},
	{"lanman", "remove", "(1)", "log Information 13062", "the alias is deleted",
		"Information 13062 "},
	{"lanman", "remove", "(2)", "LanmanServer is RUNNING: go to (3)", "the alias is deleted",
		"the service is running"},
	{"lanman", "remove", "(2)", "any other state: Information 13064, return value 0, go to (A)",
		"the service is starting",
		"Information 13064 Server service is not up and running on the NODE1 machine."},
	{"lanman", "remove", "(3)", "nbtstat lists the alias: go to (4)", "the alias is deleted",
		"the alias is on this node"},
	{"lanman", "remove", "(3)", "not listed: return value 0, go to (A)", "the alias is not there",
		"the alias is not on this node"},
	{"lanman", "remove", "(4)", "LmServerNameDel succeeds: return value 0, go to (A)",
		"the alias is deleted", "LmServerNameDel.exe SRV\nit succeeded"},
	{"lanman", "remove", "(4)", "it fails: Information 13065, return value 1, go to (A)",
		"the alias cannot be deleted", "Information 13065 "},
	{"lanman", "remove", "(A)", "log Information 13063 with the return value",
		"the alias cannot be deleted", "END (err=1). This is an ERROR if err is not 0."},
	{"lanman", "recover", "(1)", "the same as restore", "the restore succeeds", "it succeeded"},
	{"lanman", "recover", "(2)", "restore succeeded: Information 13072", "the restore succeeds",
		"Information 13072 "},
	{"lanman", "recover", "(2)", "restore failed: Error 13071", "the restore fails",
		"Error 13071 "},

	{"ip", "quickCheck", "(1)", "cable DISCONNECTED: Error 6507, failure",
		"the cable is disconnected",
		"Error 6507 Network cable for IP address 198.51.100.7 on network adapter Ethernet " +
			"is disconnected !."},
	{"ip", "quickCheck", "(1)", "cable CONNECTED: go to (2)", "the address is where it belongs",
		"the cable is connected"},
	{"ip", "quickCheck", "(2)", "ips_ipchange -l: the GUID is the resource's: success",
		"the address is where it belongs",
		"ips_ipchange.exe -l\nthe address is on the network adapter"},
	{"ip", "quickCheck", "(2)", "it is not: Error 6508, failure",
		"the address is on another adapter", "Error 6508 "},
	{"ip", "deepCheck", "(1)", "standby down: success", "the standby node is down",
		"no host answers"},
	{"ip", "deepCheck", "(1)", "standby up: go to (2)", "the standby's cable is connected",
		"a host answers"},
	{"ip", "deepCheck", "(2)", "cable DISCONNECTED: Warning 6406, no failure",
		"the standby's cable is disconnected", "Warning 6406 "},
	{"ip", "deepCheck", "(2)", "cable CONNECTED: success", "the standby's cable is connected",
		"the cable is connected"},
	{"ip", "restore", "(1)", "log Information 6013", "the address is assigned",
		"Information 6013 "},
	{"ip", "restore", "(2)", "arp -d", "the address is assigned", "arp.exe -d 198.51.100.7"},
	{"ip", "restore", "(3)", "not in use: go to (4)", "the address is assigned",
		"the address is on no network adapter\nno host answers"},
	{"ip", "restore", "(3)", "in use: compare the GUID of ips_ipchange -l",
		"the address is there already", "ips_ipchange.exe -l"},
	{"ip", "restore", "(3-1)", "the GUID is the resource's: go to (4)",
		"the address is there already", "was here"},
	{"ip", "restore", "(3)", "the GUID is the resource's: go to (3-1)",
		"the address is there already", "the address is on the network adapter"},
	{"ip", "restore", "(3-2)", "it is not: return value 1, go to (7)",
		"the address is on another adapter", "Error 20002 "},
	{"ip", "restore", "(4)", "cable DISCONNECTED: Error 6019, go to (5)",
		"the cable is disconnected, the backup takes over",
		"Error 6019 Network cable on adapter Ethernet is not connected !"},
	{"ip", "restore", "(4)", "cable CONNECTED: ips_ipchange -a, go to (4-1)",
		"the address is assigned", "ips_ipchange.exe -a -n" + nicGUID +
			" -i198.51.100.7 -m255.255.255.0"},
	{"ip", "restore", "(4-1)", "ips_arpupdate", "the address is assigned",
		"ips_arpupdate.exe 198.51.100.7 " + nicGUID},
	{"ip", "restore", "(4-1)", "it fails: Error 6016, go to (4-2)",
		"the ARP caches cannot be updated", "Error 6016 "},
	{"ip", "restore", "(4-2)", "ips_ipchange -l: assigned: go to (6)", "the address is assigned",
		"the address is on the network adapter"},
	{"ip", "restore", "(4-2)", "on another adapter: Error 6017, go to (5)",
		"the address lands on another adapter, no local recovery",
		"the address is on another network adapter\nError 6017 "},
	{"ip", "restore", "(5)", "no local recovery: Error 6008, go to (7)",
		"the address lands on another adapter, no local recovery", "Error 6008 "},
	{"ip", "restore", "(5)", "local recovery: (4) once more",
		"the address cannot be assigned, the backup takes over", "this is the first time"},
	{"ip", "restore", "(5)", "(4) has failed again, failure, go to (7)",
		"the address cannot be assigned anywhere", "this is the second time"},
	{"ip", "restore", "(6)", "log Information 6001", "the address is assigned",
		"Information 6001 "},
	{"ip", "restore", "(7)", "log Error 6002", "the address is on another adapter", "Error 6002 "},
	{"ip", "remove", "(1)", "ips_ipchange -l", "the address is removed", "ips_ipchange.exe -l"},
	{"ip", "remove", "(2)", "ips_ipchange -d", "the address is removed", "ips_ipchange.exe -d -c" +
		nicGUID},
	{"ip", "remove", "(2)", "it fails: Error 6105, go to (3) all the same",
		"the address cannot be removed",
		"Error 6105 IP address deletion was not successful. ips_ipchange.exe returned an error. " +
			"However, the remove action is continuing. The IPCONTEXT=" + nicGUID +
			"; SWITCHABLEIP=198.51.100.7; Error Code=1168; Error Message: no such context"},
	{"ip", "remove", "(3)", "arp -d", "the address is removed", "arp.exe -d 198.51.100.7"},
	{"ip", "remove", "(4)", "removed: go to (5)", "the address is removed",
		"the address is on no network adapter"},
	{"ip", "remove", "(4)", "not removed: Error 6018, failure, go to (6)",
		"the address cannot be removed",
		"Error 6018 IP address 198.51.100.7 was still active on a network interface Ethernet."},
	{"ip", "remove", "(5)", "log Information 6101", "the address is removed", "Information 6101 "},
	{"ip", "remove", "(6)", "log Error 6102", "the address cannot be removed", "Error 6102 "},
	{"ip", "recover", "(1)", "log Information 6605 Start", "the primary adapter is assigned again",
		"Information 6605 Recover IP Address 198.51.100.7 Start."},
	{"ip", "recover", "(2)", "no local recovery: Error 6605, go to (8)", "no local recovery",
		"Error 6605 ip-tag was not created for local recovery. Aborting local recovery."},
	{"ip", "recover", "(3)", "ips_ipchange -d", "the primary adapter is assigned again",
		"ips_ipchange.exe -d -c" + nicGUID},
	{"ip", "recover", "(4)", "ips_ipchange -a on the primary adapter",
		"the primary adapter is assigned again", "ips_ipchange.exe -a -n" + nicGUID},
	{"ip", "recover", "(4-1)", "it fails: Error 6607, go to (5)",
		"the primary fails, the backup takes over", "Error 6607 "},
	{"ip", "recover", "(4-2)", "quickCheck and deepCheck succeed: go to (7)",
		"the primary adapter is assigned again", "it succeeded\nit succeeded"},
	{"ip", "recover", "(4-2)", "one of them fails: go to (5)",
		"the primary's check fails, the backup takes over", "it failed"},
	{"ip", "recover", "(5)", "arp -d", "the primary fails, the backup takes over",
		"arp.exe -d 198.51.100.7"},
	{"ip", "recover", "(6)", "ips_ipchange -a on the local recovery adapter",
		"the primary fails, the backup takes over", "ips_ipchange.exe -a -n" + backupGUID},
	{"ip", "recover", "(6-1)", "it fails: Error 6608, failure, go to (8)", "both adapters fail",
		"Error 6608 "},
	{"ip", "recover", "(6-2)", "quickCheck and deepCheck succeed: go to (7)",
		"the primary fails, the backup takes over", "it succeeded\nit succeeded"},
	{"ip", "recover", "(6-2)", "one of them fails: go to (8)", "both adapters' checks fail",
		"it failed"},
	{"ip", "recover", "(7)", "log Information 6603", "the primary adapter is assigned again",
		"Information 6603 "},
	{"ip", "recover", "(8)", "log Error 6604", "both adapters fail", "Error 6604 "},

	{"volume", "quickCheck", "(1)", "GETMIRRORVOLINFO", "all is well",
		"> %ExtMirrBase%\\EMCMD.exe . GETMIRRORVOLINFO E:"},
	{"volume", "quickCheck", "(1)", "it fails: ERROR 12029, failure", "the information is refused",
		`Error 12029 Unable to get information on volume E:. The command "Emcmd . GETMIRRORVOLINFO E:" returned a value of 21.`},
	{"volume", "quickCheck", "(2)", "target: ERROR 12030, no failure", "this is the target",
		"Error 12030 Mirrored Volume E: not in Source Mode; ROLE=2; EMOUT=E: 2 " +
			"NODE2 198.51.100.1 1"},
	{"volume", "quickCheck", "(2)", "source: go to (3)", "all is well",
		"this system is the mirror's source"},
	{"volume", "quickCheck", "(3)", "mirroring, OSU: nothing", "all is well",
		"is mirroring and the peer's resource is OSU\nwas here"},
	{"volume", "quickCheck", "(3)", "mirroring, not OSU: change to OSU",
		"mirroring and the peer is ISU", "ins_setst.exe -d NODE2 -t Vol.E -S OSU"},
	{"volume", "quickCheck", "(3)", "not mirroring, OSF: nothing",
		"not mirroring and the peer is OSF",
		"is not mirroring and the peer's resource is OSF\nwas here"},
	{"volume", "quickCheck", "(3)", "not mirroring, not OSF: change to OSF",
		"not mirroring and the peer is OSU", "ins_setst.exe -d NODE2 -t Vol.E -S OSF"},
	{"volume", "quickCheck", "(4)", "GETMIRRORVOLINFO of the peer", "all is well",
		"> %ExtMirrBase%\\EMCMD.exe NODE2 GETMIRRORVOLINFO E:"},
	{"volume", "quickCheck", "(4)", "both are sources: split brain", "split brain", "split brain"},
	{"volume", "quickCheck", "(4)", "flag on both nodes", "split brain",
		"flg_create.exe -f SplitBrain_E:\n> %LKBIN%\\flg_create.exe -d NODE2 -f SplitBrain_E:"},
	{"volume", "quickCheck", "(4)", "SNMP trap", "split brain",
		`EISMEventNotice.exe NODE1 6 160 "s:LifeKeeper replicated volume Split Brain detected." s:E: s:NODE2`},
	{"volume", "quickCheck", "(5)", "delete the peer's shadow copies", "all is well",
		"lcdremexec.exe -d NODE2 -- vssadmin.exe delete shadows /for=E: /quiet"},
	{"volume", "deepCheck", "(1)", "(1) of quickCheck", "the information is refused",
		"Error 12029 "},
	{"volume", "deepCheck", "(2)", "(2) of quickCheck", "this is the target", "Error 12030 "},
	{"volume", "deepCheck", "(3)", "(3) of quickCheck", "not mirroring and the peer is OSU",
		"ins_setst.exe -d NODE2 -t Vol.E -S OSF"},
	{"volume", "deepCheck", "(4)", "(4) of quickCheck", "split brain", "EISMEventNotice.exe"},
	{"volume", "deepCheck", "(5)", "(5) of quickCheck", "all is well", "lcdremexec.exe"},
	{"volume", "deepCheck", "(6)", "CheckVolume succeeds: success", "all is well",
		"> %LKBIN%\\CheckVolume.exe E:\nit succeeded"},
	{"volume", "deepCheck", "(6)", "it fails: ERROR 12022, failure",
		"the volume cannot be written to",
		`Error 12022 Resource "Vol.E" (Volume E:) not available`},
	{"volume", "restore", "(1)", "UPDATEVOLUMEINFO", "this is the source",
		"> %ExtMirrBase%\\EMCMD.exe . UPDATEVOLUMEINFO E:"},
	{"volume", "restore", "(2)", "GETMIRRORVOLINFO of this node", "this is the source",
		"> %ExtMirrBase%\\EMCMD.exe NODE1 GETMIRRORVOLINFO E:"},
	{"volume", "restore", "(2)", "source: UNLOCKVOLUME", "this is the source",
		"EMCMD.exe . UNLOCKVOLUME E:"},
	{"volume", "restore", "(2)", "it fails: ERROR 12501, failure", "unlocking fails",
		`Error 12501 Unlock of volume "E:" failed - status 5`},
	{"volume", "restore", "(2)", "target: SWITCHOVERVOLUME", "this is the target",
		"EMCMD.exe . SWITCHOVERVOLUME E:"},
	{"volume", "restore", "(2)", "it fails: ERROR 12500, failure", "switching over fails",
		`Error 12500 Switchover of volume "E:" failed - status 38`},
	{"volume", "restore", "(3)", "volume -d: locked: volume -u", "the volume is locked",
		"> %LKBIN%\\volume.exe -d\n> %LKBIN%\\volume.exe -u E:"},
	{"volume", "restore", "(3)", "it fails: ERROR 12045, failure",
		"the volume is locked and stays so", "Error 12045 "},
	{"volume", "restore", "(4)", "chkntfs", "this is the source",
		"> %SystemRoot%\\System32\\chkntfs.exe E:"},
	{"volume", "restore", "(4)", "it fails: ERROR 12053, failure", "the file system is dirty",
		"Error 12053 "},
	{"volume", "restore", "(5)", "CheckVolume", "this is the source",
		"> %LKBIN%\\CheckVolume.exe E:"},
	{"volume", "restore", "(5)", "it fails: ERROR 12061, failure",
		"the volume cannot be written to", "Error 12061 "},
	{"volume", "restore", "(6)", "the scheduled task is enabled: INFO 12065", "this is the source",
		"Information 12065 "},
	{"volume", "restore", "(6)", "it is not: ERROR 12066, success all the same",
		"the scheduled task cannot be enabled", "Error 12066 "},
	{"volume", "remove", "(1)", "vssadmin list shadowstorage: some: ERROR 12039, end",
		"shadow copies are stored on it", "Error 12039 "},
	{"volume", "remove", "(2)", "LifeKeeper is stopping: ERROR 12092, end",
		"LifeKeeper is stopping", "Error 12092 "},
	{"volume", "remove", "(3)", "UPDATEVOLUMEINFO", "the volume is locked",
		"EMCMD.exe . UPDATEVOLUMEINFO E:"},
	{"volume", "remove", "(4)", "GETMIRRORVOLINFO: source", "the volume is locked",
		"this system is the mirror's source"},
	{"volume", "remove", "(4)", "target: end", "this is the target",
		"this system is the mirror's target"},
	{"volume", "remove", "(4)", "it fails: ERROR 12093, end", "the information is refused",
		`Error 12093 Unable to get information on volume "E:" on system "NODE1". The command "Emcmd . GETMIRRORVOLINFO E:" on system "NODE1" returned a value of 21.`},
	{"volume", "remove", "(5)", "vssadmin delete shadows, then list shadows",
		"the volume is locked",
		"vssadmin.exe delete shadows /for=E: /quiet\n> %SystemRoot%\\System32\\vssadmin.exe " +
			"list shadows /for=E:"},
	{"volume", "remove", "(5)", "some are left: ERROR 12097, failure", "a shadow copy is left",
		"Error 12097 "},
	{"volume", "remove", "(6)", "LOCKVOLUME succeeds: success", "the volume is locked",
		"EMCMD.exe . LOCKVOLUME E:\nit succeeded"},
	{"volume", "remove", "(6)", "it fails: ERROR 12098, failure", "locking fails", "Error 12098 "},
}

// Every numbered sentence of the documents has a scenario, and every step of
// the kits has a sentence.
func TestEverySentence(t *testing.T) {
	played := map[string]transcript{}
	for _, c := range scenarios() {
		played[c.id()] = c.play(t, nil)
	}
	steps := map[string]bool{}
	for _, s := range sentences {
		steps[s.kit+" "+s.action+" "+s.step] = true
		tr, ok := played[s.kit+"/"+s.action+"/"+s.scenario]
		if !ok {
			t.Errorf("%s %s %s: there is no scenario %q", s.kit, s.action, s.step, s.scenario)
			continue
		}
		if got := tr.section(s.action, s.step); got == "" || !strings.Contains(got, s.shows) {
			t.Errorf("%s %s %s, %s: scenario %q shows\n%s, not %q", s.kit, s.action, s.step,
				s.sentence, s.scenario, got, s.shows)
		}
		where := fmt.Sprintf("%s %s %s, %s: scenario %q", s.kit, s.action, s.step,
			s.sentence, s.scenario)
		if m := goesTo.FindStringSubmatch(s.sentence); m != nil &&
			!tr.goes(s.action, s.step, m[1]) {
			t.Errorf("%s does not go to %s", where, m[1])
		}
		if m := returns.FindStringSubmatch(s.sentence); m != nil && !slices.Contains(codes[m[1]],
			tr.report.Code) {
			t.Errorf("%s ends with %d", where, tr.report.Code)
		}
	}
	for _, k := range Kits() {
		for _, a := range k.Actions {
			for _, s := range a.Steps {
				if !steps[k.Name+" "+a.Name+" "+s.No] {
					t.Errorf("%s %s has step %s, of which no sentence tells", k.Name, a.Name, s.No)
				}
			}
		}
	}
	everyEvent(t, played)
	everyBranch(t, played)
}

// What a sentence says of the step that follows, and of the action's end.
var (
	goesTo  = regexp.MustCompile(`go to (\([0-9A-Z-]+\))`)
	returns = regexp.MustCompile(
		`(return value \d|no failure|success all the same|: success|, failure|, end)`)
	codes = map[string][]int{
		"return value 0": {0}, "return value 1": {1}, "return value 2": {2},
		"no failure": {0}, "success all the same": {0}, ": success": {0}, ", failure": {1, 2},
		", end": {1},
	}
)

// goes tells whether a step of an action was followed by another of it.
func (tr transcript) goes(action, from, to string) bool {
	was := ""
	for _, s := range tr.report.Steps {
		if s.Action == action {
			if was == from && s.Step == to {
				return true
			}
			was = s.Step
		}
	}
	return false
}

// everyEvent checks that each message of the catalogue is logged in some
// scenario.
func everyEvent(t *testing.T, played map[string]transcript) {
	var texts []Event
	for _, tr := range played {
		for _, s := range tr.report.Steps {
			texts = append(texts, s.Events...)
		}
	}
	for _, e := range Catalogue() {
		if e.Number == ev20004.Number {
			continue // TestStoreFails
		}
		parts := regexp.MustCompile(`\$[A-Z]+`).Split(e.Text, -1)
		for i, p := range parts {
			parts[i] = regexp.QuoteMeta(p)
		}
		re := regexp.MustCompile(`(?s)^` + strings.Join(parts, ".+") + `$`)
		if !slices.ContainsFunc(texts, func(ev Event) bool {
			return ev.Number == e.Number && ev.Severity == e.Severity && re.MatchString(ev.Text)
		}) {
			t.Errorf("no scenario logs %d %s", e.Number, e.Text)
		}
	}
	for _, ev := range texts {
		if strings.Contains(ev.Text, "$") {
			t.Errorf("a variable is not filled in: %d %s", ev.Number, ev.Text)
		}
	}
}

// everyBranch checks that each branch of each step is taken in some scenario.
func everyBranch(t *testing.T, played map[string]transcript) {
	taken := map[string]bool{}
	for _, tr := range played {
		for _, s := range tr.report.Steps {
			for _, o := range s.Outcomes {
				taken[tr.report.Kit+" "+s.Action+" "+s.Step+" "+o] = true
			}
		}
	}
	var walk func(where string, ops []Op)
	branches := func(where string, bs []branch) {
		for _, b := range bs {
			for _, a := range b.on {
				if !taken[where+" "+string(a)] {
					t.Errorf("%s: no scenario in which %s", where, a)
				}
			}
			walk(where, b.do)
		}
	}
	walk = func(where string, ops []Op) {
		for _, o := range ops {
			switch o := o.(type) {
			case askOp:
				branches(where, o.branches)
			case checkOp:
				branches(where, o.branches)
			case pollOp:
				branches(where, o.branches)
			case performOp:
				if where == "ip recover (4-2)" || where == "ip recover (6-2)" {
					continue // deepCheck never fails
				}
				branches(where, o.branches)
			}
		}
	}
	for _, k := range Kits() {
		for _, a := range k.Actions {
			for _, s := range a.Steps {
				walk(k.Name+" "+a.Name+" "+s.No, s.Do)
				everyJump(t, a, s.Do)
			}
		}
	}
}

// everyJump checks that a step exists if another goes to it.
func everyJump(t *testing.T, a Action, ops []Op) {
	for _, o := range ops {
		var bs []branch
		switch o := o.(type) {
		case jumpOp:
			if o.next.step != "" && !slices.ContainsFunc(a.Steps, func(s Step) bool {
				return s.No == o.next.step
			}) {
				t.Errorf("%s has no step %s", a.Name, o.next.step)
			}
		case askOp:
			bs = o.branches
		case checkOp:
			bs = o.branches
		case pollOp:
			bs = o.branches
		case performOp:
			bs = o.branches
		}
		for _, b := range bs {
			everyJump(t, a, b.do)
		}
	}
	if a.Closing != "" && !slices.ContainsFunc(a.Steps, func(s Step) bool {
		return s.No == a.Closing
	}) {
		t.Errorf("%s has no step %s", a.Name, a.Closing)
	}
}

package kitrunner

import "strings"

// addresses is ips_ipchange -l as this reads it, GUID and address by turns.
func addresses(pairs ...string) []Result {
	b := &strings.Builder{}
	b.WriteString("{FFFFFFFF-0000-0000-0000-000000000000} 127.0.0.1 255.0.0.0\r\n")
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(strings.ToLower(pairs[i]) + " " + pairs[i+1] + " 255.255.255.0\r\n")
	}
	return said(b.String())
}

func nic(status string) []Result { return said("\r\n" + status + "\r\n") }

const pingAnswer = "\r\n198.51.100.7 に ping を送信しています 32 バイトのデータ:\r\n198.51.100.7 からの応答: バイト数 =32 " +
	"時間 <1ms TTL=128\r\n\r\n" +
	"198.51.100.7 の ping 統計:\r\n    パケット数: 送信 = 1、受信 = 1、損失 = 0 (0% の損失)、\r\n"

const pingSilence = "\r\n198.51.100.7 に ping を送信しています 32 バイトのデータ:\r\n要求がタイムアウトしました。\r\n\r\n" +
	"198.51.100.7 の ping 統計:\r\n    パケット数: 送信 = 1、受信 = 0、損失 = 1 (100% の損失)、\r\n"

var (
	onPrimary = addresses(nicGUID, "198.51.100.7", backupGUID, "198.51.100.70")
	onBackup  = addresses(nicGUID, "198.51.100.1", backupGUID, "198.51.100.7")
	onThird   = addresses(thirdGUID, "198.51.100.7")
	// Each address above its adapter: the one that is asked for is on the
	// primary.
	otherLayout = said("198.51.100.7\r\n" + nicGUID + "\r\n198.51.100.70\r\n" + backupGUID + "\r\n")
	nowhere     = addresses(nicGUID, "198.51.100.70", backupGUID, "198.51.100.71")
)

// ipScript is a node with the address on the primary adapter, in service.
var ipScript = script{
	"cable " + nicGUID:    nic("2"),
	"cable " + backupGUID: nic("2"),
	"arp 198.51.100.7":    exits(1),
	"arp.exe -d":          fine,
	"ping.exe":            said(pingAnswer),
	"lcdremexec.exe":      nic("2"),
	"ips_ipchange.exe -l": onPrimary,
	"ips_ipchange.exe -a": fine,
	"ips_ipchange.exe -d": fine,
	"ips_arpupdate.exe":   fine,
}

func ipScenarios() []scenario {
	case1 := func(action, name string, code int, changes script) scenario {
		return scenario{kit: "ip", action: action, name: name, code: code,
			script: ipScript.with(changes)}
	}
	noLocal := func(c scenario) scenario {
		c.res = func(r *Resource) { r.LocalRecovery = false }
		return c
	}
	noBackup := func(c scenario) scenario {
		c.res = func(r *Resource) { r.BackupNIC, r.BackupGUID = "", "" }
		return c
	}
	stored := func(guid string, c scenario) scenario { c.stored = guid; return c }
	const l, a, d = "ips_ipchange.exe -l", "ips_ipchange.exe -a", "ips_ipchange.exe -d"
	const aPrimary, aBackup = a + " -n" + nicGUID, a + " -n" + backupGUID
	const own, other, standby = "cable " + nicGUID, "cable " + backupGUID, "lcdremexec.exe"

	return []scenario{
		case1("quickCheck", "the address is where it belongs", 0, nil),
		case1("quickCheck", "the cable is disconnected", 1, script{own: nic("7")}),
		case1("quickCheck", "the cable's state is unknown", 0, script{own: notThere}),
		case1("quickCheck", "the adapter is disabled which says nothing of its cable", 0,
			script{own: nic("5")}),
		case1("quickCheck", "the address is on another adapter", 1, script{l: onBackup}),
		case1("quickCheck", "the address is nowhere", 1, script{l: nowhere}),
		case1("quickCheck", "the list hangs", 3, script{l: timedOut}),
		case1("quickCheck", "the list is garbage", 3, script{l: garbage}),
		case1("quickCheck", "the list has an exit code of its own", 0,
			script{l: exits(1, onPrimary[0].Output)}),
		case1("quickCheck", "the list has an exit code and no address", 1,
			script{l: exits(1, nowhere[0].Output)}),
		case1("quickCheck", "the address is the second on its line", 0,
			script{l: said(nicGUID +
				" 198.51.100.1 255.255.255.0 198.51.100.7 255.255.255.0\r\n")}),
		case1("quickCheck", "the address is named in another way", 3,
			script{l: said(nicGUID + " 198.51.100.1 and_198.51.100.7_too\r\n")}),
		case1("quickCheck", "the list has another layout", 3, script{l: otherLayout}),
		stored(backupGUID, case1("quickCheck", "the address was recovered to the backup adapter", 0,
			script{l: onBackup})),
		stored(thirdGUID, case1("quickCheck", "an adapter was stored that is no longer configured",
			0, nil)),

		case1("deepCheck", "the standby node is down", 0, script{"ping.exe": said(pingSilence)}),
		case1("deepCheck", "ping is missing", 0, script{"ping.exe": notThere}),
		case1("deepCheck", "the standby's cable is connected", 0, nil),
		case1("deepCheck", "the standby's cable is disconnected", 0,
			script{standby: said("NetConnectionStatus=7\r\n")}),
		case1("deepCheck", "the standby's cable is unknown", 0, script{standby: exits(9)}),

		case1("restore", "the address is assigned", 0, script{l: then(nowhere, onPrimary)}),
		case1("restore", "the address is there already", 0, script{a: exits(1, "exists")}),
		case1("restore", "the address is on another adapter", 1, script{l: onThird}),
		case1("restore", "another host answers", 1,
			script{l: nowhere, "arp 198.51.100.7": exits(0)}),
		case1("restore", "SendARP is missing and no host answers ping", 0,
			script{l: then(nowhere, onPrimary), "arp 198.51.100.7": notThere,
				"ping.exe": said(pingSilence)}),
		case1("restore", "SendARP is missing and a host answers ping", 1,
			script{l: nowhere, "arp 198.51.100.7": notThere}),
		case1("restore", "neither SendARP nor ping can be asked", 3,
			script{l: nowhere, "arp 198.51.100.7": notThere, "ping.exe": notThere}),
		case1("restore", "the list hangs", 3, script{l: timedOut}),
		case1("restore", "the cable's state is unknown", 0, script{l: then(nowhere, onPrimary),
			own: timedOut}),
		noLocal(case1("restore", "the cable is disconnected, no local recovery", 1,
			script{l: nowhere, own: nic("7")})),
		case1("restore", "the cable is disconnected, the backup takes over", 0,
			script{l: then(nowhere, onBackup), own: nic("7")}),
		noBackup(case1("restore", "the cable is disconnected and reconnected, no backup", 0,
			script{l: then(nowhere, onPrimary), own: then(nic("7"), nic("2"))})),
		case1("restore", "both cables are disconnected", 1, script{l: nowhere, own: nic("7"),
			other: nic("7")}),
		case1("restore", "the ARP caches cannot be updated", 0, script{l: then(nowhere, onPrimary),
			"ips_arpupdate.exe": exits(87, "ARP\r\n error")}),
		case1("restore", "updating the ARP caches hangs", 0, script{l: then(nowhere, onPrimary),
			"ips_arpupdate.exe": timedOut}),
		case1("restore", "the address cannot be assigned, the backup takes over", 0,
			script{l: then(nowhere, nowhere, nowhere, onBackup), aPrimary: exits(1)}),
		noLocal(case1("restore", "the address lands on another adapter, no local recovery", 1,
			script{l: then(nowhere, onThird)})),
		case1("restore", "the address cannot be assigned anywhere", 1,
			script{l: nowhere, a: exits(1)}),
		noLocal(case1("restore", "assigning fails and it lands on another adapter", 1,
			script{l: then(nowhere, onThird), a: exits(1)})),
		case1("restore", "assigning hangs and did nothing", 1, script{l: nowhere, a: timedOut}),
		case1("restore", "assigning hangs and the list hangs", 3, script{l: then(nowhere, timedOut),
			a: timedOut}),
		stored(backupGUID, case1("restore", "the address is on the backup since a recovery", 0,
			script{l: onBackup, a: exits(1)})),
		stored(backupGUID, case1("restore", "the backup was stored and it is on the primary", 0,
			script{l: onPrimary, a: exits(1)})),
		stored(backupGUID,
			case1("restore", "the backup was stored and fails, the primary takes over", 0,
				script{l: then(onBackup, onPrimary), other: nic("7")})),

		case1("remove", "the address is removed", 0, script{l: then(onPrimary, nowhere)}),
		stored(backupGUID, case1("remove", "it is removed from the backup, which is forgotten", 0,
			script{l: then(onBackup, nowhere)})),
		case1("remove", "the address has a context", 0,
			script{l: then(said(nicGUID+" 198.51.100.7 255.255.255.0 Context=0x2a\r\n"), nowhere)}),
		case1("remove", "the address is on another adapter", 0, script{l: then(onThird, nowhere)}),
		case1("remove", "the address is nowhere", 0, script{l: nowhere}),
		case1("remove", "the address cannot be removed", 1,
			script{d: exits(1168, "no such\r\n  context")}),
		case1("remove", "removing fails and yet it is gone", 0, script{l: then(onPrimary, nowhere),
			d: exits(5)}),
		case1("remove", "removing hangs", 1, script{d: timedOut}),
		case1("remove", "removing hangs and the list hangs", 3, script{l: then(onPrimary, timedOut),
			d: timedOut}),
		case1("remove", "the address is on a foreign adapter and stays", 1, script{l: onThird}),
		case1("remove", "the list hangs", 3, script{l: timedOut}),

		case1("recover", "the primary adapter is assigned again", 0, nil),
		noLocal(case1("recover", "no local recovery", 1, nil)),
		case1("recover", "the address was nowhere", 0, script{l: then(nowhere, onPrimary)}),
		case1("recover", "assigning fails because it is there", 0, script{a: exits(1)}),
		case1("recover", "the primary fails, the backup takes over", 0,
			script{l: then(onPrimary, nowhere, nowhere, onBackup), aPrimary: exits(1)}),
		case1("recover", "the primary's check fails, the backup takes over", 0,
			script{own: nic("7"), l: then(onPrimary, onPrimary, onBackup)}),
		case1("recover", "both adapters fail", 1, script{l: then(onPrimary, nowhere), a: exits(1)}),
		case1("recover", "both adapters' checks fail", 1, script{own: nic("7"), other: nic("7")}),
		noBackup(case1("recover", "there is no backup, the primary is tried again", 0,
			script{own: then(nic("7"), nic("2"))})),
		stored(backupGUID, case1("recover", "from the backup to the primary", 0,
			script{l: then(onBackup, onPrimary)})),
		case1("recover", "from a foreign adapter to the primary", 0,
			script{l: then(onThird, onPrimary)}),
		case1("recover", "assigning hangs and lands elsewhere, the backup takes over", 0,
			script{l: then(onPrimary, onThird, onThird, onBackup), a: timedOut}),
		case1("recover", "assigning fails and lands elsewhere", 1,
			script{l: then(onPrimary, nowhere, nowhere, onThird), a: exits(1)}),
		case1("remove", "the list has another layout", 3, script{l: otherLayout}),

		case1("recover", "the list hangs", 3, script{l: timedOut}),
		case1("recover", "removing hangs", 3, script{d: timedOut}),
		case1("recover", "the list hangs in the check", 3, script{l: then(onPrimary, timedOut)}),
		case1("recover", "removing from the primary hangs", 3,
			script{own: nic("7"), d: then(fine, timedOut)}),
	}
}

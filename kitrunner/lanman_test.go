package kitrunner

import "strings"

const (
	nicGUID    = "{11111111-2222-3333-4444-555555555555}"
	backupGUID = "{AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE}"
	thirdGUID  = "{99999999-8888-7777-6666-555555555555}"
	volumeGUID = "{0F0F0F0F-1111-2222-3333-444444444444}"
)

// resources are complete resources, one for each kit.
var resources = map[string]Resource{
	"lanman": {Tag: "lan-tag", ID: "SRV", Node: "NODE1"},
	"ip": {Tag: "ip-tag", ID: "198.51.100.7", Node: "NODE1", Peer: "NODE2", NIC: "Ethernet",
		GUID: nicGUID,
		Mask: "255.255.255.0", BackupNIC: "Ethernet 2", BackupGUID: backupGUID,
		LocalRecovery: true},
	"volume": {Tag: "Vol.E", Node: "NODE1", Peer: "NODE2", Volume: "E"},
}

// names is nbtstat -n on a Japanese Windows.
func names(names ...string) string {
	var b strings.Builder
	b.WriteString("\r\nイーサネット:\r\nノード IP アドレス: [198.51.100.1] スコープ ID: []\r\n\r\n")
	if len(names) == 0 {
		return b.String() + "    キャッシュに名前がありません\r\n"
	}
	b.WriteString("                NetBIOS ローカル ネーム テーブル\r\n\r\n       名前               " +
		"種類         状態    \r\n    ---------------------------------------------\r\n")
	for _, n := range names {
		b.WriteString("    " + n + strings.Repeat(" ", max(0, 15-len(n))) +
			"<20>  一意          登録済      \r\n")
	}
	return b.String()
}

func service(name, state string) string {
	return "\r\nSERVICE_NAME: " + name +
		" \r\n        TYPE               : 20  WIN32_SHARE_PROCESS  \r\n        " +
		"STATE              : " + state +
		" \r\n                                (STOPPABLE, PAUSABLE, IGNORES_SHUTDOWN)\r\n        " +
		"WIN32_EXIT_CODE    : 0  (0x0)\r\n        SERVICE_EXIT_CODE  : 0  (0x0)\r\n" +
		"        CHECKPOINT         : 0x0\r\n        WAIT_HINT          : 0x0\r\n"
}

var (
	serverStopped = said(service("LanmanServer", "1  STOPPED"))
	serverRuns    = said(service("LanmanServer", "4  RUNNING"))
	serverStarts  = said(service("LanmanServer", "2  START_PENDING"))

	listed    = said(names("NODE1", "WORKGROUP", "SRV"))
	notListed = said(names("NODE1", "WORKGROUP", "SRV01"))
)

// lanmanScript is a node with the alias, in service.
var lanmanScript = script{
	"nbtstat.exe -n":            listed,
	"sc.exe query LanmanServer": serverRuns,
	"sc.exe start LanmanServer": fine,
	"sc.exe start browser":      exits(1060),
	"LmServerNameAdd.exe SRV":   fine,
	"LmServerNameDel.exe SRV":   fine,
}

func lanmanScenarios() []scenario {
	case1 := func(action, name string, code int, changes script) scenario {
		return scenario{kit: "lanman", action: action, name: name, code: code,
			script: lanmanScript.with(changes)}
	}
	// The looks of restore: step (5), then those of step (7).
	looks := func(n int, last []Result) []Result {
		var rs []Result
		for range n {
			rs = append(rs, notListed...)
		}
		return append(rs, last...)
	}
	short := func(c scenario, id string) scenario {
		c.res = func(r *Resource) { r.ID = id }
		return c
	}
	return []scenario{
		case1("quickCheck", "the alias is there", 0, nil),
		case1("quickCheck", "the alias is missing", 1, script{"nbtstat.exe -n": notListed}),
		case1("quickCheck", "the alias is missing and cannot be deleted", 1,
			script{"nbtstat.exe -n": notListed, "LmServerNameDel.exe SRV": exits(1)}),
		case1("quickCheck", "no name is registered", 1, script{"nbtstat.exe -n": said(names())}),
		case1("quickCheck", "nbtstat is missing", 3, script{"nbtstat.exe -n": notThere}),
		case1("quickCheck", "nbtstat hangs", 3, script{"nbtstat.exe -n": timedOut}),
		case1("quickCheck", "nbtstat prints garbage", 3, script{"nbtstat.exe -n": garbage}),
		case1("quickCheck", "nbtstat has an exit code of its own", 0,
			script{"nbtstat.exe -n": exits(1, listed[0].Output)}),
		case1("quickCheck", "nbtstat has an exit code and no alias", 1,
			script{"nbtstat.exe -n": exits(1, notListed[0].Output)}),
		short(case1("quickCheck", "a Japanese alias that cannot be decoded", 3,
			script{"nbtstat.exe -n": said(names("NODE1", "\ufffdc\ufffd\u018b\ufffd\ufffd"))}),
			"営業部"),
		short(case1("quickCheck", "a long alias is its first 15 characters", 0,
			script{"nbtstat.exe -n": said(names("ABCDEFGHIJKLMNO"))}), "abcdefghijklmnopq"),
		short(case1("quickCheck", "an alias is not a pattern", 1,
			script{"LmServerNameDel.exe": fine}), "S.V"),

		case1("deepCheck", "the alias is there", 0, nil),
		case1("deepCheck", "the alias is missing", 0, script{"nbtstat.exe -n": notListed}),
		case1("deepCheck", "nbtstat is missing", 3, script{"nbtstat.exe -n": notThere}),

		case1("restore", "the alias is there", 0, nil),
		case1("restore", "the service is starting", 0,
			script{"sc.exe query LanmanServer": serverStarts}),
		case1("restore", "the service was stopped", 0,
			script{"sc.exe query LanmanServer": then(serverStopped, serverRuns)}),
		case1("restore", "the service was stopped and is starting", 0,
			script{"sc.exe query LanmanServer": then(serverStopped, serverStarts)}),
		case1("restore", "the service stays stopped", 1,
			script{"sc.exe query LanmanServer": serverStopped,
				"sc.exe start LanmanServer": exits(1058)}),
		case1("restore", "the alias is added and there at once", 0,
			script{"nbtstat.exe -n": looks(1, listed)}),
		case1("restore", "the alias is added and there after 6 seconds", 0,
			script{"nbtstat.exe -n": looks(3, listed)}),
		case1("restore", "the alias is there at the last look", 0,
			script{"nbtstat.exe -n": looks(21, listed)}),
		case1("restore", "the alias never comes", 2, script{"nbtstat.exe -n": notListed}),
		case1("restore", "the alias cannot be added", 1, script{"nbtstat.exe -n": notListed,
			"LmServerNameAdd.exe SRV": exits(5)}),
		case1("restore", "adding the alias hangs", 3, script{"nbtstat.exe -n": notListed,
			"LmServerNameAdd.exe SRV": timedOut}),
		case1("restore", "sc is missing", 3, script{"sc.exe query LanmanServer": notThere}),
		case1("restore", "sc is missing after the start", 3,
			script{"sc.exe query LanmanServer": then(serverStopped, notThere)}),
		case1("restore", "nbtstat is missing", 3, script{"nbtstat.exe -n": notThere}),
		case1("restore", "nbtstat hangs once while waiting", 0,
			script{"nbtstat.exe -n": then(notListed, timedOut, listed)}),
		case1("restore", "nbtstat hangs at the last look", 3,
			script{"nbtstat.exe -n": looks(21, timedOut)}),

		case1("remove", "the alias is deleted", 0, nil),
		case1("remove", "the service is stopped", 0,
			script{"sc.exe query LanmanServer": serverStopped}),
		case1("remove", "the service is starting", 0,
			script{"sc.exe query LanmanServer": serverStarts}),
		case1("remove", "the alias is not there", 0, script{"nbtstat.exe -n": notListed}),
		case1("remove", "the alias cannot be deleted", 1,
			script{"LmServerNameDel.exe SRV": exits(1)}),
		case1("remove", "deleting the alias hangs", 3, script{"LmServerNameDel.exe SRV": timedOut}),
		short(case1("remove", "a Japanese alias that cannot be decoded", 3,
			script{"nbtstat.exe -n": said(names("NODE1", "\ufffdc\ufffd\u018b\ufffd\ufffd"))}),
			"営業部"),
		case1("remove", "sc hangs", 3, script{"sc.exe query LanmanServer": timedOut}),
		case1("remove", "nbtstat hangs", 3, script{"nbtstat.exe -n": timedOut}),

		case1("recover", "the restore succeeds", 0, script{"nbtstat.exe -n": looks(1, listed)}),
		case1("recover", "the restore fails", 1, script{"nbtstat.exe -n": notListed,
			"LmServerNameAdd.exe SRV": exits(5)}),
		case1("recover", "the alias never comes", 2, script{"nbtstat.exe -n": notListed}),
		case1("recover", "nbtstat hangs", 3, script{"nbtstat.exe -n": timedOut}),
	}
}

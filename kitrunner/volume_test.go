package kitrunner

// info is GETMIRRORVOLINFO.
func info(line string) []Result { return said(line + "\r\nStatus = 0\r\n") }

func refuses(status string) []Result { return said("Status = " + status + "\r\n") }

// instance is ins_list, whose fields are separated by ^A.
func instance(state string) []Result {
	return said("NODE2\x01filesys\x01volume\x01Vol.E\x01E:\x01\x01" + state +
		"\x01restored\x01AUTORES_ISP\x01INTELLIGENT\r\n")
}

const vssBannerText = "vssadmin 1.1 - ボリューム シャドウ コピー サービス管理コマンド ライン ツール\r\n(C) Copyright " +
	"2001-2013 Microsoft Corp.\r\n\r\n"

var (
	source = info("E: 1 NODE1 198.51.100.2 1")
	target = info("E: 2 NODE2 198.51.100.1 1")
	noRole = info("E: 0 - - 0")
	paused = info("E: 1 NODE1 198.51.100.2 4")
	lkRuns = said(service("LifeKeeper", "4  RUNNING"))

	vssNotAllowed = vssBannerText + "エラー: このコマンドを実行するための正しいアクセス許可がありません。\r\n"

	noneListed = exits(1, vssBannerText+"クエリに一致する項目が見つかりませんでした。\r\n")
	storage    = said(vssBannerText + "シャドウ コピー記憶域関連付け\r\n   ボリューム: (E:)\\\\?\\Volume" +
		volumeGUID + "\\\r\n")
	shadow = said(vssBannerText +
		"         シャドウ コピー ボリューム: \\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy4\r\n")
)

// volumeScript is a node with the mirror's source, in service, nothing locked.
var volumeScript = script{
	"EMCMD.exe . GETMIRRORVOLINFO E:":     source,
	"EMCMD.exe NODE1 GETMIRRORVOLINFO E:": source,
	"EMCMD.exe NODE2 GETMIRRORVOLINFO E:": target,
	"EMCMD.exe . UPDATEVOLUMEINFO E:":     refuses("0"),
	"EMCMD.exe . UNLOCKVOLUME E:":         refuses("0"),
	"EMCMD.exe . SWITCHOVERVOLUME E:":     refuses("0"),
	"EMCMD.exe . LOCKVOLUME E:":           refuses("0"),
	"ins_list.exe -d NODE2 -t Vol.E":      instance("OSU"),
	"ins_setst.exe":                       fine,
	"flg_create.exe -f":                   fine,
	"flg_create.exe -d NODE2 -f":          fine,
	"flg_test.exe -f":                     exits(7),
	"flg_remove.exe -f":                   fine,
	"flg_remove.exe -d NODE2 -f":          fine,
	"EISMEventNotice.exe":                 fine,
	"lcdremexec.exe":                      noneListed,
	"CheckVolume.exe E:":                  fine,
	"volume.exe -d":                       said("D:\r\n"),
	"volume.exe -u E:":                    fine,
	"chkntfs.exe E:":                      fine,
	"mountvol.exe E: /L":                  said("    \\\\?\\Volume" + volumeGUID + "\\\r\n"),
	"schtasks.exe /Query":                 fine,
	"schtasks.exe /Change":                fine,
	"vssadmin.exe list":                   noneListed,
	"vssadmin.exe delete":                 fine,
	"sc.exe query LifeKeeper":             lkRuns,
}

func volumeScenarios() []scenario {
	case1 := func(action, name string, code int, changes script) scenario {
		return scenario{kit: "volume", action: action, name: name, code: code,
			script: volumeScript.with(changes)}
	}
	const (
		here, peer, node = "EMCMD.exe . GETMIRRORVOLINFO E:", "EMCMD.exe NODE2 GETMIRRORVOLINFO E:",
			"EMCMD.exe NODE1 GETMIRRORVOLINFO E:"
		peerState = "ins_list.exe -d NODE2 -t Vol.E"
		flagHere  = "flg_create.exe -f"
		flagPeer  = "flg_create.exe -d NODE2 -f"
		flagTest  = "flg_test.exe -f"
	)
	differs := func(c scenario) scenario {
		if c.action != "quickCheck" || c.name != "split brain" {
			c.like = "volume/quickCheck/split brain"
		}
		return c
	}
	twoTargets := script{
		here: info("E: 1 NODE1 198.51.100.2 1\r\nE: 1 NODE1 198.51.100.3 4"),
		"EMCMD.exe . getjobinfoforvol E": said("ID = e829700c-27b0-447f-b852-1a3135da31a7\r\n" +
			"Name = E\r\nDescription = \r\nMirrorEndPoints = " +
			"NODE1;E;198.51.100.1;NODE2;E;198.51.100.2;A " +
			"NODE1.example.test;E;198.51.100.1;NODE3.example.test;E;198.51.100.3;A\r\n"),
		"EMCMD.exe NODE3 GETMIRRORVOLINFO E:": target,
		"ins_list.exe -d NODE3 -t Vol.E":      instance("OSF"),
		// LifeKeeper does not know a system by its address.
		"ins_list.exe -d 198.51.100": exits(9), "EMCMD.exe 198.51.100": target,
		"lcdremexec.exe -d 198.51.100": exits(9),
	}
	plain := case1("quickCheck", "without a colon", 0, script{
		"EMCMD.exe . GETMIRRORVOLINFO E": source, "EMCMD.exe NODE2 GETMIRRORVOLINFO E": target})
	plain.engine = func(e *Engine) { e.PlainVolume = true }
	custom := case1("quickCheck", "the peer's state is set by another command", 0,
		script{peerState: instance("ISP"), "state.exe": fine})
	custom.engine = func(e *Engine) {
		e.Commands = map[string]string{"set-state": `%LKROOT%\tools\state.exe "to $STATE" $PEER`}
	}
	checks := func(action string) []scenario {
		return []scenario{
			case1(action, "all is well", 0, nil),
			case1(action, "the information is refused", 1, script{here: refuses("21")}),
			case1(action, "the information has an exit code", 1, script{here: exits(1168)}),
			case1(action, "EMCMD is missing", 3, script{here: notThere}),
			case1(action, "EMCMD hangs", 3, script{here: timedOut}),
			case1(action, "EMCMD prints garbage", 3, script{here: garbage}),
			case1(action, "this is the target", 0, script{here: target}),
			case1(action, "this is neither", 0, script{here: noRole}),
			case1(action, "mirroring and the peer is ISU", 0, script{peerState: instance("ISU")}),
			case1(action, "not mirroring and the peer is OSF", 0,
				script{here: paused, peerState: instance("OSF")}),
			case1(action, "not mirroring and the peer is OSU", 0, script{here: paused}),
			case1(action, "the peer's state cannot be set", 0,
				script{here: paused, "ins_setst.exe": exits(5)}),
			case1(action, "the peer's state cannot be read", 0, script{peerState: exits(9)}),
			case1(action, "the state is none that there is", 3,
				script{here: info("E: 1 NODE1 198.51.100.2 9")}),
			case1(action, "two targets in different states", 0, twoTargets),
			case1(action, "two targets, and one is a source", 0, twoTargets.with(script{
				"EMCMD.exe NODE3 GETMIRRORVOLINFO E:": source,
				"flg_create.exe -d NODE3 -f":          fine})),
			case1(action, "two targets whose names are not known", 0, twoTargets.with(script{
				"EMCMD.exe . getjobinfoforvol E": garbage,
				"ins_list.exe -d 198":            exits(9), "EMCMD.exe 198": target})),
			case1(action, "the peer cannot be asked", 0, script{peer: timedOut}),
			case1(action, "the peer refuses", 0, script{peer: refuses("1722")}),
			case1(action, "the peer is neither", 0, script{peer: noRole}),
			differs(case1(action, "split brain", 0, script{peer: source})),
			differs(case1(action, "split brain that stands", 0, script{peer: source,
				flagHere: exits(4), flagPeer: exits(4)})),
			differs(case1(action, "split brain and no flag and no trap", 0,
				script{peer: source, flagHere: exits(1), flagPeer: timedOut,
					"EISMEventNotice.exe": exits(1)})),
			case1(action, "split brain that is over", 0, script{flagTest: fine}),
			case1(action, "split brain that is over, the peer has no flag", 0,
				script{flagTest: fine, "flg_remove.exe -d NODE2 -f": exits(7)}),
			case1(action, "split brain that is over and flags that stay", 0, script{flagTest: fine,
				"flg_remove.exe -d NODE2 -f": timedOut, "flg_remove.exe -f": exits(1)}),
			case1(action, "the flag cannot be asked for", 0, script{flagTest: notThere}),
			case1(action, "split brain that is over but for the mirror", 0,
				script{flagTest: fine, here: paused, peerState: instance("OSF")}),
		}
	}
	all := append(checks("quickCheck"), plain, custom)
	all = append(all, checks("deepCheck")...)
	return append(all,
		case1("deepCheck", "the volume cannot be written to", 1,
			script{"CheckVolume.exe E:": exits(1)}),
		case1("deepCheck", "the write test hangs", 3, script{"CheckVolume.exe E:": timedOut}),

		case1("restore", "this is the source", 0, nil),
		case1("restore", "this is the target", 0, script{node: target}),
		case1("restore", "this is neither", 3, script{node: noRole}),
		case1("restore", "the role is refused", 3, script{node: refuses("2")}),
		case1("restore", "the role hangs", 3, script{node: timedOut}),
		case1("restore", "the role is garbage", 3, script{node: garbage}),
		case1("restore", "the role is cut off", 3, script{node: said("E: 2")}),
		case1("restore", "updating is not possible", 0,
			script{"EMCMD.exe . UPDATEVOLUMEINFO E:": notThere}),
		case1("restore", "unlocking fails", 1, script{"EMCMD.exe . UNLOCKVOLUME E:": refuses("5")}),
		case1("restore", "unlocking hangs", 3, script{"EMCMD.exe . UNLOCKVOLUME E:": timedOut}),
		case1("restore", "switching over fails", 1,
			script{node: target, "EMCMD.exe . SWITCHOVERVOLUME E:": exits(38)}),
		case1("restore", "switching over hangs", 3,
			script{node: target, "EMCMD.exe . SWITCHOVERVOLUME E:": timedOut}),
		case1("restore", "the volume is locked", 0,
			script{"volume.exe -d": said("D: \r\ne: \r\n")}),
		case1("restore", "the volume is locked and stays so", 1, script{"volume.exe -d": said("E:"),
			"volume.exe -u E:": exits(1)}),
		case1("restore", "the locks hang", 3, script{"volume.exe -d": timedOut}),
		case1("restore", "unlocking the lock hangs", 3, script{"volume.exe -d": said("E:"),
			"volume.exe -u E:": timedOut}),
		case1("restore", "the file system is dirty", 1, script{"chkntfs.exe E:": exits(1)}),
		case1("restore", "chkntfs is missing", 3, script{"chkntfs.exe E:": notThere}),
		case1("restore", "the volume cannot be written to", 1,
			script{"CheckVolume.exe E:": exits(1)}),
		case1("restore", "the write test hangs", 3, script{"CheckVolume.exe E:": timedOut}),
		case1("restore", "there is no scheduled task", 0, script{"schtasks.exe /Query": exits(
			0x80070002, "エラー: 指定されたファイルが見つかりません。")}),
		case1("restore", "the scheduled tasks may not be asked for", 0,
			script{"schtasks.exe /Query": exits(0x80070005, "エラー: アクセスが拒否されました。")}),
		case1("restore", "the scheduled task cannot be enabled", 0,
			script{"schtasks.exe /Change": exits(1)}),
		case1("restore", "the scheduled tasks hang", 0, script{"schtasks.exe /Query": timedOut}),
		case1("restore", "the volume's GUID is unknown", 0,
			script{"mountvol.exe E: /L": exits(1, "?")}),

		case1("remove", "the volume is locked", 0, nil),
		case1("remove", "shadow copies are stored on it", 1,
			script{"vssadmin.exe list shadowstorage /On=E:": storage}),
		case1("remove", "the storage hangs", 3,
			script{"vssadmin.exe list shadowstorage /On=E:": timedOut}),
		case1("remove", "the storage is garbage", 3,
			script{"vssadmin.exe list shadowstorage /On=E:": garbage}),
		case1("remove", "the storage may not be asked for", 3,
			script{"vssadmin.exe list shadowstorage /On=E:": exits(2, vssBannerText)}),
		case1("remove", "the storage may not be asked for, with exit code 1", 3,
			script{"vssadmin.exe list shadowstorage /On=E:": exits(1, vssNotAllowed)}),
		case1("remove", "the storage has an exit code of its own", 3,
			script{"vssadmin.exe list shadowstorage /On=E:": exits(2, noneListed[0].Output)}),
		case1("remove", "LifeKeeper is stopping", 1,
			script{"sc.exe query LifeKeeper": said(service("LifeKeeper", "3  STOP_PENDING"))}),
		case1("remove", "LifeKeeper is not installed", 0,
			script{"sc.exe query LifeKeeper": exits(1060,
				"[SC] EnumQueryServicesStatus:OpenService FAILED 1060:")}),
		case1("remove", "LifeKeeper hangs", 3, script{"sc.exe query LifeKeeper": timedOut}),
		case1("remove", "this is the target", 0, script{here: target}),
		case1("remove", "this is neither", 3, script{here: noRole}),
		case1("remove", "the information is refused", 1, script{here: refuses("21")}),
		case1("remove", "EMCMD hangs", 3, script{here: timedOut}),
		case1("remove", "a shadow copy is left", 1,
			script{"vssadmin.exe list shadows /for=E:": shadow, "vssadmin.exe delete": exits(2)}),
		case1("remove", "the shadow copies hang", 3,
			script{"vssadmin.exe list shadows /for=E:": timedOut}),
		case1("remove", "the shadow copies may not be asked for", 3,
			script{"vssadmin.exe list shadows /for=E:": exits(1, vssNotAllowed)}),
		case1("remove", "locking fails", 1, script{"EMCMD.exe . LOCKVOLUME E:": refuses("170")}),
		case1("remove", "locking hangs", 3, script{"EMCMD.exe . LOCKVOLUME E:": timedOut}),
	)
}

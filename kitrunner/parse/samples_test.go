package parse

import "strings"

const (
	nicGUID    = "{11111111-2222-3333-4444-555555555555}"
	backupGUID = "{AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE}"
	volumeGUID = "{0F0F0F0F-1111-2222-3333-444444444444}"

	jobE = "e829700c-27b0-447f-b852-1a3135da31a7"
	jobF = "1b5e8715-a488-4030-8166-45c9232bc04e"

	garbage = "\x00\x1b[2J 0xDEADBEEF \ufffd\ufffd [] <> {} = : 9999999999999999999999\r\n"
)

const nbtEnglish = "\r\nEthernet:\r\nNode IpAddress: [192.0.2.10] Scope Id: []\r\n\r\n" +
	"                NetBIOS Local Name Table\r\n\r\n" +
	"       Name               Type         Status\r\n    " +
	"---------------------------------------------\r\n" +
	"    NODE1          <00>  UNIQUE      Registered \r\n    WORKGROUP      <00>  GROUP       " +
	"Registered \r\n    FILE SERVER 1  <20>  UNIQUE      Registered \r\n    ABCDEFGHIJKLMNO<20>  " +
	"UNIQUE      Registered \r\n    ..__MSBROWSE__.<01>  GROUP       Registered \r\n"

// names is nbtstat -n on a Japanese Windows.
func names(names ...string) string {
	var b strings.Builder
	b.WriteString("\r\nイーサネット:\r\n" +
		"ノード IP アドレス: [198.51.100.1] スコープ ID: []\r\n\r\n")
	if len(names) == 0 {
		return b.String() + "    キャッシュに名前がありません\r\n"
	}
	b.WriteString("                NetBIOS ローカル ネーム テーブル\r\n\r\n" +
		"       名前               種類         状態    \r\n" +
		"    ---------------------------------------------\r\n")
	for _, n := range names {
		b.WriteString("    " + n + strings.Repeat(" ", max(0, 15-len(n))) +
			"<20>  一意          登録済      \r\n")
	}
	return b.String()
}

// service is sc query.
func service(name, state string) string {
	return "\r\nSERVICE_NAME: " + name + " \r\n" +
		"        TYPE               : 20  WIN32_SHARE_PROCESS  \r\n" +
		"        STATE              : " + state + " \r\n" +
		"                                (STOPPABLE, PAUSABLE, IGNORES_SHUTDOWN)\r\n" +
		"        WIN32_EXIT_CODE    : 0  (0x0)\r\n"
}

const (
	pingAnswer = "\r\n198.51.100.7 に ping を送信しています 32 バイトのデータ:\r\n" +
		"198.51.100.7 からの応答: バイト数 =32 時間 <1ms TTL=128\r\n\r\n" +
		"198.51.100.7 の ping 統計:\r\n" +
		"    パケット数: 送信 = 1、受信 = 1、損失 = 0 (0% の損失)、\r\n"
	pingSilence = "\r\n198.51.100.7 に ping を送信しています 32 バイトのデータ:\r\n" +
		"要求がタイムアウトしました。\r\n\r\n" +
		"198.51.100.7 の ping 統計:\r\n" +
		"    パケット数: 送信 = 1、受信 = 0、損失 = 1 (100% の損失)、\r\n"

	// ins_list separates its fields by ^A.
	instance = "NODE2\x01filesys\x01volume\x01Vol.E\x01E:\x01\x01OSU\x01restored\x01" +
		"AUTORES_ISP\x01INTELLIGENT\r\n"

	vssEnglish = "vssadmin 1.1 - Volume Shadow Copy Service administrative command-line tool\r\n" +
		"(C) Copyright 2001-2013 Microsoft Corp.\r\n\r\n"
	vssJapanese = "vssadmin 1.1 - ボリューム シャドウ コピー サービス管理コマンド ライン ツール\r\n" +
		"(C) Copyright 2001-2013 Microsoft Corp.\r\n\r\n"
	noneListed = vssJapanese + "クエリに一致する項目が見つかりませんでした。\r\n"
	storage    = vssJapanese + "シャドウ コピー記憶域関連付け\r\n" +
		"   ボリューム: (E:)\\\\?\\Volume" + volumeGUID + "\\\r\n"
	shadow = vssJapanese + "         シャドウ コピー ボリューム: " +
		"\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy4\r\n"
	mountvol = "    \\\\?\\Volume" + volumeGUID + "\\\r\n"
)

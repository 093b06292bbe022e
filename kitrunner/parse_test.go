package kitrunner

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const nbtEnglish = "\r\nEthernet:\r\nNode IpAddress: [192.0.2.10] Scope Id: []\r\n\r\n                NetBIOS Local Name Table\r\n\r\n" +
	"       Name               Type         Status\r\n    ---------------------------------------------\r\n" +
	"    NODE1          <00>  UNIQUE      Registered \r\n    WORKGROUP      <00>  GROUP       Registered \r\n    FILE SERVER 1  <20>  UNIQUE      Registered \r\n    ABCDEFGHIJKLMNO<20>  UNIQUE      Registered \r\n    ..__MSBROWSE__.<01>  GROUP       Registered \r\n"

func TestParseNames(t *testing.T) {
	for _, c := range []struct {
		name, output string
		want         []string
		understood   bool
	}{
		{"English", nbtEnglish, []string{"NODE1", "WORKGROUP", "FILE SERVER 1", "ABCDEFGHIJKLMNO", "..__MSBROWSE__."}, true},
		{"Japanese", names("NODE1", "SRV"), []string{"NODE1", "SRV"}, true},
		{"Japanese, no name", names(), nil, true},
		{"a Japanese name", names("営業部"), []string{"営業部"}, true},
		{"nothing", "", nil, false},
		{"an error", "Failed to access NetBT driver -- NetBT may not be loaded\r\n", nil, false},
		{"garbage", garbage[0].Output, nil, false},
	} {
		got, understood := parseNames(c.output)
		if !slices.Equal(got, c.want) || understood != c.understood {
			t.Errorf("%s: %q, %v", c.name, got, understood)
		}
	}
}

func TestSameNetBIOSName(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"SRV", "srv", true},
		{"SRV", "SRV01", false},
		{"ABCDEFGHIJKLMNO", "ABCDEFGHIJKLMNOPQ", true},
		{"ABCDEFGHIJKLMN", "ABCDEFGHIJKLMNO", false},
		{"S.V", "SRV", false},
		{"営業部", "営業部", true},
		// 15 bytes of code page 932: seven characters, and half of the eighth.
		{"営業部ファイル", "営業部ファイルサーバ", true},
		{"営業部ファイル\ufffd", "営業部ファイルサーバ", true},
		{"営業部ファイ", "営業部ファイルサーバ", false},
		{"ｻｰﾊﾞｰｻｰﾊﾞｰｻｰﾊﾞｰ", "ｻｰﾊﾞｰｻｰﾊﾞｰｻｰﾊﾞｰ1", true},
		{"ÄÖÜÄÖÜÄÖÜ", "ÄÖÜÄÖÜÄÖ", false}, // one byte each where they occur
	} {
		if sameNetBIOSName(c.a, c.b) != c.same {
			t.Errorf("%s and %s", c.a, c.b)
		}
	}
}

func TestParseState(t *testing.T) {
	for _, c := range []struct {
		name, output string
		want         int
		understood   bool
	}{
		{"running", service("LanmanServer", "4  RUNNING"), 4, true},
		{"stopped", service("LanmanServer", "1  STOPPED"), 1, true},
		{"another language", strings.ReplaceAll(service("LanmanServer", "3  STOP_PENDING"), "STATE ", "状態  "), 3, true},
		{"the type is not the state", "        TYPE               : 1  KERNEL_DRIVER\r\n", 0, false},
		{"no such service", "[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\r\n\r\nThe specified service does not exist as an installed service.\r\n", 0, false},
		{"garbage", garbage[0].Output, 0, false},
	} {
		if got, understood := parseState(c.output); got != c.want || understood != c.understood {
			t.Errorf("%s: %d, %v", c.name, got, understood)
		}
	}
}

func TestParseMirrors(t *testing.T) {
	for _, c := range []struct {
		name, output string
		want         []mirror
		understood   bool
	}{
		{"source", "E: 1 SOURCE 172.17.103.134 1\r\n", []mirror{{1, 1}}, true},
		{"target", "E: 2 SOURCE 172.17.103.134 5\r\nStatus = 0\r\n", []mirror{{2, 5}}, true},
		{"two targets", "E: 1 S 10.0.0.1 1\nE: 1 S 10.0.0.2 -1\n", []mirror{{1, 1}, {1, -1}}, true},
		{"another volume", "F: 1 S 10.0.0.1 1\n", nil, false},
		{"without a colon, in small letters", "e 1 S 10.0.0.1 4\n", []mirror{{1, 4}}, true},
		{"all targets, the last cut off", "E: 1 S 10.0.0.1 1\nE: 1 S 10.0", nil, false},
		{"no state", "E: 2\n", nil, false},
		{"no role", "E: SOURCE S 10.0.0.1 1\n", nil, false},
		{"a state that is none", "E: 1 S 10.0.0.1 9\n", nil, false},
		{"more than is documented", "E: 2 S 10.0.0.1 1 1\n", nil, false},
		{"a sentence that starts with the letter", "E: 2 errors were found, the mirror\n", nil, false},
		{"contradicting roles", "E: 1 S 10.0.0.1 1\nE: 2 S 10.0.0.2 1\n", nil, false},
		{"a status alone", "Status = 21\n", nil, false},
		{"garbage", garbage[0].Output, nil, false},
	} {
		got, understood := parseMirrors(c.output, "E")
		if d := cmp.Diff(c.want, got); d != "" || understood != c.understood {
			t.Errorf("%s: understood %v, -want +got\n%s", c.name, understood, d)
		}
	}
}

func TestParseAddresses(t *testing.T) {
	ip := netip.MustParseAddr
	for _, c := range []struct {
		name, output string
		want         []listedAddress
		understood   bool
	}{
		{"on one line", strings.ToLower(nicGUID) + " 192.0.2.1 255.255.255.0\r\n", []listedAddress{{nicGUID, ip("192.0.2.1"), ""}}, true},
		{"below its adapter", nicGUID + "\r\n  192.0.2.1 255.255.255.0\r\n  192.0.2.2 255.255.255.0\r\n",
			[]listedAddress{{nicGUID, ip("192.0.2.1"), ""}, {nicGUID, ip("192.0.2.2"), ""}}, true},
		{"without braces, with a device path", `\DEVICE\TCPIP_` + strings.Trim(nicGUID, "{}") + "=192.0.2.1\n", []listedAddress{{nicGUID, ip("192.0.2.1"), ""}}, true},
		{"with a context", nicGUID + " 192.0.2.1 Context=0x2a\n" + backupGUID + " 192.0.2.2 context: 7\n",
			[]listedAddress{{nicGUID, ip("192.0.2.1"), "0x2a"}, {backupGUID, ip("192.0.2.2"), "7"}}, true},
		{"a number that is not called a context", nicGUID + " 192.0.2.1 24 99\n", []listedAddress{{nicGUID, ip("192.0.2.1"), ""}}, true},
		{"a context on another line", nicGUID + " 192.0.2.1\n Context=5\n192.0.2.2\n",
			[]listedAddress{{nicGUID, ip("192.0.2.1"), ""}, {nicGUID, ip("192.0.2.2"), ""}}, true},
		{"an adapter without an address", nicGUID + "\n", nil, true},
		{"an address without an adapter", "192.0.2.1\n", nil, false},
		{"each above its adapter", "192.0.2.1\n" + nicGUID + "\n192.0.2.2\n" + backupGUID + "\n", nil, false},
		{"a version that is no address", "ips_ipchange 8.4.0.1142\n" + nicGUID + " 192.0.2.1\n", []listedAddress{{nicGUID, ip("192.0.2.1"), ""}}, true},
		{"nothing", "", nil, false},
	} {
		got, understood := parseAddresses(c.output)
		if d := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" || understood != c.understood {
			t.Errorf("%s: understood %v, -want +got\n%s", c.name, understood, d)
		}
	}
}

func TestParsePing(t *testing.T) {
	for _, c := range []struct {
		name, output         string
		answered, understood bool
	}{
		{"answer", pingAnswer, true, true},
		{"silence", pingSilence, false, true},
		{"unreachable", "Reply from 192.0.2.1: Destination host unreachable.\r\n    Packets: Sent = 1, Received = 1, Lost = 0 (0% loss),\r\n", false, true},
		{"silence, in French", "    Paquets : envoyés = 1, reçus = 0, perdus = 1 (perte 100%),\r\n", false, true},
		{"silence, in Turkish", "    Paket: Giden = 1, Gelen = 0, Kaybolan = 1 (%100 kayıp),\r\n", false, true},
		{"unknown host", "Ping request could not find host NODE2. Please check the name and try again.\r\n", false, false},
		{"nothing", "", false, false},
	} {
		if answered, understood := parsePing(c.output); answered != c.answered || understood != c.understood {
			t.Errorf("%s: %v, %v", c.name, answered, understood)
		}
	}
}

func TestParseNIC(t *testing.T) {
	for output, want := range map[string]Cable{
		"2\r\n": CableConnected, "\r\n\r\nNetConnectionStatus=7\r\r\n\r\n": CableDisconnected, "7": CableDisconnected,
		"0": CableUnknown, "": CableUnknown, "27": CableUnknown, "2\n7\n": CableUnknown, "error 7": CableUnknown,
	} {
		if got := parseNIC(output); got != want {
			t.Errorf("%q: %v", output, got)
		}
	}
}

func TestParseInstance(t *testing.T) {
	for _, c := range []struct{ name, output, want string }{
		{"separated by ^A", instance("OSU")[0].Output, "OSU"},
		{"separated by blanks", "NODE2 filesys volume Vol.E E: ISP restored", "ISP"},
		{"another tag", "NODE2 filesys volume Vol.EF E: ISP restored", ""},
		{"no state", "NODE2 Vol.E", ""},
		{"two states", "NODE2 Vol.E ISP\nNODE3 Vol.E OSU", ""},
		{"a state before the tag", "OSU Vol.E ISP", "ISP"},
		{"nothing", "", ""},
	} {
		if got, understood := parseInstance(c.output, "Vol.E"); got != c.want || understood != (c.want != "") {
			t.Errorf("%s: %q, %v", c.name, got, understood)
		}
	}
}

const vssEnglish = "vssadmin 1.1 - Volume Shadow Copy Service administrative command-line tool\r\n(C) Copyright 2001-2013 Microsoft Corp.\r\n\r\n"

func TestParseShadows(t *testing.T) {
	for _, c := range []struct {
		name               string
		res                Result
		listed, understood bool
	}{
		{"none", noneListed[0], false, true},
		{"a storage", storage[0], true, true},
		{"a shadow copy", shadow[0], true, true},
		{"none, in English", Result{Output: vssEnglish + "No items found that satisfy the query.\r\n"}, false, true},
		{"not allowed to ask", Result{Output: vssEnglish + "Error: You don't have the correct permissions to run this command.  Please run this utility from a command \r\nwindow that has elevated administrator privileges. \r\n"}, false, false},
		{"not allowed to ask, in Japanese", Result{Output: vssBannerText + "エラー: このコマンドを実行するための正しいアクセス許可がありません。\r\n"}, false, false},
		{"a Japanese colon", Result{Output: vssBannerText + "エラー：ボリュームが見つかりません。\r\n"}, false, false},
		{"the first lines alone", Result{Output: vssBannerText}, false, false},
		{"garbage", garbage[0], false, false},
		{"nothing", Result{}, false, false},
	} {
		if listed, understood := parseShadows(c.res.Output); listed != c.listed || understood != c.understood {
			t.Errorf("%s: %v, %v", c.name, listed, understood)
		}
	}
}

func TestParseVolumeGUID(t *testing.T) {
	if guid, ok := parseVolumeGUID(`    \\?\Volume` + volumeGUID + `\` + "\r\n"); guid != volumeGUID || !ok {
		t.Errorf("%q, %v", guid, ok)
	}
	if guid, ok := parseVolumeGUID("?"); ok {
		t.Errorf("%q", guid)
	}
}

func TestNamesDrive(t *testing.T) {
	for output, want := range map[string]bool{
		"D:\r\nE:\r\n": true, "Volume e: is locked": true, `E:\`: true, "(E:)": true,
		"": false, "DE:": false, "E": false, "E :": false, "locked: ": false, "ボリューム E: ロック": true,
	} {
		if namesDrive(output, "E") != want {
			t.Errorf("%q", output)
		}
	}
}

// What a command prints never panics, and what is read out of it is in bounds.
func FuzzParse(f *testing.F) {
	for _, s := range []map[string][]Result{lanmanScript, ipScript, volumeScript} {
		for _, rs := range s {
			for _, r := range rs {
				f.Add(r.Output)
			}
		}
	}
	for _, s := range []string{nbtEnglish, names(), names("営業部"), pingSilence, storage[0].Output, shadow[0].Output, garbage[0].Output,
		"E: 1 S 10.0.0.1 1\nE: 1 S 10.0.0.2 4\n", "NetConnectionStatus=7\r\r\n", nicGUID + " 192.0.2.1 Context=0x2a\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		names, ok := parseNames(s)
		for _, n := range names {
			if !ok || n == "" || len([]rune(n)) > 15 {
				t.Errorf("name %q", n)
			}
		}
		if state, ok := parseState(s); ok != (state >= 1 && state <= 7) {
			t.Errorf("state %d", state)
		}
		if ms, ok := parseMirrors(s, "E"); ok != (len(ms) > 0) {
			t.Errorf("mirrors %v", ms)
		}
		if n, ok := parseStatus(s); !ok && n != 0 && n != -1<<63 && n != 1<<63-1 {
			t.Errorf("status %d", n)
		}
		addresses, ok := parseAddresses(s)
		for _, a := range addresses {
			if !ok || !a.IP.Is4() || len(a.GUID) != 38 {
				t.Errorf("address %+v", a)
			}
		}
		if answered, ok := parsePing(s); answered && !ok {
			t.Error("an answer not understood")
		}
		if state, ok := parseInstance(s, "Vol.E"); ok != instanceStates[state] {
			t.Errorf("state %q", state)
		}
		if listed, ok := parseShadows(s); listed && !ok {
			t.Error("a list not understood")
		}
		if guid, ok := parseVolumeGUID(s); ok != (len(guid) == 38) {
			t.Errorf("GUID %q", guid)
		}
		parseNIC(s)
		namesDrive(s, "E")
		oneLine(s)
	})
}

// A template's words are split before variables are filled in, and only known
// variables and places are accepted.
func FuzzTemplate(f *testing.F) {
	for _, t := range templates {
		f.Add(t.Command)
	}
	for _, s := range []string{"", "cmd", `%LKBIN%\`, `%LKBIN%\..\x.exe`, `%lkbin%/x.exe "a b" $PEER`, `%LKBIN%\x.exe $FOO`, `%LKBIN%\x.exe "a`, `%LKBIN%\x.exe ${`, "%LKBIN%\\x.exe $"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		place, name, args, err := parseTemplate(line)
		if err != nil {
			return
		}
		if place < System32 || place > API || name == "" || strings.Contains(name, "..") && slices.Contains(strings.Split(name, "/"), "..") {
			t.Errorf("%d %q", place, name)
		}
		for _, a := range args {
			expand(a, map[string]string{"PEER": "two words"})
		}
	})
}

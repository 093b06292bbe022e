package parse

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestNetBIOSNames(t *testing.T) {
	for _, c := range []struct {
		name, output string
		want         []string
		understood   bool
	}{
		{"English", nbtEnglish, []string{"NODE1", "WORKGROUP", "FILE SERVER 1", "ABCDEFGHIJKLMNO",
			"..__MSBROWSE__."}, true},
		{"Japanese", names("NODE1", "SRV"), []string{"NODE1", "SRV"}, true},
		{"Japanese, no name", names(), nil, true},
		{"a Japanese name", names("営業部"), []string{"営業部"}, true},
		{"nothing", "", nil, false},
		{"an error", "Failed to access NetBT driver -- NetBT may not be loaded\r\n", nil, false},
		{"garbage", garbage, nil, false},
	} {
		got, understood := NetBIOSNames(c.output)
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
		if SameNetBIOSName(c.a, c.b) != c.same {
			t.Errorf("%s and %s", c.a, c.b)
		}
	}
}

func TestMayBeNetBIOSName(t *testing.T) {
	for _, c := range []struct {
		undecoded, name string
		may             bool
	}{
		{"\ufffdc\ufffdƋ\ufffd\ufffd", "営業部", true}, // its code page 932 read as UTF-8
		{"・・", "営業部", true},
		{"srv\ufffd", "SRV営", true},
		{"SRV\ufffd", "SRX営", false},
		{"SRV\ufffd", "SRV", false},
		{"\ufffdRV", "SRV", false}, // ASCII is decoded in every code page
		{"NODE1", "営業部", false},
		{"", "営業部", false},
	} {
		if MayBeNetBIOSName(c.undecoded, c.name) != c.may {
			t.Errorf("%q and %s", c.undecoded, c.name)
		}
	}
}

func TestServiceState(t *testing.T) {
	for _, c := range []struct {
		name, output string
		want         int
		understood   bool
	}{
		{"running", service("LanmanServer", "4  RUNNING"), 4, true},
		{"stopped", service("LanmanServer", "1  STOPPED"), 1, true},
		{"another language", strings.ReplaceAll(service("LanmanServer", "3  STOP_PENDING"),
			"STATE ", "状態  "), 3, true},
		{"the type is not the state", "        TYPE               : 1  KERNEL_DRIVER\r\n", 0,
			false},
		{"no such service", "[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\r\n\r\nThe " +
			"specified service does not exist as an installed service.\r\n", 0, false},
		{"garbage", garbage, 0, false},
	} {
		if got, understood := ServiceState(c.output); got != c.want || understood != c.understood {
			t.Errorf("%s: %d, %v", c.name, got, understood)
		}
	}
}

func TestPing(t *testing.T) {
	for _, c := range []struct {
		name, output         string
		answered, understood bool
	}{
		{"answer", pingAnswer, true, true},
		{"silence", pingSilence, false, true},
		{"unreachable", "Reply from 192.0.2.1: Destination host unreachable.\r\n    Packets: " +
			"Sent = 1, Received = 1, Lost = 0 (0% loss),\r\n", false, true},
		{"silence, in French", "    Paquets : envoyés = 1, reçus = 0, perdus = 1 (perte 100%),\r\n",
			false, true},
		{"silence, in Turkish", "    Paket: Giden = 1, Gelen = 0, Kaybolan = 1 (%100 kayıp),\r\n",
			false, true},
		{"unknown host", "Ping request could not find host NODE2. Please check the name " +
			"and try again.\r\n", false, false},
		{"nothing", "", false, false},
	} {
		if answered, understood := Ping(c.output); answered != c.answered ||
			understood != c.understood {
			t.Errorf("%s: %v, %v", c.name, answered, understood)
		}
	}
}

func TestNICStatus(t *testing.T) {
	for output, want := range map[string]int{ // -1: not understood
		"2\r\n": NICConnected, "7": NICDisconnected, "0": 0, "27": 27,
		"\r\n\r\nNetConnectionStatus=7\r\r\n\r\n": NICDisconnected,
		"": -1, "2\n7\n": -1, "error 7": -1,
	} {
		got, understood := NICStatus(output)
		if !understood {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %v", output, got)
		}
	}
}

func TestShadows(t *testing.T) {
	for _, c := range []struct {
		name, output       string
		listed, understood bool
	}{
		{"none", noneListed, false, true},
		{"a storage", storage, true, true},
		{"a shadow copy", shadow, true, true},
		{"none, in English", vssEnglish + "No items found that satisfy the query.\r\n", false,
			true},
		{"not allowed to ask",
			vssEnglish + "Error: You don't have the correct permissions to run " +
				"this command.  Please run this utility from a command \r\n" +
				"window that has elevated administrator privileges. \r\n", false, false},
		{"not allowed to ask, in Japanese", vssJapanese +
			"エラー: このコマンドを実行するための正しいアクセス許可がありません。\r\n", false, false},
		{"a Japanese colon", vssJapanese + "エラー：ボリュームが見つかりません。\r\n", false, false},
		{"the first lines alone", vssJapanese, false, false},
		{"garbage", garbage, false, false},
		{"nothing", "", false, false},
	} {
		if listed, understood := Shadows(c.output); listed != c.listed ||
			understood != c.understood {
			t.Errorf("%s: %v, %v", c.name, listed, understood)
		}
	}
}

func TestVolumeGUID(t *testing.T) {
	if guid, ok := VolumeGUID(mountvol); guid != volumeGUID || !ok {
		t.Errorf("%q, %v", guid, ok)
	}
	if guid, ok := VolumeGUID("?"); ok {
		t.Errorf("%q", guid)
	}
}

// No output makes a reader panic, and what is read is in bounds.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		nbtEnglish, names(), names("営業部"), service("LanmanServer", "1  STOPPED"), pingAnswer,
		pingSilence, noneListed, storage, shadow, mountvol, instance, garbage,
		"E: 1 S 10.0.0.1 1\nE: 1 S 10.0.0.2 4\n", "E: 2 NODE2 10.0.0.1 1\r\nStatus = 0\r\n",
		"NetConnectionStatus=7\r\r\n", nicGUID + " 192.0.2.1 Context=0x2a\n", "D:\r\n", "",
		nicGUID + " 192.0.2.1 255.255.255.0\r\n",
		nicGUID + " 192.0.2.1 Context=1 192.0.2.2 Context=2", "192.0.2.1\r\n" + nicGUID + "\r\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		names, ok := NetBIOSNames(s)
		for _, n := range names {
			if !ok || n == "" || len([]rune(n)) > 15 {
				t.Errorf("name %q", n)
			}
		}
		if state, ok := ServiceState(s); ok != (state >= 1 && state <= 7) {
			t.Errorf("state %d", state)
		}
		if ms, ok := Mirrors(s, "E"); ok != (len(ms) > 0) {
			t.Errorf("mirrors %v", ms)
		}
		if n, ok := Status(s); !ok && n != 0 && n != -1<<63 && n != 1<<63-1 {
			t.Errorf("status %d", n)
		}
		addresses, ok := Addresses(s)
		MayBeNetBIOSName(s, "SRV営業部")
		Mentions(s, netip.MustParseAddr("192.0.2.1"))
		for _, a := range addresses {
			if !ok || isMask(a.IP) || !a.IP.Is4() || len(a.GUID) != 38 {
				t.Errorf("address %+v", a)
			}
		}
		if answered, ok := Ping(s); answered && !ok {
			t.Error("an answer not understood")
		}
		if state, ok := InstanceState(s, "Vol.E"); ok != instanceStates[state] {
			t.Errorf("state %q", state)
		}
		if listed, ok := Shadows(s); listed && !ok {
			t.Error("a list not understood")
		}
		if guid, ok := VolumeGUID(s); ok != (len(guid) == 38) {
			t.Errorf("GUID %q", guid)
		}
		if n, ok := NICStatus(s); n < 0 || n > 99 || n != 0 && !ok {
			t.Errorf("NIC status %d", n)
		}
		NamesDrive(s, "E")
	})
}

package cli

import (
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "", "2001:db8::1": "", "::1": "", "[::1]": "::1", "fe80::1%eth0": "",
		"[fe80::1%eth0]": "fe80::1%eth0", "::ffff:192.0.2.1": "", "server": "", "a.example": "",
		"a.example.": "", "FILE_SERVER-1": "", "3com.example": "", "1.2.3.4.example": "",
		strings.Repeat("a", 63) + ".example": "",
	} {
		if want == "" {
			want = text
		}
		if got, err := ParseAddress(text, "-n"); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"server:2049", "192.0.2.1:2049", "[::1]:445", `\\server`, "//server", "server/share",
		`server\share`, "server:/export", "smb://server", "user@server", " server", "server ",
		"ser ver", "\t", "127.0.0.020", "127.0.0", "127.1", "256.0.0.1", "1.2.3.4.5", "2130706433",
		"0x7f000001", "192.0.2.1%eth0", "192.0.2.0/24", "fe80::1", "[fe80::1]", "[server]",
		"[192.0.2.1]", "[::1", "::1]", "::1::", "a..example", ".example", "-a", "サーバ",
		"\x83T\x81[\x83o", strings.Repeat("a", 64), "", ".",
	} {
		_, err := ParseAddress(text, "-n")
		if err == nil || !strings.HasPrefix(err.Error(), "-a: ") ||
			!strings.Contains(err.Error(), "%eth0") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCheckName(t *testing.T) {
	if err := CheckName("-s", "共有"); err != nil {
		t.Error(err)
	}
	const shiftJIS = "\x8b\xa4\x97L"
	want := `-s: "\x8b\xa4\x97L" is not accepted (a name in UTF-8; this one is in another encoding`
	if err := CheckName("-s", shiftJIS); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Error(err)
	}
}

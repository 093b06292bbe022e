package smb2

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// The most important statuses, typed by hand from MS-ERREF 2.2 and 2.3.
func TestWin32(t *testing.T) {
	for _, c := range []struct {
		status Status
		win32  int
		name   string
	}{
		{0xC00000CC, 67, "STATUS_BAD_NETWORK_NAME"},
		{0xC000006D, 1326, "STATUS_LOGON_FAILURE"},
		{0xC000006A, 86, "STATUS_WRONG_PASSWORD"},
		{0xC0000022, 5, "STATUS_ACCESS_DENIED"},
		{0xC000009A, 1450, "STATUS_INSUFFICIENT_RESOURCES"},
		{0xC00000CB, 66, "STATUS_BAD_DEVICE_TYPE"},
		{0xC0000072, 1331, "STATUS_ACCOUNT_DISABLED"},
		{0xC0000234, 1909, "STATUS_ACCOUNT_LOCKED_OUT"},
		{0xC0000071, 1330, "STATUS_PASSWORD_EXPIRED"},
		{0xC0000224, 1907, "STATUS_PASSWORD_MUST_CHANGE"},
		{0xC000005E, 1311, "STATUS_NO_LOGON_SERVERS"},
		{0xC0000133, 1398, "STATUS_TIME_DIFFERENCE_AT_DC"},
		{0xC00000D0, 71, "STATUS_REQUEST_NOT_ACCEPTED"},
		{0xC000006E, 1327, "STATUS_ACCOUNT_RESTRICTION"},
		{0xC000006F, 1328, "STATUS_INVALID_LOGON_HOURS"},
		{0xC0000070, 1329, "STATUS_INVALID_WORKSTATION"},
		{0xC000015B, 1385, "STATUS_LOGON_TYPE_NOT_GRANTED"},
		{0xC0000193, 1793, "STATUS_ACCOUNT_EXPIRED"},
		{0xC000018D, 1789, "STATUS_TRUSTED_RELATIONSHIP_FAILURE"},
		{0xC0000203, 59, "STATUS_USER_SESSION_DELETED"},
		{0xC00000C9, 64, "STATUS_NETWORK_NAME_DELETED"},
		{0xC00000BB, 50, "STATUS_NOT_SUPPORTED"},
		{0xC000000D, 87, "STATUS_INVALID_PARAMETER"},
		{0xC00000C3, 58, "STATUS_INVALID_NETWORK_RESPONSE"},

		{0xC0000016, 234, "STATUS_MORE_PROCESSING_REQUIRED"},
		{0xC0000034, 2, "STATUS_OBJECT_NAME_NOT_FOUND"},
		{0xC0000035, 183, "STATUS_OBJECT_NAME_COLLISION"},
		{0x00000103, 997, "STATUS_PENDING"},

		{0x8000002D, 681, "STATUS_STOPPED_ON_SYMLINK"},
		{0xC0000010, 1, "STATUS_INVALID_DEVICE_REQUEST"},
		{0xC0000011, 38, "STATUS_END_OF_FILE"},
		{0xC000003A, 3, "STATUS_OBJECT_PATH_NOT_FOUND"},
		{0xC0000043, 32, "STATUS_SHARING_VIOLATION"},
		{0xC0000044, 1816, "STATUS_QUOTA_EXCEEDED"},
		{0xC000007F, 112, "STATUS_DISK_FULL"},
		{0xC00000A2, 19, "STATUS_MEDIA_WRITE_PROTECTED"},
		{0xC0000121, 5, "STATUS_CANNOT_DELETE"},
		{0xC0000185, 1117, "STATUS_IO_DEVICE_ERROR"},

		{0xC0000017, 8, "STATUS_NO_MEMORY"},
		{0xC0000257, 1232, "STATUS_PATH_NOT_COVERED"},
		{0xC0000418, 1937, "STATUS_NTLM_BLOCKED"},

		{0xC05D0000, 317, "STATUS_SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP"}, // named, not mapped
		{0xC0DE0001, 317, "NTSTATUS"},                                     // unknown
	} {
		if got := c.status.Win32(); got != c.win32 {
			t.Errorf("%s: Win32 code %d, want %d", c.name, got, c.win32)
		}
		if c.status.Name() != c.name && (c.name != "NTSTATUS" || c.status.Name() != "") {
			t.Errorf("name %q, want %q", c.status.Name(), c.name)
		}
		if want := fmt.Sprintf("%s (0x%08X)", c.name, uint32(c.status)); c.status.Error() != want {
			t.Errorf("%q, want %q", c.status.Error(), want)
		}
	}
}

func TestLogonRefused(t *testing.T) {
	all := strings.Fields(names)
	if len(all) < 2*1700 {
		t.Fatalf("%d words in the table of names", len(all))
	}
	for ; len(all) > 0; all = all[2:] {
		value, err := strconv.ParseUint(all[0], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		status := Status(value)
		if status.Name() != "STATUS_"+all[1] {
			t.Errorf("%08X is %q, want STATUS_%s", value, status.Name(), all[1])
		}
		switch status {
		case 0xC000006D, 0xC000006A, 0xC0000064, 0xC0000071, 0xC0000224:
			if !status.LogonRefused() {
				t.Errorf("%v: a new password might help", status)
			}
		default:
			if status.LogonRefused() {
				t.Errorf("%v: no new password helps", status)
			}
		}
	}
}

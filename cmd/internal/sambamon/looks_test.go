package sambamon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"fsmon/smbprobe"
)

// specStatuses is the statuses that matter, with name and Win32 code.
var specStatuses = []struct {
	status smbprobe.Status
	name   string
	win32  int
}{
	{0xC00000CC, "BAD_NETWORK_NAME", 67}, {0xC000006D, "LOGON_FAILURE", 1326},
	{0xC000006A, "WRONG_PASSWORD", 86},
	{0xC0000022, "ACCESS_DENIED", 5}, {0xC000009A, "INSUFFICIENT_RESOURCES", 1450},
	{0xC00000CB, "BAD_DEVICE_TYPE", 66},
	{0xC0000072, "ACCOUNT_DISABLED", 1331}, {0xC0000234, "ACCOUNT_LOCKED_OUT", 1909},
	{0xC0000071, "PASSWORD_EXPIRED", 1330},
	{0xC0000224, "PASSWORD_MUST_CHANGE", 1907}, {0xC000005E, "NO_LOGON_SERVERS", 1311},
	{0xC0000133, "TIME_DIFFERENCE_AT_DC", 1398},
	{0xC00000D0, "REQUEST_NOT_ACCEPTED", 71}, {0xC000006E, "ACCOUNT_RESTRICTION", 1327},
	{0xC000006F, "INVALID_LOGON_HOURS", 1328},
	{0xC0000070, "INVALID_WORKSTATION", 1329}, {0xC000015B, "LOGON_TYPE_NOT_GRANTED", 1385},
	{0xC0000193, "ACCOUNT_EXPIRED", 1793},
	{0xC000018D, "TRUSTED_RELATIONSHIP_FAILURE", 1789}, {0xC0000203, "USER_SESSION_DELETED", 59},
	{0xC00000C9, "NETWORK_NAME_DELETED", 64},
	{0xC00000BB, "NOT_SUPPORTED", 50}, {0xC000000D, "INVALID_PARAMETER", 87},
	{0xC00000C3, "INVALID_NETWORK_RESPONSE", 58}, {0xC0000418, "NTLM_BLOCKED", 1937},
	{0xC0000257, "PATH_NOT_COVERED", 1232}, {0xC0000017, "NO_MEMORY", 8},
}

// Every status that matters has a name, both its numbers, and a text of its own
// that ends as a sentence does.
func TestEveryStatusIsExplained(t *testing.T) {
	t.Parallel()
	user, anonymous := flags{user: "labuser"}, flags{}
	for _, c := range specStatuses {
		for _, step := range []smbprobe.Step{smbprobe.SessionSetup, smbprobe.TreeConnect} {
			for _, f := range []*flags{&user, &anonymous} {
				e := f.diagnose(&smbprobe.Error{Step: step, Err: c.status})
				if want := fmt.Sprintf("0x%08X, Win32 %d", uint32(c.status),
					c.win32); e.Name != "STATUS_"+c.name || e.Code != want ||
					e.Step != step.String() {
					t.Errorf("%s: %+v, want the code %s", c.name, e, want)
				}
				if e.Look == lookUnknown ||
					!strings.HasSuffix(strings.TrimSuffix(e.Look, ")"), ".") &&
						!strings.HasSuffix(e.Look, ").") || len(e.Look) < 40 {
					t.Errorf("%s: %q", c.name, e.Look)
				}
			}
		}
	}
	if len(looks) != len(specStatuses) {
		t.Errorf("%d texts for %d statuses", len(looks), len(specStatuses))
	}
}

// filesStatuses is what the rungs that open files can meet, besides what every
// request can: MS-SMB2 3.3.5.9 (create), 3.3.5.12 (read), 3.3.5.13 (write),
// 3.3.5.11 (flush), 3.3.5.10 (close), 3.3.5.21 (delete), MS-FSA 2.1.5, and what
// Samba makes of the error numbers of a file system.
var filesStatuses = map[smbprobe.Step][]smbprobe.Status{
	smbprobe.Marker: {
		0xC0000034, 0xC000003A, 0xC000000F, 0xC0000011, 0xC0000022, 0xC00000BA, 0xC0000010,
		0xC0000043, 0xC0000054, 0xC0000056, 0xC0000033, 0xC0000039, 0xC000003B, 0xC0000103,
		0x8000002D,
	},
	smbprobe.WriteTest: {
		0xC000007F, 0xC0000044, 0xC00000A2, 0xC0000022, 0xC0000043, 0xC0000054, 0xC0000035,
		0xC0000056, 0xC0000034, 0xC000003A, 0xC00000BA, 0xC0000121, 0xC0000033,
	},
	smbprobe.LockTest: {
		0xC0000002, 0xC0000010, 0xC0000022, 0xC0000054, 0xC0000055, 0xC000007E, 0xC00000BB,
	},
}

// diskStatuses is what both can meet.
var diskStatuses = []smbprobe.Status{
	0xC0000001, 0xC000003E, 0xC000009C, 0xC00000B5, 0xC00000C0, 0xC00000E9, 0xC0000185,
	0xC0000008, 0xC0000120, 0xC0000128, 0xC0000017, 0xC000011F, 0xC000000D, 0xC00000BB,
}

// A status at these rungs has a text for what it means there: another one than
// at tree connect, and the same whoever the user is.
func TestEveryStatusOfFilesIsExplained(t *testing.T) {
	t.Parallel()
	user, anonymous := flags{user: "labuser"}, flags{}
	for step, statuses := range filesStatuses {
		for _, status := range append(statuses, diskStatuses...) {
			e := user.diagnose(&smbprobe.Error{Step: step, Err: status})
			if other := anonymous.diagnose(&smbprobe.Error{Step: step,
				Err: status}); !cmp.Equal(other, e) {
				t.Errorf("%v: %+v without a user, %+v with one", status, other, e)
			}
			if want := fmt.Sprintf("0x%08X, Win32 %d", uint32(status),
				status.Win32()); e.Code != want || !strings.HasPrefix(status.Error(), e.Name) ||
				e.Step != step.String() || e.LogonRefused {
				t.Errorf("%v: %+v, want the code %s", status, e, want)
			}
			names := strings.Contains(e.Look, "ook ") || strings.Contains(e.Look, "Give ") ||
				strings.Contains(e.Look, "Make it anew")
			if e.Look == lookUnknown || !names ||
				!strings.HasSuffix(e.Look, ".") && !strings.HasSuffix(e.Look, ".)") {
				t.Errorf("%v: %q", status, e.Look)
			}
			for _, f := range []*flags{&user, &anonymous} {
				if at := f.diagnose(&smbprobe.Error{Step: smbprobe.TreeConnect,
					Err: status}).Look; at == e.Look {
					t.Errorf("%v: at tree connect, too, it is %q", status, at)
				}
			}
			if strings.Contains(e.Look, "-u and -p") || strings.Contains(e.Look, "valid users") {
				t.Errorf("%v: the session and the share were granted, but %q", status, e.Look)
			}
		}
		if len(fileLooks[step]) != len(statuses) {
			t.Errorf("%v: %d texts for %d statuses", step, len(fileLooks[step]), len(statuses))
		}
		// What is said of any request holds here, too.
		for _, status := range []smbprobe.Status{0xC0000203, 0xC00000C9, 0xC000009A, 0xC00000C3, 0xC0000257} {
			if e := user.diagnose(&smbprobe.Error{Step: step,
				Err: status}); e.Look != looks[status] {
				t.Errorf("%v: %+v", status, e)
			}
		}
		if e := user.diagnose(&smbprobe.Error{Step: step,
			Err: smbprobe.Status(0xC0FFEE00)}); e.Look != lookUnknown {
			t.Errorf("%+v", e)
		}
	}
	if len(diskLooks) != len(diskStatuses) || len(fileLooks) != len(filesStatuses) {
		t.Errorf("%d texts for %d statuses", len(diskLooks), len(diskStatuses))
	}
}

// What else can break a probe, each with what to look at.
func TestEveryCauseIsExplained(t *testing.T) {
	t.Parallel()
	const denied = smbprobe.Status(0xC0000022)
	dfsLink := func(target string) error {
		return &smbprobe.DFSError{Target: target, Err: 0xC0000257}
	}
	dial := func(errno error) error {
		return &net.OpError{Op: "dial",
			Err: os.NewSyscallError("connect", errno)}
	}
	for name, c := range map[string]struct {
		user         string
		step         smbprobe.Step
		err          error
		cause, look  string
		logonRefused bool
	}{
		"anonymous is refused a session": {"", smbprobe.SessionSetup, denied,
			"STATUS_ACCESS_DENIED", "give -u and -p", false},
		"anonymous is refused a share": {"", smbprobe.TreeConnect, denied,
			"STATUS_ACCESS_DENIED", "give -u and -p", false},
		"anonymous is no user": {"", smbprobe.SessionSetup, smbprobe.Status(0xC000006D),
			"STATUS_LOGON_FAILURE", "give -u and -p", false},
		"a user is refused a session": {"me", smbprobe.SessionSetup, denied,
			"STATUS_ACCESS_DENIED", "server smb encrypt", false},
		"a user is refused a share": {"me", smbprobe.TreeConnect, denied,
			"STATUS_ACCESS_DENIED", "valid users", false},
		"a wrong password": {"me", smbprobe.SessionSetup,
			smbprobe.Status(0xC000006D), "STATUS_LOGON_FAILURE", "--credentials", true},
		"another wrong password": {"me", smbprobe.SessionSetup,
			smbprobe.Status(0xC000006A), "STATUS_WRONG_PASSWORD", "--credentials", true},
		"a status nobody knows": {"me", smbprobe.TreeConnect, smbprobe.Status(0xC0FFEE00),
			"NTSTATUS", "no advice", false},
		"a status with only a name": {"me", smbprobe.TreeConnect, smbprobe.Status(0xC0000480),
			"STATUS_SHARE_UNAVAILABLE", "no advice", false},
		"a server without NTLM": {"me", smbprobe.SessionSetup, smbprobe.Status(0xC0000418),
			"STATUS_NTLM_BLOCKED", "this server wants Kerberos. Log in with --kerberos", false},
		"a marker behind a link": {"", smbprobe.Marker, dfsLink(""),
			"STATUS_PATH_NOT_COVERED", "readlink", false},
		"a marker behind a link to a known server": {"", smbprobe.Marker, dfsLink(`\nas2\data`),
			"STATUS_PATH_NOT_COVERED", `is a DFS link to \nas2\data`, false},
		"a share behind a link": {"", smbprobe.TreeConnect, dfsLink(`\nas2\data`),
			"STATUS_PATH_NOT_COVERED", `is a DFS link to \nas2\data`, false},
		"a root of DFS": {"", smbprobe.TreeConnect, smbprobe.Status(0xC00000CC),
			"STATUS_BAD_NETWORK_NAME", "DFS namespace and a msdfs proxy share", false},
		"a full server": {"", smbprobe.TreeConnect, smbprobe.Status(0xC000009A),
			"STATUS_INSUFFICIENT_RESOURCES", "max connections and max smbd processes", false},
		"a full server of Windows": {"", smbprobe.TreeConnect, smbprobe.Status(0xC00000D0),
			"STATUS_REQUEST_NOT_ACCEPTED", "ConcurrentUserLimit", false},
		"a full server that closes": {"", smbprobe.Negotiate,
			&net.OpError{Op: "read", Err: io.EOF}, "ECONNRESET", "max smbd processes", false},
		"a full server that resets": {"", smbprobe.Negotiate,
			&net.OpError{Op: "read", Err: unix.ECONNRESET}, "ECONNRESET", "max smbd processes",
			false},
		"a connection that times out": {"", smbprobe.Negotiate,
			&net.OpError{Op: "read", Err: unix.ETIMEDOUT}, "ETIMEDOUT",
			"Nothing answers on the network", false},
		"a server that starts": {"", smbprobe.TreeConnect, smbprobe.Status(0xC0000017),
			"STATUS_NO_MEMORY", "notify daemon", false},
		"a server of another name": {"", smbprobe.Negotiate,
			&smbprobe.NetBIOSError{Code: 0x82}, "negative session response", "nmblookup -A", false},
		"hosts deny": {"", smbprobe.Negotiate,
			&smbprobe.NetBIOSError{Code: 0x81}, "negative session response", "hosts deny", false},
		"no room": {"", smbprobe.Negotiate,
			&smbprobe.NetBIOSError{Code: 0x83}, "negative session response", "no resources", false},
		"SMB1 only": {"", smbprobe.Negotiate, smbprobe.ErrSMB1Only,
			"the server speaks SMB1 only", "server max protocol", false},
		"not an SMB server": {"", smbprobe.Negotiate,
			&smbprobe.MalformedError{What: "x"}, "malformed answer", "-a and --port", false},
		"a pipe": {"", smbprobe.ShareType,
			&smbprobe.ShareTypeError{Type: 2}, "a pipe", "share that holds files", false},
		"a printer": {"", smbprobe.ShareType,
			&smbprobe.ShareTypeError{Type: 3}, "a printer",
			"leave --marker, --write-test and --lock-test away", false},
		"a disk that lies": {"", smbprobe.WriteTest, smbprobe.ErrReadBack,
			"not what was written", "controller's cache", false},
		"a disk that hangs": {"", smbprobe.Marker, context.DeadlineExceeded,
			"ETIMEDOUT", "its disk hangs", false},
		"a disk that hangs when written": {"", smbprobe.WriteTest, context.DeadlineExceeded,
			"ETIMEDOUT", "dmesg", false},
		"a disk that hangs below the root": {"", smbprobe.Root, context.DeadlineExceeded,
			"ETIMEDOUT", "its disk hangs", false},
		"a lock service that hangs": {"", smbprobe.LockTest, context.DeadlineExceeded,
			"ETIMEDOUT", "a lock gets no answer", false},
		"a lock test that may not write": {"", smbprobe.LockTest, denied, "STATUS_ACCESS_DENIED",
			"Give it a --marker", false},
		"a lock test without room": {"", smbprobe.LockTest, smbprobe.Status(0xC000007F),
			"STATUS_DISK_FULL", "df -i", false},
		"a network that fails meanwhile": {"", smbprobe.Marker,
			&net.OpError{Op: "read", Err: os.NewSyscallError("read",
				unix.ETIMEDOUT)}, "ETIMEDOUT", "Nothing answers on the network", false},
		"a process that ends meanwhile": {"", smbprobe.WriteTest,
			&net.OpError{Op: "read",
				Err: unix.ECONNRESET}, "ECONNRESET", "closed the connection", false},
		"a marker that may not be read": {"", smbprobe.Marker, denied, "STATUS_ACCESS_DENIED",
			"chmod a+r", false},
		"a share that may not be written": {"me", smbprobe.WriteTest, denied,
			"STATUS_ACCESS_DENIED", "write list", false},
		"a hung server": {"", smbprobe.SessionSetup, context.DeadlineExceeded,
			"ETIMEDOUT", "it hangs", false},
		"a blackholed server": {"", smbprobe.Connect, context.DeadlineExceeded,
			"ETIMEDOUT", "firewall drops", false},
		"a name server that is silent": {"", smbprobe.Resolve, context.DeadlineExceeded,
			"ETIMEDOUT", "name server does not answer", false},
		"a server that does not run": {"", smbprobe.Connect, dial(unix.ECONNREFUSED),
			"ECONNREFUSED", "Nothing listens", false},
		"a machine without descriptors": {"", smbprobe.Socket, dial(unix.EMFILE), "EMFILE",
			"ulimit", false},
		"a server that cuts a connection": {"", smbprobe.TreeConnect,
			&net.OpError{Op: "read",
				Err: unix.ECONNRESET}, "ECONNRESET", "closed the connection", false},
	} {
		f := flags{user: c.user}
		e := f.diagnose(fmt.Errorf("wrapped: %w", &smbprobe.Error{Step: c.step, Err: c.err}))
		if e.Step != c.step.String() || !strings.Contains(e.Name, c.cause) ||
			!strings.Contains(strings.ToLower(e.Look), strings.ToLower(c.look)) ||
			e.LogonRefused != c.logonRefused {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if e := (&flags{}).diagnose(errors.New("not of a probe")); e.Look != "" || e.Step != "" {
		t.Errorf("%+v", e)
	}
}

package sambamon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"fsmon/cmd/internal/alert"
	"fsmon/cmd/internal/cli"
	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/cmd/internal/watch"
	"fsmon/smbprobe"
)

// Every message of FSM manual 8.1 but the licences', and our own, with sample
// arguments.
func TestCatalogue(t *testing.T) {
	cmdtest.Catalogue(t, "../../clp_sambamon", messages, []int{
		1, 2, 3, 6, 7, 8, 11, 12, 13, 14, 15, 42, 61, 62, 63, 64,
		65, 71, 72, 73, 74, 75}, cli.Own())
}

// The message of every way in which a probe can fail.
func TestFailure(t *testing.T) {
	at := func(step smbprobe.Step, err error) error { return &smbprobe.Error{Step: step, Err: err} }
	op := func(op, call string, errno syscall.Errno) error {
		return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(call, errno)}
	}
	deadline := fmt.Errorf("no answer within the deadline: %w", context.DeadlineExceeded)
	closed := &net.OpError{Op: "read", Net: "tcp", Err: io.EOF}
	malformed := &smbprobe.MalformedError{What: "frame of 40 bytes"}
	status := func(s uint32) error { return smbprobe.Status(s) }
	network := func(what string, code int) string {
		return fmt.Sprintf("The clp_sambamon has detected network error(%s error[%d]).", what, code)
	}
	marker := func(why string) string {
		return "The file server has failed the marker check of [share] (" + why + ")."
	}
	write := func(why string) string {
		return "The file server has failed the write test of " +
			"[share] (" + why + ")."
	}
	samba := func(what string) string {
		return "The clp_sambamon has detected an error in Samba [share] (" + what + ")."
	}

	for _, c := range []struct {
		name   string
		err    error
		number int
		text   string
		local  bool
	}{
		{"name unknown", at(smbprobe.Resolve, &net.DNSError{Err: "no such host", Name: "h",
			IsNotFound: true}), 72, network("connect", 113), false},
		{"resolver silent", at(smbprobe.Resolve, deadline), 72, network("connect", 110), false},
		{"resolver timed out", at(smbprobe.Resolve, &net.DNSError{Err: "i/o timeout", Name: "h",
			IsTimeout: true}), 72, network("connect", 110), false},
		{"no descriptors", at(smbprobe.Socket, op("dial", "socket", syscall.EMFILE)), 71,
			network("socket", 24), true},
		{"no memory", at(smbprobe.Socket, op("dial", "socket", syscall.ENOMEM)), 71,
			network("socket", 12), true},
		{"no local port", at(smbprobe.Socket, op("dial", "connect", syscall.EADDRNOTAVAIL)), 71,
			network("socket", 99), true},
		{"connect refused", at(smbprobe.Connect, op("dial", "connect", syscall.ECONNREFUSED)), 72,
			network("connect", 111), false},
		{"host unreachable", at(smbprobe.Connect, op("dial", "connect", syscall.EHOSTUNREACH)), 72,
			network("connect", 113), false},
		{"connect not standing at the deadline", at(smbprobe.Connect, deadline), 72,
			network("connect", 110), false},
		{"connect timed out", at(smbprobe.Connect, op("dial", "connect", syscall.ETIMEDOUT)), 72,
			network("connect", 110), false},
		{"send into a closed connection",
			at(smbprobe.SessionSetup, op("write", "write", syscall.EPIPE)), 73, network("send",
				32), false},
		{"send reset", at(smbprobe.Negotiate, op("write", "write", syscall.ECONNRESET)), 73,
			network("send", 104), false},
		{"deadline at negotiate", at(smbprobe.Negotiate, deadline), 74, network("select", 110),
			false},
		{"deadline at session setup", at(smbprobe.SessionSetup, deadline), 74,
			network("select", 110), false},
		{"deadline at tree connect", at(smbprobe.TreeConnect, deadline), 74, network("select", 110),
			false},
		{"deadline at tree disconnect", at(smbprobe.TreeDisconnect, deadline), 74,
			network("select", 110), false},
		{"deadline at logoff", at(smbprobe.Logoff, deadline), 74, network("select", 110), false},
		{"probe overrun", deadline, 74, network("select", 110), false},
		{"reset", at(smbprobe.TreeConnect, op("read", "read", syscall.ECONNRESET)), 75,
			network("recv", 104), false},
		{"closed", at(smbprobe.Logoff, closed), 75, network("recv", 104), false},
		{"closed at negotiate", at(smbprobe.Negotiate, closed), 75, network("recv", 104), false},
		{"host gone while reading", at(smbprobe.TreeConnect, op("read", "read",
			syscall.EHOSTUNREACH)), 75, network("recv", 113), false},
		{"negotiate refused", at(smbprobe.Negotiate, status(0xC00000BB)), 65,
			samba("negotiate error[50]"), false},
		{"SMB1 only", at(smbprobe.Negotiate, smbprobe.ErrSMB1Only), 65,
			samba("negotiate error[50]"), false},
		{"turned away", at(smbprobe.Negotiate, &smbprobe.NetBIOSError{Code: 0x81}), 64,
			samba("connect error[129]"), false},
		{"turned away later", at(smbprobe.SessionSetup, &smbprobe.NetBIOSError{Code: 0x8f}), 64,
			samba("connect error[143]"), false},
		{"wrong password", at(smbprobe.SessionSetup, status(0xC000006D)), 62,
			samba("tree connect error[1326]"), false},
		{"account locked", at(smbprobe.SessionSetup, status(0xC0000234)), 62,
			samba("tree connect error[1909]"), false},
		{"unknown share", at(smbprobe.TreeConnect, status(0xC00000CC)), 62,
			samba("tree connect error[67]"), false},
		{"access denied", at(smbprobe.TreeConnect, status(0xC0000022)), 62,
			samba("tree connect error[5]"), false},
		{"status without a Win32 code", at(smbprobe.TreeConnect, status(0xC0DEDBAD)), 62,
			samba("tree connect error[317]"), false},
		{"malformed negotiate", at(smbprobe.Negotiate, malformed), 65, samba("negotiate error[58]"),
			false},
		{"malformed session setup", at(smbprobe.SessionSetup, malformed), 62,
			samba("tree connect error[58]"), false},
		{"malformed tree connect", at(smbprobe.TreeConnect, malformed), 62,
			samba("tree connect error[58]"), false},
		{"malformed logoff", at(smbprobe.Logoff, malformed), 62, samba("tree connect error[58]"),
			false},
		{"pipe", at(smbprobe.ShareType, &smbprobe.ShareTypeError{Type: 2}), 63,
			samba("share type error"), false},
		{"pipe by its name", at(smbprobe.ShareType, &smbprobe.ShareTypeError{Type: 2}), 63,
			samba("share type error"), false},
		{"printer with a marker",
			at(smbprobe.ShareType, &smbprobe.ShareTypeError{Type: 3}), 63, samba("share type error"), false},
		{"no marker", at(smbprobe.Marker, status(0xC0000034)), 112,
			marker("error[2], STATUS_OBJECT_NAME_NOT_FOUND"), false},
		{"empty marker", at(smbprobe.Marker, status(0xC0000011)), 112,
			marker("error[38], STATUS_END_OF_FILE"), false},
		{"marker: a status without a name", at(smbprobe.Marker, status(0xC0DEDBAD)), 112,
			marker("error[317], NTSTATUS (0xC0DEDBAD)"), false},
		{"marker: deadline", at(smbprobe.Marker, deadline), 112, marker("error[110], ETIMEDOUT"),
			false},
		{"marker: reset", at(smbprobe.Marker, op("read", "read", syscall.ECONNRESET)), 112,
			marker("error[104], ECONNRESET"), false},
		{"marker: closed", at(smbprobe.Marker, closed), 112, marker("error[104], ECONNRESET"),
			false},
		{"marker: turned away", at(smbprobe.Marker, &smbprobe.NetBIOSError{Code: 0x81}), 112,
			marker("error[58], malformed answer"), false},
		{"disk full", at(smbprobe.WriteTest, status(0xC000007F)), 113,
			write("error[112], STATUS_DISK_FULL"), false},
		{"disk read-only", at(smbprobe.WriteTest, status(0xC00000A2)), 113,
			write("error[19], STATUS_MEDIA_WRITE_PROTECTED"), false},
		{"share read-only", at(smbprobe.WriteTest, status(0xC0000022)), 113,
			write("error[5], STATUS_ACCESS_DENIED"), false},
		{"disk hung", at(smbprobe.WriteTest, deadline), 113, write("error[110], ETIMEDOUT"), false},
		{"data differ", at(smbprobe.WriteTest, smbprobe.ErrReadBack), 113,
			write("error[23], data differ"), false},
		{"write test: send failed", at(smbprobe.WriteTest, op("write", "write", syscall.EPIPE)),
			113, write("error[32], EPIPE"), false},
		{"write test: malformed", at(smbprobe.WriteTest, malformed), 113,
			write("error[58], malformed answer"), false},
		{"panic", &watch.PanicError{Value: "index out of range"}, 42, "The clp_sambamon has " +
			"detected system error (probe 0).", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := (&flags{share: "share"}).diagnose(c.err)
			if len(f.Alerts) != 1 {
				t.Fatalf("%d alerts", len(f.Alerts))
			}
			a := f.Alerts[0]
			if a.Number != c.number || a.Text != c.text || a.Severity != alert.Error ||
				(f.Class == cli.Local) != c.local {
				t.Errorf("got %d %s %q local=%v\nwant %d ERROR %q local=%v", a.Number, a.Severity,
					a.Text, f.Class, c.number, c.text, c.local)
			}
			if a.Detail != c.err.Error() {
				t.Errorf("the detail is %q, the cause %q", a.Detail, c.err)
			}
			// The line of one failed probe has the same code, in short, and
			// names the rung if the message is about that.
			if want := map[int]string{112: "marker error[",
				113: "write test error["}[c.number]; !strings.HasPrefix(f.Brief, want) ||
				want != "" &&
					!strings.Contains(c.text,
						strings.TrimPrefix(f.Brief, strings.TrimSuffix(want, "error["))) {
				t.Errorf("the code is %q", f.Brief)
			}
			if code := regexp.MustCompile(`[a-z ]+ error\[\d+\]`).FindString(c.text); code != "" &&
				!strings.HasSuffix(code, f.Brief) {
				t.Errorf("the code is %q", f.Brief)
			}
		})
	}
	var s smbprobe.Status
	unknown := at(smbprobe.TreeConnect, status(0xC0DEDBAD))
	if f := (&flags{share: "share"}).diagnose(unknown); !strings.Contains(f.Alerts[0].Detail,
		"0xC0DEDBAD") || !errors.As(unknown, &s) {
		t.Error("the NTSTATUS is lost")
	}
}

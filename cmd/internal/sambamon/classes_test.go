package sambamon

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"fsmon/cmd/internal/kerberos"
	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe"
)

// The class of every status that has a text of its own, or another class than
// server, and of what has no status. All others are the server's.
func TestClasses(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	f := &flags{user: "labuser"}
	row := func(name string, err error, steps ...smbprobe.Step) {
		fmt.Fprintf(&got, "%-45s", name)
		for _, step := range steps {
			d := f.diagnose(&smbprobe.Error{Step: step, Err: err})
			fmt.Fprintf(&got, " %v: %s;", step, cmp.Or(d.Class, "server"))
		}
		got.WriteString("\n")
	}
	for _, severity := range []uint32{0x80000000, 0xC0000000} {
		for n := range uint32(0x10000) {
			status := smbprobe.Status(severity + n)
			if looks[status] != "" || diskLooks[status] != "" || classes[status] != "" ||
				fileLooks[smbprobe.Marker][status] != "" ||
				fileLooks[smbprobe.WriteTest][status] != "" ||
				fileLooks[smbprobe.LockTest][status] != "" {
				row(status.Error(), status, smbprobe.SessionSetup, smbprobe.TreeConnect,
					smbprobe.Marker, smbprobe.WriteTest, smbprobe.LockTest)
			}
		}
	}
	row("no name", smbprobe.Status(0xC000FFFF), smbprobe.Negotiate)
	row("no resources", &smbprobe.NetBIOSError{Code: 0x83}, smbprobe.Negotiate)
	row("not this name", &smbprobe.NetBIOSError{Code: 0x82}, smbprobe.Negotiate)
	row("hosts deny", &smbprobe.NetBIOSError{Code: 0x81}, smbprobe.Negotiate)
	row("a pipe", &smbprobe.ShareTypeError{}, smbprobe.ShareType)
	row("SMB1 only", smbprobe.ErrSMB1Only, smbprobe.Negotiate)
	row("malformed", &smbprobe.MalformedError{}, smbprobe.TreeConnect)
	row("read back", smbprobe.ErrReadBack, smbprobe.WriteTest)
	row("this machine", smbprobe.ErrReadBack, smbprobe.Socket)
	f = &flags{kerberos: true}
	row("a ticket that is not taken", logonFailure, smbprobe.SessionSetup, smbprobe.TreeConnect)
	row("refused by a message of Kerberos", &smbprobe.RefusedError{
		Err: &kerberos.Error{Code: kerberos.Modified}}, smbprobe.SessionSetup)
	row("no Kerberos there", smbprobe.ErrOtherLogin, smbprobe.SessionSetup)
	row("a user who is not let in", smbprobe.StatusAccessDenied, smbprobe.SessionSetup)
	row("a user who is disabled", smbprobe.Status(0xC0000072), smbprobe.SessionSetup)
	cmdtest.Golden(t, "testdata/classes.golden", got.String())
}

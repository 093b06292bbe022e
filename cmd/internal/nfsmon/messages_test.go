package nfsmon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fsmon/cmd/internal/alert"
	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/cmd/internal/watch"
	"fsmon/nfsprobe"
)

// messages is FSM manual 8.2 in order, but the licences'.
var messages = slices.Concat([]alert.Entry{msgRPC}, cmdtest.Shared(catalogue), []alert.Entry{msgDetected})

// Every message with sample arguments. (Those of our own stand in
// clp_sambamon's golden file.)
func TestCatalogue(t *testing.T) {
	cmdtest.Catalogue(t, "../../clp_nfsmon", messages, []int{
		0, 1, 2, 3, 6, 7, 8, 11, 12, 13, 14, 15, 42, 61, 66}, nil)
}

// The messages of every way in which a probe can fail.
func TestFailure(t *testing.T) {
	at := func(step nfsprobe.Step, err error) error { return &nfsprobe.Error{Step: step, Err: err} }
	ordinary := func(step nfsprobe.Step, err error) error {
		return &nfsprobe.Error{Step: step, Err: err, Connected: true, SourcePort: 40000}
	}
	op := func(op, call string, errno syscall.Errno) error {
		return &net.OpError{Op: op, Net: "tcp", Err: os.NewSyscallError(call, errno)}
	}
	deadline := fmt.Errorf("no answer within the deadline: %w", context.DeadlineExceeded)
	closed := &net.OpError{Op: "read", Net: "tcp", Err: io.EOF}
	reset := op("read", "read", syscall.ECONNRESET)
	refused := op("dial", "connect", syscall.ECONNREFUSED)
	malformed := &nfsprobe.MalformedError{What: "a record of 4294967295 bytes or more"}
	auth := &nfsprobe.RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_BADCRED"}
	tooWeak := fmt.Errorf("%w: %w", nfsprobe.ErrKerberos,
		&nfsprobe.RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_TOOWEAK"})
	tooWeakOrPort := fmt.Errorf("%w: %w", nfsprobe.ErrPortOrKerberos,
		&nfsprobe.RPCError{Stat: "AUTH_ERROR", Auth: "AUTH_TOOWEAK"})
	const kerberos = "clp_nfsmon: mount error(export requires Kerberos)"
	const mapper = "clp_nfsmon: RPC: Port mapper failure - RPC: "
	const receive = "clp_nfsmon: RPC: Unable to receive: errno = "

	for _, c := range []struct {
		name  string
		err   error
		text  string
		local bool
	}{
		{"port mapper silent", at(nfsprobe.PortMap, deadline), mapper + "Timed out", false},
		{"port mapper refused", at(nfsprobe.PortMap, refused), mapper +
			"Unable to receive: errno = Connection refused.", false},
		{"port mapper reset", at(nfsprobe.PortMap, reset), mapper + "Unable to receive: errno = " +
			"Connection reset by peer", false},
		{"port mapper malformed", at(nfsprobe.PortMap, malformed), mapper + "Can't decode result",
			false},
		{"port mapper denies", at(nfsprobe.PortMap, auth), mapper + "Authentication error; why = " +
			"AUTH_BADCRED", false},
		{"host unreachable", at(nfsprobe.PortMap, op("dial", "connect", syscall.EHOSTUNREACH)),
			mapper + "Unable to receive: errno = No route to host", false},
		{"program missing", at(nfsprobe.PortMap, nfsprobe.ErrNotRegistered),
			"clp_nfsmon: RPC: Program not registered.", false},
		{"MOUNT refused", at(nfsprobe.Mount, nfsprobe.MountStatus(13)),
			"clp_nfsmon: mount error(MNT3ERR_ACCES)", false},
		{"no directory there", at(nfsprobe.Mount, nfsprobe.MountStatus(2)),
			"clp_nfsmon: mount error(MNT3ERR_NOENT)", false},
		{"a status of MOUNT that nobody knows", at(nfsprobe.Mount, nfsprobe.MountStatus(99)),
			"clp_nfsmon: mount error(mountstat3 99)", false},
		{"not a directory, by MOUNT", at(nfsprobe.Mount, nfsprobe.MountStatus(20)),
			"clp_nfsmon: mount error(MNT3ERR_NOTDIR)", false},
		{"not a directory", at(nfsprobe.Getattr, nfsprobe.ErrNotDirectory),
			"clp_nfsmon: mount error(Not a directory)", false},
		{"Kerberos by the flavors", at(nfsprobe.Mount, nfsprobe.ErrKerberos), kerberos, false},
		{"Kerberos by the flavors, from an ordinary port",
			ordinary(nfsprobe.Mount, nfsprobe.ErrKerberos), kerberos, false},
		{"Kerberos by AUTH_TOOWEAK", at(nfsprobe.Getattr, tooWeak), kerberos, false},
		{"AUTH_TOOWEAK to an ordinary port", ordinary(nfsprobe.Getattr, tooWeakOrPort),
			"clp_nfsmon: RPC: Authentication error; why = AUTH_TOOWEAK", false},
		{"Kerberos by WRONGSEC", at(nfsprobe.Lookup, fmt.Errorf("%w: %w", nfsprobe.ErrKerberos,
			&nfsprobe.Status4{Op: "LOOKUP", Code: 10016})), kerberos, false},
		{"refused", at(nfsprobe.Connect, refused), receive + "Connection refused.", false},
		{"mount port refused", at(nfsprobe.MountConnect, refused), receive + "Connection refused.",
			false},
		{"reset", at(nfsprobe.Getattr, reset), receive + "Connection reset by peer", false},
		{"closed", at(nfsprobe.Null, closed), receive + "Connection reset by peer", false},
		{"sending reset", at(nfsprobe.Null, op("write", "write", syscall.ECONNRESET)),
			"clp_nfsmon: RPC: Unable to send: errno = Connection reset by peer", false},
		{"connect not standing at the deadline", at(nfsprobe.Connect, deadline),
			"clp_nfsmon: RPC: Timed out", false},
		{"connect given up by the kernel",
			at(nfsprobe.Connect, op("dial", "connect",
				syscall.ETIMEDOUT)), "clp_nfsmon: RPC: Timed out", false},
		{"no answer to MNT", at(nfsprobe.Mount, deadline), "clp_nfsmon: RPC: Timed out", false},
		{"no answer to UMNT", at(nfsprobe.Unmount, deadline), "clp_nfsmon: RPC: Timed out", false},
		{"probe overrun", deadline, "clp_nfsmon: RPC: Timed out", false},
		{"unknown host", at(nfsprobe.Resolve, &net.DNSError{Err: "no such host", Name: "h",
			IsNotFound: true}), "clp_nfsmon: RPC: Unknown host", false},
		{"resolver silent", at(nfsprobe.Resolve, &net.DNSError{Err: "i/o timeout", Name: "h",
			IsTimeout: true}), "clp_nfsmon: RPC: Timed out", false},
		{"malformed", at(nfsprobe.Mount, malformed), "clp_nfsmon: RPC: Can't decode result", false},
		{"wrong version", at(nfsprobe.Null, &nfsprobe.RPCError{Stat: "PROG_MISMATCH", Low: 3,
			High: 3}), "clp_nfsmon: RPC: Program/version mismatch; low version = 3, high version = 3", false},
		{"no such program", at(nfsprobe.Null, &nfsprobe.RPCError{Stat: "PROG_UNAVAIL"}),
			"clp_nfsmon: RPC: Program unavailable", false},
		{"credential refused", at(nfsprobe.Getattr, auth), "clp_nfsmon: RPC: Authentication " +
			"error; why = AUTH_BADCRED", false},
		{"NFS 3 status", at(nfsprobe.Getattr, nfsprobe.Status3(70)), "clp_nfsmon: GETATTR: " +
			"NFS3ERR_STALE", false},
		{"NFS 3 busy until the deadline", at(nfsprobe.Access, nfsprobe.Status3(10008)),
			"clp_nfsmon: ACCESS: NFS3ERR_JUKEBOX", false},
		{"NFS 4 status", at(nfsprobe.Lookup, &nfsprobe.Status4{Op: "LOOKUP", Code: 2}),
			"clp_nfsmon: LOOKUP: NFS4ERR_NOENT", false},
		{"NFS 4 minor version", at(nfsprobe.ExchangeID, &nfsprobe.Status4{Op: "COMPOUND",
			Code: 10021}), "clp_nfsmon: COMPOUND: NFS4ERR_MINOR_VERS_MISMATCH", false},
		{"nobody knows what", at(nfsprobe.Null, errors.New("odd")), "clp_nfsmon: RPC: Failed " +
			"(unspecified error)", false},
		{"no descriptors", at(nfsprobe.Socket, op("dial", "socket", syscall.EMFILE)),
			"The clp_nfsmon has detected system error (socket 24).", true},
		{"no local port", at(nfsprobe.Socket, op("dial", "connect", syscall.EADDRNOTAVAIL)),
			"The clp_nfsmon has detected system error (socket 99).", true},
		{"panic", &watch.PanicError{Value: "index out of range"}, "The clp_nfsmon has detected " +
			"system error (probe 0).", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := (&flags{dir: "/export"}).diagnose(c.err)
			numbers := []int{0, 66}
			if c.local {
				numbers = []int{42}
			}
			var got []int
			for _, a := range f.Alerts {
				got = append(got, a.Number)
				if a.Severity != alert.Error {
					t.Errorf("message %d is %s", a.Number, a.Severity)
				}
			}
			if !slices.Equal(got, numbers) || (f.Class == watch.Local) != c.local {
				t.Fatalf("messages %v, local %v", got, f.Class)
			}
			if a := f.Alerts[0]; a.Text != c.text || a.Detail != c.err.Error() {
				t.Errorf("got %q, detail %q\nwant %q, detail %q", a.Text, a.Detail, c.text, c.err)
			}
			// The line of one failed probe says the same, in short.
			if !c.local && "clp_nfsmon: "+f.Brief != c.text ||
				c.local && !strings.HasPrefix(f.Brief, "system error") {
				t.Errorf("the code is %q", f.Brief)
			}
		})
	}
	if text := ordinary(nfsprobe.Getattr, tooWeakOrPort).Error(); !strings.Contains(text,
		"privileged source port") || !strings.Contains(text, "requires Kerberos") {
		t.Errorf("%q does not name both causes", text)
	}
}

package winsys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// API does what some of LifeKeeper's helper commands do, with calls of Windows. On
// other systems only Trap works.
//
// Every method honours ctx's deadline. A call that has not returned by then
// cannot be cancelled: it is left alone, and its goroutine ends when the call
// does.
type API struct {
	destination, community string
	uptime                 func() time.Duration
}

// NewAPI returns an API whose traps go to destination, a host or host:port
// (port 162 if there is none), under the community string.
func NewAPI(destination, community string) *API {
	return &API{destination, community, sinceBoot}
}

// Trap is an SNMP trap as EISMEventNotice.exe sends it: enterprise 7359,
// generic trap 6, and string variables.
type Trap struct {
	Node     string // the sender
	Generic  int    // 6, enterprise specific
	Specific int    // 160, split brain
	Strings  []string
}

// Cable is the state of a network adapter's cable.
type Cable int

// The states of a cable.
const (
	CableUnknown Cable = iota
	CableConnected
	CableDisconnected
)

// Address is an IPv4 address of this machine.
type Address struct {
	GUID    string // its adapter's
	IP      netip.Addr
	Context uint32 // for ips_ipchange -d; 0 if there is none
}

// Adapter is a network adapter.
type Adapter struct {
	Name      string       `json:"name"` // as the connection is called; "" if not known
	GUID      string       `json:"guid"`
	Addresses []netip.Addr `json:"addresses"` // IPv4
}

// within runs f, which cannot be cancelled, and waits for it until ctx is done.
func within[T any](ctx context.Context, what string, f func() (T, error)) (T, error) {
	type outcome struct {
		v   T
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		v, err := f()
		done <- outcome{v, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			o.err = fmt.Errorf("%s: %w", what, o.err)
		}
		return o.v, o.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("%s: %w", what, Ended(ctx, 0))
	}
}

// Trap sends an SNMP trap, version 1 (RFC 1157). Nobody learns whether it
// arrives.
func (a *API) Trap(ctx context.Context, t Trap) error {
	if a.destination == "" {
		return errors.New("SNMP trap: no destination is set")
	}
	address := a.destination
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, "162")
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", address)
	if err != nil {
		return fmt.Errorf("SNMP trap: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetWriteDeadline(deadline)
	}
	var sender [4]byte // none known, for a trap that leaves by IPv6 (RFC 2576 3.1)
	if local, ok := conn.LocalAddr().(*net.UDPAddr); ok && local.IP.To4() != nil {
		sender = [4]byte(local.IP.To4())
	}
	packet, err := encodeTrap(a.community, sender, a.uptime(), t)
	if err == nil {
		_, err = conn.Write(packet)
	}
	if err != nil {
		return fmt.Errorf("SNMP trap: %w", err)
	}
	return nil
}

// testText is what the write test writes, as the document says.
const testText = "test"

var testFile = regexp.MustCompile(`^LK_[0-9]{4}\.tmp$`)

// writeTest is the write test in a directory, which is the root of a volume.
func writeTest(dir string) (err error) {
	removeLeftovers(dir)
	var f *os.File
	for range 20 { // other tests may be running
		name := filepath.Join(dir, fmt.Sprintf("LK_%04d.tmp", rand.IntN(10000)))
		f, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_SYNC, 0o600)
		if !errors.Is(err, os.ErrExist) {
			break
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteString(testText); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	back := make([]byte, len(testText)+1)
	n, err := f.ReadAt(back, 0)
	if err != nil && err != io.EOF {
		return err
	}
	if string(back[:n]) != testText {
		return fmt.Errorf("%s: %q was read back where %q was written", f.Name(), back[:n], testText)
	}
	return nil
}

// removeLeftovers removes the files of write tests that were killed: those with
// such a name and no other content, and too old to belong to a test that is
// running. It is no error if one cannot be removed.
func removeLeftovers(dir string) {
	names, _ := filepath.Glob(filepath.Join(dir, "LK_????.tmp")) // the pattern is well-formed
	for _, name := range names {
		info, err := os.Lstat(name)
		if err != nil || !info.Mode().IsRegular() || info.Size() > int64(len(testText)) ||
			!testFile.MatchString(info.Name()) || time.Since(info.ModTime()) < time.Hour {
			continue
		}
		if b, err := os.ReadFile(name); err == nil && string(b) == testText[:len(b)] {
			os.Remove(name)
		}
	}
}

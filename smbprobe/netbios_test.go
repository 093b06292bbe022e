package smbprobe

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"fsmon/smbprobe/smbtest"
)

// onNetBIOS is at with a session request first, as on port 139.
func onNetBIOS(t testing.TB, addr, share string) Config {
	t.Helper()
	c := at(t, addr, share)
	c.netbios = true
	return c
}

// Samba answers session requests on every port.
func TestNetBIOSSession(t *testing.T) {
	r, err := probe(t, onNetBIOS(t, samba(t).Addr(), "share"))
	if err != nil || r.Identity != "anonymous" {
		t.Errorf("%v, %+v", err, r)
	}
	// What the wire holds, by hand from RFC 1001 14.1 and RFC 1002 4.3.2.
	const request = "\x81\x00\x00\x44\x20CKFDENECFDEFFCFGEFFCCACACACACACA\x00\x20"
	if len(r.Wire) < 3 {
		t.Fatalf("%d segments", len(r.Wire))
	}
	if got := string(r.Wire[0].Data); !strings.HasPrefix(got, request) || len(got) != 72 ||
		!strings.HasSuffix(got, "AA\x00") {
		t.Errorf("%q, want %q and the name of this host", got, request)
	}
	if got := string(r.Wire[1].Data); got != "\x82\x00\x00\x00" {
		t.Errorf("%q is no positive answer", got)
	}
	if r, err = probe(t, at(t, samba(t).Addr(), "share")); err != nil || r.Wire[0].Data[0] != 0 {
		t.Errorf("%v: on another port the first message is %q", err, r.Wire[0].Data)
	}
}

// The port decides. Nothing here listens on 139, so only the rule is tried.
func TestNetBIOSPort(t *testing.T) {
	for port, want := range map[int]bool{139: true, 445: false, 1139: false} {
		if got := (&attempt{Config: Config{Port: port}}).onNetBIOS(); got != want {
			t.Errorf("port %d: a session request: %v", port, got)
		}
	}
}

// demand is a server that takes SMB only after a session request for one of
// these names, and then goes on as told. It adds what it was called by.
type demand struct {
	names  []string
	then   smbtest.Behaviour
	mu     sync.Mutex
	called []string
}

func (d *demand) serve(c net.Conn) {
	b := make([]byte, 72)
	if _, err := io.ReadFull(c, b); err != nil || b[0] != 0x81 {
		return
	}
	var name []byte
	for i := 5; i < 5+32; i += 2 {
		name = append(name, (b[i]-'A')<<4|(b[i+1]-'A'))
	}
	service := name[15]
	called := strings.TrimRight(string(name[:15]), " ")
	d.mu.Lock()
	d.called = append(d.called, called)
	d.mu.Unlock()
	for _, n := range d.names {
		if n == called && service == 0x20 {
			c.Write([]byte{0x82, 0, 0, 0})
			d.then(c)
			return
		}
	}
	c.Write([]byte{0x83, 0, 0, 1, 0x82})
}

// A server that knows only its own name is called by its host's name on a
// second connection. Of an address no name is known.
func TestNetBIOSNames(t *testing.T) {
	const refused = Status(0xC00000BB)
	script := smbtest.Script(smbtest.Close, smbtest.Status(uint32(refused)))
	unknown := &NetBIOSError{Code: 0x82}
	for _, c := range []struct {
		host, known string
		called      string
		cause       error
	}{
		{"127.0.0.1", "*SMBSERVER", "*SMBSERVER", refused},
		{"127.0.0.1", "NAS", "*SMBSERVER", unknown},
		{"nas.example.org", "*SMBSERVER", "*SMBSERVER", refused},
		{"nas.example.org", "NAS", "*SMBSERVER NAS", refused},
		{"fileserver-with-a-long-name", "FILESERVER-WITH", "*SMBSERVER FILESERVER-WITH", refused},
		{"other", "NAS", "*SMBSERVER OTHER", unknown},
	} {
		d := &demand{names: []string{c.known}, then: script}
		addr := smbtest.Hostile(t, d.serve)
		config := onNetBIOS(t, addr, "share")
		config.Address = c.host
		p := New(config)
		p.lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}
		_, err := probeWith(t, p)
		fails(t, err, Negotiate, c.cause)
		d.mu.Lock()
		if got := strings.Join(d.called, " "); got != c.called {
			t.Errorf("%s, which is %s: called %q, want %q", c.host, c.known, got, c.called)
		}
		d.mu.Unlock()
	}
}

// Whatever comes instead of a session response, the probe says what it is.
func TestNetBIOSHostile(t *testing.T) {
	say := func(s string) smbtest.Behaviour {
		return func(c net.Conn) { c.Write([]byte(s)); smbtest.Silent(c) }
	}
	end := func(s string) smbtest.Behaviour {
		return func(c net.Conn) {
			io.ReadFull(c, make([]byte, 72)) // unread bytes would make it a reset
			c.Write([]byte(s))
		}
	}
	for name, c := range map[string]struct {
		does  smbtest.Behaviour
		cause error
	}{
		"not for this client":  {say("\x83\x00\x00\x01\x81"), &NetBIOSError{Code: 0x81}},
		"no resources":         {say("\x83\x00\x00\x01\x83"), &NetBIOSError{Code: 0x83}},
		"a code nobody knows":  {say("\x83\x00\x00\x01\x42"), &NetBIOSError{Code: 0x42}},
		"no code":              {say("\x83\x00\x00\x00"), malformed("0x83 with 0 bytes")},
		"two codes":            {say("\x83\x00\x00\x02\x81\x81"), malformed("0x83 with 2 bytes")},
		"another address":      {say("\x84\x00\x00\x06\x7f\x00\x00\x01\x00\x8b"), malformed("retarget")},
		"a positive with more": {say("\x82\x00\x00\x01x"), malformed("0x82 with 1 bytes")},
		"a large one":          {say("\x82\x01\x00\x00"), malformed("with 65536 bytes")},
		"a keep-alive":         {say("\x85\x00\x00\x00"), malformed("0x85")},
		"SMB at once":          {say("\x00\x00\x00\x40\xfeSMB"), malformed("0x00 with 64 bytes")},
		"text":                 {say("HTTP/1.1 400 Bad Request\r\n"), malformed("0x48")},
		"closed":               {end(""), broken("read", io.EOF)},
		"closed inside":        {end("\x82\x00"), broken("read", io.EOF)},
		"closed at the code":   {end("\x83\x00\x00\x01"), broken("read", io.EOF)},
		"reset": {func(c net.Conn) {
			io.ReadFull(c, make([]byte, 72))
			smbtest.Reset(c)
		}, broken("read", syscall.ECONNRESET)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := probe(t, onNetBIOS(t, smbtest.Hostile(t, c.does), "share"))
			fails(t, err, Negotiate, c.cause)
		})
	}
	t.Run("silent", func(t *testing.T) {
		p := New(onNetBIOS(t, smbtest.Hostile(t, smbtest.Silent), "share"))
		failsAtDeadline(t, p, Negotiate, context.DeadlineExceeded)
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		addr := smbtest.Hostile(t, func(c net.Conn) {
			io.ReadFull(c, make([]byte, 72))
			cancel()
			smbtest.Silent(c)
		})
		_, err := probeIn(t, ctx, New(onNetBIOS(t, addr, "share")))
		fails(t, err, Negotiate, context.Canceled)
	})
}

func TestNetBIOSName(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"nas": "NAS", "Nas.example.org": "NAS", "": "", ".": "",
		"abcdefghijklmnopq": "ABCDEFGHIJKLMNO", host: netbiosName(host),
	} {
		got := netbiosName(in)
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if b := appendName(nil, got, 0x20); len(b) != 34 {
			t.Errorf("%q: %d bytes", in, len(b))
		}
	}
}

package smbprobe

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"fsmon/smbprobe/smb2"
	"fsmon/smbprobe/smbtest"
)

// tape records all frames that go through a relay.
type tape struct {
	mu     sync.Mutex
	frames [][]byte
}

func (r *tape) note(f *smbtest.Frame) smbtest.Behaviour {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames = append(r.frames, bytes.Clone(f.Bytes))
	return nil
}

// ntlm returns the NTLM messages in the frames, each up to its frame's end.
func (r *tape) ntlm() (messages [][]byte) {
	for _, f := range r.frames {
		if i := bytes.Index(f, []byte("NTLMSSP\x00")); i >= 0 {
			messages = append(messages, f[i:])
		}
	}
	return messages
}

// secrets returns what could help to find out the password (MS-NLMP 2.2.1.2,
// 2.2.1.3, 2.2.2.8).
func secrets(challenge, authenticate []byte) map[string][]byte {
	field := func(at int) []byte { // of an AUTHENTICATE_MESSAGE: length and offset
		n, off := le.Uint16(authenticate[at:]), le.Uint32(authenticate[at+4:])
		return authenticate[off:][:n]
	}
	response := field(20)
	return map[string][]byte{
		"server challenge": challenge[24:32], "NT proof string": response[:16],
		"client challenge": response[32:40], "LM response": field(12), "session key": field(52),
		"MIC": authenticate[72:88],
	}
}

// No segment holds 6 or more bytes of what could help to find out the password.
// All bytes but the security buffers are there.
func TestWireHidesTheLogin(t *testing.T) {
	for _, max := range []string{"SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11"} {
		for _, more := range []string{signAll, encryptAll} {
			if more == encryptAll && max < "SMB3" {
				continue
			}
			for _, user := range []string{"root", "games", "nosuch"} {
				t.Run(fmt.Sprint(max, " ", more, " ", user), func(t *testing.T) {
					var tape tape
					server := samba(t, "server max protocol = "+max, more)
					addr := smbtest.Relay(t, server.Addr(), tape.note)
					r, err := probe(t, at(t, addr, "priv").as(user, "pw").files())
					if (err == nil) != (user == "root") {
						t.Errorf("user %s: %v", user, err)
					}
					messages := tape.ntlm()
					if len(messages) != 3 { // negotiate, challenge, authenticate (MS-NLMP 2.2.1)
						t.Fatalf("%d NTLM messages", len(messages))
					}
					var wire [][]byte
					for _, s := range r.Wire {
						wire = append(wire, s.Data)
					}
					for name, secret := range secrets(messages[1], messages[2]) {
						t.Logf("%s % x", name, secret)
						for ; len(secret) >= 6; secret = secret[1:] {
							part := secret[:6]
							shown := func(b []byte) bool { return bytes.Contains(b, part) }
							zero := bytes.Equal(part, make([]byte, 6))
							if !zero && slices.ContainsFunc(wire, shown) {
								t.Errorf("% x of the %s is in the transcript", part, name)
							}
						}
					}
					if len(wire) != len(tape.frames) {
						t.Fatalf("%d segments of %d frames", len(wire), len(tape.frames))
					}
					for i, f := range tape.frames {
						same := f
						ntlm := bytes.Contains(f, []byte("NTLMSSP\x00"))
						if ntlm || isSessionSetup(f[4:]) {
							same = f[:4+headerLen+8]
						}
						if len(wire[i]) != len(f) || !bytes.HasPrefix(wire[i], same) {
							t.Errorf("segment %d has % x\nof the frame % x", i, wire[i], f)
						}
					}
				})
			}
		}
	}
}

// The transcript has both connections of a probe, in order.
func TestWire(t *testing.T) {
	var tape tape
	addr := smbtest.Relay(t, samba(t, onlySMB1).Addr(), tape.note)
	r, err := probe(t, at(t, addr, "share"))
	fails(t, err, Negotiate, ErrSMB1Only)
	server := netip.MustParseAddrPort(addr)
	var sent, received int
	clients := map[netip.AddrPort]bool{}
	for i, s := range r.Wire {
		if i > 0 && s.At.Before(r.Wire[i-1].At) {
			t.Error("out of order")
		}
		switch server {
		case s.To:
			sent++
			clients[s.From] = true
		case s.From:
			received++
			clients[s.To] = true
		}
	}
	if len(clients) != 2 || sent != 2 || received == 0 || sent+received != len(r.Wire) {
		t.Errorf("%d sent, %d received, %d connections: %v", sent, received, len(clients), r.Wire)
	}
	again, _ := probe(t, at(t, samba(t, onlySMB1).Addr(), "share"))
	if len(again.Wire) == 0 || again.Wire[0].At.Before(r.Wire[len(r.Wire)-1].At) {
		t.Error("a probe's transcript holds another's")
	}
}

// The transcript also has frames that are not whole, and bytes that are no
// frame.
func TestWireOfBrokenFrames(t *testing.T) {
	raw := func(s string) smbtest.Filter {
		return instead(smbtest.Raw([]byte(s)), smbtest.Close)
	}
	for name, c := range map[string]struct {
		filter smbtest.Filter
		want   string
	}{
		"cut off":     {smbtest.Midway(smbtest.Close), "\x00\x00\x00\x50\xfeSMB"},
		"no frame":    {raw("HTTP/1.1 400"), "HTTP"},
		"turned away": {raw("\x83\x00\x00\x01\x81"), "\x83\x00\x00\x01\x81"},
	} {
		r, err := probe(t, at(t, spoilt(t, smbtest.TreeConnect, c.filter), "share"))
		if err == nil || len(r.Wire) == 0 ||
			!bytes.HasPrefix(r.Wire[len(r.Wire)-1].Data, []byte(c.want)) {
			t.Errorf("%s: %v, %d segments", name, err, len(r.Wire))
		}
	}
}

func TestWireIsCapped(t *testing.T) {
	for _, frame := range [][]byte{make([]byte, 50<<10), make([]byte, 4), make([]byte, maxWire)} {
		var w transcript
		total := 0
		for range 2000 {
			w.note(&net.TCPAddr{}, &net.TCPAddr{}, frame, false)
		}
		for _, s := range w.all() {
			total += segmentLen + len(s.Data)
		}
		if total > maxWire || total < maxWire-segmentLen-len(frame) {
			t.Errorf("frames of %d bytes make %d", len(frame), total)
		}
	}
}

// A login is zeroed wherever it stands, and whatever the frame says of it.
func TestBlank(t *testing.T) {
	_, setup := request(cmdSessionSetup, 1)
	long := slices.Concat(be.AppendUint32(nil, 500), setup[:headerLen],
		bytes.Repeat([]byte{0xaa}, 436))
	answer := message(cmdSessionSetup, 1, smb2.StatusOK, bytes.Repeat([]byte{0xaa}, 100))
	for _, c := range []struct {
		name  string
		frame []byte
		setup bool
		kept  int // 0xaa bytes
	}{
		{"request", long, true, 24},
		{"answer", answer, true, 8},
		{"answer, cut off", answer[:20], true, 0},
		{"the length alone", answer[:3], true, 0},
		{"another command", long, false, 436},
		{"NTLM in another command", append(bytes.Clone(long[:100]), "NTLMSSP\x00\xaa\xaa"...), false, 32},
	} {
		var w transcript
		before := bytes.Clone(c.frame)
		w.note(nil, nil, c.frame, c.setup)
		got := w.all()[0].Data
		n := bytes.Count(got, []byte{0xaa})
		if n != c.kept || len(got) != len(c.frame) || !bytes.Equal(before, c.frame) {
			t.Errorf("%s: %d bytes kept of %d, length %d", c.name, n, c.kept, len(got))
		}
	}
}

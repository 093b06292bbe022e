package smbprobe

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fsmon/smbprobe/smb2"
	"fsmon/smbprobe/smbtest"
)

// places are the answers that a relay can spoil, and the steps that then fail.
var places = []struct {
	name   string
	answer uint16
	step   Step
}{
	{"negotiate", smbtest.Negotiate, Negotiate},
	{"challenge", smbtest.Challenge, SessionSetup},
	{"session setup", smbtest.SessionSetup, SessionSetup},
	{"tree connect", smbtest.TreeConnect, TreeConnect},
	{"marker open", smbtest.Create, Marker},
	{"marker read", smbtest.Read, Marker},
	{"marker close", smbtest.CloseFile, Marker},
	{"write", smbtest.Write, WriteTest},
	{"flush", smbtest.Flush, WriteTest},
	{"delete", smbtest.SetInfo, WriteTest},
	{"lock", smbtest.Lock, LockTest},
	{"tree disconnect", smbtest.TreeDisconnect, TreeDisconnect},
	{"logoff", smbtest.Logoff, Logoff},
}

// spoilt starts a relay that spoils one answer of the shared server with these
// global lines. It returns the relay's address.
func spoilt(t testing.TB, answer uint16, spoil smbtest.Filter, global ...string) string {
	t.Helper()
	return smbtest.Relay(t, samba(t, global...).Addr(), smbtest.OnReply(answer, spoil))
}

// instead delivers the reply in place of the frame, and goes on with end.
func instead(reply smbtest.Reply, end smbtest.Behaviour) smbtest.Filter {
	return func(f *smbtest.Frame) smbtest.Behaviour {
		f.Bytes = reply(*f)
		return end
	}
}

// change edits the SMB2 message in the frame.
func change(edit func(message []byte)) smbtest.Filter {
	return func(f *smbtest.Frame) smbtest.Behaviour {
		edit(f.Bytes[4:])
		return nil
	}
}

// before delivers more bytes before the frame.
func before(more func(answer []byte) []byte) smbtest.Filter {
	return func(f *smbtest.Frame) smbtest.Behaviour {
		f.Bytes = append(more(bytes.Clone(f.Bytes)), f.Bytes...)
		return nil
	}
}

// interim returns the STATUS_PENDING answer (MS-SMB2 3.3.4.2) that may come
// before this final one. Bytes 32 to 39 of the header, the AsyncId, are the
// same in both.
func interim(answer []byte) []byte {
	b := append(answer[:4+headerLen:4+headerLen], 9, 0, 0, 0, 0, 0, 0, 0, 0)
	be.PutUint32(b, uint32(len(b)-4))
	le.PutUint32(b[4+8:], uint32(smb2.StatusPending))
	return b
}

// oplockBreak is a message that is no answer (MS-SMB2 2.2.23).
func oplockBreak([]byte) []byte {
	b := make([]byte, 4+headerLen+24)
	be.PutUint32(b, headerLen+24)
	copy(b[4:], "\xfeSMB")
	le.PutUint16(b[4+4:], headerLen)
	le.PutUint16(b[4+12:], 0x12)
	le.PutUint32(b[4+16:], flagResponse)
	le.PutUint64(b[4+24:], unsolicited)
	le.PutUint16(b[4+headerLen:], 24)
	return b
}

// transform is an encrypted frame (MS-SMB2 2.2.41) to which nobody has the key.
func transform() []byte {
	b := make([]byte, 4+transformLen+80)
	be.PutUint32(b, transformLen+80)
	copy(b[4:], "\xfdSMB")
	le.PutUint32(b[4+36:], 80) // original size
	le.PutUint16(b[4+42:], 1)  // encrypted
	return b
}

// warned reports whether the warnings are the one of a share that was served
// before something went wrong.
func warned(warnings []string) bool {
	return len(warnings) == 1 && strings.Contains(warnings[0], "though the share was served")
}

func TestSpoiltAnswers(t *testing.T) {
	closed, reset := broken("read", io.EOF), broken("read", syscall.ECONNRESET)
	for _, c := range []struct {
		name  string
		spoil smbtest.Filter
		cause error // nil: healthy
	}{
		{"reset", instead(smbtest.Nothing, smbtest.Reset), reset},
		{"reset in the answer", smbtest.Midway(smbtest.Reset), reset},
		{"closed", instead(smbtest.Nothing, smbtest.Close), closed},
		{"closed in the answer", smbtest.Midway(smbtest.Close), closed},
		{"cut short", smbtest.Truncate(headerLen), malformed("too short")},
		{"closed after an interim answer",
			instead(func(f smbtest.Frame) []byte { return interim(f.Bytes) },
				smbtest.Close), closed},
		{"turned away", instead(smbtest.Nothing, smbtest.NegativeResponse(0x81)),
			&NetBIOSError{Code: 0x81}},
		{"endless text", instead(smbtest.Nothing, smbtest.Endless([]byte("the quick brown fox "))),
			malformed("not an SMB server")},
		{"SMB1 answer", instead(smbtest.SMB1Reply, nil), malformed("SMB1")},
		{"encrypted out of the blue", instead(smbtest.Raw(transform()), nil),
			malformed("plain answer was due")},
		{"not an answer", change(func(m []byte) { m[16] &^= 1 }), malformed("a request")},
		{"chained", change(func(m []byte) { m[20] = headerLen }), malformed("chain")},
		{"another message's answer", change(func(m []byte) { m[24]++ }), malformed("was due")},
		{"interim answer first", before(interim), nil},
		{"oplock break first", before(oplockBreak), nil},
		{"keep-alive first", before(func([]byte) []byte { return []byte{0x85, 0, 0, 0} }), nil},
	} {
		for _, p := range places {
			t.Run(c.name+"/"+p.name, func(t *testing.T) {
				r, err := probe(t, at(t, spoilt(t, p.answer, c.spoil), "share").files())
				if p.step < TreeDisconnect && c.cause != nil {
					fails(t, err, p.step, c.cause)
				} else if warned(r.Warnings) != (c.cause != nil) || err != nil {
					t.Errorf("%v, warnings %q", err, r.Warnings)
				}
			})
		}
	}
}

// No server may send these in place of an answer.
func TestMalformedAnswers(t *testing.T) {
	for name, reply := range smbtest.Malformed() {
		for _, p := range places {
			t.Run(name+"/"+p.name, func(t *testing.T) {
				addr := spoilt(t, p.answer, instead(reply, nil))
				r, err := probe(t, at(t, addr, "share").files())
				if p.step < TreeDisconnect {
					fails(t, err, p.step, &MalformedError{})
				} else if !warned(r.Warnings) || err != nil {
					t.Errorf("%v, warnings %q", err, r.Warnings)
				}
			})
		}
	}
}

func TestRefused(t *testing.T) {
	const code = 0xC000009A // STATUS_INSUFFICIENT_RESOURCES
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			addr := spoilt(t, p.answer, smbtest.SetStatus(code))
			r, err := probe(t, at(t, addr, "share").files())
			if p.step < TreeDisconnect {
				fails(t, err, p.step, Status(code))
				return
			}
			refused := " was refused: STATUS_INSUFFICIENT_RESOURCES (0xC000009A)"
			want := []string{p.step.String() + refused}
			if err != nil || !slices.Equal(r.Warnings, want) {
				t.Errorf("%v, warnings %q, want %q", err, r.Warnings, want)
			}
		})
	}
}

// The deadline passes, or the caller cancels, at each step.
func TestHeldAnswers(t *testing.T) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			ctx := newExpiring()
			addr := spoilt(t, p.answer, func(f *smbtest.Frame) smbtest.Behaviour {
				ctx.expire()
				return smbtest.Hold(f)
			})
			_, err := probeIn(t, ctx, New(at(t, addr, "share").files()))
			fails(t, err, p.step, context.DeadlineExceeded)

			cancelled, cancel := context.WithCancel(t.Context())
			defer cancel()
			addr = spoilt(t, p.answer, func(f *smbtest.Frame) smbtest.Behaviour {
				cancel()
				return smbtest.Hold(f)
			})
			_, err = probeIn(t, cancelled, New(at(t, addr, "share").files()))
			fails(t, err, p.step, context.Canceled)
		})
	}
}

// The probe is a guest, since Samba signs the answer to anybody else.
func TestShareTypes(t *testing.T) {
	for kind, want := range map[byte]string{
		1: "disk", 3: "printer", 0: "type 0x00", 2: "pipe", 7: "type 0x07", 255: "type 0xFF",
	} {
		addr := spoilt(t, smbtest.TreeConnect, smbtest.SetShareType(kind))
		r, err := probe(t, at(t, addr, "share").as("nosuch", ""))
		if kind != smb2.ShareTypeDisk && kind != ShareTypePrinter {
			fails(t, err, ShareType, &ShareTypeError{Type: kind})
		} else if err != nil {
			t.Errorf("share type %d: %v", kind, err)
		}
		if r.ShareType != want {
			t.Errorf("share type %q, want %q", r.ShareType, want)
		}
	}
}

// A server that sets these flags could not do what they promise.
func TestImpossibleFlags(t *testing.T) {
	const challenge, setup = smbtest.Challenge, smbtest.SessionSetup
	setSession := func(flags uint16) smbtest.Filter {
		return change(func(m []byte) { le.PutUint16(m[headerLen+2:], flags) })
	}
	encryptShare := change(func(m []byte) { le.PutUint32(m[headerLen+4:], shareEncrypt) })
	for _, c := range []struct {
		name   string
		global string
		user   string
		answer uint16
		spoil  smbtest.Filter
		step   Step
		cause  error // nil: healthy
	}{
		// Only the last answer's flags count (MS-SMB2 3.2.5.3). But in 3.1.1 a
		// changed answer makes another key.
		{"guest at first, then a user", "", "root", challenge, setSession(sessionGuest),
			SessionSetup, malformed("signature")},
		{"guest at first, then a user, 3.0.2", "server max protocol = SMB3_02", "root", challenge,
			setSession(sessionGuest), 0, nil},
		{"guest at first, then a guest", "", "nosuch", challenge, setSession(sessionGuest), 0, nil},
		// A guest has no key, and Samba may ask for encryption that it can do
		// without.
		{"encrypted at first", "", "nosuch", challenge, setSession(sessionGuest | sessionEncrypt),
			0, nil},
		{"encrypted guest", "", "nosuch", setup, setSession(sessionGuest | sessionEncrypt), 0, nil},
		{"encrypted anonymous", "", "", setup, setSession(sessionNull | sessionEncrypt), 0, nil},
		{"encrypted session in SMB 2.1", "server max protocol = SMB2_10", "root", setup,
			setSession(sessionEncrypt), SessionSetup, malformed("encryption")},
		{"encrypted share for a guest", "", "nosuch", smbtest.TreeConnect, encryptShare, 0, nil},
		{"guest, signing required", signAll, "root", challenge, setSession(sessionGuest),
			SessionSetup, &MalformedError{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := spoilt(t, c.answer, c.spoil, c.global)
			_, err := probe(t, at(t, addr, "share").as(c.user, "pw"))
			if c.cause != nil {
				fails(t, err, c.step, c.cause)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// Without a user in the configuration there is nothing to warn of.
func TestAnonymousGuest(t *testing.T) {
	addr := spoilt(t, smbtest.SessionSetup, change(func(m []byte) {
		le.PutUint16(m[headerLen+2:], sessionGuest)
	}))
	r, err := probe(t, at(t, addr, "share"))
	if err != nil || r.Identity != "guest" || len(r.Warnings) > 0 {
		t.Errorf("identity %q, warnings %q, %v", r.Identity, r.Warnings, err)
	}
}

func TestBadSignature(t *testing.T) {
	addr := spoilt(t, smbtest.TreeConnect, smbtest.SetShareType(7))
	_, err := probe(t, at(t, addr, "share").as("root", "pw"))
	fails(t, err, TreeConnect, malformed("signature"))

	unsign := change(func(m []byte) { m[16] &^= 8 })
	addr = spoilt(t, smbtest.TreeConnect, unsign, signAll)
	_, err = probe(t, at(t, addr, "share").as("root", "pw"))
	fails(t, err, TreeConnect, malformed("signature"))
}

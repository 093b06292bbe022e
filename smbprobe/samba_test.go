package smbprobe

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf16"

	"fsmon/smbprobe/smbtest"
)

// Global lines of servers that several tests use.
const (
	encryptAll = "server smb encrypt = required"
	signAll    = "server signing = mandatory"
	denyAll    = "hosts deny = ALL"
	onlySMB1   = "server min protocol = NT1\nserver max protocol = NT1"
)

// seen is the part of a report that depends only on the configuration.
type seen struct{ dialect, identity, shareType, encryption string }

func (r Report) seen() seen { return seen{r.Dialect, r.Identity, r.ShareType, r.Encryption} }

var (
	accessDenied   = Status(0xC0000022)
	badNetworkName = Status(0xC00000CC)
	logonFailure   = Status(0xC000006D)

	pipe = &ShareTypeError{Type: 2}
)

const (
	guestWarning   = `the server does not know user "nosuch" and logged it in as guest`
	refusedWarning = "tree disconnect was refused: STATUS_ACCESS_DENIED (0xC0000022)"
)

func TestShares(t *testing.T) {
	const gcm = "AES-128-GCM"
	for _, c := range []struct {
		name     string
		global   string
		share    string
		user     string
		password string
		step     Step
		cause    error // nil: healthy
		seen     seen
		warnings []string
	}{
		{name: "anonymous", share: "share", seen: seen{"3.1.1", "anonymous", "disk", ""}},
		{name: "password without a user", share: "share", password: "pw",
			seen: seen{"3.1.1", "anonymous", "disk", ""}},
		{name: "user", share: "priv", user: "root", password: "pw",
			seen: seen{"3.1.1", "user", "disk", ""}},
		{name: "another user", share: "valid", user: "games", password: "pw-games",
			seen: seen{"3.1.1", "user", "disk", ""}},
		{name: "share name in another case", share: "SHARE",
			seen: seen{"3.1.1", "anonymous", "disk", ""}},
		{name: "guest", share: "share", user: "nosuch", password: "x",
			seen: seen{"3.1.1", "guest", "disk", ""}, warnings: []string{guestWarning}},
		{name: "printer", share: "printer", seen: seen{"3.1.1", "anonymous", "printer", ""}},
		{name: "unreadable directory", share: "unreadable",
			seen: seen{"3.1.1", "anonymous", "disk", ""}, warnings: []string{refusedWarning}},
		{name: "unreadable directory, guest", share: "unreadable", user: "nosuch",
			seen:     seen{"3.1.1", "guest", "disk", ""},
			warnings: []string{guestWarning, refusedWarning}},

		{name: "wrong password", share: "share", user: "root", password: "wrong",
			step: SessionSetup, cause: logonFailure, seen: seen{"3.1.1", "", "", ""}},
		{name: "no password", share: "share", user: "root", step: SessionSetup, cause: logonFailure,
			seen: seen{"3.1.1", "", "", ""}},
		{name: "valid users", share: "valid", user: "root", password: "pw", step: TreeConnect,
			cause: accessDenied, seen: seen{"3.1.1", "user", "", ""}},
		{name: "no guests", share: "priv", step: TreeConnect, cause: accessDenied,
			seen: seen{"3.1.1", "anonymous", "", ""}},
		{name: "no guests, guest", share: "priv", user: "nosuch", step: TreeConnect,
			cause: accessDenied, seen: seen{"3.1.1", "guest", "", ""}},
		{name: "share's hosts deny", share: "hostsdeny", step: TreeConnect, cause: accessDenied,
			seen: seen{"3.1.1", "anonymous", "", ""}},
		{name: "unknown share", share: "nosuch", step: TreeConnect, cause: badNetworkName,
			seen: seen{"3.1.1", "anonymous", "", ""}},
		{name: "missing directory", share: "missing", step: TreeConnect, cause: badNetworkName,
			seen: seen{"3.1.1", "anonymous", "", ""}},
		{name: "IPC$", share: "IPC$", step: ShareType, cause: pipe,
			seen: seen{"3.1.1", "anonymous", "pipe", ""}},
		{name: "IPC$, user", share: "ipc$", user: "root", password: "pw", step: ShareType,
			cause: pipe, seen: seen{"3.1.1", "user", "pipe", ""}},

		{name: "encrypted share", share: "encrypted", user: "root", password: "pw",
			seen: seen{"3.1.1", "user", "disk", "share, " + gcm}},
		{name: "encrypted share, anonymous", share: "encrypted", step: TreeConnect,
			cause: accessDenied, seen: seen{"3.1.1", "anonymous", "", ""}},
		{name: "encrypted session", global: encryptAll, share: "priv", user: "root", password: "pw",
			seen: seen{"3.1.1", "user", "disk", "session, " + gcm}},
		{name: "encrypted session, encrypted share", global: encryptAll, share: "encrypted",
			user: "root", password: "pw",
			seen: seen{"3.1.1", "user", "disk", "session, " + gcm}},
		{name: "encrypted session, unreadable directory", global: encryptAll, share: "unreadable",
			user: "games", password: "pw-games",
			seen:     seen{"3.1.1", "user", "disk", "session, " + gcm},
			warnings: []string{refusedWarning}},
		{name: "encrypted session, IPC$", global: encryptAll, share: "IPC$", user: "root",
			password: "pw", step: ShareType, cause: pipe,
			seen: seen{"3.1.1", "user", "pipe", "session, " + gcm}},
		{name: "encrypted session, ipc$", global: encryptAll, share: "ipc$", user: "root",
			password: "pw", step: ShareType, cause: pipe,
			seen: seen{"3.1.1", "user", "pipe", "session, " + gcm}},
		{name: "encrypted session, access denied", global: encryptAll, share: "valid", user: "root",
			password: "pw", step: TreeConnect, cause: accessDenied,
			seen: seen{"3.1.1", "user", "", "session, " + gcm}},
		{name: "encrypted session, unknown share", global: encryptAll, share: "nosuch",
			user: "root", password: "pw", step: TreeConnect, cause: badNetworkName,
			seen: seen{"3.1.1", "user", "", "session, " + gcm}},
		{name: "encrypted session, anonymous", global: encryptAll, share: "share",
			step: SessionSetup, cause: accessDenied, seen: seen{"3.1.1", "", "", ""}},
		{name: "encrypted session, guest", global: encryptAll, share: "share", user: "nosuch",
			step: SessionSetup, cause: accessDenied, seen: seen{"3.1.1", "", "", ""}},

		{name: "signing, user", global: signAll, share: "priv", user: "root", password: "pw",
			seen: seen{"3.1.1", "user", "disk", ""}},
		{name: "signing, anonymous", global: signAll, share: "share",
			seen: seen{"3.1.1", "anonymous", "disk", ""}},
		{name: "signing, guest", global: signAll, share: "share", user: "nosuch",
			seen: seen{"3.1.1", "guest", "disk", ""}, warnings: []string{guestWarning}},
		{name: "signing, encrypted share", global: signAll, share: "encrypted", user: "root",
			password: "pw", seen: seen{"3.1.1", "user", "disk", "share, " + gcm}},

		{name: "global hosts deny", global: denyAll, share: "share", step: Negotiate,
			cause: &NetBIOSError{Code: 0x81}},
		{name: "SMB1 only", global: onlySMB1, share: "share", step: Negotiate, cause: ErrSMB1Only},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := samba(t, c.global)
			r, err := probe(t, at(t, s.Addr(), c.share).as(c.user, c.password))
			if c.cause == nil && err != nil {
				t.Error(err)
			} else if c.cause != nil {
				fails(t, err, c.step, c.cause)
			}
			if r.seen() != c.seen {
				t.Errorf("saw %q, want %q", r.seen(), c.seen)
			}
			if !slices.Equal(r.Warnings, c.warnings) {
				t.Errorf("warnings %q, want %q", r.Warnings, c.warnings)
			}
			if r.Address != s.Addr() {
				t.Errorf("address %q, want %q", r.Address, s.Addr())
			}
			if r.SigningRequired != (c.global == signAll) {
				t.Errorf("signing required: %t", r.SigningRequired)
			}
		})
	}
}

// Each rung says what its step has shown.
func TestRungs(t *testing.T) {
	r, err := probe(t, at(t, samba(t, signAll).Addr(), "encrypted").as("root", "pw"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Rung{
		{Step: Connect, Learnt: r.Address},
		{Step: Negotiate, Learnt: "SMB 3.1.1, signing required"},
		{Step: SessionSetup, Learnt: "NTLMv2 user root, signing required, AES-128-GMAC"},
		{Step: TreeConnect, Learnt: "disk, encrypted, AES-128-GCM"},
		{Step: TreeDisconnect}, {Step: Logoff},
	}
	for i := range r.Rungs {
		r.Rungs[i].Took = 0
	}
	if !slices.Equal(r.Rungs, want) {
		t.Errorf("rungs %v, want %v", r.Rungs, want)
	}
}

func TestLoginReplaced(t *testing.T) {
	p := New(at(t, samba(t).Addr(), "valid").as("games", "old"))
	_, err := probeWith(t, p)
	fails(t, err, SessionSetup, logonFailure)
	var status Status
	if !errors.As(err, &status) || !status.LogonRefused() || status.Win32() != 1326 {
		t.Errorf("%v: not taken for a refused logon, 1326", err)
	}
	p.Login("games", "pw-games", "")
	if _, err := probeWith(t, p); err != nil {
		t.Error(err)
	}
}

// A standalone server ignores the domain, so the test looks at what is sent.
func TestDomain(t *testing.T) {
	var login []byte
	addr := smbtest.Relay(t, samba(t).Addr(), func(f *smbtest.Frame) smbtest.Behaviour {
		if !f.FromServer && f.Command == smbtest.SessionSetup {
			login = bytes.Clone(f.Bytes)
		}
		return nil
	})
	c := at(t, addr, "priv").as("root", "pw")
	c.Domain = "EXAMPLE"
	if r, err := probe(t, c); err != nil || r.Identity != "user" {
		t.Errorf("identity %q, %v", r.Identity, err)
	}
	var want []byte
	for _, u := range utf16.Encode([]rune("EXAMPLE")) {
		want = le.AppendUint16(want, u)
	}
	if !bytes.Contains(login, want) {
		t.Errorf("no domain in the login % x", login)
	}
}

func TestDialects(t *testing.T) {
	for _, c := range []struct {
		max, dialect string
		encryption   string // of a share that demands it; "": refused
	}{
		{"SMB2_02", "2.0.2", ""},
		{"SMB2_10", "2.1", ""},
		{"SMB3_00", "3.0", "share, AES-128-CCM"},
		{"SMB3_02", "3.0.2", "share, AES-128-CCM"},
		{"SMB3_11", "3.1.1", "share, AES-128-GCM"},
	} {
		t.Run(c.max, func(t *testing.T) {
			addr := samba(t, "server max protocol = "+c.max, signAll).Addr()
			for _, user := range []string{"", "root"} {
				r, err := probe(t, at(t, addr, "share").as(user, "pw"))
				if err != nil || r.Dialect != c.dialect || !r.SigningRequired {
					t.Errorf("user %q: dialect %q, signing %t, %v",
						user, r.Dialect, r.SigningRequired, err)
				}
			}
			r, err := probe(t, at(t, addr, "encrypted").as("root", "pw"))
			if c.encryption == "" {
				fails(t, err, TreeConnect, accessDenied)
			} else if err != nil || r.Encryption != c.encryption {
				t.Errorf("encryption %q, want %q, %v", r.Encryption, c.encryption, err)
			}
		})
	}
}

// Here the client offers one dialect, and the server speaks them all.
func TestDialectsOffered(t *testing.T) {
	for dialect, name := range map[uint16]string{
		0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1",
	} {
		c := at(t, samba(t).Addr(), "priv").as("root", "pw")
		c.dialect = dialect
		if r, err := probe(t, c); err != nil || r.Dialect != name {
			t.Errorf("dialect %q, want %q, %v", r.Dialect, name, err)
		}
	}
}

func TestIPv6(t *testing.T) {
	s := smbtest.Samba(t, smbtest.Config{Address: "::1"})
	r, err := probe(t, at(t, s.Addr(), "priv").as("root", "pw"))
	if err != nil || r.Address != s.Addr() {
		t.Errorf("address %q, %v", r.Address, err)
	}
}

func TestHostName(t *testing.T) {
	s := samba(t)
	c := at(t, s.Addr(), "share")
	c.Address = "localhost"
	r, err := probe(t, c)
	if err != nil || r.Address != s.Addr() {
		t.Errorf("address %q, %v", r.Address, err)
	}
	if r.Rungs[0].Step != Resolve || strings.HasPrefix(r.Rungs[0].Learnt, "::ffff:") {
		t.Errorf("first rung %v, want the addresses of localhost as people write them", r.Rungs[0])
	}
}

func TestFrozen(t *testing.T) {
	s := smbtest.Samba(t, smbtest.Config{})
	p := New(at(t, s.Addr(), "share"))
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	failsAtDeadline(t, p, Negotiate, context.DeadlineExceeded)

	// A server that is thawed while a probe waits is late, but healthy.
	waits := make(chan struct{})
	addr := smbtest.Relay(t, s.Addr(), func(f *smbtest.Frame) smbtest.Behaviour {
		if f.Command == smbtest.Negotiate && !f.FromServer {
			close(waits)
		}
		return nil
	})
	result := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		_, err := New(at(t, addr, "share")).Probe(ctx)
		result <- err
	}()
	select {
	case <-waits:
	case err := <-result:
		t.Fatalf("ended at a frozen server: %v", err)
	}
	if err := s.Thaw(); err != nil {
		t.Error(err)
	}
	if err := <-result; err != nil {
		t.Errorf("thawed: %v", err)
	}
	if _, err := probeWith(t, p); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestKilled(t *testing.T) {
	s := smbtest.Samba(t, smbtest.Config{})
	p := New(at(t, s.Addr(), "share"))
	if _, err := probeWith(t, p); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	_, err := probeWith(t, p)
	fails(t, err, Connect, broken("dial", syscall.ECONNREFUSED))
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if _, err := probeWith(t, p); err != nil {
		t.Errorf("restarted: %v", err)
	}
}

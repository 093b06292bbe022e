package smbtest

import (
	"strings"
	"testing"
)

func TestImpacket(t *testing.T) {
	open, user := Impacket(t), Impacket(t, "joe", "secret")
	for _, c := range []struct{ addr, share, login, want string }{
		{open, "share", "", ""}, {open, "share", "nosuch%x", ""}, {user, "share", "joe%secret", ""},
		{user, "share", "joe%wrong", "NT_STATUS_LOGON_FAILURE"},
		{user, "share", "", "NT_STATUS_LOGON_FAILURE"},
		{user, "nosuch", "joe%secret", "NT_STATUS_OBJECT_PATH_NOT_FOUND"},
	} {
		out, err := Client(t, c.addr, c.share, c.login)
		if (err == nil) != (c.want == "") || !strings.Contains(out, c.want) {
			t.Errorf("%s as %q: %v, %s, want %q", c.share, c.login, err, out, c.want)
		}
	}
}

func TestConfigure(t *testing.T) {
	s := Samba(t, Config{Global: []string{"server smb encrypt = required"}})
	for _, c := range []struct{ global, want string }{
		{"server min protocol = NT1\nserver max protocol = NT1", "rotocol negotiation"},
		{"server smb encrypt = required", "NT_STATUS_ACCESS_DENIED"},
		{"", ""},
	} {
		if err := s.Configure(c.global); err != nil {
			t.Fatal(err)
		}
		out, err := Client(t, s.Addr(), "share", "nosuch%x")
		if (err == nil) != (c.want == "") || !strings.Contains(out, c.want) {
			t.Errorf("with %q: %v, %s, want %q", c.global, err, out, c.want)
		}
	}
}

// Each filter changes what it says, and smbclient takes it.
func TestEdits(t *testing.T) {
	s := Samba(t, Config{Global: []string{"server max protocol = SMB2_10"}})
	for name, filter := range map[string]Filter{
		"no REQUEST_TARGET": OnReply(Challenge, NTLMChallenge(NoRequestTarget)),
		"no TARGET_INFO":    OnReply(Challenge, NTLMChallenge(NoTargetInfo)),
		"no timestamp":      OnReply(Challenge, NTLMChallenge(NoTimestamp)),
		"no supportedMech":  OnReply(Challenge, Token(NoSupportedMech)),
		"no SPNEGO":         OnReply(Negotiate, NoSPNEGO),
		"late session ID":   LateSessionID(),
		"session ID 0":      OnReply(TreeDisconnect, SessionID0),
		"pending":           OnReply(TreeConnect, Pending),
	} {
		changed := false
		addr := Relay(t, s.Addr(), func(f *Frame) Behaviour {
			before := string(f.Bytes)
			end := filter(f)
			changed = changed || before != string(f.Bytes)
			return end
		})
		if out, err := Client(t, addr, "share", ""); err != nil {
			t.Errorf("%s: %v, %s", name, err, out)
		}
		if !changed {
			t.Errorf("%s: nothing was changed", name)
		}
	}
}

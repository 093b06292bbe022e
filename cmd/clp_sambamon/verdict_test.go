package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// near fails the test unless a measured time is as it should be. A busy machine
// adds to it more than it takes.
func near(t testing.TB, what string, got, want time.Duration) {
	t.Helper()
	t.Logf("%s: %.3f s", what, got.Seconds())
	if got < want-300*time.Millisecond || got > want+700*time.Millisecond {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// The tests of this file without t.Parallel run first and alone, since they measure.

func TestFrozen(t *testing.T) {
	s := smbtest.Samba(t, smbtest.Config{})
	tap := newTap(t, s.Addr())
	l := newLab(t)
	w := l.Watch(at(tap.addr, "-s", "share", "-i", "1", "-c", "2", "-r", "1")...)
	w.Message(2)
	freeze(t, s)
	terminate := w.Message(6)
	ended := w.Exits(1)
	w.Want(1, 2, 101, 101, 101, 74, 6)

	var stalled []sighting
	for _, p := range tap.seen() {
		if !p.answered {
			stalled = append(stalled, p)
		}
	}
	if len(stalled) != 3 {
		t.Fatalf("%d stalled probes, want 3", len(stalled))
	}
	near(t, "first stalled probe to message 6", terminate.At.Sub(stalled[0].began), 3*time.Second)
	near(t, "first stalled probe to exit", ended.Sub(stalled[0].began), 3*time.Second)

	verdict := w.Last(74)
	if verdict.Text != "The clp_sambamon has detected network error(select error[110])." || verdict.Severity != "ERROR" {
		t.Errorf("%+v", verdict)
	}
	if !strings.Contains(verdict.Detail, "deadline") {
		t.Errorf("the detail does not say why: %q", verdict.Detail)
	}
	l.Gone()
	// What stop.sh meets after a verdict.
	stop := l.Verb("-stop")
	stop.Exits(1)
	stop.Want(15, cmdtest.Plain)
}

func TestKilled(t *testing.T) {
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-c", "2")...)
	w.Message(2)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	// A refused probe fails as soon as it has begun.
	first := w.Message(101)
	terminate := w.Message(6)
	ended := w.Exits(1)
	w.Want(1, 2, 101, 101, 101, 72, 6)
	near(t, "first failed probe to message 6", terminate.At.Sub(first.At), 2*time.Second)
	near(t, "first failed probe to exit", ended.Sub(first.At), 2*time.Second)
	if text := w.Last(72).Text; text != "The clp_sambamon has detected network error(connect error[111])." {
		t.Error(text)
	}
	l.Gone()
}

func TestThawedAfterOneProbe(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-c", "2", "-r", "2")...)
	w.Message(2)
	freeze(t, s)
	failed := w.Message(101)
	if !strings.HasPrefix(failed.Text, "Probe failed (1 of 3), select error[110]: ") {
		t.Error(failed.Text)
	}
	thaw(t, s)
	again := w.Message(102)
	l.Healthy()
	w.Want(1, 2, 101, 102)
	if again.Text != "The file server answers again after 1 failed probe(s)." {
		t.Error(again.Text)
	}
	// The count begins anew: one more failed probe is the first of three.
	freeze(t, s)
	if failed := w.Message(101); !strings.HasPrefix(failed.Text, "Probe failed (1 of 3)") {
		t.Error(failed.Text)
	}
	thaw(t, s)
	w.Message(102)
	l.Silent("-stop")
	w.Exits(0)
}

// Every refusal of a real server, and its message.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	global := func(lines ...string) func(*testing.T) string {
		return func(t *testing.T) string { return smbtest.Samba(t, smbtest.Config{Global: lines}).Addr() }
	}
	root := []string{"-u", "root", "-p", "pw"}
	for name, c := range map[string]struct {
		server func(*testing.T) string // nil: s
		share  string
		args   []string
		number int
		text   string
		detail string // a part of it
	}{
		"unknown share": {
			share: "nosuch", number: 62, detail: "STATUS_BAD_NETWORK_NAME (0xC00000CC)",
			text: "The clp_sambamon has detected an error in Samba [nosuch] (tree connect error[67]).",
		},
		"directory missing": {
			share: "missing", number: 62, detail: "STATUS_BAD_NETWORK_NAME (0xC00000CC)",
			text: "The clp_sambamon has detected an error in Samba [missing] (tree connect error[67]).",
		},
		"wrong password": {
			share: "share", args: []string{"-u", "root", "-p", "wrong"}, number: 62, detail: "STATUS_LOGON_FAILURE (0xC000006D)",
			text: "The clp_sambamon has detected an error in Samba [share] (tree connect error[1326]).",
		},
		"valid users": {
			share: "valid", args: root, number: 62, detail: "STATUS_ACCESS_DENIED (0xC0000022)",
			text: "The clp_sambamon has detected an error in Samba [valid] (tree connect error[5]).",
		},
		"share hosts deny": {
			share: "hostsdeny", number: 62, detail: "STATUS_ACCESS_DENIED (0xC0000022)",
			text: "The clp_sambamon has detected an error in Samba [hostsdeny] (tree connect error[5]).",
		},
		"global hosts deny": {
			server: global("hosts deny = ALL"),
			share:  "share", number: 64, detail: "negative session response 0x81",
			text: "The clp_sambamon has detected an error in Samba [share] (connect error[129]).",
		},
		"IPC$": {
			share: "IPC$", number: 63, detail: "the share is a pipe",
			text: "The clp_sambamon has detected an error in Samba [IPC$] (share type error).",
		},
		"IPC$ in an encrypted session": {
			server: global("server smb encrypt = required"),
			share:  "ipc$", args: root, number: 63, detail: "share type not visible",
			text: "The clp_sambamon has detected an error in Samba [ipc$] (share type error).",
		},
		"valid users in an encrypted session": {
			server: global("server smb encrypt = required"),
			share:  "valid", args: root, number: 62, detail: "STATUS_ACCESS_DENIED (0xC0000022)",
			text: "The clp_sambamon has detected an error in Samba [valid] (tree connect error[5]).",
		},
		"unknown share in an encrypted session": {
			server: global("server smb encrypt = required"),
			share:  "nosuch", args: root, number: 62, detail: "STATUS_BAD_NETWORK_NAME (0xC00000CC)",
			text: "The clp_sambamon has detected an error in Samba [nosuch] (tree connect error[67]).",
		},
		"SMB1 only": {
			server: global("server min protocol = NT1", "server max protocol = NT1"),
			share:  "share", number: 65, detail: "SMB1 only",
			text: "The clp_sambamon has detected an error in Samba [share] (negotiate error[50]).",
		},
		"connection reset in an answer": {
			server: func(t *testing.T) string {
				return smbtest.Relay(t, s.Addr(), smbtest.OnReply(smbtest.TreeConnect, smbtest.Midway(smbtest.Reset)))
			},
			share: "share", number: 75, detail: "connection reset by peer",
			text: "The clp_sambamon has detected network error(recv error[104]).",
		},
		"connection closed in an answer": {
			server: func(t *testing.T) string {
				return smbtest.Relay(t, s.Addr(), smbtest.OnReply(smbtest.TreeConnect, smbtest.Midway(smbtest.Close)))
			},
			share: "share", number: 75, detail: "tree connect",
			text: "The clp_sambamon has detected network error(recv error[104]).",
		},
		"malformed answer": {
			server: func(t *testing.T) string { return smbtest.Hostile(t, malformed) },
			share:  "share", number: 65, detail: "malformed answer",
			text: "The clp_sambamon has detected an error in Samba [share] (negotiate error[58]).",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := s.Addr()
			if c.server != nil {
				addr = c.server(t)
			}
			l := newLab(t)
			w := l.Watch(at(addr, append([]string{"-s", c.share, "-i", "1", "-c", "1", "-r", "10"}, c.args...)...)...)
			if why := l.Status("a failed probe", state(watchreg.Failing)).LastError; !strings.Contains(why, c.detail) {
				t.Errorf("the status says %q, without %q", why, c.detail)
			}
			w.Exits(1)
			w.Want(1, 101, 101, c.number, 6)
			verdict := w.Last(c.number)
			if verdict.Text != c.text || verdict.Severity != "ERROR" {
				t.Errorf("got %s %q\nwant ERROR %q", verdict.Severity, verdict.Text, c.text)
			}
			if !strings.Contains(verdict.Detail, c.detail) {
				t.Errorf("the detail %q does not hold %q", verdict.Detail, c.detail)
			}
			t.Logf("%s: %d %s ... %s", name, verdict.Number, verdict.Text, verdict.Detail)
			l.Gone()
		})
	}
}

func malformed(c net.Conn) {
	smbtest.Script(smbtest.Close, smbtest.Malformed()["header cut short"])(c)
}

package smbprobe

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fsmon/smbprobe/smbtest"
)

// oddServer is a server that words its answers in its own way, as NAS boxes,
// IBM i, ksmbd and others do: a real one behind a relay.
type oddServer struct {
	name   string
	who    string // whose answers are changed; a key of oddLogins
	filter func() smbtest.Filter
	warns  bool // healthy, with a warning
	// step and cause of the failure; nil: healthy
	step  Step
	cause error
}

// oddLogins are the real servers behind the relays. A changed answer must not be
// signed, nor covered by a hash, unless that is what is tried: this is so for a
// guest of Samba below SMB 3.1.1 and for session setup of impacket's server.
var oddLogins = map[string]struct {
	global   string // of Samba; "impacket" is the other server
	share    string
	user     string
	password string
}{
	"anonymous": {"server max protocol = SMB2_10", "share", "", ""},
	"guest":     {"server max protocol = SMB2_10", "share", "nosuch", "x"},
	"user":      {"server max protocol = SMB3_02", "priv", "root", "pw"},
	"missing":   {"server max protocol = SMB3_02", "missing", "root", "pw"},
	"denied":    {"server max protocol = SMB3_02", "valid", "root", "pw"},
	"impacket":  {"impacket", "share", "joe", "secret"},
	"signed":    {"server max protocol = SMB3_02\n" + signAll, "priv", "root", "pw"},
	// Samba says "encrypted" to guests too, and goes on in plain.
	"desired, guest":     {"server smb encrypt = desired", "share", "nosuch", "x"},
	"desired, anonymous": {"server smb encrypt = desired", "share", "", ""},
}

func on(command uint16, do smbtest.Filter) func() smbtest.Filter {
	return func() smbtest.Filter { return smbtest.OnReply(command, do) }
}

func asItIs() smbtest.Filter { return nil }

// oddServers are healthy with smbclient, but for those that fail here too. Where
// smbclient differs, explained says why.
func oddServers() []oddServer {
	const challenge = smbtest.Challenge
	odd := []oddServer{
		{name: "as it is", who: "impacket", filter: asItIs},
		{name: "as it is", who: "desired, guest", filter: asItIs},
		{name: "as it is", who: "desired, anonymous", filter: asItIs},
		{name: "no TARGET_INFO", who: "anonymous",
			filter: on(challenge, smbtest.NTLMChallenge(smbtest.NoTargetInfo))},
		{name: "NTLM without SPNEGO", who: "guest",
			filter: on(smbtest.Negotiate, smbtest.NoSPNEGO)},
		{name: "NTLM without SPNEGO", who: "impacket",
			filter: on(smbtest.Negotiate, smbtest.NoSPNEGO)},
		{name: "error answer wrongly signed", who: "missing", step: TreeConnect,
			cause: badNetworkName, filter: on(smbtest.TreeConnect, smbtest.WronglySigned)},
		{name: "error answer unsigned", who: "missing", step: TreeConnect,
			cause: badNetworkName, filter: on(smbtest.TreeConnect, smbtest.Unsigned)},
		{name: "access denied wrongly signed", who: "denied", step: TreeConnect,
			cause: accessDenied, filter: on(smbtest.TreeConnect, smbtest.WronglySigned)},
		{name: "access denied unsigned", who: "denied", step: TreeConnect,
			cause: accessDenied, filter: on(smbtest.TreeConnect, smbtest.Unsigned)},
	}
	for _, who := range []string{"anonymous", "guest", "impacket"} {
		odd = append(odd,
			oddServer{name: "no REQUEST_TARGET", who: who,
				filter: on(challenge, smbtest.NTLMChallenge(smbtest.NoRequestTarget))},
			oddServer{name: "no supportedMech", who: who,
				filter: on(challenge, smbtest.Token(smbtest.NoSupportedMech))},
			oddServer{name: "session ID after the first leg", who: who,
				filter: smbtest.LateSessionID},
		)
	}
	for _, who := range []string{"anonymous", "impacket"} {
		odd = append(odd, oddServer{name: "no timestamp", who: who,
			filter: on(challenge, smbtest.NTLMChallenge(smbtest.NoTimestamp))})
	}
	for _, command := range []uint16{
		challenge, smbtest.SessionSetup, smbtest.TreeConnect, smbtest.TreeDisconnect, smbtest.Logoff,
	} {
		odd = append(odd, oddServer{name: "pending before " + commandNames[command], who: "user",
			filter: on(command, smbtest.Pending)})
	}
	for command, step := range map[uint16]Step{
		smbtest.TreeDisconnect: TreeDisconnect, smbtest.Logoff: Logoff,
	} {
		for name, do := range map[string]smbtest.Filter{
			"session ID 0": smbtest.SessionID0, "wrongly signed": smbtest.WronglySigned,
			"status": smbtest.SetStatus(0xC000009A), "RST": smbtest.Gone(smbtest.Reset),
			"FIN": smbtest.Gone(smbtest.Close), "no signature": smbtest.Unsigned,
		} {
			odd = append(odd, oddServer{name: commandNames[command] + ": " + name, who: "signed",
				filter: on(command, do), warns: true})
		}
		odd = append(odd, oddServer{name: commandNames[command] + ": silence", who: "signed",
			filter: on(command, smbtest.Hold), step: step, cause: context.DeadlineExceeded})
	}
	slices.SortFunc(odd, func(a, b oddServer) int {
		return strings.Compare(a.name+a.who, b.name+b.who)
	})
	return odd
}

var commandNames = map[uint16]string{
	smbtest.Challenge: "challenge", smbtest.SessionSetup: "session setup",
	smbtest.TreeConnect: "tree connect", smbtest.TreeDisconnect: "tree disconnect",
	smbtest.Logoff: "logoff",
}

// config starts the relay and returns the configuration of a probe through it.
func (o oddServer) config(t *testing.T, impacket string) Config {
	t.Helper()
	login := oddLogins[o.who]
	upstream := impacket
	if login.global != "impacket" {
		upstream = samba(t, login.global).Addr()
	}
	addr := smbtest.Relay(t, upstream, o.filter())
	return at(t, addr, login.share).as(login.user, login.password)
}

func TestOddServers(t *testing.T) {
	impacket := smbtest.Impacket(t, "joe", "secret")
	for _, o := range oddServers() {
		t.Run(o.name+"/"+o.who, func(t *testing.T) {
			c := o.config(t, impacket)
			if o.cause == context.DeadlineExceeded {
				failsAtDeadline(t, New(c), o.step, o.cause)
				return
			}
			r, err := probe(t, c)
			switch {
			case o.cause != nil:
				fails(t, err, o.step, o.cause)
			case err != nil:
				t.Error(err)
			case o.warns && len(r.Warnings) == 0:
				t.Error("no warning")
			}
		})
	}
}

// Marker and write test on a server that is not Samba.
func TestImpacketFiles(t *testing.T) {
	addr := smbtest.Impacket(t, "joe", "secret")
	local := filepath.Join(t.TempDir(), marker)
	if err := os.WriteFile(local, []byte(markerText), 0o644); err != nil {
		t.Fatal(err)
	}
	put := "put " + local + " " + marker
	if out, err := smbtest.Client(t, addr, "share", "joe%secret", "-c", put); err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	for range 3 {
		r, err := probe(t, at(t, addr, "share").as("joe", "secret").files())
		if err != nil || r.Identity != "user" || r.Dialect != "2.0.2" {
			t.Errorf("%v, dialect %s, identity %s", err, r.Dialect, r.Identity)
		}
	}
}

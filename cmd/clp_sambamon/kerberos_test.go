package main

import (
	"testing"

	"fsmon/kerberos/kerberostest"
	"fsmon/smbprobe/smbtest"
)

// member is a Samba server that takes tickets of a private KDC. The KDC's users
// are games and root, who are users of the server, and ghost, who is not.
type member struct {
	*smbtest.Server
	kdc    *kerberostest.KDC
	keytab string // of games
}

func newMember(t testing.TB, global ...string) member {
	t.Helper()
	kdc := kerberostest.New(t, kerberostest.Config{
		Users:    map[string]string{"games": token, "root": "pw-root", "ghost": "pw-ghost"},
		Services: []string{"cifs/files.lab.test", "cifs/other.lab.test"},
	})
	return member{kdc: kdc, keytab: kdc.UserKeytab(t, "games"),
		Server: smbtest.Samba(t, smbtest.Config{Global: append([]string{
			"realm = LAB.TEST", "kerberos method = dedicated keytab",
			"dedicated keytab file = " + kdc.Keytab}, global...)})}
}

// at names server, KDC and service in options.
func (m member) at(args ...string) []string {
	return at(m.Addr(), append([]string{"--kerberos", "--realm", "LAB.TEST", "--kdc", m.kdc.Addr,
		"--spn", "cifs/files.lab.test"}, args...)...)
}

func TestScratch(t *testing.T) {
	m := newMember(t)
	l := newLab(t)
	for _, args := range [][]string{
		m.at("-s", "valid", "--keytab", m.keytab),
		m.at("-s", "valid", "--ccache", m.kdc.Kinit(t, "games", token)),
		m.at("-s", "valid", "-u", "games", "-p", token),
		m.at("-s", "valid", "-u", "games", "-p", "wrong"),
		m.at("-s", "valid", "-u", "ghost", "-p", "pw-ghost"),
		m.at("-s", "valid", "--keytab", m.keytab, "--spn", "cifs/other.lab.test"),
		m.at("-s", "valid", "--keytab", m.keytab, "--spn", "cifs/none.lab.test"),
		at(m.Addr(), "-s", "valid", "-u", "games", "-p", "pw-games"),
	} {
		p := l.Check(append([]string{"-r", "10"}, args...)...)
		t.Log(args, "\n", p.Output(), p.Errors())
	}
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/kerberostest"
	"fsmon/smbprobe/smbtest"
	"fsmon/watchreg"
)

// member is a Samba server that takes tickets of a private KDC. The KDC's users
// are games, who is a user of the server, and ghost, who is not.
type member struct {
	*smbtest.Server
	kdc    *kerberostest.KDC
	keytab string // of games
}

const memberSPN = "cifs/files.lab.test"

func newMember(t testing.TB, kdc kerberostest.Config, global ...string) member {
	t.Helper()
	kdc.Users = map[string]string{"games": token, "ghost": "pw-ghost"}
	kdc.Services = []string{memberSPN, "cifs/other.lab.test"}
	k := kerberostest.New(t, kdc)
	return member{kdc: k, keytab: k.UserKeytab(t, "games"),
		Server: smbtest.Samba(t, smbtest.Config{Global: append([]string{
			"realm = LAB.TEST", "kerberos method = dedicated keytab",
			"dedicated keytab file = " + k.Keytab}, global...)})}
}

// at names share, server, KDC, service and realm in options.
func (m member) at(addr, spn string, args ...string) []string {
	return at(addr, append([]string{"-s", "valid", "--kerberos", "--realm", "LAB.TEST",
		"--kdc", m.kdc.Addr, "--spn", spn}, args...)...)
}

// with is at for the server itself.
func (m member) with(args ...string) []string { return m.at(m.Addr(), memberSPN, args...) }

// checked runs -check, which must end with a code and say all of the phrases.
func checked(t *testing.T, l *cmdtest.Lab, code int, args []string, phrases ...string) {
	t.Helper()
	p := l.Check(args...)
	p.Exits(code)
	said := cmdtest.Flat(p.Output() + p.Errors())
	for _, phrase := range phrases {
		if !strings.Contains(said, phrase) {
			t.Errorf("-check %q does not say %q:\n%s", args, phrase, said)
		}
	}
	l.Hides(token, p)
}

// Each source of tickets, and what -check shows of them. No krb5.conf is needed.
func TestKerberos(t *testing.T) {
	t.Parallel()
	m := newMember(t, kerberostest.Config{})
	l := newLab(t)
	ticket := "games@LAB.TEST for cifs/files.lab.test, aes256-cts-hmac-sha1-96, until 2"
	healthy := []string{"ticket", ticket, "Kerberos user games@LAB.TEST, signing optional", "disk",
		"healthy: the server answered every step"}
	file := filepath.Join(t.TempDir(), "credentials")
	writeFile(t, file, "username=games\npassword="+token+"\ndomain=lab.test\n", 0o600)
	for _, args := range [][]string{
		m.with("--keytab", m.keytab), m.with("--keytab", m.keytab, "--principal", "games"),
		m.with("--ccache", "FILE:"+m.kdc.Kinit(t, "games", token)), m.with("--credentials", file),
		at(m.Addr(), "-s", "valid", "--kerberos", "--kdc", m.kdc.Addr, "--spn", memberSPN, "--credentials", file),
		m.with("--principal", "games@LAB.TEST", "--credentials", file),
		m.with("-u", "games", "-p", token),
	} {
		checked(t, l, 0, append(args, "-r", "60"), healthy...)
	}
	l.Env = []string{"PASSWD=" + token}
	checked(t, l, 0, m.with("--principal", "games", "-r", "60"), healthy...)
	checked(t, l, 0, m.with("-u", "games", "-r", "60", "--json"),
		`{"name":"ticket","ms":`, `"learnt":"`+ticket)

	// Realm and KDCs of a krb5.conf, and one whose include cannot be read.
	named := at(m.Addr(), "-s", "valid", "--kerberos", "--spn", memberSPN, "--principal", "games", "-r", "60")
	l.Env = append(l.Env, "KRB5_CONFIG="+m.kdc.Conf)
	checked(t, l, 0, named, healthy...)
	broken := filepath.Join(t.TempDir(), "krb5.conf")
	writeFile(t, broken, "include /none/krb5.conf\n[libdefaults]\n"+
		"default_realm = NO.TEST\ndns_lookup_kdc = false\n",
		0o644)
	l.Env = []string{"PASSWD=" + token, "KRB5_CONFIG=" + broken}
	checked(t, l, 1, named, "failed at ticket: no KDC is known", "for the realm NO.TEST", "Give --kdc HOST",
		"warning: open /none/krb5.conf: no such file or directory: it is not read",
		"The file server was not asked.")
}

// What is sealed with the session key of a ticket, in every length of key.
func TestKerberosSeals(t *testing.T) {
	t.Parallel()
	for cipher, enctype := range map[string]string{
		"AES-256-GCM": "aes256-cts-hmac-sha1-96", "AES-128-CCM": "aes128-cts-hmac-sha1-96"} {
		m := newMember(t, kerberostest.Config{Enctypes: enctype + ":normal"}, "server smb encrypt = required",
			"server smb3 encryption algorithms = "+cipher)
		checked(t, newLab(t), 0, at(m.Addr(), "-s", "share", "--kerberos", "--kdc", m.kdc.Addr, "--spn", memberSPN,
			"--keytab", m.keytab, "--write-test", "-r", "60"),
			enctype, "Kerberos user games@LAB.TEST, encrypted, "+cipher)
	}
}

// What keeps the watch from a ticket is of class kdc, and the file server is not
// asked. Whom it does not let in is about the account, and a ticket that it
// cannot read is about the server: its key is wrong, or gone.
func TestKerberosRefusals(t *testing.T) {
	t.Parallel()
	m := newMember(t, kerberostest.Config{})
	l := newLab(t)
	notAsked := []string{"failed at ticket", "The file server was not asked.",
		"Class kdc: a failover would not help",
		"ERROR 124 No Kerberos ticket for the watch of [valid] (KDC " + m.kdc.Addr}
	refused := []string{"until 2", "failed at session setup: STATUS_ACCESS_DENIED",
		"The KDC gave a ticket, and the server took it, but it does not let its user in", "Class account"}
	stale := m.kdc.UserKeytab(t, "ghost")
	if _, err := m.kdc.Admin(t.Context(), "cpw -pw other ghost\n"); err != nil {
		t.Fatal(err)
	}
	expired := m.kdc.Kinit(t, "games", token, "-l", "1s")
	time.Sleep(1100 * time.Millisecond) // the ticket's life
	dead := "127.0.0.1:1"
	for name, c := range map[string]struct {
		args, says []string
	}{
		"wrong password": {m.with("-u", "games", "-p", "wrong"), append(notAsked,
			"KDC_ERR_PREAUTH_FAILED (KRB-ERROR 24)", "warning: This was one refused logon of \"games\"")},
		"wrong keytab": {m.with("--keytab", stale), append(notAsked, "PREAUTH_FAILED",
			"a keytab from before the last change")},
		"unknown principal": {m.with("--principal", "nobody", "-p", "x", "-u", "nobody"), append(notAsked,
			"KDC_ERR_C_PRINCIPAL_UNKNOWN (KRB-ERROR 6)", "The KDC does not know who logs in")},
		"unknown SPN": {m.at(m.Addr(), "cifs/none.lab.test", "--keytab", m.keytab), append(notAsked,
			"KDC_ERR_S_PRINCIPAL_UNKNOWN (KRB-ERROR 7)", "look at the spelling of --spn")},
		"expired cache": {m.with("--ccache", expired), []string{"failed at ticket: expired ticket",
			"has expired at", "Who renews this credentials cache", "The file server was not asked."}},
		"dead KDC": {at(m.Addr(), "-s", "valid", "--kerberos", "--realm", "LAB.TEST", "--kdc", dead,
			"--spn", memberSPN, "--keytab", m.keytab), []string{"failed at ticket: ECONNREFUSED (errno 111)",
			"KDC " + dead, "No KDC gives tickets", "The file server was not asked.", "Class kdc"}},
		"no KDC": {at(m.Addr(), "-s", "valid", "--kerberos", "--realm", "NO.TEST", "--spn", memberSPN,
			"--keytab", m.keytab, "--principal", "games@LAB.TEST"), []string{"failed at ticket",
			"has no AES key for games@NO.TEST", "The file server was not asked."}},
		"another server's SPN":  {m.at(m.Addr(), "cifs/other.lab.test", "-u", "ghost", "-p", "other"), refused},
		"unknown on the server": {m.with("-u", "ghost", "-p", "other"), refused},
	} {
		t.Run(name, func(t *testing.T) { checked(t, l, 1, append(c.args, "-r", "60"), c.says...) })
	}
	if _, err := m.kdc.Admin(t.Context(), "cpw -randkey "+memberSPN+"\n"); err != nil {
		t.Fatal(err)
	}
	checked(t, l, 1, m.with("--keytab", m.keytab, "-r", "60"), "failed at session setup: STATUS_LOGON_FAILURE",
		"The KDC gave a ticket, but the server does not take it", "Class server")
	if err := os.Remove(m.kdc.Keytab); err != nil {
		t.Fatal(err)
	}
	checked(t, l, 1, m.with("--keytab", m.keytab, "-r", "60"),
		"failed at session setup: the server takes other logins than this one", "has lost its keytab", "Class server")
}

func TestKerberosSkew(t *testing.T) {
	t.Parallel()
	m := newMember(t, kerberostest.Config{Skew: time.Hour})
	checked(t, newLab(t), 1, m.with("--keytab", m.keytab, "-r", "60"),
		"failed at ticket: KRB_AP_ERR_SKEW (KRB-ERROR 37)",
		"this machine's clock is 1h0m0s behind", "The clocks of this machine and the KDC are too far apart",
		"The file server was not asked.")
}

// A server that takes no NTLM is healthy with --kerberos, and without it the
// advice names that. One that takes no Kerberos says so.
func TestNTLMDisabled(t *testing.T) {
	t.Parallel()
	m := newMember(t, kerberostest.Config{}, "ntlm auth = disabled")
	l := newLab(t)
	checked(t, l, 0, m.with("--keytab", m.keytab, "-r", "60"), "Kerberos user games@LAB.TEST", "healthy")
	checked(t, l, 1, at(m.Addr(), "-s", "valid", "-u", "games", "-p", "pw-games", "-r", "60"),
		"failed at session setup: STATUS_NTLM_BLOCKED (0xC0000418", "Log in with --kerberos", "Class account")
	plain := smbtest.Samba(t, smbtest.Config{})
	checked(t, l, 1, m.at(plain.Addr(), memberSPN, "--keytab", m.keytab, "-r", "60"),
		"failed at session setup: the server takes other logins than this one", "The server does not take Kerberos",
		"Class server")
}

// A domain controller with NTLM switched off, as its members reach it. It is not
// parallel: making the domain keeps a processor busy, and others measure time.
func TestActiveDirectory(t *testing.T) {
	dc := kerberostest.NewAD(t)
	l := newLab(t)
	args := []string{"-s", "sysvol", "-a", kerberostest.ADAddress, "-r", "60"}
	login := append(args, "--kerberos", "--spn", "cifs/dc1.ad.lab.test", "--kdc", kerberostest.ADAddress)
	err := dc.Do(func() {
		healthy := []string{"ticket",
			"watch@AD.LAB.TEST for cifs/dc1.ad.lab.test, aes256-cts-hmac-sha1-96, until 2",
			"Kerberos user watch@AD.LAB.TEST, signing required", "healthy"}
		checked(t, l, 0, append(slices.Clone(login), "--keytab", dc.Keytab), healthy...)
		l.Env = []string{"PASSWD=" + kerberostest.ADPass}
		checked(t, l, 0, append(slices.Clone(login), "-u", "watch", "--domain", "ad.lab.test"), healthy...)
		checked(t, l, 1, append(slices.Clone(args), "-u", "watch"), "STATUS_NTLM_BLOCKED (0xC0000418",
			"Log in with --kerberos")
		l.Env = []string{"PASSWD=wrong"}
		checked(t, l, 1, append(slices.Clone(login), "-u", "watch@AD.LAB.TEST"),
			"failed at ticket: KDC_ERR_PREAUTH_FAILED")
		l.Env = nil
		checked(t, l, 1, append(slices.Clone(args), "--kerberos", "--spn", "cifs/none.lab.test", "--kdc",
			kerberostest.ADAddress, "--keytab", dc.Keytab), "failed at ticket: KDC_ERR_S_PRINCIPAL_UNKNOWN")
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A KDC that is frozen before the first ticket fails the probe at half of its
// deadline, and with --tolerate kdc the probe does not count.
func TestFrozenKDC(t *testing.T) {
	t.Parallel()
	m := newMember(t, kerberostest.Config{})
	if err := m.kdc.Freeze(); err != nil {
		t.Fatal(err)
	}
	counts, tolerates := newLab(t), newLab(t)
	counted := counts.Watch(m.with("--keytab", m.keytab, "-i", "2", "-c", "1", "-r", "2")...)
	tolerated := tolerates.Watch(m.with("--keytab", m.keytab, "-i", "2", "-c", "1", "-r", "10",
		"--tolerate", "kdc")...)
	checked(t, newLab(t), 1, m.with("--keytab", m.keytab, "-r", "2"), "failed at ticket: ETIMEDOUT",
		"no answer within its share of the deadline", "The file server was not asked.", "Class kdc")
	counted.Exits(1)
	counted.Told("started probe-failed probe-failed no-ticket terminate")
	if text := counted.Last(cmdtest.NoTicket); !strings.Contains(text.Detail, "class kdc") {
		t.Errorf("%+v", text)
	}
	refused := tolerated.Message(cmdtest.Refused)
	if !strings.Contains(refused.Text, "The file server cannot be asked") ||
		!strings.Contains(refused.Text, "class kdc") {
		t.Errorf("%+v", refused)
	}
	if err := m.kdc.Thaw(); err != nil {
		t.Fatal(err)
	}
	tolerated.Message(cmdtest.Watching)
	tolerates.Healthy()
	tolerates.Silent("-stop")
	tolerated.Exits(0)
}

// A ticket that the watch has outlives its KDC: healthy, with a warning when it
// nears its end, and failed when it has ended.
func TestFrozenKDCAfterTheTicket(t *testing.T) {
	t.Parallel()
	m := newMember(t, kerberostest.Config{Life: 40 * time.Second})
	l := newLab(t)
	w := l.Watch(m.with("--keytab", m.keytab, "-i", "1", "-c", "1", "-r", "8")...)
	w.Message(cmdtest.Watching)
	if err := m.kdc.Freeze(); err != nil {
		t.Fatal(err)
	}
	warned := w.Message(cmdtest.Warned)
	if !strings.Contains(warned.Text, "the KDC gives no newer ticket, and this one ends at 2") {
		t.Errorf("%+v", warned)
	}
	if n := w.Count(cmdtest.ProbeFailed); n != 0 {
		t.Errorf("%d failed probes before the ticket's end", n)
	}
	w.Exits(1)
	w.Told("started watching -warned probe-failed probe-failed no-ticket terminate")
}

// The server gets another key, as when it joins again: the kept ticket is
// refused, and a new one is got within the same probe.
func TestNewKeyOfTheServer(t *testing.T) {
	t.Parallel()
	m := newMember(t, kerberostest.Config{})
	l := newLab(t)
	w := l.Watch(m.with("--keytab", m.keytab, "-i", "1", "-c", "1", "-r", "30")...)
	w.Message(cmdtest.Watching)
	got := time.Now()
	l.Silent("-pause")
	if err := os.Remove(m.kdc.Keytab); err != nil {
		t.Fatal(err)
	}
	if _, err := m.kdc.Admin(t.Context(), fmt.Sprintf("ktadd -k %s %s\n", m.kdc.Keytab, memberSPN)); err != nil {
		t.Fatal(err)
	}
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(got.Add(1100 * time.Millisecond))) // a ticket just got is not got again
	restarted := time.Now()
	l.Silent("-continue")
	l.Status("a success", func(s watchreg.Status) bool { return s.LastSuccess.After(restarted) })
	l.Silent("-stop")
	w.Exits(0)
	if n := w.Count(cmdtest.ProbeFailed); n != 0 {
		t.Errorf("%d failed probes", n)
	}
}

// A rotated password is not a failure with Kerberos either.
func TestKerberosSecondPassword(t *testing.T) {
	t.Parallel()
	m := newMember(t, kerberostest.Config{})
	file := filepath.Join(t.TempDir(), "credentials")
	writeFile(t, file, "username=games\npassword=old\npassword2="+token+"\n", 0o600)
	checked(t, newLab(t), 0, m.with("--credentials", file, "-r", "60"), "healthy")

	// --principal says who logs in, whatever the file's username is.
	writeFile(t, file, "username=other\npassword=old\npassword2="+token+"\n", 0o600)
	checked(t, newLab(t), 0, m.with("--credentials", file, "--principal", "games", "-r", "60"),
		"Kerberos user games@LAB.TEST")
}

// A server that hangs at the login by ticket fails the probe at its deadline.
func TestKerberosHangs(t *testing.T) {
	t.Parallel()
	m := newMember(t, kerberostest.Config{})
	hung := smbtest.Relay(t, m.Addr(), func(f *smbtest.Frame) smbtest.Behaviour {
		if f.FromServer && f.Command == smbtest.SessionSetup {
			return smbtest.Hold(f)
		}
		return nil
	})
	checked(t, newLab(t), 1, m.at(hung, memberSPN, "--keytab", m.keytab, "-r", "10"),
		"failed at session setup: ETIMEDOUT",
		"ERROR 74", "Class server")
}

// Nothing of the ticket, of what is made with it, or of the keys is in evidence,
// status, metrics and logs.
func TestKerberosSecrets(t *testing.T) {
	t.Parallel()
	m := newMember(t, kerberostest.Config{})
	var mu sync.Mutex
	var logins [][]byte
	relay := smbtest.Relay(t, m.Addr(), func(f *smbtest.Frame) smbtest.Behaviour {
		mu.Lock()
		defer mu.Unlock()
		if f.Command == smbtest.SessionSetup && len(f.Bytes) > 200 {
			logins = append(logins, bytes.Clone(f.Bytes[100:]))
		}
		return nil
	})
	l := newLab(t)
	dir := t.TempDir()
	metrics := filepath.Join(dir, "metrics")
	w := l.Watch(m.at(relay, memberSPN, "--keytab", m.keytab, "-i", "1", "-c", "1", "-r", "8",
		"--metrics-file", metrics, "--evidence-dir", filepath.Join(dir, "evidence"))...)
	w.Message(cmdtest.Watching)
	l.Healthy()
	freeze(t, m.Server)
	w.Message(cmdtest.Saved)
	w.Exits(1)
	mu.Lock()
	defer mu.Unlock()
	if len(logins) < 2 {
		t.Fatalf("%d logins were seen", len(logins))
	}
	keytab, err := os.ReadFile(m.keytab)
	if err != nil {
		t.Fatal(err)
	}
	files := cmdtest.Files(t, dir, l.Registry, filepath.Dir(l.Log))
	pcaps := 0
	for path, text := range files {
		if strings.HasSuffix(path, ".pcap") {
			pcaps++
			if !strings.Contains(text, "\xfeSMB") {
				t.Errorf("%s holds no SMB", path)
			}
		}
		for _, secret := range append(logins, keytab) {
			// Any piece of it would be one too many.
			for i := 0; i+16 <= len(secret); i += 8 {
				piece := secret[i : i+16]
				if !bytes.Contains(make([]byte, 16), piece) && strings.Contains(text, string(piece)) {
					t.Errorf("%s holds %x of byte %d of %d", path, piece, i, len(secret))
				}
			}
		}
	}
	if pcaps == 0 {
		t.Errorf("no capture in %d files", len(files))
	}
}

// Mistakes that are known before the first probe.
func TestKerberosUsage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dir := t.TempDir()
	open, empty := filepath.Join(dir, "open"), filepath.Join(dir, "empty")
	writeFile(t, open, "x", 0o640)
	writeFile(t, empty, "\x05\x02", 0o600)
	for _, c := range []struct{ args, says string }{
		{"--keytab x", "--keytab: needs --kerberos"},
		{"--kdc x", "--kdc: needs --kerberos"},
		{"--kerberos --spn cifs/x", "Kerberos needs --keytab, --ccache or a password"},
		{"--kerberos --keytab x --ccache y --spn cifs/x", "one way to log in"},
		{"--kerberos --keytab " + open + " --spn cifs/x", "--keytab: no key: others than its owner have rights"},
		{"--kerberos --ccache " + open + " --spn cifs/x", "--ccache: no key: others than its owner have rights"},
		{"--kerberos --keytab " + empty + " --spn cifs/x", "is no sound keytab"},
		{"--kerberos --keytab /none --spn cifs/x", "no such file"},
		{"--kerberos --ccache KCM:0 --spn cifs/x", "--ccache: the type KCM is not read"},
		{"--kerberos -u x -p y", "--spn: is needed, such as --spn cifs/files.example.com"},
		{"--kerberos -u x -p y --spn x", "--spn: \"x\" is not accepted"},
		{"--kerberos -u x -p y --realm R --spn cifs/x --kdc a:b", "--kdc: \"a:b\" has no port"},
	} {
		p := l.Run(append([]string{"-check", "-s", "x"}, strings.Fields(c.args)...)...)
		p.Exits(2)
		if said := cmdtest.Flat(p.Errors()); !strings.Contains(said, c.says) {
			t.Errorf("%s: %s", c.args, said)
		}
	}
}

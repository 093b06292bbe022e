package smbprobe

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fsmon/smbprobe/smbtest"
)

var (
	update = flag.Bool("update", false, "write testdata/differential.txt anew")
	matrix = flag.Bool("matrix", false,
		"ask also about the product of all settings of Samba (TestDifferential)")
)

// sambaConfig is a configuration of Samba. The name says what differs from the
// default one; the report must show dialect and cipher, so that a line that
// Samba does not take shows.
type sambaConfig struct {
	name    string
	dialect string // as in the report
	cipher  string // those allowed; empty: all
	global  []string
}

// dialectNames are those of smb.conf.
var dialectNames = map[string]string{
	"2.0.2": "SMB2_02", "2.1": "SMB2_10", "3.0": "SMB3_00", "3.0.2": "SMB3_02", "3.1.1": "SMB3_11",
}

var (
	allCiphers    = []string{"AES-128-CCM", "AES-128-GCM", "AES-256-CCM", "AES-256-GCM"}
	allSigning    = []string{"HMAC-SHA256", "AES-128-CMAC", "AES-128-GMAC"}
	allEncryption = []string{"off", "default", "desired", "required"}
)

// sambaWith makes a configuration. Empty strings leave the defaults.
func sambaWith(dialect, cipher, signing, encrypt, signs string) sambaConfig {
	c := sambaConfig{dialect: dialect, cipher: cipher, name: dialect}
	add := func(option, value string) {
		if value != "" {
			c.global = append(c.global, option+" = "+value)
		}
	}
	named := func(what, option, value string) {
		add(option, value)
		if value != "" {
			c.name += ", " + what + " " + value
		}
	}
	add("server min protocol", dialectNames[dialect])
	add("server max protocol", dialectNames[dialect])
	named("ciphers", "server smb3 encryption algorithms", cipher)
	named("signing by", "server smb3 signing algorithms", signing)
	named("encryption", "server smb encrypt", encrypt)
	named("signing", "server signing", signs)
	return c
}

// covering are configurations in which every value of every setting comes, with
// every dialect, and every cipher with every signing algorithm's neighbours.
func covering() []sambaConfig {
	all := []sambaConfig{
		sambaWith("3.1.1", "", "", "", ""),
		sambaWith("2.0.2", "", "", "", ""), sambaWith("2.0.2", "", "", "", "mandatory"),
		sambaWith("2.1", "", "", "", ""), sambaWith("2.1", "", "", "", "mandatory"),
		sambaWith("3.0", "", "", "", "mandatory"), sambaWith("3.0", "", "", "required", ""),
		sambaWith("3.0.2", "", "", "", ""), sambaWith("3.0.2", "", "", "required", "mandatory"),
		sambaWith("3.1.1", "", "", "off", ""), sambaWith("3.1.1", "", "", "desired", ""),
		sambaWith("3.1.1", "", "", "required", ""), sambaWith("3.1.1", "", "", "", "mandatory"),
		sambaWith("3.1.1", "AES-256-GCM, AES-256-CCM", "", "", ""),
		sambaWith("3.1.1", "AES-256-GCM, AES-256-CCM", "", "required", ""),
	}
	for i, cipher := range allCiphers {
		all = append(all, sambaWith("3.1.1", cipher, allSigning[i%3], "", "mandatory"),
			sambaWith("3.1.1", cipher, allSigning[(i+1)%3], "required", ""))
	}
	for _, signing := range allSigning {
		all = append(all, sambaWith("3.1.1", "", signing, "", ""))
	}
	// No common cipher, which is no error unless encryption is demanded.
	none := sambaWith("3.1.1", "-"+strings.Join(allCiphers, " -"), "", "", "")
	none.name = "3.1.1, no cipher"
	credits := sambaWith("3.1.1", "", "", "", "")
	credits.name, credits.global = "one credit", append(credits.global, "smb2 max credits = 1")
	blocked := sambaWith("3.1.1", "", "", "", "")
	blocked.name, blocked.global = "no NTLM", append(blocked.global, "ntlm auth = disabled")
	return append(all, none, credits, blocked)
}

// product is every configuration of Samba, of the settings above.
func product() (all []sambaConfig) {
	for dialect := range dialectNames {
		ciphers, signing, encryption := []string{""}, []string{""}, []string{""}
		if dialect >= "3.0" {
			encryption = allEncryption
		}
		if dialect == "3.1.1" {
			ciphers = append(ciphers, allCiphers...)
			signing = append(signing, allSigning...)
		}
		for _, c := range ciphers {
			for _, s := range signing {
				for _, e := range encryption {
					all = append(all, sambaWith(dialect, c, s, e, ""),
						sambaWith(dialect, c, s, e, "mandatory"))
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b sambaConfig) int { return strings.Compare(a.name, b.name) })
	return all
}

// asked are logins and shares; the first few are asked of every server.
var asked = []struct{ share, user, password string }{
	{"priv", "root", "pw"}, {"encrypted", "root", "pw"}, {"share", "", ""}, {"share", "nosuch", "x"},

	{"share", "root", "wrong"}, {"valid", "root", "pw"}, {"valid", "games", "pw-games"},
	{"encrypted", "", ""}, {"encrypted", "nosuch", "x"}, {"priv", "", ""}, {"priv", "nosuch", "x"},
	{"missing", "root", "pw"}, {"missing", "", ""}, {"nosuch", "root", "pw"}, {"hostsdeny", "", ""},
	{"unreadable", "games", "pw-games"}, {"printer", "", ""}, {"IPC$", "root", "pw"},
}

const askedAlways = 4

// explained are the disagreements of the probe and smbclient that must be.
func explained(row, probe, client string) bool {
	switch {
	case strings.Contains(row, "IPC$"):
		// A share of files is watched; a pipe is none (message 63).
		return probe == noFiles && client == "healthy"
	case strings.Contains(row, "tree disconnect: "):
		// The share has been served: only silence is a failure. smbclient ends
		// with an error when the connection breaks here.
		return probe == "healthy"
	case strings.Contains(row, "wrongly signed"), strings.Contains(row, " unsigned"):
		// Both fail. The probe may name the status, smbclient does not.
		return probe != "healthy" && client != "healthy"
	case strings.Contains(row, "desired"):
		// Samba 4.22 encrypts its answers to anonymous users, which smbclient 4.22
		// does not understand. Users get their files.
		return strings.Contains(client, "CONNECTION_DISCONNECTED")
	}
	return false
}

// opinions collects what all say.
type opinions struct {
	l     library
	lines []string // of libraries that disagree with smbclient
}

// ask asks all about one login at one share, and fails the test if the probe
// and smbclient disagree without a reason. It returns the probe's report.
func (o *opinions) ask(t *testing.T, row string, c Config, names []string) (r Report, err error) {
	t.Helper()
	r, err = probe(t, c)
	mine, client := opinion(err), smbclient(t, c)
	if !agree(mine, client) && !explained(row, mine, client) {
		t.Errorf("%s: the probe says %q, smbclient %q", row, mine, client)
	}
	for _, name := range names {
		if name == "hirochachacha" && c.User == "" {
			continue // it has no anonymous login
		}
		if answer := o.l.ask(t, name, c); !agree(answer, client) {
			o.lines = append(o.lines,
				fmt.Sprintf("%s | smbclient: %s | %s: %s", row, client, name, answer))
		}
	}
	return r, err
}

// agree reports whether two opinions are the same, but for the words of a
// failure without a status.
func agree(a, b string) bool {
	return a == b || strings.HasPrefix(a, "failed: ") && strings.HasPrefix(b, "failed: ")
}

func (c sambaConfig) ask(
	t *testing.T, s *smbtest.Server, o *opinions, questions int, names []string,
) {
	t.Helper()
	if err := s.Configure(c.global...); err != nil {
		t.Fatal(err)
	}
	for _, q := range asked[:questions] {
		row := fmt.Sprintf("Samba %s | %s as %q", c.name, q.share, q.user)
		r, err := o.ask(t, row, at(t, s.Addr(), q.share).as(q.user, q.password), names)
		if err == nil && r.Dialect != c.dialect {
			t.Errorf("%s: dialect %q", row, r.Dialect)
		}
		_, cipher, sealed := strings.Cut(r.Encryption, ", ")
		if sealed && c.cipher != "" && !strings.Contains(c.cipher, cipher) {
			t.Errorf("%s: cipher %q", row, cipher)
		}
	}
}

// The probe and smbclient say the same of every server. Where a library does
// not, testdata/differential.txt names it.
func TestDifferential(t *testing.T) {
	var o opinions
	defer o.l.end()
	s := smbtest.Samba(t, smbtest.Config{})
	for i, c := range covering() {
		questions := askedAlways
		if i%10 == 0 {
			questions = len(asked)
		}
		c.ask(t, s, &o, questions, libraries)
	}
	open, user := smbtest.Impacket(t), smbtest.Impacket(t, "joe", "secret")
	for _, q := range []struct{ name, addr, share, user, password string }{
		{"anonymous", open, "share", "", ""}, {"guest", open, "share", "nosuch", "x"},
		{"user", user, "share", "joe", "secret"}, {"wrong password", user, "share", "joe", "wrong"},
		{"unknown user", user, "share", "nosuch", "x"}, {"anonymous refused", user, "share", "", ""},
		{"unknown share", user, "nosuch", "joe", "secret"},
	} {
		o.ask(t, "impacket | "+q.name, at(t, q.addr, q.share).as(q.user, q.password), libraries)
	}
	for _, odd := range oddServers() {
		if odd.cause != context.DeadlineExceeded {
			o.ask(t, odd.who+" | "+odd.name, odd.config(t, user), libraries)
		}
	}
	o.golden(t)
	if !*matrix {
		return
	}
	all := product()
	for i, c := range all {
		t.Logf("%d of %d: %s", i+1, len(all), c.name)
		c.ask(t, s, &o, len(asked), nil)
	}
}

func (o *opinions) golden(t *testing.T) {
	t.Helper()
	const name = "testdata/differential.txt"
	got := strings.Join(o.lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(filepath.FromSlash(name), []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	had := strings.Split(strings.TrimSpace(string(want)), "\n")
	for _, line := range o.lines {
		if !slices.Contains(had, line) {
			t.Errorf("not in %s: %s", name, line)
		}
	}
	version, err := exec.Command("smbd", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	// With a newer one a library may get along better.
	newer := !strings.HasPrefix(string(version), "Version 4.17.")
	for _, line := range had {
		if !slices.Contains(o.lines, line) && !newer {
			t.Errorf("only in %s: %s", name, line)
		}
	}
}

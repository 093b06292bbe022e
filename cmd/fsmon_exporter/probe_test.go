package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fsmon/cmd/internal/cli"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/kerberostest"
	"fsmon/smbprobe/smbtest"
)

// Real servers are asked, with the module's options, and leave no file behind.
func TestRealServers(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := nfstest.New(t, nfstest.Config{InPlace: true})
	_, port, _ := net.SplitHostPort(s.Addr())
	dir := t.TempDir()
	write(t, filepath.Join(dir, "files.cred"), "username=root\npassword=pw\n")
	u := start(t, fmt.Sprintf(`
modules:
  smb: {prober: smb, write-test: true}
  nfs3: {prober: nfs, nfs-version: 3, write-test: true}
  nfs4: {prober: nfs, nfs-version: 4.1, nfs4-path: /export}
targets:
  - {pattern: "//127.0.0.1:%[1]s/priv", modules: smb, credentials: %[2]s/files.cred}
  - {pattern: "//127.0.0.1:%[1]s/share", modules: smb}
  - {pattern: ["127.0.0.1:/**", "%[3]s:/**"], modules: [nfs3, nfs4]}
`, port, dir, nfstest.Address))

	for _, c := range []struct {
		module, target, kind, dialect, learnt string
		rungs                                 []string
	}{
		{"smb", "//127.0.0.1:" + port + "/priv", "samba", `SMB 3\.1\.1`, "user root",
			[]string{"connect", "negotiate", "session setup", "tree connect", "write test", "logoff"}},
		{"smb", "//127.0.0.1:" + port + "/share", "samba", `SMB 3\.1\.1`, "anonymous",
			[]string{"session setup", "write test"}},
		{"nfs3", nfstest.Address + ":" + l.Path("export"), "nfs", "NFS 3", "AUTH_SYS",
			[]string{"port map", "mount", "getattr", "write test"}},
		{"nfs4", nfstest.Address + ":" + l.Path("export"), "nfs", `NFS 4\.1`, "AUTH_SYS",
			[]string{"connect", "lookup"}},
	} {
		for n := 1; n <= 2; n++ {
			code, text := u.get(probe(c.module, c.target))
			if code != 200 {
				t.Fatalf("%s: %d %s", c.target, code, text)
			}
			has(t, text, sample("fsmon_up", c.kind, c.target, "")+" 1",
				sample("fsmon_consecutive_failures", c.kind, c.target, "")+" 0",
				sample("fsmon_paused", c.kind, c.target, "")+" 0",
				fmt.Sprintf(`fsmon_probes_total{class="",id="%s",kind="%s",result="success",rung=""} %d`,
					c.target, c.kind, n),
				fmt.Sprintf(`fsmon_state{id="%s",kind="%s",state="healthy"} 1`, c.target, c.kind))
			if !regexp.MustCompile(`(?m)^fsmon_dialect_info\{dialect="` + c.dialect + `",`).MatchString(text) {
				t.Errorf("%s: no dialect:\n%s", c.target, text)
			}
			for _, rung := range c.rungs {
				if !strings.Contains(text, `rung="`+rung+`"}`) {
					t.Errorf("%s: no rung %s:\n%s", c.target, rung, text)
				}
			}
		}
		code, text := u.get(probe(c.module, c.target, "&debug=true"))
		for _, part := range []string{"whole probe ", "healthy: the server answered every step", c.learnt,
			"\n# TYPE fsmon_up gauge\nfsmon_up{"} {
			if code != 200 || !strings.Contains(text, part) {
				t.Errorf("%s: %d, without %q:\n%s", c.target, code, part, text)
			}
		}
	}
	for _, dir := range []string{filepath.Join(s.Dir, "shares"), l.Path("export")} {
		filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err != nil || strings.HasPrefix(filepath.Base(path), ".fsmon") {
				t.Errorf("%s, %v", path, err)
			}
			return nil
		})
	}

	// A server that hangs fails within the scrape's own time, and says how; one
	// success ends it.
	target := "//127.0.0.1:" + port + "/share"
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 2; n++ {
		code, text := u.get(probe("smb", target), scrapeHeader, "2.0")
		if code != 200 {
			t.Fatal(code, text)
		}
		has(t, text, sample("fsmon_up", "samba", target, "")+" 0",
			fmt.Sprintf("%s %d", sample("fsmon_consecutive_failures", "samba", target, ""), n))
		if !regexp.MustCompile(`fsmon_probes_total\{class="server",id="[^"]*",kind="samba",` +
			`result="failure",rung="[a-z ]+"\} `).MatchString(text) {
			t.Errorf("no class and rung:\n%s", text)
		}
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	_, text := u.get(probe("smb", target))
	has(t, text, sample("fsmon_up", "samba", target, "")+" 1",
		sample("fsmon_consecutive_failures", "samba", target, "")+" 0")
	if said := u.log.String(); strings.Count(said, "target failed") != 1 ||
		strings.Count(said, "healthy again") != 1 {
		t.Error(said)
	}
}

// Credentials go to the targets of their entry, and to no others.
func TestCredentialsBelong(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	_, port, _ := net.SplitHostPort(s.Addr())
	dir := t.TempDir()
	write(t, filepath.Join(dir, "files.cred"), "username=root\npassword=pw\n")
	write(t, filepath.Join(dir, "exporter.yml"), "")
	u := start(t, fmt.Sprintf(`
modules:
  smb: {prober: smb}
  other: {prober: smb}
targets:
  - {pattern: "//127.0.0.1:%[1]s/*", modules: smb, credentials: %[2]s/files.cred}
`, port, dir), "--allow-any-target")
	for request, user := range map[string]bool{
		probe("smb", "//127.0.0.1:"+port+"/share"):    true,
		probe("other", "//127.0.0.1:"+port+"/share"):  false,
		probe("smb", "//localhost:"+port+"/share"):    false,
		probe("smb", "//127.0.0.001:"+port+"/share"):  false,
		probe("smb", "//[::1]:"+port+"/share"):        false,
		probe("smb", "//127.0.0.1:"+port+"/../share"): false,
	} {
		_, text := u.get(request + "&debug=true")
		if strings.Contains(text, "user root") != user {
			t.Errorf("%s:\n%s", request, text)
		}
	}
}

// A ticket logs in, as the entry's keytab says; without one the class is kdc.
func TestKerberos(t *testing.T) {
	t.Parallel()
	kdc := kerberostest.New(t, kerberostest.Config{Users: map[string]string{"games": "pw-games"},
		Services: []string{"cifs/files.lab.test"}})
	s := smbtest.Samba(t, smbtest.Config{Global: []string{"realm = LAB.TEST",
		"kerberos method = dedicated keytab", "dedicated keytab file = " + kdc.Keytab}})
	_, port, _ := net.SplitHostPort(s.Addr())
	u := start(t, fmt.Sprintf(`
modules:
  smb: {prober: smb, kerberos: true, realm: LAB.TEST, kdc: %[1]s}
targets:
  - {pattern: "//127.0.0.1:%[2]s/valid", modules: smb, keytab: %[3]s, spn: cifs/files.lab.test}
  - {pattern: "//localhost:%[2]s/valid", modules: smb, keytab: %[3]s}
`, kdc.Addr, port, kdc.UserKeytab(t, "games")))
	target := "//127.0.0.1:" + port + "/valid"
	_, text := u.get(probe("smb", target, "&debug=true"))
	has(t, text, sample("fsmon_up", "samba", target, "")+" 1")
	if !strings.Contains(text, "Kerberos user games@LAB.TEST") || !strings.Contains(text, `rung="ticket"`) {
		t.Error(text)
	}
	target = "//localhost:" + port + "/valid" // whose service the KDC does not know
	_, text = u.get(probe("smb", target))
	has(t, text, fmt.Sprintf(`fsmon_probes_total{class="kdc",id="%s",kind="samba",result="failure",`+
		`rung="ticket"} 1`, target))
}

// A wrong password is a failure of its class, tolerated where the module says
// so, and the page warns of the lockout.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	_, port, _ := net.SplitHostPort(s.Addr())
	target := "//127.0.0.1:" + port + "/share"
	dir := t.TempDir()
	write(t, filepath.Join(dir, "files.cred"), "username=root\npassword=S3cr3t\n")
	u := start(t, fmt.Sprintf(`
modules:
  smb: {prober: smb}
  lenient: {prober: smb, tolerate: [account, access]}
targets:
  - {pattern: %q, modules: [smb, lenient], credentials: %s/files.cred}
`, target, dir))
	_, text := u.get(probe("smb", target, "&debug=true"))
	has(t, text, sample("fsmon_up", "samba", target, "")+" 0",
		fmt.Sprintf(`fsmon_state{id="%s",kind="samba",state="failing"} 1`, target),
		fmt.Sprintf(`fsmon_probes_total{class="account",id="%s",kind="samba",result="failure",`+
			`rung="session setup"} 1`, target))
	if !strings.Contains(text, "lock the account out") || strings.Contains(text, "S3cr3t") {
		t.Error(text)
	}
	_, text = u.get(probe("lenient", target))
	has(t, text, fmt.Sprintf(`fsmon_state{id="%s",kind="samba",state="refused"} 1`, target),
		sample("fsmon_consecutive_failures", "samba", target, "")+" 0")
}

// A probe that panics has failed, and the exporter goes on.
func TestPanic(t *testing.T) {
	t.Parallel()
	u := startFake(t, func(context.Context) (cli.Report, error) {
		none := []string{}
		return cli.Report{Target: none[0]}, nil
	})
	for range 2 {
		code, text := u.get(probe("fake", "//a/b", "&debug=true"))
		has(t, text, sample("fsmon_up", "samba", "//a/b", "")+" 0")
		if code != 200 || !strings.Contains(text, "failed at the probe: the probe panicked") ||
			!strings.Contains(text, "index out of range [0]") {
			t.Errorf("%d %s", code, text)
		}
	}
}

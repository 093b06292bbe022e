package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What can be wrong in a configuration is said without a line of it, since
// somebody may have written a password there.
func TestWrongConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ok"), "username=u\npassword=p\n")
	write(t, filepath.Join(dir, "empty"), "")
	const modules = "modules: {smb: {prober: smb}, nfs3: {prober: nfs, nfs-version: 3}}\n"
	says := map[string]string{
		"":                     "there is no module in it",
		"modules: {}":          "there is no module in it",
		"modules: [S3cr3t]":    "[1:10] ",
		"modules: {":           "[1:10] ",
		"modulez: {}":          `[1:1] unknown field "modulez"`,
		"modules: {a/b: {}}":   `module "a/b": letters`,
		"modules: {a: S3cr3t}": "[1:14] ",
		"modules: {a: {prober: smb, marker: {b: c}}}": "[1:",

		"modules: {a: {prober: smb}, a: {prober: nfs}}":                            `mapping key "a" already defined`,
		modules + "---\nmodules: {}":                                               "more than one document",
		modules + "targets:\n  - {pattern: //a/b, modules: smb}\n  - {pattern: x}": "targets, entry 2: ",
	}
	for options, error := range map[string]string{
		"":                                         `prober: "" is not accepted (smb or nfs)`,
		"prober: ftp":                              `prober: "ftp" is not accepted`,
		"prober: smb, password: S3cr3t":            "password: unknown here (known: timeout,",
		"prober: smb, user: S3cr3t":                "user: unknown here",
		"prober: smb, credentials: S3cr3t":         "credentials: unknown here",
		"prober: smb, nfs-version: 3":              "nfs-version: unknown here",
		"prober: smb, share: data":                 "share: unknown",
		"prober: smb, metrics-file: /etc/passwd":   "metrics-file: unknown",
		"prober: smb, timeout: 0":                  `--timeout: "0" is not accepted`,
		"prober: smb, timeout: 1m":                 `--timeout: "1m" is not accepted`,
		"prober: smb, timeout: [1, 2]":             `--timeout: "1,2" is not accepted`,
		"prober: smb, timeout: ~":                  `--timeout: "" is not accepted`,
		"prober: smb, marker: ../x":                "--marker: ",
		"prober: smb, marker: true":                "--marker: needs a value",
		"prober: smb, write-test: maybe":           "--write-test: takes no value",
		"prober: smb, tolerate: server":            "--tolerate: ",
		"prober: nfs, nfs-version: 5":              `--nfs-version: "5" is not accepted`,
		"prober: nfs, lock-test: true":             "--lock-test: needs --marker",
		"prober: smb, kerberos: true":              "Kerberos needs --keytab, --ccache or a password",
		"prober: smb, kerberos: true, keytab: x":   "keytab: unknown here",
		"prober: nfs, tls-ca: none.pem":            "--tls-ca",
		"prober: nfs, tls: true, tls-ca: none.pem": "--tls-ca: open " + dir,
	} {
		says["modules: {a: {"+options+"}}"] = "module a: " + error
	}
	for entry, error := range map[string]string{
		"modules: smb":                         "pattern: missing",
		"pattern: //a/b":                       "modules: missing",
		"pattern: //a/b, modules: x":           `modules: there is no module "x"`,
		"pattern: //a/b, modules: [smb, nfs3]": "modules: both probers",
		"pattern: '*', modules: smb":           `pattern: "*" is no target of the prober smb (//HOST/SHARE`,
		"pattern: 'a:/b', modules: smb":        `pattern: "a:/b" is no target of the prober smb`,

		"pattern: //*/b, modules: smb, credentials: ok":             `pattern: "//*/b" with credentials`,
		"pattern: '//[0.0.0.0/0]/b', modules: smb, credentials: ok": `pattern: "//[0.0.0.0/0]/b" with credentials`,
		"pattern: //a/b, modules: smb, password: S3cr3t":            "password: unknown here (known: credentials, keytab,",
		"pattern: //a/b, modules: smb, credentials: none":           "with module smb: --credentials: open " + dir,
		"pattern: //a/b, modules: smb, credentials: empty":          "with module smb: --credentials: " + dir + "/empty ",
		"pattern: 'a:/b', modules: nfs3, credentials: ok":           "with module nfs3: --credentials: needs --sec",
		"pattern: //a/b, modules: smb, keytab: x":                   "with module smb: --keytab: needs --kerberos",
	} {
		says[modules+"targets: [{"+entry+"}]"] = "targets, entry 1: " + error
	}
	for text, says := range says {
		c, err := parseConfig([]byte(text), dir)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "S3cr3t") ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
}

// Values are taken as they are spelt, and the first entry that allows a request
// counts.
func TestConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.cred"), "username=u\npassword=p\n")
	c, err := parseConfig([]byte(`
modules:
  m: {prober: nfs, nfs-version: 4.0, timeout: 10s, retry: 3, tolerate: [account, access],
      write-test: true, unprivileged-port: false}
  smb: &smb {prober: smb, timeout: 5, marker: "true/a b"}
  same: *smb
  slow: {<<: *smb, timeout: 50}
targets:
  - {pattern: //a/data, modules: [smb], credentials: a.cred}
  - {pattern: ["//a/*", //b/x], modules: smb}
`), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"--nfs-version=4.0", "--retry=3", "--timeout=10", "--tolerate=account,access",
		"--write-test"}
	if got := c.modules["m"].options; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for name, timeout := range map[string]string{"smb": "5", "same": "5", "slow": "50"} {
		want := []string{"--marker=true/a b", "--timeout=" + timeout}
		if got := c.modules[name].options; !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	for text, options := range map[string][]string{
		"//a/data": {"--credentials=" + dir + "/a.cred"}, "//a/other": nil, "//b/x": nil,
	} {
		to, err := parseTarget(smb, text)
		if r := c.allows("smb", to); err != nil || r == nil || !slices.Equal(r.options, options) {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
		if r := c.allows("m", to); r != nil {
			t.Errorf("%s: m has %+v", text, r)
		}
	}
}

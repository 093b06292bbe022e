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
	write(t, filepath.Join(dir, "good.cred"), "username=u\npassword=p\n")
	write(t, filepath.Join(dir, "empty.cred"), "")
	const modules = "modules: {smb: {prober: smb}, nfs3: {prober: nfs, nfs-version: 3}}\n"
	for text, says := range map[string]string{
		"":                            "there is no module in it",
		"modules: {}":                 "there is no module in it",
		"modules: [S3cr3t]":           "[1:10] ",
		"modules: {":                  "[1:10] ",
		"modulez: {}":                 `[1:1] unknown field "modulez"`,
		"modules: {a: {}}":            `module a: prober: "" is not accepted (smb or nfs)`,
		"modules: {a/b: {}}":          `module "a/b": letters`,
		"modules: {a: S3cr3t}":        "[1:14] ",
		"modules: {a: {prober: ftp}}": `module a: prober: "ftp" is not accepted`,
		"modules: {a: {prober: smb, password: S3cr3t}}":                                          "module a: password: unknown here (known: timeout,",
		"modules: {a: {prober: smb, user: S3cr3t}}":                                              "module a: user: unknown here",
		"modules: {a: {prober: smb, credentials: S3cr3t}}":                                       "module a: credentials: unknown here",
		"modules: {a: {prober: smb, nfs-version: 3}}":                                            "module a: nfs-version: unknown here",
		"modules: {a: {prober: smb, share: data}}":                                               "module a: share: unknown",
		"modules: {a: {prober: smb, metrics-file: /etc/passwd}}":                                 "module a: metrics-file: unknown",
		"modules: {a: {prober: smb, timeout: 0}}":                                                `module a: --timeout: "0" is not accepted`,
		"modules: {a: {prober: smb, timeout: 1m}}":                                               `module a: --timeout: "1m" is not accepted`,
		"modules: {a: {prober: smb, timeout: [1, 2]}}":                                           `module a: --timeout: "1,2" is not accepted`,
		"modules: {a: {prober: smb, timeout: ~}}":                                                `module a: --timeout: "" is not accepted`,
		"modules: {a: {prober: smb, marker: {b: c}}}":                                            "[1:",
		"modules: {a: {prober: smb, marker: ../x}}":                                              "module a: --marker: ",
		"modules: {a: {prober: smb, marker: true}}":                                              "module a: --marker: needs a value",
		"modules: {a: {prober: smb, write-test: maybe}}":                                         "module a: --write-test: takes no value",
		"modules: {a: {prober: smb, tolerate: server}}":                                          "module a: --tolerate: ",
		"modules: {a: {prober: nfs, nfs-version: 5}}":                                            `module a: --nfs-version: "5" is not accepted`,
		"modules: {a: {prober: nfs, lock-test: true}}":                                           "module a: --lock-test: needs --marker",
		"modules: {a: {prober: smb}, a: {prober: nfs}}":                                          `mapping key "a" already defined`,
		modules + "---\nmodules: {}":                                                             "more than one document",
		modules + "targets: [{modules: smb}]":                                                    "targets, entry 1: pattern: missing",
		modules + "targets: [{pattern: //a/b}]":                                                  "targets, entry 1: modules: missing",
		modules + "targets: [{pattern: //a/b, modules: x}]":                                      `targets, entry 1: modules: there is no module "x"`,
		modules + "targets: [{pattern: //a/b, modules: [smb, nfs3]}]":                            "targets, entry 1: modules: both probers",
		modules + "targets: [{pattern: '*', modules: smb}]":                                      `targets, entry 1: pattern: "*" is no target of the prober smb (//HOST/SHARE`,
		modules + "targets: [{pattern: 'a:/b', modules: smb}]":                                   `targets, entry 1: pattern: "a:/b" is no target of the prober smb`,
		modules + "targets: [{pattern: //a/b, modules: smb, password: S3cr3t}]":                  "targets, entry 1: password: unknown here (known: credentials, keytab, ccache, principal, spn)",
		modules + "targets: [{pattern: //*/b, modules: smb, credentials: good.cred}]":            `targets, entry 1: pattern: "//*/b" with credentials`,
		modules + "targets: [{pattern: //a/b, modules: smb, credentials: none.cred}]":            "targets, entry 1: with module smb: --credentials: open " + dir,
		modules + "targets: [{pattern: //a/b, modules: smb, credentials: empty.cred}]":           "names no user",
		modules + "targets: [{pattern: 'a:/b', modules: nfs3, credentials: good.cred}]":          "targets, entry 1: with module nfs3: --credentials: needs --sec krb5",
		modules + "targets:\n  - {pattern: //a/b, modules: smb}\n  - {pattern: x, modules: smb}": "targets, entry 2: ",
		"modules: {k: {prober: smb, kerberos: true}}":                                            "module k: Kerberos needs --keytab, --ccache or a password",
		"modules: {k: {prober: smb, kerberos: true, keytab: x}}":                                 "module k: keytab: unknown here",
		modules + "targets: [{pattern: //a/b, modules: smb, keytab: x}]":                         "targets, entry 1: with module smb: --keytab: needs --kerberos",
		"modules: {t: {prober: nfs, tls-ca: none.pem}}":                                          "module t: --tls-ca",
		"modules: {t: {prober: nfs, tls: true, tls-ca: none.pem}}":                               "module t: --tls-ca: open " + dir,
	} {
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
  m: {prober: nfs, nfs-version: 4.0, timeout: 10s, retry: 3, tolerate: [account, access], write-test: true, unprivileged-port: false}
  smb: {prober: smb, timeout: 5, marker: "true/a b"}
targets:
  - {pattern: //a/data, modules: [smb], credentials: a.cred}
  - {pattern: ["//a/*", //b/x], modules: smb}
`), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"--nfs-version=4.0", "--retry=3", "--timeout=10", "--tolerate=account,access", "--write-test"}
	if got := c.modules["m"].options; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := c.modules["smb"].options; !slices.Equal(got, []string{"--marker=true/a b", "--timeout=5"}) {
		t.Errorf("%q", got)
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

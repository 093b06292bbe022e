//go:build system

package system

import (
	"regexp"
	"strings"
	"testing"
)

const nodeExporter = "/var/lib/prometheus/node-exporter"

// What the README shows works as it stands, but for the server's address, the
// name of the share and of the user. So does what the messages about the sandbox
// advise.
func TestReadme(t *testing.T) {
	shown := regexp.MustCompile(`(?m)^    ((?:printf|systemctl|clp_sambamon -check) .*)$`).
		FindAllStringSubmatch(document(t, "README.md"), -1)
	if len(shown) != 4 {
		t.Fatalf("the README shows %q", shown)
	}
	manual := regexp.MustCompile(`\n    (SHARE=.*)\n    (OPTIONS=.*)\n\n.*\n\n    systemctl enable`).
		FindStringSubmatch(document(t, "cmd/fsmon.7.md"))
	keepalived := document(t, "templates/keepalived/keepalived.conf")
	script := regexp.MustCompile(` script "(.*)"`).FindStringSubmatch(keepalived)
	option := regexp.MustCompile(`--credentials [^ ,]+`).FindString(keepalived)
	if manual == nil || script == nil || option == "" {
		t.Fatalf("fsmon(7) shows %q, keepalived.conf %q and %q", manual, script, option)
	}
	here := strings.NewReplacer("192.0.2.10", "127.0.0.1", "…", "secret", "=watch", "=alice",
		"=data", "=private", "-s data", "-s private")
	onEach(t, install, func(m *machine) {
		for _, line := range shown {
			m.do("cd /root; " + here.Replace(line[1]))
		}
		m.do("systemctl is-enabled clp_sambamon@data && systemctl is-active clp_sambamon@data")
		m.says("clp_sambamon data -disp", "private")
		// The manual has the same in the unit's file, keepalived.conf the same user.
		m.says("cat /etc/fsmon/data.env", here.Replace(manual[1]+"\n"+manual[2]))
		m.do(here.Replace(script[1]) + " " + option)

		m.do("mkdir -p " + nodeExporter)
		m.do(env("metrics", "SHARE=data\nOPTIONS=--metrics-file "+nodeExporter+"/fsmon.prom"))
		m.do(dropIn("clp_sambamon@metrics", "[Service]\nReadWritePaths="+nodeExporter))
		m.do("systemctl daemon-reload; systemctl start clp_sambamon@metrics")
		m.holds("grep '^fsmon_up{.*1$' " + nodeExporter + "/fsmon.prom")

		// Both units share the identifiers.
		m.do(env("data", "SHARE=private\nDIRECTORY=/disk/export"))
		m.do("! systemctl start clp_nfsmon@data")
		m.holds("journalctl | grep 'is in use'")
		m.do("systemctl is-active clp_sambamon@data")
	})
}

// What a newcomer gets wrong is in the journal, with what to do.
func TestNewcomer(t *testing.T) {
	const readOnly = ": read-only file system " +
		"(a unit of systemd may write there with ReadWritePaths=)"
	const share = "SHARE=data\nOPTIONS=-a 127.0.0.1 -i 1 "
	before := install + bothEnv + "mkdir -p " + nodeExporter +
		"; echo username=alice >/root/data.cred; chmod 600 /root/data.cred\n" +
		env("hidden", share+"--credentials /root/data.cred") +
		env("metrics", share+"--metrics-file "+nodeExporter+"/fsmon.prom") +
		env("log", share+"--log-file /srv/private/watch.log") +
		env("evidence", share+"--evidence-dir /srv/private")
	onEach(t, before, func(m *machine) {
		// No watch has made it yet.
		m.says("stat -c '%a %U %F' /run/fsmon", "755 root directory")
		m.says("clp_sambamon -list", "no watches")
		for unit, want := range map[string]string{
			"clp_sambamon@nothing": "-s: missing or empty (the name of a share, 1 to 255 bytes); " +
				"the unit reads SHARE= or DIRECTORY=, and OPTIONS=, from /etc/fsmon/nothing.env",
			"clp_sambamon@export":   "/etc/fsmon/export.env",
			"clp_nfsmon@data":       "/etc/fsmon/data.env",
			"clp_sambamon@hidden":   "/root/data.cred: no such file or directory; the unit reads",
			"clp_sambamon@metrics":  "fsmon.prom.tmp-fsmon" + readOnly,
			"clp_sambamon@log":      "watch.log" + readOnly,
			"clp_sambamon@evidence": "evidence" + readOnly,
		} {
			m.try("systemctl start " + unit) // an error: the point
			// Not only the unit's: of a process that has ended already, journald may
			// not find out the unit.
			m.holds("journalctl -o cat | grep -Fe '" + want + "'")
		}
	})
}

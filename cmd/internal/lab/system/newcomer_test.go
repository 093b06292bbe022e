//go:build system

package system

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the README shows works as it stands, but for the server's address and
// the name of the share; so does what the messages about the sandbox advise.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("../../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?m)^    ((?:printf|systemctl|clp_sambamon -check) .*)$`).FindAllStringSubmatch(string(b), -1)
	if len(shown) != 4 {
		t.Fatalf("the README shows %q", shown)
	}
	everywhere(t, func(t *testing.T, release string) {
		m := boot(t, release, install)
		for _, line := range shown {
			m.do("cd /root; " + strings.NewReplacer("192.0.2.10", "127.0.0.1", "…", "secret", "=watch", "=alice",
				"=data", "=private", "-s data", "-s private").Replace(line[1]))
		}
		m.says("systemctl is-enabled clp_sambamon@data", "enabled")
		m.says("systemctl is-active clp_sambamon@data", "active")
		m.says("clp_sambamon data -disp", "private")

		// The drop-in that the message about a read-only directory names.
		m.do(env("metrics", "SHARE=data\nOPTIONS=--metrics-file /var/lib/prometheus/node-exporter/fsmon.prom") + `
mkdir -p /var/lib/prometheus/node-exporter /etc/systemd/system/clp_sambamon@metrics.service.d
printf '[Service]\nReadWritePaths=/var/lib/prometheus/node-exporter\n' >/etc/systemd/system/clp_sambamon@metrics.service.d/metrics.conf
systemctl daemon-reload; systemctl start clp_sambamon@metrics`)
		m.holds("grep '^fsmon_up{.*1$' /var/lib/prometheus/node-exporter/fsmon.prom")

		// One space of identifiers for both units.
		m.do(env("data", "SHARE=private\nDIRECTORY=/disk/export"))
		if out, err := m.try("systemctl start clp_nfsmon@data"); err == nil {
			t.Errorf("an identifier was used twice: %s", out)
		}
		m.holds("journalctl -u clp_nfsmon@data | grep 'is in use'")
		m.says("systemctl is-active clp_sambamon@data", "active")
	})
}

// What a newcomer gets wrong is said, with what to do, by systemctl or in the
// journal.
func TestNewcomer(t *testing.T) {
	everywhere(t, func(t *testing.T, release string) {
		const share = "SHARE=data\nOPTIONS=-a 127.0.0.1 -i 1 "
		m := boot(t, release, install, bothEnv,
			env("hidden", share+"--credentials /root/data.cred"),
			env("metrics", share+"--metrics-file /var/lib/prometheus/node-exporter/fsmon.prom"),
			env("log", share+"--log-file /srv/private/watch.log"),
			env("evidence", share+"--evidence-dir /srv/private"),
			"mkdir -p /var/lib/prometheus/node-exporter; echo username=alice >/root/data.cred; chmod 600 /root/data.cred")
		for _, c := range []struct{ unit, want string }{
			{"clp_sambamon@nothing", "-s: missing or empty (the name of a share, 1 to 255 bytes); the unit reads SHARE= or DIRECTORY=, and OPTIONS=, from /etc/fsmon/nothing.env"},
			{"clp_sambamon@export", "/etc/fsmon/export.env"},
			{"clp_nfsmon@data", "/etc/fsmon/data.env"},
			{"clp_sambamon@hidden", "/root/data.cred: no such file or directory; the unit reads"},
			{"clp_sambamon@metrics", "ReadWritePaths="},
			{"clp_sambamon@log", "ReadWritePaths="},
			{"clp_sambamon@evidence", "ReadWritePaths="},
		} {
			m.try("systemctl start " + c.unit) // an error: the point
			m.holds("journalctl --no-pager -o cat -u " + c.unit + " | grep -Fe '" + c.want + "'")
			t.Log(m.do("journalctl --no-pager -o cat -u " + c.unit + " | grep -Fe '" + c.want + "' | tail -n1"))
		}
	})
}

//go:build system

package system

import "testing"

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

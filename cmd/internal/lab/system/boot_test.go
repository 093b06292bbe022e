//go:build system

package system

import (
	"strings"
	"testing"
)

// The boot does not wait for the watch of a dead server, and a watch starts
// after its server and ends before it.
func TestBoot(t *testing.T) {
	const dead = "OPTIONS=-a 127.0.0.1 --port 9 -i 1 -c 10000"
	waiting := []string{"clp_sambamon@dead", "clp_sambamon@deadwait", "clp_nfsmon@deadnfs"}
	before := install + bothEnv + env("dead", "SHARE=data\n"+dead) +
		env("deadwait", "SHARE=data\n"+dead+" --start-wait 604800") +
		env("deadnfs", "DIRECTORY=/x\n"+dead) +
		"systemctl --quiet enable clp_sambamon@data clp_nfsmon@export " + strings.Join(waiting, " ")
	servers := map[string]string{"clp_sambamon": "smbd", "clp_nfsmon": "nfs-ganesha"}
	onEach(t, before, func(m *machine) {
		booted := func() {
			m.Helper()
			for _, unit := range waiting {
				m.do("systemctl is-active " + unit + " | grep -x activating")
			}
			m.says("systemctl is-system-running", "starting")
			for command, unit := range units {
				m.holds("systemctl is-active " + unit)
				begun := m.stamp(unit, "InactiveExitTimestampMonotonic")
				served := m.stamp(servers[command], "ActiveEnterTimestampMonotonic")
				m.Logf("%s %v, %s %v", unit, begun, servers[command], served)
				if begun < served || served == 0 {
					m.Errorf("%s began at %v, %s at %v", unit, begun, servers[command], served)
				}
			}
		}
		booted()
		m.reboot()
		booted()
		for _, id := range []string{"data", "export"} {
			log := m.do("cat /var/log/fsmon/" + id + "/watch.log")
			// Ganesha's unit is active a moment before it serves.
			_, healthy, _ := strings.Cut(log, "is going to watch")
			healthy, _, ended := strings.Cut(healthy, "asked by SIGTERM")
			if strings.Contains(healthy, "WARN") || strings.Contains(healthy, "ERROR") || !ended {
				m.Errorf("%s over a reboot:\n%s", id, log)
			}
		}
	})
}

//go:build system

package system

import (
	"strings"
	"testing"
)

// The boot does not wait for the watch of a dead server, and a watch starts
// after its server and ends before it.
func TestBoot(t *testing.T) {
	everywhere(t, func(t *testing.T, release string) {
		const dead = "OPTIONS=-a 127.0.0.1 --port 9 -i 1 -c 10000"
		m := boot(t, release, install, bothEnv,
			env("dead", "SHARE=data\n"+dead), env("deadwait", "SHARE=data\n"+dead+" --start-wait 604800"),
			env("deadnfs", "DIRECTORY=/x\n"+dead),
			"systemctl --quiet enable clp_sambamon@data clp_nfsmon@export "+
				"clp_sambamon@dead clp_sambamon@deadwait clp_nfsmon@deadnfs")
		check := func() {
			t.Helper()
			for _, unit := range []string{"clp_sambamon@dead", "clp_sambamon@deadwait", "clp_nfsmon@deadnfs"} {
				m.says("systemctl is-active "+unit, "activating")
			}
			m.says("systemctl is-system-running", "starting")
			for watch, server := range map[string]string{
				units["clp_sambamon"]: "smbd", units["clp_nfsmon"]: "nfs-ganesha"} {
				m.holds("systemctl is-active " + watch)
				begun, served := m.stamp(watch, "InactiveExitTimestampMonotonic"),
					m.stamp(server, "ActiveEnterTimestampMonotonic")
				t.Logf("%s %v, %s %v", watch, begun, server, served)
				if begun < served || served == 0 {
					t.Errorf("%s was started at %v, %s at %v", watch, begun, server, served)
				}
			}
		}
		check()
		m.reboot()
		check()
		for _, id := range []string{"data", "export"} {
			log := m.do("cat /var/log/fsmon/" + id + "/watch.log")
			// Ganesha's unit is active a moment before it serves.
			_, healthy, _ := strings.Cut(log, "is going to watch")
			healthy, _, ended := strings.Cut(healthy, "asked by SIGTERM")
			if strings.Contains(healthy, "WARN") || strings.Contains(healthy, "ERROR") || !ended {
				t.Errorf("%s over a reboot:\n%s", id, log)
			}
		}
	})
}

//go:build system

package system

import (
	"strings"
	"testing"
)

// Another user sees the machine's watches, and whose they are, no more.
func TestAnotherUser(t *testing.T) {
	const alice = "setpriv --reuid=alice --regid=alice --clear-groups env HOME=/tmp "
	onEach(t, install+bothEnv, func(m *machine) {
		for command, unit := range units {
			_, id, _ := strings.Cut(unit, "@")
			m.do("systemctl start " + unit)
			m.says(alice+command+" -list", id+" ")
			m.says(alice+command+" -list", "Watches of root (/run/fsmon):")
			m.says(alice+command+" "+id+" -disp", "healthy")
			m.says(alice+command+" "+id+" -disp", "/run/fsmon, of root")
			m.do("! " + alice + command + " " + id + " -stop 1")
			m.do("systemctl is-active " + unit)
		}
	})
}

// The machine's disk freezes, and with it the servers. Both watches end with a
// verdict, and -list never says that they crashed.
func TestRootDiskFreezes(t *testing.T) {
	onEach(t, install+quickEnv, func(m *machine) {
		m.do("systemctl start " + units["clp_sambamon"] + " " + units["clp_nfsmon"])
		thaw := m.freeze("/rootdisk")
		m.do("systemctl kill -s STOP smbd nfs-ganesha")
		for _, unit := range units {
			m.holds("systemctl is-failed " + unit)
			got := m.property(unit, "Result") + " " + m.property(unit, "ExecMainStatus")
			if got != "exit-code 1" {
				m.Errorf("%s ended with %s", unit, got)
			}
		}
		never := func() {
			m.Helper()
			if out := m.do("clp_sambamon -list 2>&1 || true"); strings.Contains(out, "crashed") {
				m.Errorf("-list says: %s", out)
			}
		}
		never()
		thaw()
		never()
		m.holds("! ps -eo comm | grep fsmon-errand")
		never()
	})
}

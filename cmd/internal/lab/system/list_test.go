//go:build system

package system

import (
	"strings"
	"testing"
)

// Another user sees the machine's watches, and whose they are.
func TestAnotherUser(t *testing.T) {
	everywhere(t, func(t *testing.T, release string) {
		m := boot(t, release, install, bothEnv)
		const alice = "setpriv --reuid=alice --regid=alice --clear-groups env HOME=/tmp "
		for command, unit := range units {
			_, id, _ := strings.Cut(unit, "@")
			m.do("systemctl start " + unit)
			m.says(alice+command+" -list", id+" ")
			m.says(alice+command+" -list", "root")
			m.says(alice+command+" "+id+" -disp", "healthy")
			if out, err := m.try(alice + command + " " + id + " -stop 1"); err == nil {
				t.Errorf("another user has ended %s: %s", unit, out)
			}
			m.says("systemctl is-active "+unit, "active")
		}
	})
}

// The machine's disk freezes, and with it the servers. Both watches end with a
// verdict, and -list never says that they crashed.
func TestRootDiskFreezes(t *testing.T) {
	everywhere(t, func(t *testing.T, release string) {
		m := boot(t, release, install, env("data", "SHARE=data\nOPTIONS=-a 127.0.0.1 -i 1 -c 1 -r 2"),
			env("export", "DIRECTORY=/disk/export\nOPTIONS=-a 127.0.0.1 -i 1 -c 1 -r 2"))
		m.do("systemctl start " + units["clp_sambamon"] + " " + units["clp_nfsmon"])
		thaw := m.freeze("/rootdisk")
		m.do("systemctl kill -s STOP smbd nfs-ganesha")
		for _, unit := range units {
			m.holds("systemctl is-failed " + unit)
			if got := m.property(unit, "Result") + " " + m.property(unit, "ExecMainStatus"); got != "exit-code 1" {
				t.Errorf("%s ended with %s", unit, got)
			}
		}
		never := func() {
			t.Helper()
			if out := m.do("clp_sambamon -list 2>&1 || true"); strings.Contains(out, "crashed") {
				t.Errorf("-list says: %s", out)
			}
		}
		never()
		thaw()
		never()
		m.holds("! ps -eo comm | grep fsmon-errand")
		never()
	})
}

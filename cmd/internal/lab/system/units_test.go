//go:build system

package system

import (
	"testing"
)

// A unit is active at the first success and says how it is doing.
func TestReady(t *testing.T) {
	everywhere(t, func(t *testing.T, release string) {
		m := boot(t, release, install, env("data", "SHARE=data\nOPTIONS=-i 1"),
			env("export", "DIRECTORY=/disk/export\nOPTIONS=-i 1"))
		m.do("systemctl start clp_sambamon@data clp_nfsmon@export")
		for _, unit := range []string{"clp_sambamon@data", "clp_nfsmon@export"} {
			m.says("systemctl is-active "+unit, "active")
			m.holds("systemctl show -p StatusText " + unit + " | grep healthy")
		}
	})
}

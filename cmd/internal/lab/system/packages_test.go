//go:build system

package system

import (
	"slices"
	"strings"
	"testing"
)

// On Debian 12 rpm wants to be forced. Later ones do not know the word.
const rpm = "rpm --nodeps " +
	"$(rpm --force-debian --version >/dev/null 2>&1 && echo --force-debian) "

// packagers are the commands of each.
var packagers = map[string]struct{ install, upgrade, remove string }{
	"deb": {install, install, "dpkg -r fsmon && dpkg -P fsmon"},
	"rpm": {rpm + "-i /shared/fsmon.rpm", rpm + "-U --replacepkgs /shared/fsmon.rpm",
		rpm + "-e fsmon"},
}

// After an installation the registry is there, after an upgrade the new units
// are used, and no watch was started anew. A removal takes the links of enabled
// units with it, dpkg's only when purged.
func TestPackages(t *testing.T) {
	const file = "/usr/lib/systemd/system/clp_sambamon@.service"
	for kind, p := range packagers {
		t.Run(kind, func(t *testing.T) {
			onEach(t, bothEnv, func(m *machine) {
				pids := func() (all []string) {
					for _, command := range []string{"clp_sambamon", "clp_nfsmon"} {
						all = append(all, m.property(units[command], "MainPID"))
					}
					return all
				}
				m.do(p.install)
				m.says("stat -c '%a %U %F' /run/fsmon", "755 root directory")
				for _, unit := range units {
					m.do("systemctl enable --now " + unit)
				}
				before := pids()
				// An older version, whose unit differs.
				m.do("echo '# older' >>" + file + "; touch -d 1990-01-01 " + file)
				m.do("systemctl daemon-reload")
				m.do(p.upgrade)
				m.do("! grep older " + file)
				for _, unit := range units {
					if got := m.property(unit, "NeedDaemonReload"); got != "no" {
						m.Errorf("%s needs a daemon-reload: %s", unit, got)
					}
				}
				if got := pids(); !slices.Equal(got, before) || slices.Contains(got, "0") {
					m.Errorf("after the upgrade the watches are %q, and were %q", got, before)
				}
				m.do(p.remove)
				if links := m.do("find /etc/systemd -name 'clp_*'"); links != "" {
					m.Errorf("links are left: %s", links)
				}
				if got := pids(); !slices.Equal(got, before) {
					m.Errorf("after the removal the watches are %q, and were %q", got, before)
				}
			})
		})
	}
}

// A purge keeps what a running watch uses, and says how to remove it later.
func TestPurge(t *testing.T) {
	const left = "find /etc/fsmon /run/fsmon /var/log/fsmon | LC_ALL=C sort"
	onEach(t, install+bothEnv, func(m *machine) {
		m.do("systemctl enable --now clp_sambamon@data clp_nfsmon@export")
		m.do("systemctl stop clp_nfsmon@export")
		m.do("cd /var/log/fsmon; mkdir -p evidence/data/x evidence/export/x")
		said := m.do("dpkg -r fsmon >/dev/null 2>&1; dpkg -P fsmon 2>&1")
		if !strings.Contains(said, "go on running, and their files and /etc/fsmon were kept: data") {
			m.Errorf("the purge says: %s", said)
		}
		want := strings.Fields(`/etc/fsmon /etc/fsmon/data.env /etc/fsmon/export.env
			/run/fsmon /run/fsmon/data
			/run/fsmon/data/control /run/fsmon/data/lock /run/fsmon/data/status
			/var/log/fsmon /var/log/fsmon/data /var/log/fsmon/data/watch.log
			/var/log/fsmon/evidence /var/log/fsmon/evidence/data /var/log/fsmon/evidence/data/x`)
		if got := strings.Fields(m.do(left)); !slices.Equal(got, want) {
			m.Errorf("left:\n%s\nwant:\n%s", got, want)
		}
		m.do("systemctl is-active clp_sambamon@data; systemctl stop clp_sambamon@data")
		m.stopped("clp_sambamon@data")
		_, command, found := strings.Cut(said, "when they have ended, remove these: ")
		if !found {
			m.Fatalf("the purge names no command: %s", said)
		}
		command, _, _ = strings.Cut(command, "\n")
		m.do(command)
		all := "find /etc /run /var/log /usr -name '*fsmon*' -o -name 'clp_*'"
		if left := m.do(all); left != "" {
			m.Errorf("left: %s", left)
		}
	})
}

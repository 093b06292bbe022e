//go:build system

package system

import (
	"slices"
	"strings"
	"testing"
)

// On Debian 12 rpm wants to be forced. Later ones do not know the word.
const rpm = "rpm --nodeps $(rpm --force-debian --version >/dev/null 2>&1 && echo --force-debian) "

// What each packager's own commands are.
var packagers = map[string]struct{ install, upgrade, remove string }{
	"deb": {install, install, "dpkg -r fsmon && dpkg -P fsmon"},
	"rpm": {rpm + "-i /shared/fsmon.rpm", rpm + "-U --replacepkgs /shared/fsmon.rpm", rpm + "-e fsmon"},
}

// After an installation the registry is there, after an upgrade the new units
// are used, and no watch was started anew. A removal takes the links of enabled
// units with it, at the latest when purged.
func TestPackages(t *testing.T) {
	everywhere(t, func(t *testing.T, release string) {
		for kind, p := range packagers {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				m := boot(t, release, bothEnv)
				m.do(p.install)
				m.says("stat -c '%a %U %F' /run/fsmon", "755 root directory")
				m.says("ls -l /usr/lib/systemd/system/clp_nfsmon@.service", "root root")
				for _, unit := range units {
					m.do("systemctl enable --now " + unit)
				}
				pids := "for u in clp_sambamon@data clp_nfsmon@export; do systemctl show --value -p MainPID $u; done"
				before := m.do(pids)
				// An older version, whose unit differs.
				m.do(`echo '# older' >>/usr/lib/systemd/system/clp_sambamon@.service
touch -d 1990-01-01 /usr/lib/systemd/system/clp_sambamon@.service && systemctl daemon-reload`)
				m.do(p.upgrade)
				for _, unit := range units {
					if got := m.property(unit, "NeedDaemonReload"); got != "no" {
						t.Errorf("%s needs a daemon-reload: %s", unit, got)
					}
				}
				if after := m.do(pids); after != before || slices.Contains(strings.Fields(before), "0") {
					t.Errorf("the watches are %q, and were %q", after, before)
				}
				m.says("grep -c older /usr/lib/systemd/system/clp_sambamon@.service", "0")
				m.do(p.remove)
				if links := m.do("find /etc/systemd -name 'clp_*'"); links != "" {
					t.Errorf("links are left: %s", links)
				}
				if after := m.do(pids); after != before {
					t.Errorf("the watches are %q, and were %q", after, before)
				}
			})
		}
	})
}

// A purge keeps what a running watch uses, and says how to remove it later.
func TestPurge(t *testing.T) {
	everywhere(t, func(t *testing.T, release string) {
		m := boot(t, release, install, bothEnv)
		m.do("systemctl enable --now clp_sambamon@data clp_nfsmon@export; systemctl stop clp_nfsmon@export")
		m.do("mkdir -p /var/log/fsmon/evidence/data/x /var/log/fsmon/evidence/export/x")
		said := m.do("dpkg -r fsmon >/dev/null 2>&1; dpkg -P fsmon 2>&1")
		if !strings.Contains(said, "go on running, and their files and /etc/fsmon were kept: data") {
			t.Errorf("the purge says: %s", said)
		}
		want := "/etc/fsmon /etc/fsmon/data.env /etc/fsmon/export.env " +
			"/run/fsmon /run/fsmon/data /run/fsmon/data/control /run/fsmon/data/lock /run/fsmon/data/status " +
			"/var/log/fsmon /var/log/fsmon/data /var/log/fsmon/data/watch.log " +
			"/var/log/fsmon/evidence /var/log/fsmon/evidence/data /var/log/fsmon/evidence/data/x"
		const left = "find /etc/fsmon /run/fsmon /var/log/fsmon | LC_ALL=C sort"
		if got := strings.Join(strings.Fields(m.do(left)), " "); got != want {
			t.Errorf("left:\n%s\nwant:\n%s", got, want)
		}
		m.says("systemctl is-active clp_sambamon@data", "active")
		m.do("systemctl stop clp_sambamon@data")
		m.stopped("clp_sambamon@data")
		_, command, found := strings.Cut(said, "when they have ended, remove these: ")
		if !found {
			t.Fatalf("the purge names no command: %s", said)
		}
		command, _, _ = strings.Cut(command, "\n")
		m.do(command)
		m.says(left+" 2>&1", "No such file or directory")
		m.says("find /etc /run /var/log /usr -name '*fsmon*' -o -name 'clp_*' | grep -v rpm | grep -c . || true", "0")
	})
}

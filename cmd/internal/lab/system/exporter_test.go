//go:build system

package system

import (
	"strings"
	"testing"
)

// ask asks the exporter for a page, with what every Debian has of perl.
const ask = `ask() { perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new("127.0.0.1:9974") or die $!;
print $s "GET $ARGV[0] HTTP/1.0\r\n\r\n"; print <$s>' "$1"; }
`

// The exporter's unit runs without a user of its own. It logs in with a password
// that systemd hands to it, reaches an NFS server that wants a port below 1024,
// takes a new configuration, and is restarted by an upgrade and ended by a
// removal.
func TestExporter(t *testing.T) {
	const share = `printf '[private]\npath = /srv/private\nvalid users = alice\n' >>/etc/samba/smb.conf
chown alice /srv/private
printf 'pw\npw\n' | smbpasswd -s -a alice >/dev/null
sed -i 's/SecType = sys;/& PrivilegedPort = true;/' /etc/ganesha/ganesha.conf`
	const dpkg = "dpkg -i /shared/fsmon-exporter.deb"
	for kind, p := range map[string]struct{ install, upgrade, remove string }{
		"deb": {dpkg, dpkg, "dpkg -r fsmon-exporter"},
		"rpm": {rpm + "-i /shared/fsmon-exporter.rpm",
			rpm + "-U --replacepkgs /shared/fsmon-exporter.rpm", rpm + "-e fsmon-exporter"},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			everywhere(t, func(t *testing.T, release string) {
				m := boot(t, release, share)
				t.Cleanup(func() {
					if t.Failed() {
						log, _ := m.try("journalctl --no-pager -n 30 -u fsmon_exporter")
						t.Log(log)
					}
				})
				m.do(p.install)
				if out, err := m.try("systemctl is-enabled fsmon_exporter"); err == nil {
					t.Errorf("it is %s before it has a target", out)
				}
				m.do(`umask 077
printf 'username=alice\npassword=pw\n' >/etc/fsmon/exporter-credentials/files.cred
sed -i '/^targets:/d' /etc/fsmon/exporter.yml
cat >>/etc/fsmon/exporter.yml <<'X'
targets:
  - pattern: //127.0.0.1/private
    modules: smb
    credentials: /run/credentials/fsmon_exporter.service/fsmon_files.cred
X
systemctl enable --now fsmon_exporter`)
				m.holds(ask + "ask /-/healthy | grep -q 200")
				const (
					smb = "'/probe?target=//127.0.0.1/private&module=smb'"
					nfs = "'/probe?target=127.0.0.1:/disk/export&module=nfs3'"
				)
				m.says(ask+"ask "+smb, "\nfsmon_up{id=\"//127.0.0.1/private\",kind=\"samba\"} 1")
				m.says(ask+"ask "+nfs, " 403 ")
				m.do(`echo '  - {pattern: "127.0.0.1:/disk/**", modules: nfs3}' >>/etc/fsmon/exporter.yml
systemctl reload fsmon_exporter`)
				m.holds(ask + "ask " + nfs + " | grep '^fsmon_up{.*} 1'")
				t.Log(m.do("ls -l /run/credentials/fsmon_exporter.service; " +
					"grep -E 'Uid|CapEff|VmHWM|Seccomp:' /proc/$(" + pid + ")/status"))
				out := m.do("systemd-analyze security --no-pager fsmon_exporter | tail -1")
				if t.Log(out); !strings.Contains(out, " OK ") {
					t.Errorf("%s", out)
				}

				before := m.do(pid)
				m.do(p.upgrade)
				// The configuration is still the edited one.
				m.holds(ask + "ask " + nfs + " | grep '^fsmon_up{.*} 1'")
				if after := m.do(pid); after == before || after == "0" {
					t.Errorf("an upgrade left process %s (%s)", before, after)
				}
				m.do(p.remove)
				m.says("systemctl is-active fsmon_exporter", "inactive")
				if links := m.do("find /etc/systemd -name 'fsmon_exporter*'"); links != "" {
					t.Errorf("links are left: %s", links)
				}
				m.says("ls /etc/fsmon/exporter-credentials", "files.cred")
			})
		})
	}
}

const pid = "systemctl show --value -p MainPID fsmon_exporter"

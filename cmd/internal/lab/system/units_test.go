//go:build system

package system

import (
	"regexp"
	"strings"
	"testing"
)

// A unit is active from the first success on, says how it is doing, keeps its
// watch in its sandbox, and is rated as templates/README.md says.
func TestUnit(t *testing.T) {
	readme := document(t, "templates/README.md")
	exposure := regexp.MustCompile(`exposure level for \S+: (\S+) `)
	onEach(t, install+bothEnv, func(m *machine) {
		for command, unit := range units {
			m.do("systemctl start " + unit)
			m.do("systemctl is-active " + unit)
			m.holds("systemctl show -p StatusText " + unit + " | grep healthy")
			m.says(command+" -list", "healthy")
			// Once, although stderr goes to the journal too.
			m.holds("journalctl -o cat -u " + unit + " | grep 'is going to watch'")
			m.do("journalctl -o cat -u " + unit + " | grep -c 'has started watching' | grep -x 1")
			m.do("! grep -E ' /(etc|etc/fsmon|usr|root) rw' " +
				"/proc/$(systemctl show --value -p MainPID " + unit + ")/mountinfo")
			rated := m.do("systemd-analyze security --no-pager " + unit)
			found := exposure.FindStringSubmatch(rated)
			if found == nil {
				m.Fatalf("no rating of %s: %s", unit, rated)
			}
			m.Logf("%s: %s", unit, found[1])
			said := regexp.MustCompile(command + `@[^.]*?\s` + regexp.QuoteMeta(found[1]) + `\s`)
			if !said.MatchString(readme) {
				m.Errorf("templates/README.md does not rate %s@ %s", command, found[1])
			}
			m.do("systemctl stop " + unit)
			m.stopped(unit)
		}
	})
}

// A stop on request is never a failure, however the watch, its server and its
// package are.
func TestStop(t *testing.T) {
	const stop, verb = "systemctl stop COMMAND@ID", "COMMAND ID -stop"
	of := func(command, unit, pid string) *strings.Replacer {
		_, id, _ := strings.Cut(unit, "@")
		return strings.NewReplacer("PID", pid, "COMMAND", command, "ID", id)
	}
	onEach(t, install+bothEnv+fired, func(m *machine) {
		for _, c := range []struct{ what, before, stop, after string }{
			{"healthy", "", stop, ""},
			{"by the verb", "", verb, ""},
			{"a stopped watch", "kill -STOP PID", stop, ""},
			{"a paused watch", "COMMAND ID -pause", stop, ""},
			{"a hung server", "systemctl kill -s STOP smbd nfs-ganesha; sleep 2", // a probe hangs
				stop, "systemctl kill -s CONT smbd nfs-ganesha"},
			{"a removed package", "dpkg -r fsmon", stop, install},
			// Any other package may have systemd read its units again.
			{"a removed package, and no unit", "dpkg -r fsmon; systemctl daemon-reload", stop,
				install},
			{"a purged package", "dpkg -r fsmon; dpkg -P fsmon", stop,
				"rm -rf /etc/fsmon /run/fsmon /var/log/fsmon\n" + install + bothEnv},
			{"a lost environment file", "rm /etc/fsmon/*.env", stop, bothEnv},
		} {
			for command, unit := range units {
				m.Log(c.what, unit)
				m.do("systemctl start " + unit)
				words := of(command, unit, m.property(unit, "MainPID"))
				m.do(words.Replace(c.before))
				m.do(words.Replace(c.stop))
				m.stopped(unit)
				m.do(c.after)
			}
		}
		// Before the first success.
		m.do("systemctl stop smbd nfs-ganesha")
		for _, end := range []string{stop, verb} {
			for command, unit := range units {
				m.Log("not ready", end, unit)
				m.do("systemctl start --no-block " + unit)
				m.holds("systemctl show -p StatusText " + unit + " | grep 'failing, 2'")
				m.do(of(command, unit, "").Replace(end))
				m.stopped(unit)
			}
		}
	})
}

// The evidence shows the machine, not the sandbox, and says what the sandbox
// hides. With the drop-in that fsmon(7) names it has the kernel's stacks.
func TestEvidence(t *testing.T) {
	lines := regexp.MustCompile(`/stacks\.conf_:\n\n    (\[Service\])\n    (\S+)\n\n`).
		FindStringSubmatch(document(t, "cmd/fsmon.7.md"))
	if lines == nil {
		t.Fatal("fsmon(7) has no drop-in for stacks")
	}
	onEach(t, install+quickEnv, func(m *machine) {
		both := units["clp_sambamon"] + " " + units["clp_nfsmon"]
		judge := func(server string) {
			m.Helper()
			m.do("rm -rf /var/log/fsmon/evidence; systemctl start " + both)
			m.do("systemctl kill -s STOP smbd nfs-ganesha")
			for _, unit := range units {
				m.holds("systemctl is-failed " + unit)
			}
			m.do("systemctl kill -s CONT smbd nfs-ganesha")
			for _, unit := range units {
				_, id, _ := strings.Cut(unit, "@")
				m.says("cat /var/log/fsmon/evidence/"+id+"/*/server.txt", server)
				m.do("cd /var/log/fsmon/evidence/" + id + "/*; " +
					"! grep ' / / ro' mounts.txt && grep ' / / rw' mounts.txt")
			}
		}
		judge("Kernel stacks cannot be read here (permission denied): that takes CAP_SYS_ADMIN, " +
			"which the systemd units leave out.")
		m.do(dropIn("clp_sambamon@", lines[1]+"\n"+lines[2]) +
			dropIn("clp_nfsmon@", lines[1]+"\n"+lines[2]) + "systemctl daemon-reload")
		judge("do_signal_stop")
	})
}

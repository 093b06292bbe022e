//go:build system

package system

import (
	"slices"
	"strings"
	"testing"
)

// The shipped example starts a failover at a verdict, and at nothing else that
// makes a unit fail.
func TestFailover(t *testing.T) {
	const start = "systemctl start clp_sambamon@"
	cases := []struct{ id, how, result string }{
		{"wrong", "! " + start + "wrong", "exit-code 2"},
		{"missing", "rm /etc/fsmon/missing.env; ! " + start + "missing", "exit-code 2"},
		{"inuse", `clp_sambamon inuse -s data -c 10000 >/dev/null 2>&1 &
until clp_sambamon inuse -disp; do :; done
! systemctl start clp_sambamon@inuse; clp_sambamon inuse -stop`, "exit-code 3"},
		{"killed", start + "killed && systemctl kill -s KILL clp_sambamon@killed", "signal 9"},
		// It no longer tells the watchdog that it is alive.
		{"silent", start + "silent && (systemctl kill -s STOP clp_sambamon@silent || true)",
			"watchdog 2"},
		{"norun", "mv /usr/sbin/clp_sambamon /tmp/c; ! " + start + "norun; " +
			"mv /tmp/c /usr/sbin/clp_sambamon", "exit-code 203"},
		// systemd thaws a unit's own cgroup before it stops the unit.
		{"stuck", start + `stuck
in=/sys/fs/cgroup$(systemctl show --value -p ControlGroup clp_sambamon@stuck)/in; mkdir $in
systemctl show --value -p MainPID clp_sambamon@stuck >$in/cgroup.procs; echo 1 >$in/cgroup.freeze
systemctl stop clp_sambamon@stuck; rmdir $in || true`, "timeout 9"},
		{"drilled", start + "drilled && clp_sambamon drilled -drill", "exit-code 1"},
		{"judged", start + "judged && systemctl kill -s STOP smbd", "exit-code 1"},
		{"dead", "! " + start + "dead", "exit-code 1"},
	}
	const onFailure = "[Unit]\nOnFailure=fsmon-failover@%N.service"
	before := install + dropIn("clp_sambamon@", onFailure) +
		dropIn("clp_sambamon@silent", onFailure+"\n[Service]\nWatchdogSec=2") +
		`printf '#!/bin/sh\necho "$1" >>/run/failover\n' >/etc/fsmon/failover
chmod +x /etc/fsmon/failover
`
	for _, c := range cases {
		text := quick
		if c.id == "wrong" {
			text += " --nonsense"
		}
		before += env(c.id, text)
	}
	onEach(t, before, func(m *machine) {
		for _, c := range cases {
			if out, err := m.try(c.how); err != nil {
				m.Fatalf("%s: %v\n%s", c.how, err, out)
			}
			unit := "clp_sambamon@" + c.id
			m.holds("systemctl is-failed " + unit)
			got := m.property(unit, "Result") + " " + m.property(unit, "ExecMainStatus")
			if got != c.result {
				m.Errorf("%s ended with %s, want %s", unit, got, c.result)
			}
			m.holds("journalctl -u fsmon-failover@" + unit + " | grep Finished")
		}
		want := []string{"clp_sambamon@drilled", "clp_sambamon@judged", "clp_sambamon@dead"}
		if got := strings.Fields(m.do("cat /run/failover")); !slices.Equal(got, want) {
			m.Errorf("failovers: %q, want %q", got, want)
		}
	})
}

//go:build system

package system

import (
	"strings"
	"testing"
)

// The shipped example starts a failover at a verdict, and at nothing else that
// makes a unit fail.
func TestFailover(t *testing.T) {
	everywhere(t, func(t *testing.T, release string) {
		const failing = "SHARE=data\nOPTIONS=-a 127.0.0.1 -i 1 -c 1 -r 2"
		m := boot(t, release, install, `mkdir -p /etc/systemd/system/clp_sambamon@.service.d
printf '[Unit]\nOnFailure=fsmon-failover@%%N.service\n' >/etc/systemd/system/clp_sambamon@.service.d/failover.conf
printf '#!/bin/sh\necho "$1" >>/run/failover\n' >/etc/fsmon/failover; chmod +x /etc/fsmon/failover`,
			env("judged", failing), env("drilled", failing), env("killed", failing), env("dead", failing),
			env("starved", failing), env("wrong", failing+" --nonsense"), env("inuse", failing),
			env("healthy", "SHARE=data"), env("norun", failing), env("stuck", failing))
		start := "systemctl start clp_sambamon@"
		for _, c := range []struct{ id, how, result string }{
			{"wrong", "! " + start + "wrong", "exit-code 2"},
			{"inuse", "(clp_sambamon inuse -s data -c 10000 >/dev/null 2>&1 & until clp_sambamon inuse -disp; do :; done; ! " +
				start + "inuse; clp_sambamon inuse -stop)", "exit-code 3"},
			{"killed", start + "killed && systemctl kill -s KILL clp_sambamon@killed", "signal 9"},
			{"starved", start + "starved && systemctl kill -s ABRT clp_sambamon@starved", "exit-code 2"},
			{"norun", "mv /usr/sbin/clp_sambamon /tmp/c; ! " + start + "norun; mv /tmp/c /usr/sbin/clp_sambamon",
				"exit-code 203"},
			{"stuck", start + `stuck
in=/sys/fs/cgroup$(systemctl show --value -p ControlGroup clp_sambamon@stuck)/in; mkdir $in
systemctl show --value -p MainPID clp_sambamon@stuck >$in/cgroup.procs; echo 1 >$in/cgroup.freeze
systemctl stop clp_sambamon@stuck; rmdir $in || true`, "timeout 9"},
			{"drilled", start + "drilled && clp_sambamon drilled -drill", "exit-code 1"},
			{"judged", start + "judged && systemctl kill -s STOP smbd", "exit-code 1"},
			{"dead", "! " + start + "dead", "exit-code 1"},
		} {
			if out, err := m.try(c.how); err != nil {
				t.Fatalf("%s: %v\n%s", c.how, err, out)
			}
			unit := "clp_sambamon@" + c.id
			m.holds("systemctl is-failed " + unit)
			if got := m.property(unit, "Result") + " " + m.property(unit, "ExecMainStatus"); got != c.result {
				t.Errorf("%s ended with %s, want %s\n%s", unit, got, c.result, m.do("journalctl -n 9 -u "+unit))
			}
			m.holds("journalctl --no-pager -u fsmon-failover@" + unit + " | grep Finished")
		}
		want := "clp_sambamon@drilled clp_sambamon@judged clp_sambamon@dead"
		if got := strings.Join(strings.Fields(m.do("touch /run/failover; cat /run/failover")), " "); got != want {
			t.Errorf("failovers: %s, want %s\n%s", got, want, m.do("journalctl --no-pager -u 'fsmon-failover@*'"))
		}
	})
}

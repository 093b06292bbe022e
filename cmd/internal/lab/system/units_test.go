//go:build system

package system

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// units are an instance of each unit, which watches what prepare.sh has made.
var units = map[string]string{"clp_sambamon": "clp_sambamon@data", "clp_nfsmon": "clp_nfsmon@export"}

const bothEnv = `mkdir -p /etc/fsmon
echo 'SHARE=data
OPTIONS=-a 127.0.0.1 -i 1' >/etc/fsmon/data.env
echo 'DIRECTORY=/disk/export
OPTIONS=-a 127.0.0.1 -i 1' >/etc/fsmon/export.env
`

// A unit is active from the first success on, says how it is doing, and is rated
// as the README says. Its watch may do what a watch of root does.
func TestUnit(t *testing.T) {
	b, err := os.ReadFile("../../../../templates/README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(b)
	everywhere(t, func(t *testing.T, release string) {
		m := boot(t, release, install, bothEnv)
		for command, unit := range units {
			m.do("systemctl start " + unit)
			m.says("systemctl is-active "+unit, "active")
			m.holds("systemctl show -p StatusText " + unit + " | grep healthy")
			m.says(command+" -list", "healthy")
			// Once, although stderr goes to the journal too.
			m.holds("journalctl -o cat -u " + unit + " | grep 'is going to watch'")
			m.says("journalctl -o cat -u "+unit+" | grep -c 'has started watching'", "1")
			m.do("! grep -E ' /(etc|etc/fsmon|usr|root) rw' /proc/$(systemctl show --value -p MainPID " + unit + ")/mountinfo")
			out := m.do("systemd-analyze security --no-pager " + unit)
			found := regexp.MustCompile(`exposure level for \S+: (\S+ \w+)`).FindStringSubmatch(out)
			if found == nil {
				t.Fatal(out)
			}
			t.Logf("%s: %s", unit, found[1])
			rating, _, _ := strings.Cut(found[1], " ")
			if !regexp.MustCompile(command + `@[^.]*?\s` + regexp.QuoteMeta(rating) + `\s`).MatchString(readme) {
				t.Errorf("templates/README.md does not say that %s@ is rated %s", command, rating)
			}
			m.do("systemctl stop " + unit)
			m.stopped(unit)
		}
	})
}

// stopped fails the test unless a unit has ended without a failure.
func (m *machine) stopped(unit string) {
	m.Helper()
	m.until("the end of "+unit, func() bool {
		state := m.property(unit, "ActiveState")
		return state == "inactive" || state == "failed"
	})
	if got := m.property(unit, "ActiveState") + " " + m.property(unit, "Result"); got != "inactive success" {
		m.Errorf("%s is %s\n%s", unit, got, m.do("journalctl -n 12 --no-pager -o short-monotonic -u "+unit))
	}
	if _, err := m.try("rm /run/fired-" + unit); err == nil {
		m.Errorf("OnFailure= of %s has fired", unit)
	}
}

// A stop on request is never a failure, however the watch, its server, its log
// disk and its package are.
func TestStop(t *testing.T) {
	stop := func(unit string) string { return "systemctl stop " + unit }
	verb := func(unit string) string {
		command, id, _ := strings.Cut(unit, "@")
		return command + " " + id + " -stop"
	}
	everywhere(t, func(t *testing.T, release string) {
		m := boot(t, release, install, bothEnv, fired)
		for _, c := range []struct {
			what, before, after string
			stop                func(unit string) string
		}{
			{what: "healthy", stop: stop},
			{what: "by the verb", stop: verb},
			{what: "a stopped watch", stop: stop, before: "kill -STOP $(systemctl show --value -p MainPID %s)"},
			{what: "a paused watch", stop: stop, before: "clp_nfsmon $(echo %s | sed s/.*@//) -pause"},
			{what: "a hung server", stop: stop, before: ": %s; systemctl kill -s STOP smbd nfs-ganesha; sleep 2",
				after: "systemctl kill -s CONT smbd nfs-ganesha"},
			{what: "a removed package", stop: stop, before: ": %s; dpkg -r fsmon", after: install},
			{what: "a purged package", stop: stop, before: ": %s; dpkg -r fsmon; dpkg -P fsmon",
				after: "rm -rf /etc/fsmon /run/fsmon /var/log/fsmon;" + install + "\n" + bothEnv},
			{what: "a lost environment file", stop: stop, before: ": %s; rm /etc/fsmon/*.env", after: bothEnv},
		} {
			for _, unit := range units {
				m.do("systemctl start " + unit)
				if c.before != "" {
					m.do(fmt.Sprintf(c.before, unit))
				}
				if out, err := m.try(c.stop(unit)); err != nil {
					t.Errorf("%s: %s: %v\n%s", c.what, c.stop(unit), err, out)
				}
				t.Log(c.what, unit)
				m.stopped(unit)
				if c.after != "" {
					m.do(c.after)
				}
			}
		}
		// Before the first success.
		m.do("systemctl stop smbd nfs-ganesha")
		for _, end := range []func(unit string) string{stop, verb} {
			for _, unit := range units {
				m.do("systemctl start --no-block " + unit)
				m.holds("systemctl show -p StatusText " + unit + " | grep 'failing, 2'")
				m.do(end(unit))
				t.Log("not ready", end(unit))
				m.stopped(unit)
			}
		}
	})
}

// The log's disk is frozen, and so is the server: the unit has failed, and
// OnFailure= has fired, as soon as the watch has ended, while its errand still
// waits for the disk.
func TestErrandDelaysNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, release string) {
		m := boot(t, release, install, fired,
			env("data", "SHARE=data\nOPTIONS=-a 127.0.0.1 -i 1 -c 1 -r 2"))
		m.do("mkdir /disk/log && mount --bind /disk/log /var/log/fsmon && systemctl start clp_sambamon@data")
		thaw := m.freeze("/disk")
		m.do("systemctl kill -s STOP smbd")
		m.holds("test -e /run/fired-clp_sambamon@data")
		if left := m.do("ps -eo state,comm,cgroup:200 | grep '^D fsmon-errand .*clp_sambamon@data' || true"); left == "" {
			t.Error("no errand waits for the disk")
		}
		if got := m.property("clp_sambamon@data", "Result"); got != "exit-code" {
			t.Errorf("the result is %s", got)
		}
		took := m.stamp("clp_sambamon@data", "InactiveEnterTimestampMonotonic") -
			m.stamp("clp_sambamon@data", "ExecMainExitTimestampMonotonic")
		t.Logf("the unit failed %v after the end of the watch", took)
		if took > 5*time.Second { // systemd's timeout is 20 s
			t.Errorf("the unit failed %v after the end of the watch", took)
		}
		// The next start does not wait for it, either.
		m.do("systemctl kill -s CONT smbd; systemctl start clp_sambamon@data")
		m.do("systemctl stop clp_sambamon@data")
		thaw()
		m.holds("! ps -eo args | grep '^fsmon-errand'")
	})
}

// The evidence shows the machine, not the sandbox, and says what the sandbox
// hides. With the drop-in that fsmon(7) names it has the kernel's stacks.
func TestEvidence(t *testing.T) {
	b, err := os.ReadFile("../../../fsmon.7.md")
	if err != nil {
		t.Fatal(err)
	}
	_, dropIn, found := strings.Cut(string(b), "at the price of a weaker\nsandbox; _")
	path, dropIn, found2 := strings.Cut(dropIn, "_:\n\n    ")
	dropIn, _, found3 := strings.Cut(dropIn, "\n\n")
	if !found || !found2 || !found3 {
		t.Fatal("fsmon(7) has no drop-in for stacks")
	}
	path, dropIn = strings.Replace(path, "clp_nfsmon", "clp_sambamon", 1), strings.ReplaceAll(dropIn, "\n    ", "\\n")
	everywhere(t, func(t *testing.T, release string) {
		m := boot(t, release, install, env("data", "SHARE=data\nOPTIONS=-a 127.0.0.1 -i 1 -c 1 -r 2"))
		judge := func(server string) {
			t.Helper()
			m.do("rm -rf /var/log/fsmon/evidence; systemctl start clp_sambamon@data; systemctl kill -s STOP smbd")
			m.holds("systemctl is-failed clp_sambamon@data")
			m.do("systemctl kill -s CONT smbd")
			m.says("cd /var/log/fsmon/evidence/data/*; cat server.txt", server)
			m.do("cd /var/log/fsmon/evidence/data/*; ! grep ' / / ro' mounts.txt && grep ' / / rw' mounts.txt")
		}
		judge("Kernel stacks cannot be read here (permission denied): that takes CAP_SYS_ADMIN, which the systemd units leave out.")
		m.do("mkdir -p $(dirname " + path + "); printf '" + dropIn + "\n' >" + path + "; systemctl daemon-reload")
		judge("do_signal_stop")
	})
}

//go:build system

package system

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// logOnDisk is the script that has the watches' logs on the disk at /disk.
const logOnDisk = "mkdir /disk/log && mount --bind /disk/log /var/log/fsmon\n"

// stuck fails the test unless an errand waits for the frozen disk.
func (m *machine) stuck() {
	m.Helper()
	m.do("ps -eo state,comm | grep -x 'D fsmon-errand'")
}

// The log's disk is frozen, and so is the server: the unit has failed, and
// OnFailure= has fired, as soon as the watch has ended, while its errand still
// waits for the disk.
func TestErrandDelaysNothing(t *testing.T) {
	both := units["clp_sambamon"] + " " + units["clp_nfsmon"]
	onEach(t, install+fired+quickEnv, func(m *machine) {
		m.do(logOnDisk + "systemctl start " + both)
		thaw := m.freeze("/disk")
		m.do("systemctl kill -s STOP smbd nfs-ganesha")
		for _, unit := range units {
			m.holds("test -e /run/fired-" + unit)
			m.do("ps -eo state,comm,cgroup:200 | grep '^D fsmon-errand .*" + unit + "'")
			m.holds("journalctl -u " + unit + " | grep '(fsmon-errand) remains running'")
			if got := m.property(unit, "Result"); got != "exit-code" {
				m.Errorf("the result of %s is %s", unit, got)
			}
			took := m.stamp(unit, "InactiveEnterTimestampMonotonic") -
				m.stamp(unit, "ExecMainExitTimestampMonotonic")
			m.Logf("%s failed %v after the end of the watch", unit, took)
			if took > 5*time.Second { // systemd's timeout is 20 s
				m.Errorf("%s failed %v after the end of the watch", unit, took)
			}
		}
		// The next start does not wait for it, either.
		m.do("systemctl kill -s CONT smbd nfs-ganesha; systemctl start " + both)
		m.do("systemctl stop " + both)
		thaw()
		m.holds("! ps -eo comm | grep '^fsmon-errand'")
	})
}

// verdict is the script that prints when a watch gave its verdict, in seconds of
// Unix.
const verdict = "journalctl -o short-unix | sed -n 's/ .*will terminate.*//p'"

// number is what a script prints.
func (m *machine) number(script string) float64 {
	m.Helper()
	n, err := strconv.ParseFloat(m.do(script), 64)
	if err != nil {
		m.Fatalf("%s: %v", script, err)
	}
	return n
}

// Nor does an errand delay whoever else looks after a watch: the EXEC resource
// that waits for its script, PID monitors of the script, of its process group and
// of the watch, and one that reads a pipe until nobody holds it.
func TestErrandDelaysNoPIDMonitor(t *testing.T) {
	const monitor = `set -eu
mkdir /run/exec
cd /run/exec
export CLP_EVENT=START CLP_DISK=SUCCESS CLP_SERVER=HOME
notice() { date +%s.%N >"$1.new" && mv "$1.new" "$1"; }
gone() { while kill -0 "$2" 2>/dev/null; do sleep 0.1; done; notice "$1"; }
mkfifo out other
{ cat out >said; notice output; } &
{ cat other; notice pipe; } &
setsid /etc/fsmon/start.sh >out 2>&1 7>other &
script=$!
until clp_sambamon sambawatch -disp --pid >pid 2>/dev/null; do sleep 0.1; done
gone script $script &
gone group -$script &
gone watch "$(head -n 1 pid)" &
wait $script
notice parent
wait
`
	notices := []string{"parent", "script", "group", "watch", "output", "pipe"}
	before := install + `dpkg -i /shared/fsmon-templates.deb >/dev/null
mkdir -p /etc/fsmon
cp /usr/share/fsmon/cluster/samba-mon/*.sh /etc/fsmon
sed -i 's/^SHARE=.*/SHARE=data/; s/^OPTIONS=.*/OPTIONS="-a 127.0.0.1 -i 1 -c 1 -r 2"/' \
	/etc/fsmon/start.sh
cat >/etc/fsmon/monitor <<'X'
` + monitor + "X\n"
	onEach(t, before, func(m *machine) {
		m.do(logOnDisk + "systemd-run --quiet --unit=exec sh /etc/fsmon/monitor")
		m.holds("clp_sambamon sambawatch -disp | grep healthy")
		thaw := m.freeze("/disk")
		m.do("cd /run/exec; ! ls " + strings.Join(notices, " ") + " 2>/dev/null | grep .")
		m.do("systemctl kill -s STOP smbd")
		for _, who := range notices {
			m.holds("test -e /run/exec/" + who)
		}
		m.stuck()
		m.says("cat /run/exec/said", "\nEXIT")
		for _, who := range notices {
			m.Logf("%s: noticed %.1f s after the verdict", who,
				m.number("cat /run/exec/"+who)-m.number(verdict))
		}
		// The group's deactivation does not wait, either.
		m.says("CLP_EVENT=START CLP_DISK=SUCCESS CLP_SERVER=HOME sh /etc/fsmon/stop.sh",
			"NORMAL1\nNORMAL2\nclp_sambamon stop\nEXIT")
		m.stuck()
		thaw()
		m.holds("! ps -eo comm | grep '^fsmon-errand'")
	})
}

// cib is the script that configures the cluster of Debian's corosync.conf, which
// is this node only. A group has a watch last, and before it what is to be
// stopped on this node before it is started on another.
func cib(watch string) string {
	return `cd /var/lib/pacemaker/cib; cat >cib.xml <<'X'
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.8"
 epoch="1" num_updates="0" admin_epoch="0">
<configuration><crm_config><cluster_property_set id="options">
<nvpair id="stonith" name="stonith-enabled" value="false"/>
<nvpair id="deadtime" name="dc-deadtime" value="2s"/>
</cluster_property_set></crm_config><nodes/><resources><group id="fs">
<primitive id="other" class="ocf" provider="pacemaker" type="Dummy"/>
<primitive id="watch" ` + watch + `
<operations><op id="op" name="monitor" interval="1s" timeout="20s" on-fail="standby"/></operations>
</primitive></group></resources><constraints/></configuration><status/></cib>
X
chown hacluster:haclient cib.xml; chmod 600 cib.xml
`
}

// Nor does an errand delay Pacemaker: the watch's resource has failed and is
// stopped, and with it the rest of the group, so that another node may start it.
func TestErrandDelaysNoPacemaker(t *testing.T) {
	for kind, watch := range map[string]string{
		"agent": `class="ocf" provider="fsmon" type="fsmon"><instance_attributes id="attributes">
<nvpair id="id" name="id" value="data"/><nvpair id="kind" name="kind" value="samba"/>
<nvpair id="target" name="target" value="data"/><nvpair id="interval" name="interval" value="1"/>
<nvpair id="retries" name="retries" value="1"/><nvpair id="timeout" name="timeout" value="2"/>
</instance_attributes>`,
		"unit": `class="systemd" type="clp_sambamon@data">`,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			onEach(t, install+env("data", quick)+cib(watch), delaysNoPacemaker)
		})
	}
}

func delaysNoPacemaker(m *machine) {
	m.Cleanup(func() {
		if m.Failed() {
			status, _ := m.try("crm_mon -1 --inactive; journalctl -n 60 -t pacemaker-controld")
			m.Log(status)
		}
	})
	m.do(logOnDisk + "systemctl start pacemaker")
	m.holds("crm_mon -1 | grep 'watch.*Started'")
	thaw := m.freeze("/disk")
	m.do("systemctl kill -s STOP smbd")
	m.holds("crm_mon -1 --inactive | grep 'other.*Stopped'")
	m.stuck()
	m.Log(m.do("crm_mon -1 --inactive"))
	failed := strings.ToLower(m.do("crm_mon -1 | sed '1,/^Failed/d'"))
	if !strings.Contains(failed, "not running") || strings.Contains(failed, "stop") {
		m.Errorf("failed actions: %s", failed)
	}
	m.Log(m.do("journalctl -o short-unix | grep 'Result of .* for ' | tail -n 4"))
	took := m.number("journalctl -o short-unix -t pacemaker-controld | "+
		"sed -n 's/ .*Result of monitor .*[Nn]ot running.*//p'") - m.number(verdict)
	m.Logf("Pacemaker noticed %.1f s after the verdict", took)
	if took > 30 { // systemd's timeout is 20 s, and comes twice
		m.Errorf("Pacemaker noticed %.1f s after the verdict", took)
	}
	// A start, and the end of the cluster on this node, do not wait, either.
	m.do("systemctl kill -s CONT smbd; crm_resource --cleanup")
	m.holds("crm_mon -1 | grep 'watch.*Started'")
	m.do("systemctl stop pacemaker; ! clp_sambamon data -disp")
	m.stuck()
	thaw()
	m.holds("! ps -eo comm | grep '^fsmon-errand'")
}

// The watch's own stderr is a file on the frozen disk. It ends all the same.
func TestStderrOnFrozenDisk(t *testing.T) {
	const run = `mkdir /disk/script
systemd-run --quiet --unit=script sh -c \
	'clp_sambamon data -s data -i 1 -c 1 -r 2 >/disk/script/log 2>&1; echo $? >/run/code'
`
	onEach(t, install, func(m *machine) {
		m.do(run)
		m.holds("clp_sambamon data -disp | grep healthy")
		thaw := m.freeze("/disk")
		m.do("systemctl kill -s STOP smbd")
		m.holds("grep -x 1 /run/code")
		m.stuck()
		thaw()
		m.holds("! ps -eo comm | grep '^fsmon-errand'")
		m.says("cat /disk/script/log", "INFO 2 The clp_sambamon is going to watch")
	})
}

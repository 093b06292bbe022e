//go:build system

package system

import "testing"

// Debian's node exporter reads the metrics of a unit, prometheus evaluates the
// shipped rules, and alertmanager gets the alert of a frozen server and its end.
// Only the times are shorter, and alertmanager has no network for its cluster.
func TestPrometheus(t *testing.T) {
	const ask = "promtool query instant http://127.0.0.1:9090 "
	const told = `told=$(amtool --alertmanager.url=http://127.0.0.1:9093 alert query -o extended) &&
echo "$told"`
	before := install + "dpkg -i /shared/fsmon-templates.deb >/dev/null\n" +
		env("data", quick+" --metrics-file "+nodeExporter+"/data.prom") +
		dropIn("clp_sambamon@data", "[Service]\nReadWritePaths="+nodeExporter) + `
cd /etc/prometheus
sed 's/for: [0-9]*m/for: 1s/' /usr/share/fsmon/prometheus/fsmon.rules.yml >fsmon.rules.yml
sed -i 's/_interval: .*/_interval: 5s/; s/^rule_files:/&\n  - fsmon.rules.yml/' prometheus.yml
echo 'ARGS=--cluster.listen-address=' >/etc/default/prometheus-alertmanager
`
	onEach(t, before, func(m *machine) {
		m.do("systemctl start prometheus-node-exporter prometheus-alertmanager prometheus " +
			"clp_sambamon@data")
		m.holds(ask + "fsmon_up | grep '=> 1 '")
		m.holds(told + " | grep -c id= | grep -x 0")
		m.do("systemctl kill -s STOP smbd")
		m.holds(told + " | grep 'FsmonDown.* id=.data.'")
		m.Log(m.do(told))
		m.holds("systemctl is-failed clp_sambamon@data")
		m.do("systemctl kill -s CONT smbd; systemctl start clp_sambamon@data")
		m.holds(told + " | grep -c id= | grep -x 0")
	})
}

package observe

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// Metrics keeps a file in the text format of Prometheus up to date, for the
// textfile collector of the node exporter
// (prometheus.io/docs/instrumenting/exposition_formats). A rename replaces the
// whole file, at once when the health changes and otherwise at most every 10 s,
// since each time costs as much CPU as several probes. After a verdict the file
// stays, with fsmon_up 0; after a stop on request it is removed.
type Metrics struct {
	*newest[[]byte]
	fixed watchreg.Status

	health
	written   health    // what the file says, or soon will
	at        time.Time // since when
	took      time.Duration
	success   time.Time // start of the last successful probe
	rungs     []watch.Rung
	totals    map[probed]int
	witnesses []watch.Witness
}

const metricsEvery = 10 * time.Second

// health is what alerts are made of.
type health struct {
	up, paused bool
	state      watchreg.State
	failures   int
}

// probed is one way for a probe to end.
type probed struct {
	result, rung string
	class        watch.Class
}

// NewMetrics starts with what does not change about a watch. If there is
// anything but a regular file at path, writing fails. It calls lost when
// writing begins to fail. Close ends it.
func NewMetrics(fixed watchreg.Status, path string, lost func(error)) *Metrics {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return &Metrics{
		newest: keepNewest(func(text []byte) error {
			_, err := replaceErrand.Run(context.Background(), newFile{path, text})
			return err
		}, lost),
		fixed:  fixed,
		totals: map[probed]int{{result: "success"}: 0},
	}
}

// On takes one event.
func (m *Metrics) On(e watch.Event) {
	m.state, m.witnesses = cmp.Or(entered(e), m.state), e.Witnesses
	switch e.Kind {
	case watch.Healthy:
		m.up, m.failures, m.success = true, 0, e.Began
		m.count(e, probed{result: "success"})
	case watch.Failed:
		m.up, m.failures = false, e.Failures
		m.count(e, probed{"failure", broken(e.Report), e.Class})
	case watch.Forgiven:
		m.count(e, probed{"failure", broken(e.Report), e.Class})
	case watch.Refused:
		m.up = false
		m.count(e, probed{"refused", broken(e.Report), e.Class})
	case watch.Void:
		m.count(e, probed{"void", broken(e.Report), e.Class})
	case watch.Paused:
		m.paused = true
	case watch.Continued:
		m.paused, m.failures = false, 0
	case watch.Judged:
		// After a drill too: it tries the alert rules as well.
		m.up, m.failures = false, m.fixed.Retries+1
	case watch.Stopped:
		m.put(nil)
		return
	}
	if m.health != m.written || e.At.Sub(m.at) >= metricsEvery {
		m.written, m.at = m.health, e.At
		m.put(m.text(e.At))
	}
}

func (m *Metrics) count(e watch.Event, how probed) {
	m.took, m.rungs = e.Took, e.Report.Rungs
	m.totals[how]++
}

// broken returns the rung that broke; empty if none was reached.
func broken(r watch.Report) string {
	if len(r.Rungs) == 0 {
		return ""
	}
	return r.Rungs[len(r.Rungs)-1].Name
}

// text is the whole file.
func (m *Metrics) text(now time.Time) []byte {
	t := metricsText{labels: labels("id", m.fixed.ID, "kind", m.fixed.Kind)}
	t.gauge("fsmon_up", "1 when the last probe succeeded; "+
		"0 when it failed, before the first one, and after a verdict.", one(m.up))
	t.head("fsmon_state", "1 for the state of the watch, 0 for the others.", "gauge")
	for _, state := range watchreg.States {
		t.sample("fsmon_state", labels("state", string(state)), one(state == m.state))
	}
	t.gauge("fsmon_paused", "1 while the watch is paused.", one(m.paused))
	t.gauge("fsmon_consecutive_failures",
		"Failed probes in a row; more than fsmon_retries is the verdict.", float64(m.failures))
	if !m.success.IsZero() {
		t.gauge("fsmon_last_success_timestamp_seconds", "When the last successful probe started.",
			unixSeconds(m.success))
	}
	t.gauge("fsmon_updated_timestamp_seconds", "When this file was last brought up to date.",
		unixSeconds(now))
	if m.took > 0 {
		t.gauge("fsmon_probe_duration_seconds", "How long the last finished probe took.",
			m.took.Seconds())
	}
	t.head("fsmon_rung_duration_seconds",
		"How long each step of the last finished probe took.", "gauge")
	took := map[string]time.Duration{}
	for _, r := range m.rungs {
		took[r.Name] += r.Took // a ladder may climb two servers side by side
	}
	for _, rung := range slices.Sorted(maps.Keys(took)) {
		t.sample("fsmon_rung_duration_seconds", labels("rung", rung), took[rung].Seconds())
	}
	t.head("fsmon_probes_total",
		"Finished probes, by how they ended, the step that broke and the class of its cause.",
		"counter")
	for _, p := range slices.SortedFunc(maps.Keys(m.totals), func(a, b probed) int {
		return cmp.Or(strings.Compare(a.result, b.result), strings.Compare(a.rung, b.rung),
			strings.Compare(string(a.class), string(b.class)))
	}) {
		t.sample("fsmon_probes_total",
			labels("result", p.result, "rung", p.rung, "class", string(p.class)),
			float64(m.totals[p]))
	}
	if len(m.witnesses) > 0 {
		t.head("fsmon_witness_up", "1 when a witness answered the same probe after a failure, "+
			"0 when it failed or has not answered.", "gauge")
		for _, w := range m.witnesses {
			t.sample("fsmon_witness_up", labels("witness", w.Address), one(w.Answered && w.Err == nil))
		}
	}
	t.gauge("fsmon_interval_seconds", "From the start of one probe to the start of the next (-i).",
		float64(m.fixed.Interval))
	t.gauge("fsmon_retry_interval_seconds",
		"From the start of a failed probe to the start of the next (--retry-interval).",
		float64(m.fixed.RetryInterval))
	t.gauge("fsmon_timeout_seconds", "The deadline of one probe (-r).", float64(m.fixed.Timeout))
	t.gauge("fsmon_retries", "Retries that must fail after the first failure (-c).",
		float64(m.fixed.Retries))
	t.head("fsmon_info", "What is watched, and by what.", "gauge")
	t.sample("fsmon_info", labels("command", m.fixed.Command, "target", m.fixed.Target,
		"version", m.fixed.Version), 1)
	return t.Bytes()
}

// metricsText writes the text format.
type metricsText struct {
	bytes.Buffer
	labels string // of every sample
}

func (t *metricsText) head(name, help, kind string) {
	fmt.Fprintf(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (t *metricsText) sample(name, more string, value float64) {
	if more != "" {
		more = "," + more
	}
	// Shortest without an exponent: exact, and what people can read.
	fmt.Fprintf(t, "%s{%s%s} %s\n", name, t.labels, more, strconv.FormatFloat(value, 'f', -1, 64))
}

func (t *metricsText) gauge(name, help string, value float64) {
	t.head(name, help, "gauge")
	t.sample(name, "", value)
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// labels writes names and values in turn.
func labels(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		value := strings.ToValidUTF8(pairs[i+1], "\uFFFD")
		fmt.Fprintf(&b, `%s="%s"`, pairs[i], labelEscapes.Replace(value))
	}
	return b.String()
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

package observe

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// Figures are what the metrics say of a watch, or of a target that
// fsmon_exporter asks. The table in fsmon(7) has them all.
type Figures struct {
	fixed watchreg.Status

	health
	took      time.Duration
	deadline  time.Duration // of the last finished probe
	success   time.Time     // start of the last successful probe
	rungs     []watch.Rung
	dialect   string // that the last finished probe spoke
	totals    map[probed]int
	witnesses []watch.Witness
}

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

// NewFigures starts with what does not change about a watch. A target that is
// asked when somebody wants to know has no Interval.
func NewFigures(fixed watchreg.Status) Figures {
	return Figures{fixed: fixed, totals: map[probed]int{{result: "success"}: 0}}
}

// Renew changes what NewFigures began with; counters go on.
func (m *Figures) Renew(fixed watchreg.Status) { m.fixed = fixed }

// On takes one event.
func (m *Figures) On(e watch.Event) {
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
	}
}

func (m *Figures) count(e watch.Event, how probed) {
	m.took, m.deadline = e.Took, e.Deadline
	m.rungs, m.dialect = e.Report.Rungs, e.Report.Dialect
	m.totals[how]++
}

// broken returns the rung that broke; empty if none was reached.
func broken(r watch.Report) string {
	if len(r.Rungs) == 0 {
		return ""
	}
	return r.Rungs[len(r.Rungs)-1].Name
}

// Families are the metrics at this time.
func (m *Figures) Families(now time.Time) []Family {
	t := families{labels: []string{"id", m.fixed.ID, "kind", m.fixed.Kind}}
	t.gauge("fsmon_up", "1 when the last probe succeeded; "+
		"0 when it failed, before the first one, and after a verdict.", one(m.up))
	t.head("fsmon_state", "1 for the state of the watch, 0 for the others.", "gauge")
	for _, state := range watchreg.States {
		t.sample(one(state == m.state), "state", string(state))
	}
	t.gauge("fsmon_paused", "1 while the watch is paused.", one(m.paused))
	t.gauge("fsmon_consecutive_failures",
		"Failed probes in a row; more than fsmon_retries is the verdict.", float64(m.failures))
	if !m.success.IsZero() {
		t.gauge("fsmon_last_success_timestamp_seconds", "When the last successful probe started.",
			unixSeconds(m.success))
	}
	t.gauge("fsmon_updated_timestamp_seconds", "When these metrics were last brought up to date.",
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
		t.sample(took[rung].Seconds(), "rung", rung)
	}
	t.head("fsmon_probes_total",
		"Finished probes, by how they ended, the step that broke and the class of its cause.",
		"counter")
	for _, p := range slices.SortedFunc(maps.Keys(m.totals), func(a, b probed) int {
		return cmp.Or(strings.Compare(a.result, b.result), strings.Compare(a.rung, b.rung),
			strings.Compare(string(a.class), string(b.class)))
	}) {
		t.sample(float64(m.totals[p]),
			"result", p.result, "rung", p.rung, "class", string(p.class))
	}
	if len(m.witnesses) > 0 {
		t.head("fsmon_witness_up", "1 when a witness answered the same probe after a failure, "+
			"0 when it failed or has not answered.", "gauge")
		for _, w := range m.witnesses {
			t.sample(one(w.Answered && w.Err == nil), "witness", w.Address)
		}
	}
	if m.fixed.Interval > 0 {
		t.gauge("fsmon_interval_seconds", "From the start of one probe to the start of the next (-i).",
			float64(m.fixed.Interval))
		t.gauge("fsmon_retry_interval_seconds",
			"From the start of a failed probe to the start of the next (--retry-interval).",
			float64(m.fixed.RetryInterval))
	}
	t.gauge("fsmon_timeout_seconds", "The deadline of one probe (-r).",
		cmp.Or(m.deadline.Seconds(), float64(m.fixed.Timeout)))
	t.gauge("fsmon_retries", "Retries that must fail after the first failure (-c).",
		float64(m.fixed.Retries))
	t.head("fsmon_info", "What is watched, and by what.", "gauge")
	t.sample(1, "command", m.fixed.Command, "target", m.fixed.Target, "version", m.fixed.Version)
	if m.dialect != "" {
		t.head("fsmon_dialect_info", "The version of its protocol that the server spoke in the "+
			"last finished probe.", "gauge")
		t.sample(1, "dialect", m.dialect)
	}
	return t.all
}

// Family is one metric.
type Family struct {
	Name, Help string
	Kind       string // "gauge" or "counter"
	Samples    []Sample
}

// Sample is one value. Labels has names and values in turn.
type Sample struct {
	Labels []string
	Value  float64
}

// families collects.
type families struct {
	all    []Family
	labels []string // of every sample
}

func (t *families) head(name, help, kind string) {
	t.all = append(t.all, Family{Name: name, Help: help, Kind: kind})
}

// sample adds to the last head.
func (t *families) sample(value float64, labels ...string) {
	f := &t.all[len(t.all)-1]
	f.Samples = append(f.Samples, Sample{slices.Concat(t.labels, labels), value})
}

func (t *families) gauge(name, help string, value float64) {
	t.head(name, help, "gauge")
	t.sample(value)
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

package main

import (
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"fsmon/cmd/internal/observe"
)

// collector offers the metrics of a watch to the library.
type collector []observe.Family

// Describe describes nothing: what there is depends on the probe.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends every sample.
func (c collector) Collect(to chan<- prometheus.Metric) {
	kinds := map[string]prometheus.ValueType{
		"gauge": prometheus.GaugeValue, "counter": prometheus.CounterValue,
	}
	for _, f := range c {
		for _, s := range f.Samples {
			var names, values []string
			for i := 0; i < len(s.Labels); i += 2 {
				names = append(names, s.Labels[i])
				values = append(values, strings.ToValidUTF8(s.Labels[i+1], "\uFFFD"))
			}
			to <- prometheus.MustNewConstMetric(prometheus.NewDesc(f.Name, f.Help, names, nil),
				kinds[f.Kind], s.Value, values...)
		}
	}
}

// ownMetrics are those of the exporter itself.
type ownMetrics struct {
	registry *prometheus.Registry
	refused  *prometheus.CounterVec
	reloadOK prometheus.Gauge
	reloadAt prometheus.Gauge
}

func newOwnMetrics(running, known func() int) *ownMetrics {
	m := &ownMetrics{
		registry: prometheus.NewRegistry(),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fsmon_exporter_requests_refused_total",
			Help: "Requests that were not answered with a probe, by reason.",
		}, []string{"reason"}),
		reloadOK: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fsmon_exporter_config_last_reload_successful",
			Help: "1 when the configuration was accepted the last time it was read, " +
				"0 when the one before stays in use.",
		}),
		reloadAt: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "fsmon_exporter_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration in use was read.",
		}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "fsmon_exporter_build_info",
		Help:        "The version of the exporter.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	count := func(name, help string, n func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(n()) })
	}
	m.registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.refused, m.reloadOK, m.reloadAt, build,
		count("fsmon_exporter_probes_running", "Probes that are under way.", running),
		count("fsmon_exporter_targets", "Pairs of module and target that are remembered.", known))
	for _, reason := range []string{"wrong", "forbidden", "busy", "local"} {
		m.refused.WithLabelValues(reason)
	}
	return m
}

func (m *ownMetrics) reloaded(ok bool) {
	if !ok {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadAt.SetToCurrentTime()
}

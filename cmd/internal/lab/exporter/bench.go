package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/smbtest"
)

// interval is prometheus's scrape_interval in the benchmark.
const interval = 30 * time.Second

// crowd is many targets, half of them of Samba and half of Ganesha, each with an
// address of its own. prometheus scrapes them through the exporter and, in the
// same run, through blackbox_exporter, which only connects to the same ports: no
// probe can cost less.
type crowd struct {
	targets  int
	duration time.Duration
}

func (c crowd) run(ctx context.Context, bin string) (err error) {
	dir, remove, err := proc.TempDir("fsmon-exporter-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	os.Setenv("TMPDIR", dir) // the servers' directories too
	// Both listen on all of 127.0.0.0/8.
	samba, err := smbtest.StartSamba(ctx, smbtest.Config{
		Global: []string{"interfaces = lo", "bind interfaces only = no"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, samba.Close()) }()
	nfs, err := nfstest.StartLab(ctx, nfstest.Config{InPlace: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, nfs.Close()) }()

	s := &stack{dir: dir}
	defer func() { err = errors.Join(err, s.close()) }()
	var shares, exports, ports []string
	for n := range c.targets / 2 {
		address := fmt.Sprintf("127.%d.%d.%d", 10+n/62500, n/250%250, 1+n%250)
		shares = append(shares, fmt.Sprintf("//%s:%d/share", address, samba.Port))
		exports = append(exports, address+":"+nfs.Dir())
		ports = append(ports, fmt.Sprintf("%s:%d", address, samba.Port),
			fmt.Sprintf("%s:%d", address, nfs.AddrPort().Port()))
	}
	if err := errors.Join(s.startExporter(ctx, bin, fmt.Sprintf(`
modules:
  smb: {prober: smb, timeout: 10s}
  nfs3: {prober: nfs, nfs-version: 3, timeout: 10s}
targets:
  - {pattern: "//[127.0.0.0/8]:%d/share", modules: smb}
  - {pattern: "[127.0.0.0/8]:%s", modules: nfs3}
`, samba.Port, nfs.Dir())), s.startBlackbox(ctx), s.startPrometheus(ctx, fmt.Sprintf(`
global: {scrape_interval: %v, scrape_timeout: 15s}
scrape_configs:
  - job_name: fsmon
    metrics_path: /probe
    static_configs:
      - {targets: [%s], labels: {__param_module: smb}}
      - {targets: [%s], labels: {__param_module: nfs3}}
    relabel_configs:
      - {source_labels: [__address__], target_label: __param_target}
      - {source_labels: [__param_target], target_label: instance}
      - {target_label: __address__, replacement: "%s"}
  - job_name: blackbox
    metrics_path: /probe
    static_configs: [{targets: [%s], labels: {__param_module: tcp}}]
    relabel_configs:
      - {source_labels: [__address__], target_label: __param_target}
      - {source_labels: [__param_target], target_label: instance}
      - {target_label: __address__, replacement: "%s"}
`, interval, quoted(shares), quoted(exports), exporter, quoted(ports), blackbox))); err != nil {
		return err
	}

	// The first round of all, in which connections are made, is not measured.
	fmt.Printf("%d targets of each exporter are scraped every %v; measured for %v after the "+
		"first round\n", c.targets, interval, c.duration)
	if err := wait(ctx, interval+2*time.Second); err != nil {
		return err
	}
	exporters := []measured{
		{name: "fsmon_exporter", job: "fsmon", took: "fsmon_probe_duration_seconds",
			up: "fsmon_up"},
		{name: "blackbox_exporter", job: "blackbox", took: "probe_duration_seconds",
			up: "probe_success"},
	}
	var before [2]time.Duration
	for n := range exporters {
		exporters[n].process = s.processes[n]
		if before[n], err = proc.CPUOf(s.processes[n].PID); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := wait(ctx, c.duration); err != nil {
		return err
	}
	const columns = "%-22s %8s %7s %9s %8s  %24s  %24s  %16s\n"
	fmt.Printf("\n%s\n\n", proc.Machine())
	fmt.Printf(columns, "", "", "", "", "", "scrape, ms", "its probe, ms", "the rest, ms")
	fmt.Printf(columns, "", "scrapes", "failed", "% of core", "peak MB", "50 %    99 %     max",
		"50 %    99 %     max", "50 %    99 %")
	for n, e := range exporters {
		cpu, cpuErr := proc.CPUOf(e.process.PID)
		memory, memoryErr := proc.MemoryOf(e.process.PID)
		if err := errors.Join(cpuErr, memoryErr, e.ask(ctx, began, c.duration)); err != nil {
			return err
		}
		fmt.Printf(columns, e.name, fmt.Sprint(len(e.whole)),
			fmt.Sprint(len(e.whole)-len(e.probes[""])),
			fmt.Sprintf("%.2f", 100*(cpu-before[n]).Seconds()/c.duration.Seconds()),
			fmt.Sprintf("%.1f", float64(memory.Peak)/1024), quantiles(e.whole, 0.5, 0.99, 1),
			quantiles(e.probes[""], 0.5, 0.99, 1), quantiles(e.rest[""], 0.5, 0.99))
		for _, kind := range []string{"samba", "nfs"} {
			if len(e.probes[kind]) > 0 {
				fmt.Printf(columns, "  "+kind, fmt.Sprint(len(e.probes[kind])), "", "", "", "",
					quantiles(e.probes[kind], 0.5, 0.99, 1), quantiles(e.rest[kind], 0.5, 0.99))
			}
		}
		if len(e.whole) < c.targets*int(c.duration/interval)*9/10 ||
			len(e.probes[""]) < len(e.whole) {
			err = errors.Join(err, fmt.Errorf("%s: scrapes are missing or have failed: %s", e.name,
				e.process.Errors()))
		}
	}
	return err
}

// measured is an exporter, and what prometheus knows of its scrapes.
type measured struct {
	name, job, took, up string
	process             *proc.Process
	whole               []float64            // milliseconds of each scrape
	probes, rest        map[string][]float64 // of those that succeeded, also by kind
}

func (e *measured) ask(ctx context.Context, from time.Time, d time.Duration) error {
	var all [3]map[scrape]sample
	for n, metric := range []string{"scrape_duration_seconds", e.took, e.up} {
		var err error
		if all[n], err = query(ctx, fmt.Sprintf("%s{job=%q}", metric, e.job), from, d); err != nil {
			return err
		}
	}
	e.probes, e.rest = map[string][]float64{}, map[string][]float64{}
	for at, whole := range all[0] {
		e.whole = append(e.whole, 1000*whole.value)
		if all[2][at].value != 1 {
			continue
		}
		probe := all[1][at]
		for _, kind := range slices.Compact([]string{"", probe.kind}) {
			e.probes[kind] = append(e.probes[kind], 1000*probe.value)
			e.rest[kind] = append(e.rest[kind], 1000*(whole.value-probe.value))
		}
	}
	return nil
}

// quantiles formats them: the value that a share of all does not exceed.
func quantiles(all []float64, shares ...float64) string {
	all = slices.Sorted(slices.Values(all))
	var b strings.Builder
	for _, share := range shares {
		value := math.NaN()
		if len(all) > 0 {
			value = all[max(0, int(math.Ceil(share*float64(len(all))))-1)]
		}
		fmt.Fprintf(&b, "%8.1f", value)
	}
	return b.String()
}

// scrape is one scrape: of whom, and when. All its samples have this time.
type scrape struct {
	instance string
	at       float64
}

type sample struct {
	kind  string // samba, nfs, or empty
	value float64
}

// query asks prometheus for the samples of a metric in a time
// (prometheus.io/docs/prometheus/latest/querying/api).
func query(ctx context.Context, metric string, from time.Time, d time.Duration) (
	map[scrape]sample, error) {
	ask := url.Values{"query": {fmt.Sprintf("%s[%dms]", metric, d.Milliseconds())},
		"time": {from.Add(d).UTC().Format(time.RFC3339Nano)}}
	request, err := http.NewRequestWithContext(ctx, "GET",
		"http://"+prometheus+"/api/v1/query?"+ask.Encode(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var body struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return nil, fmt.Errorf("prometheus: %w", err)
	}
	if body.Error != "" {
		return nil, fmt.Errorf("prometheus: %s", body.Error)
	}
	all := map[scrape]sample{}
	for _, series := range body.Data.Result {
		for _, v := range series.Values {
			value, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64)
			if err != nil {
				return nil, err
			}
			at, _ := v[0].(float64)
			all[scrape{series.Metric["instance"], at}] = sample{series.Metric["kind"], value}
		}
	}
	return all, nil
}

// quoted is a list of YAML without its brackets.
func quoted(all []string) string { return `"` + strings.Join(all, `", "`) + `"` }

// wait waits for d, or for the end of ctx, which is an error.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

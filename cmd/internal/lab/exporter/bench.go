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
	rows := []*row{
		{name: "fsmon_exporter", job: "fsmon", took: "fsmon_probe_duration_seconds", up: "fsmon_up"},
		{name: "blackbox_exporter, TCP alone", job: "blackbox", took: "probe_duration_seconds",
			up: "probe_success"},
	}
	for n, r := range rows {
		r.process = s.processes[n]
		if r.cpu, err = proc.CPUOf(r.process.PID); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := wait(ctx, c.duration); err != nil {
		return err
	}
	took := time.Since(began)
	fmt.Printf("\n%s\n\n%-28s %8s %7s %9s %9s   %-23s   %-23s   %s\n", proc.Machine(), "", "scrapes",
		"failed", "% of core", "MB (peak)", "scrape ms: 50% 99% max", "probe ms: 50% 99% max",
		"the rest: 50% 99%")
	for _, r := range rows {
		if err := r.measure(ctx, took); err != nil {
			return err
		}
		if r.scrapes < c.targets*int(took/interval)*9/10 || r.failed > 0 {
			err = errors.Join(err, fmt.Errorf("%s: %d scrapes, of which %d failed: %s", r.name, r.scrapes,
				r.failed, r.process.Errors()))
		}
	}
	return err
}

// row is what one exporter costs.
type row struct {
	name, job, took, up string
	process             *proc.Process
	cpu                 time.Duration // at the beginning
	scrapes, failed     int
}

func (r *row) measure(ctx context.Context, took time.Duration) error {
	cpu, err := proc.CPUOf(r.process.PID)
	if err != nil {
		return err
	}
	memory, err := proc.MemoryOf(r.process.PID)
	if err != nil {
		return err
	}
	var all [3]map[scrape]float64
	for n, metric := range []string{"scrape_duration_seconds", r.took, r.up} {
		if all[n], err = query(ctx, metric, r.job, took); err != nil {
			return err
		}
	}
	var whole, probe, rest []float64
	for at, seconds := range all[0] {
		whole = append(whole, 1000*seconds)
		if all[2][at] != 1 {
			r.failed++
			continue
		}
		probe = append(probe, 1000*all[1][at])
		rest = append(rest, 1000*(seconds-all[1][at]))
	}
	r.scrapes = len(whole)
	three := func(all []float64) string {
		return fmt.Sprintf("%7.1f %7.1f %7.1f", quantile(all, 0.5), quantile(all, 0.99),
			quantile(all, 1))
	}
	fmt.Printf("%-28s %8d %7d %9.2f %9.1f   %s   %s   %7.1f %7.1f\n", r.name, r.scrapes, r.failed,
		100*(cpu-r.cpu).Seconds()/took.Seconds(), float64(memory.Peak)/1024, three(whole), three(probe),
		quantile(rest, 0.5), quantile(rest, 0.99))
	return nil
}

// scrape is one scrape: of whom, and when. All its samples have this time.
type scrape struct {
	instance string
	at       float64
}

// query asks prometheus for the samples of a metric in the last d
// (prometheus.io/docs/prometheus/latest/querying/api).
func query(ctx context.Context, metric, job string, d time.Duration) (map[scrape]float64, error) {
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+prometheus+
		"/api/v1/query?query="+url.QueryEscape(fmt.Sprintf("%s{job=%q}[%dms]", metric, job,
		d.Milliseconds())), nil)
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
	all := map[scrape]float64{}
	for _, series := range body.Data.Result {
		for _, v := range series.Values {
			value, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64)
			if err != nil {
				return nil, err
			}
			at, _ := v[0].(float64)
			all[scrape{series.Metric["instance"], at}] = value
		}
	}
	return all, nil
}

// quantile returns the value that a share q of all does not exceed.
func quantile(all []float64, q float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	all = slices.Sorted(slices.Values(all))
	return all[max(0, int(math.Ceil(q*float64(len(all))))-1)]
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

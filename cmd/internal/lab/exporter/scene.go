package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"fsmon/cmd/internal/lab/proc"
	"fsmon/nfsprobe/nfstest"
	"fsmon/smbprobe/smbtest"
)

// scene is three file servers and those who look after them. A watch on "this
// node" guards one of them, and the exporter asks all three.
type scene struct {
	*stack
	bin, templates string
	files, archive *smbtest.Server // archive will hang
	nfs            *nfstest.Lab
	watch          *proc.Watch // of archive
	ends           []func() error
	say            func(format string, args ...any)
}

// newScene starts the servers.
func newScene(ctx context.Context, bin, templates string,
	say func(string, ...any)) (*scene, error) {
	dir, remove, err := proc.TempDir("fsmon-exporter-")
	if err != nil {
		return nil, err
	}
	s := &scene{stack: &stack{dir: dir}, bin: bin, templates: templates, say: say,
		ends: []func() error{remove}}
	if s.files, err = smbtest.StartSamba(ctx, smbtest.Config{Address: "127.0.0.2"}); err == nil {
		s.ends = append(s.ends, s.files.Close)
		s.archive, err = smbtest.StartSamba(ctx, smbtest.Config{Address: "127.0.0.3"})
	}
	if err == nil {
		s.ends = append(s.ends, s.archive.Close)
		s.nfs, err = nfstest.StartLab(ctx, nfstest.Config{InPlace: true})
	}
	if err == nil {
		s.ends = append(s.ends, s.nfs.Close, s.stack.close)
		return s, nil
	}
	return nil, errors.Join(err, s.close())
}

// close ends the watch, the stack and the servers.
func (s *scene) close() (err error) {
	if s.watch != nil {
		err = s.watch.End()
	}
	for _, end := range slices.Backward(s.ends) {
		err = errors.Join(err, end())
	}
	return err
}

// target is how the exporter and prometheus name a share.
func target(s *smbtest.Server) string { return "//" + s.Addr() + "/share" }

func (s *scene) export() string { return s.nfs.AddrPort().Addr().String() + ":" + s.nfs.Dir() }

// start starts the exporters, a watch of archive, alertmanager and prometheus,
// with what is shipped: only the servers are ours, and the times are seconds.
func (s *scene) start(ctx context.Context) error {
	edit := func(path string, pairs ...string) (string, error) {
		text, err := os.ReadFile(filepath.Join(s.templates, path))
		for n := 0; n < len(pairs) && err == nil; n += 2 {
			if !strings.Contains(string(text), pairs[n]) {
				err = fmt.Errorf("%s does not have %q", path, pairs[n])
			}
		}
		return strings.NewReplacer(pairs...).Replace(string(text)), err
	}
	exporter, err := edit("exporter/exporter.yml", "timeout: 10s", "timeout: 5s\n    retry: 1",
		"targets: []", fmt.Sprintf(`targets:
  - {pattern: [%q, %q], modules: smb}
  - {pattern: %q, modules: nfs3}`, target(s.files), target(s.archive), s.export()))
	if err != nil {
		return err
	}
	jobs, err := edit("prometheus/scrape_configs.yml",
		`"//files.example.com/data"`, fmt.Sprintf("%q, %q", target(s.files), target(s.archive)),
		"nfs.example.com:/srv/export", s.export(),
		"scrape_interval: 30s", "scrape_interval: 5s", "scrape_timeout: 15s", "scrape_timeout: 5s")
	if err != nil {
		return err
	}
	rules, err := edit("prometheus/fsmon.rules.yml")
	if err != nil {
		return err
	}
	rulesFile, err := s.write("fsmon.rules.yml", waits.ReplaceAllString(rules, "${1}s"))
	if err != nil {
		return err
	}
	if err := errors.Join(s.startExporter(ctx, s.bin, exporter), s.startNodeExporter(ctx),
		s.startAlertmanager(ctx), s.startWatch()); err != nil {
		return err
	}
	return s.startPrometheus(ctx, `
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [`+rulesFile+`]
alerting: {alertmanagers: [{static_configs: [{targets: ["`+alertmanager+`"]}]}]}
`+jobs)
}

// waits are the minutes that a condition must last before it alerts.
var waits = regexp.MustCompile(`(?m)^( +for: \d+)m$`)

// startWatch starts the watch of archive, whose metrics the node exporter reads.
// A healthy server has 5 seconds to answer, however busy the machine is.
func (s *scene) startWatch() (err error) {
	args := []string{"-s", "share", "-a", s.archive.Address, "--port", fmt.Sprint(s.archive.Port),
		"-i", "1", "-c", "1", "-r", "5", "--no-evidence",
		"--metrics-file", filepath.Join(s.textfiles(), "archive.prom")}
	s.watch, err = proc.StartWatch(s.dir, filepath.Join(s.bin, "clp_sambamon"), "archive", args...)
	return err
}

// ended waits for the end of the watch, and of what it has started.
func (s *scene) ended(ctx context.Context) (code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	err = errors.Join(s.watch.Wait(ctx), proc.Left(s.watch.Process))
	return s.watch.Code(), err
}

// up waits until prometheus has this fsmon_up of each watch and target, and
// shows it.
func (s *scene) up(ctx context.Context, want map[string]string) error {
	var shown string
	err := until(ctx, fmt.Sprintf("fsmon_up of %v", want), func() (err error) {
		shown, err = tool(ctx, "promtool", "query", "instant", "http://"+prometheus, "fsmon_up")
		if err != nil {
			return err
		}
		got := map[string]string{}
		for _, m := range shownUp.FindAllStringSubmatch(shown, -1) {
			got[m[1]] = m[2]
		}
		if !maps.Equal(got, want) {
			return fmt.Errorf("promtool shows %s", shown)
		}
		return nil
	})
	s.say("    $ promtool query instant http://%s fsmon_up", prometheus)
	s.show(shown)
	return err
}

// shownUp is a line of promtool: fsmon_up{id="…", …} => 1 @[…]
var shownUp = regexp.MustCompile(`(?m)^fsmon_up\{.*\bid="([^"]*)".*\} => (\d) @`)

// active waits until alertmanager has exactly these alerts.
func (s *scene) active(ctx context.Context, want ...string) error {
	query := []string{"--alertmanager.url=http://" + alertmanager, "alert", "query"}
	err := until(ctx, fmt.Sprintf("the alerts %q", want), func() error {
		out, err := tool(ctx, "amtool", append(query, "--output=json")...)
		if err != nil {
			return err
		}
		var all []struct{ Labels map[string]string }
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			return fmt.Errorf("amtool printed %q: %w", out, err)
		}
		var got []string
		for _, one := range all {
			got = append(got, name(one.Labels))
		}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			return fmt.Errorf("alertmanager has %q", got)
		}
		return nil
	})
	if err != nil {
		return err
	}
	out, err := tool(ctx, "amtool", query...)
	s.say("    $ amtool %s", strings.Join(query, " "))
	s.show(out)
	return err
}

// name names an alert: of what, and about whom.
func name(labels map[string]string) string {
	return strings.TrimSpace(labels["alertname"] + " " + labels["id"])
}

// tells waits until alertmanager has told its receiver, after the first n alerts,
// that these have this status, and shows all that it has told.
func (s *scene) tells(ctx context.Context, n int, status string, alerts ...string) error {
	err := until(ctx, fmt.Sprintf("alertmanager to tell that %q are %s", alerts, status),
		func() error {
			var got []string
			for _, one := range s.heard(n) {
				if one.Status == status {
					got = append(got, name(one.Labels))
				}
			}
			for _, alert := range alerts {
				if !slices.Contains(got, alert) {
					return fmt.Errorf("it has told of %q", got)
				}
			}
			return nil
		})
	for _, one := range s.heard(n) {
		s.say("      %v", one)
	}
	return err
}

// ladder shows what the exporter says of a target, step by step.
func (s *scene) ladder(ctx context.Context, module, target string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	ask := "http://" + exporter + "/probe?" + url.Values{"target": {target}, "module": {module},
		"debug": {"true"}}.Encode()
	request, err := http.NewRequestWithContext(ctx, "GET", ask, nil)
	if err != nil {
		return "", err
	}
	// It waits for half of this time: prometheus may be asking.
	request.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "20")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	shown, _, _ := strings.Cut(string(text), "\n# HELP ")
	s.say("    $ curl '%s'", ask)
	s.show(shown)
	return string(text), err
}

// show shows what a program printed.
func (s *scene) show(text string) {
	for line := range strings.Lines(text) {
		s.say("      %s", strings.TrimRight(line, "\n"))
	}
}

// play is the whole story: all is well, archive hangs, an alert comes, archive
// goes on, and the alert ends.
func (s *scene) play(ctx context.Context) error {
	files, archive, export := target(s.files), target(s.archive), s.export()
	up := func(value string) map[string]string {
		return map[string]string{files: "1", export: "1", archive: value, "archive": value}
	}
	down := []string{"FsmonDown archive", "FsmonDown " + archive}

	s.say("\n==> Three file servers: %s and %s (Samba), %s (NFS-Ganesha).", files, archive, export)
	s.say("    fsmon_exporter asks all of them; a watch, archive, also guards the second one, and")
	s.say("    the node exporter reads its metrics. Rules and jobs are the shipped ones, in seconds.")
	if err := s.start(ctx); err != nil {
		return err
	}
	s.say("\n==> All are healthy: prometheus has the same metric from both, and there is no alert.")
	if err := errors.Join(s.up(ctx, up("1")), s.active(ctx)); err != nil {
		return err
	}
	if err := errors.Join(s.dashboard(ctx), s.reloaded(ctx)); err != nil {
		return err
	}

	s.say("\n==> smbd of %s is frozen with SIGSTOP: TCP still connects, nothing answers.", archive)
	frozen := time.Now()
	if err := s.archive.Freeze(); err != nil {
		return err
	}
	if err := s.tells(ctx, 0, "firing", down...); err != nil {
		return err
	}
	s.say("\n==> After %.0f s alertmanager has told this program of both; it stands above. The other\n"+
		"    servers are well:", time.Since(frozen).Seconds())
	if err := errors.Join(s.up(ctx, up("0")), s.active(ctx, down...)); err != nil {
		return err
	}
	s.say("\n==> What the exporter says of it:")
	if text, err := s.ladder(ctx, "smb", archive); err != nil {
		return err
	} else if !strings.Contains(text, "\nfsmon_up{") {
		return fmt.Errorf("the exporter says %s", text)
	}

	s.say("\n==> It is thawed. The exporter sees that by itself; the watch has ended, and starts again.")
	told := len(s.heard(0))
	code, err := s.ended(ctx)
	if err == nil && code != 1 {
		err = fmt.Errorf("the watch ended with code %d", code)
	}
	if err := errors.Join(err, s.archive.Thaw(), s.startWatch()); err != nil {
		return err
	}
	if err := s.tells(ctx, told, "resolved", down...); err != nil {
		return err
	}
	s.say("\n==> All is well again:")
	return errors.Join(s.up(ctx, up("1")), s.active(ctx))
}

// dashboard waits until each query of the shipped dashboard finds the watch as
// well as a target of the exporter. Only a watch has an interval, and this one
// has no witness.
func (s *scene) dashboard(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(s.templates, "grafana", "fsmon.json"))
	if err != nil {
		return err
	}
	var board struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &board); err != nil {
		return err
	}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			if strings.Contains(target.Expr, "fsmon_witness_up") {
				continue
			}
			query := strings.NewReplacer("$id", ".*", "$__rate_interval", "1m").Replace(target.Expr)
			err := until(ctx, "the dashboard's "+query, func() error {
				out, err := tool(ctx, "promtool", "query", "instant", "http://"+prometheus, query)
				watch := strings.Contains(out, `id="archive"`)
				asked := strings.Contains(out, fmt.Sprintf("id=%q", s.export()))
				alone := strings.Contains(query, "fsmon_interval_seconds")
				if err == nil && (!watch || asked == alone) {
					err = fmt.Errorf("promtool shows %q", out)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// reloaded waits until prometheus knows that the exporter took its
// configuration, which an alert rule asks for.
func (s *scene) reloaded(ctx context.Context) error {
	return until(ctx, "the exporter's own metrics", func() error {
		out, err := tool(ctx, "promtool", "query", "instant", "http://"+prometheus,
			"fsmon_exporter_config_last_reload_successful")
		if err == nil && !strings.Contains(out, "} => 1 @") {
			err = fmt.Errorf("promtool shows %q", out)
		}
		return err
	})
}

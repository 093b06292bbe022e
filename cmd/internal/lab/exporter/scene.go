package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

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
func newScene(ctx context.Context, bin, templates string, say func(string, ...any)) (*scene, error) {
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

// waits are the times that a condition must last before it alerts. A story
// cannot wait for minutes.
var waits = regexp.MustCompile(`(?m)^( +for:) \d+m$`)

// config is prometheus.yml: the shipped rules and scrape_configs, for these
// servers and in seconds.
func (s *scene) config() (string, error) {
	rules, err := os.ReadFile(filepath.Join(s.templates, "prometheus", "fsmon.rules.yml"))
	if err != nil {
		return "", err
	}
	path, err := s.write("fsmon.rules.yml", waits.ReplaceAllString(string(rules), "$1 1s"))
	if err != nil {
		return "", err
	}
	return `global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [` + path + `]
alerting: {alertmanagers: [{static_configs: [{targets: ["` + alertmanager + `"]}]}]}
scrape_configs:
  - job_name: node
    static_configs: [{targets: ["` + nodeExporter + `"]}]
`, nil
}

// startWatch starts the watch of archive, whose metrics the node exporter reads.
// A healthy server has 5 seconds to answer, however busy the machine is.
func (s *scene) startWatch() (err error) {
	args := []string{"-s", "share", "-a", s.archive.Address, "--port", fmt.Sprint(s.archive.Port),
		"-i", "1", "-c", "1", "-r", "5", "--no-evidence",
		"--metrics-file", filepath.Join(s.textfiles(), "archive.prom")}
	s.watch, err = proc.StartWatch(s.dir, filepath.Join(s.bin, "clp_sambamon"), "archive", args...)
	return err
}

// alerts returns what alertmanager has active: the names, and who each is about.
func (s *scene) alerts(ctx context.Context) (map[string]string, error) {
	out, err := tool(ctx, "amtool", "--alertmanager.url=http://"+alertmanager, "alert", "query",
		"--output=json")
	if err != nil {
		return nil, err
	}
	var all []struct{ Labels map[string]string }
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return nil, fmt.Errorf("amtool printed %q: %w", out, err)
	}
	active := map[string]string{}
	for _, one := range all {
		active[one.Labels["alertname"]] += one.Labels["id"]
	}
	return active, nil
}

// rest waits until alertmanager has these alerts and no others.
func (s *scene) rest(ctx context.Context, want map[string]string) error {
	return until(ctx, fmt.Sprintf("the alerts %v", want), func() error {
		got, err := s.alerts(ctx)
		if err == nil && !maps.Equal(got, want) {
			err = fmt.Errorf("alertmanager has %v", got)
		}
		return err
	})
}

// told waits until alertmanager has told its receiver that these alerts have
// reached a status, after the first n that it has told.
func (s *scene) tells(ctx context.Context, n int, status string, alerts map[string]string) error {
	return until(ctx, fmt.Sprintf("alertmanager to tell that %v are %s", alerts, status),
		func() error {
			got := map[string]string{}
			for _, one := range s.heard(n) {
				if one.Status == status {
					got[one.Labels["alertname"]] = one.Labels["id"]
				}
			}
			for name, id := range alerts {
				if got[name] != id {
					return fmt.Errorf("it has told of %v", got)
				}
			}
			return nil
		})
}

// up waits until prometheus knows each file server with this value.
func (s *scene) up(ctx context.Context, want map[string]string) (shown string, err error) {
	err = until(ctx, fmt.Sprintf("fsmon_up %v", want), func() error {
		if shown, err = tool(ctx, "promtool", "query", "instant", "http://"+prometheus,
			"fsmon_up"); err != nil {
			return err
		}
		got := map[string]string{}
		for _, m := range sample.FindAllStringSubmatch(shown, -1) {
			got[m[1]] = m[2]
		}
		if !maps.Equal(got, want) {
			return fmt.Errorf("promtool shows %q", shown)
		}
		return nil
	})
	return shown, err
}

// sample is a line of promtool: fsmon_up{instance="…", …} => 1 @[…]
var sample = regexp.MustCompile(`(?m)^fsmon_up\{.*\bid="([^"]*)".*\} => (\d) @`)

// show shows what a program printed.
func (s *scene) show(text string) {
	for line := range strings.Lines(text) {
		s.say("      %s", strings.TrimRight(line, "\n"))
	}
}

// play is the whole story: all is well, archive hangs, an alert comes, archive
// goes on, and the alert ends.
func (s *scene) play(ctx context.Context) error {
	config, err := s.config()
	if err != nil {
		return err
	}
	if err := errors.Join(s.startNodeExporter(ctx), s.startAlertmanager(ctx),
		s.startPrometheus(ctx, config)); err != nil {
		return err
	}
	if err := s.startWatch(); err != nil {
		return err
	}
	shown, err := s.up(ctx, map[string]string{"archive": "1"})
	if err != nil {
		return err
	}
	s.show(shown)
	if err := s.rest(ctx, map[string]string{}); err != nil {
		return err
	}
	if err := s.archive.Freeze(); err != nil {
		return err
	}
	want := map[string]string{"FsmonDown": "archive"}
	if err := s.tells(ctx, 0, "firing", want); err != nil {
		return err
	}
	if err := s.rest(ctx, want); err != nil {
		return err
	}
	if _, err = s.up(ctx, map[string]string{"archive": "0"}); err != nil {
		return err
	}
	for _, n := range s.heard(0) {
		s.say("      %v", n)
	}
	told := len(s.heard(0))
	if err := s.archive.Thaw(); err != nil {
		return err
	}
	if err := s.startWatch(); err != nil {
		return err
	}
	if _, err = s.up(ctx, map[string]string{"archive": "1"}); err != nil {
		return err
	}
	if err := s.tells(ctx, told, "resolved", want); err != nil {
		return err
	}
	if err := s.rest(ctx, map[string]string{}); err != nil {
		return err
	}
	for _, n := range s.heard(told) {
		s.say("      %v", n)
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"fsmon/cmd/internal/lab/proc"
)

// The ports are those of the programs' Debian packages: the network namespace
// is our own.
const (
	prometheus   = "127.0.0.1:9090"
	alertmanager = "127.0.0.1:9093"
	nodeExporter = "127.0.0.1:9100"
	blackbox     = "127.0.0.1:9115"
	exporter     = "127.0.0.1:9974"
	receiver     = "127.0.0.1:9099" // ours, for what alertmanager sends
)

// stack is what people run: Debian's prometheus, alertmanager and node exporter.
type stack struct {
	dir       string // of configurations and data
	processes []*proc.Process
	server    *http.Server // on receiver

	mu   sync.Mutex
	told []notice // what alertmanager has sent
}

// notice is one alert as a receiver of alertmanager gets it
// (prometheus.io/docs/alerting/latest/configuration, webhook_config).
type notice struct {
	Status      string // firing or resolved
	Labels      map[string]string
	Annotations map[string]string
}

func (n notice) String() string {
	return fmt.Sprintf("%-8s %s: %s", strings.ToUpper(n.Status), n.Labels["alertname"],
		n.Annotations["summary"])
}

// textfiles is the directory that the node exporter reads.
func (s *stack) textfiles() string { return filepath.Join(s.dir, "textfiles") }

// startAlertmanager starts alertmanager, which tells this program of alerts.
func (s *stack) startAlertmanager(ctx context.Context) error {
	listener, err := net.Listen("tcp", receiver)
	if err != nil {
		return err
	}
	s.server = &http.Server{Handler: http.HandlerFunc(s.receive)}
	go s.server.Serve(listener) // until close
	const route = `route: {receiver: person, group_by: ["..."], group_wait: 0s, group_interval: 1s}
receivers:
  - {name: person, webhook_configs: [{url: "http://` + receiver + `/", send_resolved: true}]}
`
	config, err := s.write("alertmanager.yml", route)
	if err != nil {
		return err
	}
	return s.run(ctx, alertmanager+"/-/ready", "prometheus-alertmanager", "--config.file="+config,
		"--storage.path="+filepath.Join(s.dir, "alertmanager"), "--cluster.listen-address=",
		"--web.listen-address="+alertmanager, "--web.external-url=http://"+alertmanager,
		"--log.level=warn")
}

// startNodeExporter starts the node exporter, which reads text files.
func (s *stack) startNodeExporter(ctx context.Context) error {
	if err := os.Mkdir(s.textfiles(), 0o755); err != nil {
		return err
	}
	return s.run(ctx, nodeExporter+"/metrics", "prometheus-node-exporter",
		"--collector.disable-defaults", "--collector.textfile",
		"--collector.textfile.directory="+s.textfiles(), "--web.listen-address="+nodeExporter)
}

// startPrometheus starts prometheus with this configuration.
func (s *stack) startPrometheus(ctx context.Context, config string) error {
	path, err := s.write("prometheus.yml", config)
	if err != nil {
		return err
	}
	return s.run(ctx, prometheus+"/-/ready", "prometheus", "--config.file="+path,
		"--storage.tsdb.path="+filepath.Join(s.dir, "prometheus"),
		"--web.listen-address="+prometheus, "--web.external-url=http://"+prometheus,
		"--log.level=warn")
}

// startExporter starts our exporter with this configuration.
func (s *stack) startExporter(ctx context.Context, bin, config string) error {
	path, err := s.write("exporter.yml", config)
	if err != nil {
		return err
	}
	return s.run(ctx, exporter+"/-/healthy", filepath.Join(bin, "fsmon_exporter"),
		"--config.file="+path, "--web.listen-address="+exporter)
}

// startBlackbox starts blackbox_exporter with a module that only connects.
func (s *stack) startBlackbox(ctx context.Context) error {
	path, err := s.write("blackbox.yml", "modules: {tcp: {prober: tcp, timeout: 10s}}\n")
	if err != nil {
		return err
	}
	return s.run(ctx, blackbox+"/-/healthy", "prometheus-blackbox-exporter",
		"--config.file="+path, "--web.listen-address="+blackbox, "--log.level=warn")
}

// run starts a program and waits until it answers at a URL without its scheme.
func (s *stack) run(ctx context.Context, ready, program string, args ...string) error {
	p, err := proc.Start(exec.Command(program, args...))
	if err != nil {
		return fmt.Errorf("%w: install the Debian package %s, or run make monitoring", err,
			filepath.Base(program))
	}
	s.processes = append(s.processes, p)
	err = until(ctx, program+" to answer", func() error {
		if !p.Alive() {
			return fmt.Errorf("it has ended: %s", p.Story())
		}
		answer, err := http.Get("http://" + ready)
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return errors.New(answer.Status)
		}
		return nil
	})
	return err
}

// write writes a file of the stack and returns its path.
func (s *stack) write(name, text string) (string, error) {
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

func (s *stack) receive(_ http.ResponseWriter, request *http.Request) {
	var message struct{ Alerts []notice }
	if err := json.NewDecoder(request.Body).Decode(&message); err != nil {
		return // alertmanager's own test of a connection
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, message.Alerts...)
}

// heard returns what alertmanager has sent, the first n left out.
func (s *stack) heard(n int) []notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]notice(nil), s.told[n:]...)
}

// close ends all that was started, the last first.
func (s *stack) close() (err error) {
	for len(s.processes) > 0 {
		last := len(s.processes) - 1
		err = errors.Join(err, s.processes[last].End())
		s.processes = s.processes[:last]
	}
	if s.server != nil {
		err = errors.Join(err, s.server.Close())
	}
	return err
}

// tool runs one of the tools that come with prometheus and alertmanager, and
// returns what it prints.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// until asks again and again until is returns nil, and fails with its last
// error after proc.Patience.
func until(ctx context.Context, what string, is func() error) error {
	ctx, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	for {
		err := is()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %v for %s: %w (last: %w)", proc.Patience, what,
				context.Cause(ctx), err)
		case <-time.After(200 * time.Millisecond): // nothing announces it
		}
	}
}

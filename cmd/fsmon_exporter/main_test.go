package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fsmon/cmd/internal/cli"
	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/cmd/internal/sambamon"
	"fsmon/nfsprobe/nfstest"
)

// TestMain gives the tests a network of their own, with NFS on its usual ports.
func TestMain(m *testing.M) {
	nfstest.Isolate()
	cmdtest.Main(m, map[string]string{"fsmon_exporter": "."})
}

// log is what an exporter under test has said.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// write writes a file that only its owner may read.
func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// underTest is an exporter that serves on loopback.
type underTest struct {
	*exporter
	t   testing.TB
	url string
	log *log
}

// start starts an exporter with this configuration.
func start(t testing.TB, config string, args ...string) *underTest {
	t.Helper()
	u := unserved(t, config, args...)
	server := httptest.NewServer(u.handler())
	t.Cleanup(server.Close)
	u.url = server.URL
	return u
}

// unserved is an exporter without its pages.
func unserved(t testing.TB, config string, args ...string) *underTest {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exporter.yml")
	write(t, path, config)
	f, err := parseFlags(append(args, "--config.file="+path))
	if err != nil {
		t.Fatal(err)
	}
	u := &underTest{t: t, log: &log{}}
	u.exporter = newExporter(f, slog.New(slog.NewTextHandler(u.log, nil)))
	if err := u.reload(); err != nil {
		t.Fatal(err)
	}
	return u
}

// get asks for a page, and returns the status and the text.
func (u *underTest) get(path string, header ...string) (int, string) {
	u.t.Helper()
	return u.do(http.MethodGet, path, header...)
}

func (u *underTest) do(method, path string, header ...string) (int, string) {
	u.t.Helper()
	r, err := http.NewRequest(method, u.url+path, nil)
	if err != nil {
		u.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		u.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// probe is the path of a probe.
func probe(module, target string, more ...string) string {
	return "/probe?" + url.Values{"module": {module}, "target": {target}}.Encode() +
		strings.Join(more, "")
}

// has fails the test unless text has all these lines.
func has(t testing.TB, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+text, "\n"+l+"\n") {
			t.Errorf("without %q:\n%s", l, text)
		}
	}
}

// fake makes a protocol for targets //HOST/SHARE out of a probe.
func fake(p cli.Probe) *protocol {
	made := *smb
	made.service = func() cli.Service {
		s := sambamon.Service()
		target := s.Target
		s.Target = func(policy cli.Policy) (cli.Target, error) {
			t, err := target(policy)
			t.Probe = p
			return t, err
		}
		return s
	}
	return &made
}

// startFake starts an exporter whose module "fake" is this probe, and asks
// anything.
func startFake(t testing.TB, p cli.Probe, args ...string) *underTest {
	t.Helper()
	u := start(t, anything, append(args, "--allow-any-target")...)
	u.config = faked(p)
	return u
}

const anything = "modules: {smb: {prober: smb}}"

func faked(p cli.Probe) *config {
	m := &module{protocol: fake(p), timeout: time.Minute}
	return &config{modules: map[string]*module{"fake": m, "other": m}}
}

// sample is the beginning of a line of a target's metrics.
func sample(name, kind, id, more string) string {
	if more != "" {
		more = "," + more
	}
	return fmt.Sprintf(`%s{id="%s",kind="%s"%s}`, name, id, kind, more)
}

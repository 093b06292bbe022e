package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"fsmon/cmd/internal/lab/cmdtest"
)

// launch starts the built command.
func launch(t *testing.T, args ...string) *cmdtest.Process {
	t.Helper()
	return cmdtest.Launch(t, exec.Command(cmdtest.Program("fsmon_exporter"), args...))
}

// What a person gets for a command line or a configuration that is not
// accepted: one line and code 2.
func TestUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yml"), filepath.Join(dir, "bad.yml")
	write(t, good, "modules: {smb: {prober: smb}}\ntargets:\n  - {pattern: //files/data, modules: smb}\n")
	write(t, bad, "modules: {smb: {prober: smb, pasword: S3cr3t}}\n")
	web := filepath.Join(dir, "web.yml")
	write(t, web, "tls_server_config: {cert_file: nothing.crt, key_file: nothing.key}\n")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		args string
		code int
		says string // of stdout for code 0, else of stderr
	}{
		{"--help", 0, usage},
		{"-h", 0, usage},
		{"--version", 0, "fsmon_exporter "},
		{"--config.check --config.file=" + good, 0, good + ": accepted (modules: 1, entries of targets: 1)\n"},
		{"--config.file=" + bad, 2, "--config.file: " + bad + ": module smb: pasword: unknown here (known: timeout"},
		{"--config.file=" + dir + "/none.yml", 2, "--config.file: open "},
		{"--config.file=", 2, "--config.file: the name of a file is needed"},
		{"--nothing", 2, "unknown flag: --nothing (see fsmon_exporter --help)"},
		{"-x", 2, "unknown shorthand flag: 'x' in -x (see fsmon_exporter --help)"},
		{"smb", 2, `"smb" belongs to no option (see fsmon_exporter --help)`},
		{"--max-probes=0", 2, "--max-probes: a whole number from 1 to 10000 is needed"},
		{"--max-probes=many", 2, "invalid argument \"many\" for \"--max-probes\""},
		{"--timeout-offset=-1", 2, "--timeout-offset: a number of seconds from 0 to 60 is needed"},
		{"--timeout-offset=NaN", 2, "--timeout-offset: a number of seconds from 0 to 60 is needed"},
		{"--log.level=loud", 2, "--log.level: debug, info, warn or error is needed"},
		{"--log.format=xml", 2, "--log.format: logfmt or json is needed"},
		{"--web.config.file=" + dir + "/none.yml --config.file=" + good, 2, "--web.config.file: open "},
		{"--web.config.file=" + web + " --config.file=" + good, 2, "--web.config.file: "},
		{"--web.listen-address=" + taken.Addr().String() + " --config.file=" + good, 4, "address already in use"},
	} {
		p := launch(t, strings.Fields(c.args)...)
		p.Exits(c.code)
		errors := p.Errors()
		if c.code == 0 {
			if !strings.HasPrefix(p.Output(), c.says) || errors != "" {
				t.Errorf("%s: %q, %q", c.args, p.Output(), errors)
			}
			continue
		}
		last := errors[strings.LastIndex("\n"+strings.TrimSuffix(errors, "\n"), "\n"):]
		if !strings.HasPrefix(last, "fsmon_exporter: error: ") || !strings.Contains(last, c.says) ||
			p.Output() != "" || strings.Contains(errors, "S3cr3t") {
			t.Errorf("%s: %q, %q", c.args, p.Output(), errors)
		}
	}
}

// The command serves whom its web configuration knows, reloads at SIGHUP, and
// ends at SIGTERM.
func TestLife(t *testing.T) {
	t.Parallel()
	config, web := filepath.Join(t.TempDir(), "exporter.yml"), filepath.Join(t.TempDir(), "web.yml")
	hash, err := bcrypt.GenerateFromPassword([]byte("pw"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	write(t, web, fmt.Sprintf("basic_auth_users: {prometheus: %q}\n", hash))
	write(t, config, "modules: {smb: {prober: smb}}\ntargets: []")
	p := launch(t, "--config.file="+config, "--web.listen-address=127.0.0.1:0", "--web.config.file="+web)
	var address string
	listening := regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`)
	cmdtest.Eventually(t, "that it listens", func() bool {
		if m := listening.FindStringSubmatch(p.Errors()); m != nil {
			address = m[1]
		}
		return address != ""
	})
	user := "nobody:pw@"
	get := func(path string) (int, string) {
		answer, err := http.Get("http://" + user + address + path)
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		return answer.StatusCode, fmt.Sprint(string(text), err)
	}
	answers := func(want int) func() bool {
		return func() bool { code, _ := get("/-/healthy"); return code == want }
	}
	cmdtest.Eventually(t, "that it refuses strangers", answers(401))
	user = "prometheus:pw@"
	cmdtest.Eventually(t, "that it is healthy", answers(200))
	asked := probe("smb", "//127.0.0.1:9/data")
	if code, text := get(asked); code != 403 {
		t.Errorf("%d %s", code, text)
	}
	write(t, config, "modules: {smb: {prober: smb}}\ntargets: [{pattern: //127.0.0.1:9/data, modules: smb}]")
	p.Signal(syscall.SIGHUP)
	cmdtest.Eventually(t, "the new configuration", func() bool {
		code, text := get(asked)
		return code == 200 && strings.Contains(text, "fsmon_up")
	})
	write(t, config, "modules: {}")
	p.Signal(syscall.SIGHUP)
	cmdtest.Eventually(t, "the word that it is not accepted", func() bool {
		return strings.Contains(p.Errors(), "the configuration stays as it was")
	})
	if code, text := get(asked); code != 200 {
		t.Errorf("%d %s", code, text)
	}
	p.Signal(syscall.SIGTERM)
	p.Exits(0)
}

// A reload that is asked for while the exporter starts waits, and one whose file
// hangs does not keep the exporter from ending.
func TestConfigHangs(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(config, 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, "--config.file="+config, "--web.listen-address=127.0.0.1:0")
	reads := func() (file *os.File) {
		cmdtest.Eventually(t, "that it reads", func() bool {
			var err error // until then: ENXIO
			file, err = os.OpenFile(config, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			return err == nil
		})
		return file
	}
	start := reads()
	p.Signal(syscall.SIGHUP)
	start.WriteString(anything)
	start.Close()
	cmdtest.Eventually(t, "that it listens", func() bool { return strings.Contains(p.Errors(), "address=") })
	defer reads().Close()
	p.Signal(syscall.SIGTERM)
	p.Exits(0)
}

// The manual page has the options of --help, the options of the modules and the
// exporter's own metrics.
func TestManual(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("fsmon_exporter.8.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	compare := func(what string, want, got []string) {
		slices.Sort(want)
		slices.Sort(got)
		if d := cmp.Diff(slices.Compact(want), slices.Compact(got)); d != "" {
			t.Errorf("%s: -code +manual:\n%s", what, d)
		}
	}
	var got []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "**-") {
			for _, m := range regexp.MustCompile(`\*\*(--?[a-z.-]+)\*\*`).FindAllStringSubmatch(line, -1) {
				got = append(got, m[1])
			}
		}
	}
	compare("options", append(regexp.MustCompile(`--[a-z][a-z.-]*[a-z]`).FindAllString(usage, -1), "-h"), got)
	for _, p := range []*protocol{smb, nfs} {
		for _, option := range slices.Concat(p.options, p.logins) {
			if !strings.Contains(text, "_"+option+"_") {
				t.Errorf("the module's option %s is not there", option)
			}
		}
	}
	u := unserved(t, anything)
	families, err := u.own.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "fsmon_") {
			want = append(want, fmt.Sprintf("| %s | %s |", f.GetName(), f.GetHelp()))
		}
	}
	compare("metrics", want, regexp.MustCompile(`(?m)^\| fsmon_.*$`).FindAllString(text, -1))
}

// The configurations that the manual page shows are accepted.
func TestManualConfig(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("fsmon_exporter.8.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "files.cred"), "username=u\npassword=p\n")
	_, text, _ := strings.Cut(string(data), "```\nmodules:")
	text, _, _ = strings.Cut(text, "```")
	c, err := parseConfig([]byte("modules:"+text), dir)
	if err != nil || len(c.modules) != 4 || len(c.rules) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}

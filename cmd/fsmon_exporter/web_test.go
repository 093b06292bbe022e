package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fsmon/cmd/internal/cli"
)

// What a request can have wrong.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	u := start(t, `
modules:
  smb: {prober: smb}
  nfs3: {prober: nfs, nfs-version: 3}
targets:
  - {pattern: //files.example.com/data, modules: smb}
`)
	for _, c := range []struct {
		path, header string
		code         int
		says         string
	}{
		{"/probe", "", 400, "target: is needed once"},
		{"/probe?target=//files.example.com/data", "", 400, "module: is needed once"},
		{"/probe?module=smb&target=", "", 400, "target: is needed once"},
		{"/probe?module=smb&target=//a/b&target=//files.example.com/data", "", 400, "target: is needed once"},
		{"/probe?module=smb&target=%zz", "", 400, "malformed"},
		{"/probe?module=smb;target=//a/b", "", 400, "malformed"},
		{probe("other", "//files.example.com/data"), "", 400, "module: the configuration has none"},
		{probe("smb", "files.example.com"), "", 400, "target: not of the form //HOST/SHARE"},
		{probe("smb", "nfs.example.com:/srv"), "", 400, "target: not of the form //HOST/SHARE"},
		{probe("smb", "//files.example.com/../data"), "", 400, "target: "},
		{probe("smb", "//files.example.com/data2"), "", 403, "no entry of targets: "},
		{probe("smb", "//127.0.0.1:9/data"), "", 403, "no entry of targets: "},
		{probe("nfs3", "files.example.com:/data"), "", 403, "no entry of targets: "},
		{probe("smb", "//files.example.com/data"), "-1", 400, scrapeHeader},
		{probe("smb", "//files.example.com/data"), "NaN", 400, scrapeHeader},
		{probe("smb", "//files.example.com/data"), "1e300", 400, scrapeHeader},
		{probe("smb", "//files.example.com/data"), "x", 400, scrapeHeader},
		{"/nothing", "", 404, ""},
		{"/-/reload", "", 405, ""},
	} {
		var header []string
		if c.header != "" {
			header = []string{scrapeHeader, c.header}
		}
		code, text := u.get(c.path, header...)
		if code != c.code || !strings.Contains(text, c.says) || strings.Contains(text, "fsmon_up") {
			t.Errorf("%s: %d %s", c.path, code, text)
		}
	}
	_, text := u.get("/metrics")
	has(t, text, `fsmon_exporter_requests_refused_total{reason="forbidden"} 3`,
		`fsmon_exporter_requests_refused_total{reason="busy"} 0`, "fsmon_exporter_targets 0",
		"fsmon_exporter_probes_running 0", "fsmon_exporter_config_last_reload_successful 1",
		`fsmon_exporter_build_info{goversion="`+runtime.Version()+`",version="devel"} 1`)
	if code, text := u.get("/-/healthy"); code != 200 || text != "Healthy.\n" {
		t.Errorf("%d %s", code, text)
	}
}

// A probe has the scrape's time less the offset, but not more than the
// module's.
func TestDeadline(t *testing.T) {
	t.Parallel()
	left := make(chan time.Duration, 1)
	u := startFake(t, func(ctx context.Context) (cli.Report, error) {
		end, _ := ctx.Deadline()
		left <- time.Until(end)
		return cli.Report{}, nil
	}, "--timeout-offset=20")
	for header, most := range map[string]time.Duration{
		"50": 30 * time.Second, "5000": time.Minute, "30": 10 * time.Second, "20": 10 * time.Second, "": time.Minute,
	} {
		var h []string
		if header != "" {
			h = []string{scrapeHeader, header}
		}
		_, text := u.get(probe("fake", "//a/b"), h...)
		// A busy machine may have taken some of it.
		if got := <-left; got > most || got < most/2 {
			t.Errorf("%q: the probe has %s, want %s", header, got, most)
		}
		if most == time.Minute {
			has(t, text, sample("fsmon_timeout_seconds", "samba", "//a/b", "")+" 60")
		}
	}
}

// A configuration that is not accepted changes nothing, and says so.
func TestReload(t *testing.T) {
	t.Parallel()
	u := start(t, "modules: {smb: {prober: smb}}\ntargets: [{pattern: //localhost:9/data, modules: smb}]")
	asked := func() int { code, _ := u.get(probe("smb", "//localhost:9/data")); return code }
	if code := asked(); code != 200 {
		t.Error(code)
	}
	write(t, u.path, "modules: {smb: {prober: smb}}\ntarget: []\n")
	code, text := u.do(http.MethodPost, "/-/reload")
	if code != 500 || !strings.Contains(text, "the configuration stays as it was: "+u.path+": [2:1] unknown field") {
		t.Errorf("%d %s", code, text)
	}
	if !strings.Contains(u.log.String(), "level=ERROR") || !strings.Contains(u.log.String(), "stays as it was") {
		t.Error(u.log)
	}
	_, text = u.get("/metrics")
	has(t, text, "fsmon_exporter_config_last_reload_successful 0")
	if code := asked(); code != 200 {
		t.Error(code)
	}

	write(t, u.path, "modules: {smb: {prober: smb, retry: 7}}\ntargets: [{pattern: //localhost:9/data, modules: smb}]")
	if code, text := u.do(http.MethodPost, "/-/reload", "Sec-Fetch-Site", "cross-site"); code != 403 {
		t.Errorf("%d %s", code, text)
	}
	if code, text := u.do(http.MethodPost, "/-/reload"); code != 200 {
		t.Errorf("%d %s", code, text)
	}
	// The new options hold, and the counters go on.
	_, text = u.get(probe("smb", "//localhost:9/data"))
	has(t, text, sample("fsmon_retries", "samba", "//localhost:9/data", "")+" 7",
		sample("fsmon_consecutive_failures", "samba", "//localhost:9/data", "")+" 3")
	_, text = u.get("/metrics")
	has(t, text, "fsmon_exporter_config_last_reload_successful 1")

	write(t, u.path, "modules: {smb: {prober: smb}}\ntargets: []")
	u.do(http.MethodPost, "/-/reload")
	if code := asked(); code != 403 {
		t.Error(code)
	}
	if _, text := u.get("/"); !strings.Contains(text, "Nothing has been asked") {
		t.Error(text)
	}
}

// Probes leave no goroutine behind.
func TestNoGoroutineStays(t *testing.T) {
	u := startFake(t, func(context.Context) (cli.Report, error) { return cli.Report{}, errors.New("broken") })
	before := goleak.IgnoreCurrent()
	for n := range 20 {
		if _, last, err := u.probe(t.Context(), "fake", fmt.Sprintf("//a/b%d", n), time.Minute); err != nil ||
			last.Healthy {
			t.Errorf("%+v, %v", last, err)
		}
	}
	goleak.VerifyNone(t, before)
}

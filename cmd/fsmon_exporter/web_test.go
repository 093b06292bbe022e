package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
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
	synctest.Test(t, func(t *testing.T) {
		var has time.Duration
		x := asking(t, func(ctx context.Context) (cli.Report, error) {
			end, _ := ctx.Deadline()
			has = time.Until(end)
			return cli.Report{}, nil
		}, "--timeout-offset=20")
		for header, want := range map[string]time.Duration{
			"50": 30 * time.Second, "5000": time.Minute, "30": 10 * time.Second,
			"20": 10 * time.Second, "": time.Minute,
		} {
			r := httptest.NewRequest(http.MethodGet, probe("fake", "//a/b"), nil)
			if header != "" {
				r.Header.Set(scrapeHeader, header)
			}
			w := httptest.NewRecorder()
			x.serveProbe(w, r)
			if has != want {
				t.Errorf("%q: the probe has %s, want %s", header, has, want)
			}
			line := fmt.Sprintf("%s %d", sample("fsmon_timeout_seconds", "samba", "//a/b", ""),
				int(want.Seconds()))
			if !strings.Contains(w.Body.String(), line+"\n") {
				t.Errorf("%q: no %s:\n%s", header, line, w.Body)
			}
			synctest.Wait() // for the end of its turn
		}
	})
}

// network is connections in memory.
type network chan net.Conn

func (n network) Accept() (net.Conn, error) {
	if c, open := <-n; open {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (n network) Addr() net.Addr { return &net.TCPAddr{} }
func (n network) Close() error   { return nil }

// Clients that do not send what they have announced, or do not take the answer,
// are let go. One that waits for a slow probe gets its answer.
func TestSlowClients(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		takes   bool // reads the answer
		want    string
	}{
		"half a head":   {"GET / HTTP/1.1\r\nHost: x\r\n", true, ""},
		"no body":       {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", true, ""},
		"reads nothing": {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", false, ""},
		"reads no probe": {"GET " + probe("fake", "//a/b") + " HTTP/1.1\r\nHost: x\r\n\r\n",
			false, ""},
		"slow probe": {"GET " + probe("fake", "//a/b") + " HTTP/1.1\r\nHost: x\r\n" +
			scrapeHeader + ": 3600\r\n\r\n", true, "200 OK"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := asking(t, hang)
				x.config.modules["fake"].options = []string{"--timeout=1800"}
				server, listener := x.server(), make(network, 1)
				go server.Serve(listener)
				client, theirs := net.Pipe()
				listener <- theirs
				go io.WriteString(client, c.request)
				got := make(chan string, 1)
				go func() {
					var answer []byte
					if c.takes {
						answer, _ = io.ReadAll(client)
					}
					got <- string(answer)
				}()
				time.Sleep(time.Hour)
				select {
				case text := <-got:
					if !strings.Contains(text, c.want) {
						t.Errorf("%q", text)
					}
				default:
					t.Error("the answer has no end")
				}
				client.SetWriteDeadline(time.Now().Add(time.Second))
				if _, err := client.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("the connection is still open (%v)", err)
				}
				close(listener)
				client.Close()
				server.Close()
			})
		})
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
	if code != 500 || !strings.Contains(text,
		"the configuration stays as it was: "+u.path+": [2:1] unknown field") {
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

	write(t, u.path, "modules: {smb: {prober: smb, retry: 7}}\n"+
		"targets: [{pattern: //localhost:9/data, modules: smb}]")
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

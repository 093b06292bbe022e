package observe

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fsmon/cmd/internal/errand"
	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

var update = flag.Bool("update", false, "write testdata/metrics.golden anew")

const testMoment = 1_795_290_060 // 2026-11-21 19:41:00 UTC

// testMetrics returns a function that takes an event and returns when its
// metrics are in the file, and the path of that file.
func testMetrics(t *testing.T) (on func(watch.Event), path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fsmon.prom")
	m := NewMetrics(watchreg.Status{
		ID: "w", Kind: "samba", Command: "clp_sambamon", Version: "v1",
		Target:   "//127.0.0.1:445/a\"b\\c\nd\xff",
		Interval: 30, RetryInterval: 2, Timeout: 60, Retries: 5,
	}, path, func(err error) { t.Errorf("lost: %v", err) })
	began := time.Unix(testMoment, 0)
	written := make(chan error)
	write := m.write
	m.write = func(text []byte) error { err := write(text); written <- err; return err }
	t.Cleanup(func() { m.Close(time.Minute) })
	return func(e watch.Event) {
		t.Helper()
		began = began.Add(metricsEvery)
		e.At, e.Began = began, began.Add(-e.Took)
		m.On(e)
		if err := <-written; err != nil {
			t.Error(err)
		}
	}, path
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rungs is a report with the given rungs, each 1 ms longer than the one before.
func rungs(names ...string) watch.Report {
	var r watch.Report
	for i, n := range names {
		r.Rungs = append(r.Rungs, watch.Rung{Name: n, Took: time.Duration(i+1) * time.Millisecond})
	}
	return r
}

// The whole file, after a life with everything in it.
func TestMetricsText(t *testing.T) {
	on, path := testMetrics(t)
	on(watch.Event{Kind: watch.Started})
	if text := readFile(t, path); !strings.Contains(text, `fsmon_up{id="w",kind="samba"} 0`) ||
		strings.Contains(text, "last_success") {
		t.Errorf("at the start:\n%s", text)
	}
	on(watch.Event{Kind: watch.Forgiven, Took: time.Millisecond, Report: rungs("connect"),
		Err: errBroken})
	on(watch.Event{Kind: watch.Healthy, Took: 3500 * time.Microsecond,
		Report: rungs("connect", "negotiate", "negotiate")})
	on(watch.Event{Kind: watch.Healthy, Took: 3500 * time.Microsecond,
		Report: rungs("connect", "negotiate")})
	on(watch.Event{Kind: watch.Void, Took: time.Second, Report: rungs("connect", "negotiate"),
		Err: errBroken})
	on(watch.Event{Kind: watch.Failed, Took: time.Second, Report: rungs("connect", "negotiate",
		"negotiate"), Err: errBroken, Failures: 1, Allowed: 6, Class: watch.Server})
	refused := rungs("connect", "negotiate", "negotiate")
	refused.Dialect = "SMB 3.1.1"
	on(watch.Event{Kind: watch.Refused, Took: time.Second, Report: refused,
		Err: errBroken, Failures: 1, Class: watch.Account, Witnesses: []watch.Witness{
			{Address: "127.0.0.1", Answered: true}, {Address: "node2", Answered: true, Err: errBroken},
			{Address: "node3"}}})

	got := readFile(t, path)
	const golden = "testdata/metrics.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(readFile(t, golden), got); d != "" {
		t.Errorf("-golden +metrics:\n%s", d)
	}
	promtool(t, got, "check", "metrics")

	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o644 {
		t.Errorf("mode %v", info.Mode())
	}
}

// The file is written at once when the health changes, otherwise every 10 s.
func TestMetricsAreWrittenSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wrote []int // the seconds of the writes
		began := time.Now()
		m := NewMetrics(watchreg.Status{}, "none", nil)
		m.write = func([]byte) error {
			wrote = append(wrote, int(time.Since(began).Seconds()))
			return nil
		}
		defer m.Close(time.Minute)
		for _, e := range []struct {
			times int
			watch.Event
		}{
			{1, watch.Event{Kind: watch.Started}},
			{22, watch.Event{Kind: watch.Healthy}},                                       // 2 to 23
			{1, watch.Event{Kind: watch.Void}},                                           // 24
			{1, watch.Event{Kind: watch.Failed, Failures: 1}},                            // 25
			{1, watch.Event{Kind: watch.Failed, Failures: 2}},                            // 26
			{1, watch.Event{Kind: watch.Healthy}},                                        // 27
			{12, watch.Event{Kind: watch.Refused, Class: watch.Account}},                 // 28 to 39
			{1, watch.Event{Kind: watch.Healthy, Report: watch.Report{Grace: true}}},     // 40
			{1, watch.Event{Kind: watch.Paused}},                                         // 41
			{1, watch.Event{Kind: watch.Paused, Again: true, Until: began.Add(1 << 40)}}, // 42
			{1, watch.Event{Kind: watch.Judged}},                                         // 43
		} {
			for range e.times {
				time.Sleep(time.Second)
				e.At = time.Now()
				m.On(e.Event)
				synctest.Wait()
			}
		}
		if d := cmp.Diff([]int{1, 2, 12, 22, 25, 26, 27, 28, 38, 40, 41, 43}, wrote); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	})
}

// The file at the end of a pause, at a verdict and at a stop.
func TestMetricsFileAtTheEnd(t *testing.T) {
	has := func(t *testing.T, path string, lines ...string) {
		t.Helper()
		text := readFile(t, path)
		for _, l := range lines {
			if !strings.Contains(text, "\n"+l+"\n") {
				t.Errorf("without %q:\n%s", l, text)
			}
		}
	}
	t.Run("verdict", func(t *testing.T) {
		on, path := testMetrics(t)
		on(watch.Event{Kind: watch.Healthy, Took: time.Millisecond})
		on(watch.Event{Kind: watch.Paused})
		has(t, path, `fsmon_paused{id="w",kind="samba"} 1`)
		on(watch.Event{Kind: watch.Continued})
		has(t, path, `fsmon_paused{id="w",kind="samba"} 0`)
		on(watch.Event{Kind: watch.Judged, Err: watch.ErrDrill})
		has(t, path, `fsmon_up{id="w",kind="samba"} 0`,
			`fsmon_consecutive_failures{id="w",kind="samba"} 6`,
			`fsmon_retries{id="w",kind="samba"} 5`)
	})
	t.Run("stop", func(t *testing.T) {
		on, path := testMetrics(t)
		on(watch.Event{Kind: watch.Healthy})
		on(watch.Event{Kind: watch.Stopped})
		left, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}

// The errands of these tests are this test program, started once more.
func TestMain(m *testing.M) {
	if errand.Main() {
		return
	}
	errand.Enabled = false
	os.Exit(m.Run())
}

var errBroken = errors.New("negotiate: broken")

package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"fsmon/cmd/internal/errand"
	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// verdict sends v the last events of a watch: a success, two failed probes of
// the target, and the verdict.
func verdict(v *Evidence, target string) {
	at := time.Unix(testMoment, 0)
	report := rungs("connect", "negotiate")
	report.Target = target
	report.Wire = []watch.Segment{{At: at, From: netip.MustParseAddrPort("127.0.0.1:1000"),
		To: netip.MustParseAddrPort("127.0.0.1:445"), Data: []byte("hello")}}
	v.On(watch.Event{Kind: watch.Healthy, Began: at, Took: time.Millisecond, Report: report})
	e := watch.Event{Kind: watch.Failed, At: at, Began: at, Took: time.Second, Report: report,
		Err: errBroken, Allowed: 2, Class: watch.Server,
		Witnesses: []watch.Witness{{Address: "192.0.2.9", Answered: true, Err: errBroken}}}
	refused := e
	refused.Kind, refused.Class = watch.Refused, watch.Access
	v.On(refused)
	for e.Failures = 1; e.Failures <= 2; e.Failures++ {
		v.On(e)
	}
	e.Kind, e.Failures = watch.Judged, 2
	v.On(e)
}

// newEvidence returns the evidence of a watch that was judged, with the given
// collectors.
func newEvidence(dir, target string, collectors ...collector) *Evidence {
	v := New(watchreg.Status{ID: "w", Command: "clp_sambamon", Version: "v1",
		Target: "//127.0.0.1:445/share", Interval: 30, Retries: 1, Timeout: 60}, dir)
	v.collect = func(uint16) []collector { return collectors }
	verdict(v, target)
	return v
}

// save saves, and returns the directory and what is missing in it.
func save(t *testing.T, v *Evidence, budget time.Duration) (path string, missing []string) {
	t.Helper()
	got, err := v.Save(t.Context(), budget)
	if err != nil {
		t.Fatal(err)
	}
	return got.Path, got.Missing
}

func says(name, text string) collector {
	return collector{name, func(_ context.Context, out io.Writer) error {
		io.WriteString(out, text)
		return nil
	}}
}

func TestEvidence(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log", "evidence")
	v := newEvidence(dir, "127.0.0.1:445", says("found.txt", "something"), says("empty.txt", ""))
	path, missing := save(t, v, time.Minute)
	if want := filepath.Join(dir, "w", "20261121T194100.000Z"); path != want || missing != nil {
		t.Errorf("saved in %s, want %s; missing: %q", path, want, missing)
	}
	for p, mode := range map[string]os.FileMode{
		dir: 0o700, filepath.Join(dir, "w"): 0o700, path: 0o700,
		filepath.Join(path, "reports.json"): 0o600, filepath.Join(path, "probe.pcap"): 0o600,
		filepath.Join(path, "summary.txt"): 0o600, filepath.Join(path, "found.txt"): 0o600,
	} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	left, err := os.ReadDir(path)
	if err != nil || len(left) != 4 {
		t.Errorf("it holds %v, %v", left, err)
	}

	var reports []probeReport
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(path, "reports.json"))),
		&reports); err != nil {
		t.Fatal(err)
	}
	if len(reports) != 4 || reports[0].Result != "healthy" ||
		reports[1].Result != "refused" || reports[1].Class != watch.Access ||
		reports[3].Result != "failed" || reports[3].Error != "negotiate: broken" ||
		reports[3].Class != watch.Server || len(reports[3].Witnesses) != 1 ||
		reports[3].Failures != 2 || reports[3].TookMS != 1000 ||
		len(reports[3].Rungs) != 2 || reports[3].Rungs[1] != (rungReport{"negotiate", 2, ""}) {
		t.Errorf("reports %+v", reports)
	}
	streams := reassemble(t, readPCAP(t, []byte(readFile(t, filepath.Join(path, "probe.pcap")))))
	if len(streams) != 1 || streams["127.0.0.1:1000>127.0.0.1:445"] != "hello" {
		t.Errorf("streams %q", streams)
	}
	summary := readFile(t, filepath.Join(path, "summary.txt"))
	for _, part := range []string{"identifier w", "after 2 failed probes", "negotiate: broken",
		"-i 30 -c 1 -r 60", "class         server\n", "192.0.2.9 fails too (negotiate: broken)",
		"found.txt"} {
		if !strings.Contains(summary, part) {
			t.Errorf("the summary does not say %q:\n%s", part, summary)
		}
	}
}

// Little is kept between probes, and no transcript after a success.
func TestEvidenceKeepsLittle(t *testing.T) {
	v := New(watchreg.Status{}, "/nonexistent")
	report := rungs("connect", "negotiate")
	report.Target = "192.0.2.1:445"
	report.Wire = make([]watch.Segment, 3)
	for i := range 100 {
		v.On(watch.Event{Kind: watch.Failed, Failures: i, Report: report,
			Err: errors.New(strings.Repeat("x", 100_000))})
	}
	// It overran its deadline, so it has no report.
	v.On(watch.Event{Kind: watch.Failed, Failures: 100, Err: errBroken})
	if len(v.last) != keptReports || v.last[0].Failures != 81 || v.last[19].Failures != 100 {
		t.Errorf("%d reports, from %d", len(v.last), v.last[0].Failures)
	}
	if n := len(v.last[0].Error); n > keptErrBytes+10 {
		t.Errorf("an error of %d bytes", n)
	}
	if len(v.wire) != 3 || v.target != "192.0.2.1:445" {
		t.Errorf("wire %v, target %q", v.wire, v.target)
	}
	v.On(watch.Event{Kind: watch.Paused})
	v.On(watch.Event{Kind: watch.Healthy, Report: report})
	if v.wire != nil {
		t.Error("a healthy probe's transcript is kept")
	}
}

// A collector that hangs spoils only its own file, and costs no more than the
// budget.
func TestHungCollector(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		let := make(chan bool)
		defer close(let)
		hung := collector{"hung.txt", func(_ context.Context, out io.Writer) error {
			io.WriteString(out, "as far as it came")
			<-let // it ignores its context, as a read of /proc does
			return nil
		}}
		broken := collector{"broken.txt",
			func(context.Context, io.Writer) error { return errors.New("no permission") }}
		began := time.Now()
		v := newEvidence(dir, "127.0.0.1:445", hung, says("found.txt", "all"), broken)
		path, missing := save(t, v, 1400*time.Millisecond)
		if took := time.Since(began); took != 1100*time.Millisecond {
			t.Errorf("Save took %s", took)
		}
		if !slices.Equal(missing, []string{"hung.txt", "broken.txt"}) {
			t.Errorf("missing: %q", missing)
		}
		for name, want := range map[string]string{
			"hung.txt":   "as far as it came\nnot whole: it was not ready in time\n",
			"broken.txt": "\nnot whole: no permission\n",
			"found.txt":  "all",
		} {
			if got := readFile(t, filepath.Join(path, name)); got != want {
				t.Errorf("%s holds %q", name, got)
			}
		}
		summary := readFile(t, filepath.Join(path, "summary.txt"))
		if !strings.Contains(summary, "missing       hung.txt, broken.txt") {
			t.Error(summary)
		}
	})
}

// Whatever else hangs, Save returns when its budget is up.
func TestHungDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		let := make(chan bool)
		v := newEvidence(dir, "127.0.0.1:445")
		v.collect = func(uint16) []collector { <-let; return nil } // before anything is written
		began := time.Now()
		_, err := v.Save(t.Context(), 1400*time.Millisecond)
		if took := time.Since(began); took != 1400*time.Millisecond ||
			err.Error() != dir+" did not take it within 1.4s" {
			t.Errorf("after %s: %v", took, err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(errors.New("SIGTERM")) })
		began = time.Now()
		_, err = v.Save(ctx, 1400*time.Millisecond)
		if took := time.Since(began); took != 100*time.Millisecond || err.Error() != "SIGTERM" {
			t.Errorf("told to stop, after %s: %v", took, err)
		}
		close(let)
		synctest.Wait()
	})
}

func must(t *testing.T, path string, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// The server's address, as far as it is known, says whether it is this machine.
func TestEvidenceKnowsWhereTheServerIs(t *testing.T) {
	refused := func(address string) error {
		return fmt.Errorf("connect: %w", &net.OpError{Op: "dial",
			Addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)),
			Err:  syscall.ECONNREFUSED})
	}
	for _, c := range []struct {
		target string
		err    error
		port   uint16
		local  bool
	}{
		{"127.0.0.1:445", errBroken, 445, true},
		{"127.3.2.1:445", errBroken, 445, true},
		{"[::1]:2049", errBroken, 2049, true},
		{"[::ffff:127.0.0.1]:445", errBroken, 445, true},
		{"192.0.2.77:445", errBroken, 445, false},
		{"", refused("127.0.0.1:1445"), 1445, true},
		{"", refused("192.0.2.77:445"), 445, false},
		{"", errBroken, 0, false},
		{"nonsense", errBroken, 0, false},
	} {
		v := &Evidence{target: c.target, judged: watch.Event{Err: c.err}}
		address, local := v.server()
		if address.Port() != c.port || local != c.local {
			t.Errorf("%q, %v: %v, local %v", c.target, c.err, address, local)
		}
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		ip := netip.MustParsePrefix(a.String()).Addr()
		v := &Evidence{target: netip.AddrPortFrom(ip, 445).String()}
		if _, local := v.server(); !local {
			t.Errorf("%s is this machine's own", v.target)
		}
	}
}

// An errand reads /proc itself, and gets all that the watch remembers.
func TestEvidenceErrand(t *testing.T) {
	errand.Enabled = true
	t.Cleanup(func() { errand.Enabled = false })
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	v := newEvidence(dir, "127.0.0.1:445")
	from, to := netip.MustParseAddrPort("[::1]:445"), netip.MustParseAddrPort("[::1]:1000")
	v.wire = append(v.wire, watch.Segment{At: time.Unix(testMoment, 7), From: from, To: to,
		Data: make([]byte, 200_000)})
	path, _ := save(t, v, time.Minute)
	for name, part := range map[string]string{
		"blocked.txt":  "in uninterruptible sleep",
		"reports.json": "negotiate: broken",
		"summary.txt": "verdict       " + v.judged.At.Format(time.RFC3339) +
			", after 2 failed probes in a row\nbecause       negotiate: broken",
	} {
		if text := readFile(t, filepath.Join(path, name)); !strings.Contains(text, part) {
			t.Errorf("%s does not say %q:\n%s", name, part, text)
		}
	}
	streams := reassemble(t, readPCAP(t, []byte(readFile(t, filepath.Join(path, "probe.pcap")))))
	if streams["127.0.0.1:1000>127.0.0.1:445"] != "hello" ||
		len(streams["[::1]:445>[::1]:1000"]) != 200_000 {
		t.Errorf("%d streams", len(streams))
	}
	file := filepath.Join(dir, "file")
	must(t, file, os.WriteFile(file, nil, 0o600))
	if err := New(v.self, file).Prepare(); err == nil ||
		!strings.Contains(err.Error(), "file is not a directory") {
		t.Errorf("%v", err)
	}
}

// The errands of these tests are this test program, started once more.
func TestMain(m *testing.M) {
	if errand.Main() {
		return
	}
	errand.Enabled = false
	os.Exit(m.Run())
}

const testMoment = 1_795_290_060 // 2026-11-21 19:41:00 UTC

var errBroken = errors.New("negotiate: broken")

// rungs is a report with the given rungs, each 1 ms longer than the one before.
func rungs(names ...string) watch.Report {
	var r watch.Report
	for i, n := range names {
		r.Rungs = append(r.Rungs, watch.Rung{Name: n, Took: time.Duration(i+1) * time.Millisecond})
	}
	return r
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

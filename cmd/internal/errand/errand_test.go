package errand

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fsmon/cmd/internal/watch"
)

// The errands of these tests are this test program once more.
func TestMain(m *testing.M) {
	if os.Args[0] == errandName && Errand() {
		return
	}
	os.Exit(m.Run())
}

// sendErrands makes this test program one that sends errands.
func sendErrands(t *testing.T) {
	t.Helper()
	if len(os.Args) == 1 && os.Args[0] == errandName {
		t.Fatal("an errand of an errand")
	}
	errands = true
	t.Cleanup(func() { errands = false })
}

// An errand does what the watch would have done, and says how it ended in the same words.
func TestErrand(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	sendErrands(t)
	log := LogFile(filepath.Join(dir, "log", "watch.log"), "sambamon")
	if err := log.Deliver(Alert{Number: 1, Text: "one line", Detail: strings.Repeat("é", 300)}); err != nil {
		t.Fatal(err)
	}
	if texts := logged(t, filepath.Join(dir, "log", "watch.log")); len(texts) != 4 || texts[0] != "INFO 1 one line" {
		t.Errorf("%q", texts)
	}
	if err := LogFile("/dev/full", "sambamon").Deliver(Alert{Text: "x"}); err == nil || !strings.Contains(err.Error(), "/dev/full is not a regular file") {
		t.Errorf("%v", err)
	}

	prom := filepath.Join(dir, "w.prom")
	for _, text := range []string{"x 1\n", "x 2\n"} {
		if d := (task{Metrics: &metricsTask{prom, []byte(text)}}).run(t.Context()); d.err != nil || readFile(t, prom) != text {
			t.Errorf("%v, %q", d.err, readFile(t, prom))
		}
	}
	if d := (task{Metrics: &metricsTask{Path: prom}}).run(t.Context()); d.err != nil {
		t.Error(d.err)
	}
	if _, err := os.Lstat(prom); err == nil {
		t.Error("still there")
	}

	v := newEvidence(dir, "127.0.0.1:445")
	v.wire = append(v.wire, watch.Segment{At: time.Unix(testMoment, 7), From: netip.MustParseAddrPort("[::1]:445"), To: netip.MustParseAddrPort("[::1]:1000"), Data: make([]byte, 200_000)})
	path := caseOf(t, v.Save(t.Context(), 10*time.Second))
	// It is the errand's own /proc that it looks at, and all that was remembered is there.
	for name, part := range map[string]string{"blocked.txt": "in uninterruptible sleep", "reports.json": "negotiate: broken",
		"summary.txt": "verdict       " + v.judged.At.Format(time.RFC3339) + ", after 2 failed probes in a row\nbecause       negotiate: broken"} {
		if text := readFile(t, filepath.Join(path, name)); !strings.Contains(text, part) {
			t.Errorf("%s does not say %q:\n%s", name, part, text)
		}
	}
	streams := reassemble(t, readPCAP(t, []byte(readFile(t, filepath.Join(path, "probe.pcap")))))
	if streams["127.0.0.1:1000>127.0.0.1:445"] != "hello" || len(streams["[::1]:445>[::1]:1000"]) != 200_000 {
		t.Errorf("%d streams", len(streams))
	}
	if err := NewEvidence(v.self, filepath.Join(dir, "log", "watch.log")).Prepare(); err == nil || !strings.Contains(err.Error(), "watch.log is not a directory") {
		t.Errorf("%v", err)
	}
}

// Where no errand can be started the work is done here.
func TestErrandThatCannotBe(t *testing.T) {
	sendErrands(t)
	program = filepath.Join(t.TempDir(), "missing")
	t.Cleanup(func() { program = thisProgram })
	path := filepath.Join(t.TempDir(), "log", "watch.log")
	if err := LogFile(path, "sambamon").Deliver(Alert{Number: 1, Text: "x"}); err != nil || len(logged(t, path)) != 1 {
		t.Error(err)
	}
	// One that ends without a word has failed: whether it did its work is not known.
	program = "/bin/true"
	if err := LogFile(path, "sambamon").Deliver(Alert{Number: 1, Text: "x"}); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

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

	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// verdict gives an evidence the end of a life: a success, then two failed probes of the target.
func verdict(v *Evidence, target string) {
	at := time.Unix(testMoment, 0)
	report := rungs("connect", "negotiate")
	report.Target = target
	report.Wire = []watch.Segment{{At: at, From: netip.MustParseAddrPort("127.0.0.1:1000"), To: netip.MustParseAddrPort("127.0.0.1:445"), Data: []byte("hello")}}
	v.On(watch.Event{Kind: watch.Healthy, Began: at, Took: time.Millisecond, Report: report})
	e := watch.Event{Kind: watch.Failed, At: at, Began: at, Took: time.Second, Report: report, Err: errBroken, Allowed: 2}
	for e.Failures = 1; e.Failures <= 2; e.Failures++ {
		v.On(e)
	}
	e.Kind, e.Failures = watch.Judged, 2
	v.On(e)
}

// newEvidence is one whose target was judged; what is collected are the given collectors.
func newEvidence(dir, target string, collectors ...collector) *Evidence {
	v := NewEvidence(watchreg.Status{ID: "w", Command: "clp_sambamon", Version: "v1", Target: "//127.0.0.1:445/share", Interval: 30, Retries: 1, Timeout: 60}, dir)
	v.collect = func(uint16) []collector { return collectors }
	verdict(v, target)
	return v
}

// caseOf is the directory that the message names.
func caseOf(t *testing.T, a Alert) string {
	t.Helper()
	path, ok := strings.CutPrefix(strings.TrimSuffix(a.Text, "."), "Evidence was saved in ")
	if !ok || a.Number != 116 {
		t.Fatalf("got %d %s (%s)", a.Number, a.Text, a.Detail)
	}
	return path
}

func says(name, text string) collector {
	return collector{name, func(_ context.Context, out io.Writer) error { io.WriteString(out, text); return nil }}
}

func TestEvidence(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log", "evidence")
	a := newEvidence(dir, "127.0.0.1:445", says("found.txt", "something"), says("empty.txt", "")).Save(t.Context(), 10*time.Second)
	path := caseOf(t, a)
	if want := filepath.Join(dir, "w", "20261121T194100.000Z"); path != want || a.Detail != "" {
		t.Errorf("saved in %s, want %s; %s", path, want, a.Detail)
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
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(path, "reports.json"))), &reports); err != nil {
		t.Fatal(err)
	}
	if len(reports) != 3 || reports[0].Result != "healthy" || reports[2].Result != "failed" || reports[2].Error != "negotiate: broken" ||
		reports[2].Failures != 2 || reports[2].TookMS != 1000 || len(reports[2].Rungs) != 2 || reports[2].Rungs[1] != (rungReport{"negotiate", 2, ""}) {
		t.Errorf("reports %+v", reports)
	}
	streams := reassemble(t, readPCAP(t, []byte(readFile(t, filepath.Join(path, "probe.pcap")))))
	if len(streams) != 1 || streams["127.0.0.1:1000>127.0.0.1:445"] != "hello" {
		t.Errorf("streams %q", streams)
	}
	summary := readFile(t, filepath.Join(path, "summary.txt"))
	for _, part := range []string{"identifier w", "after 2 failed probes", "negotiate: broken", "-i 30 -c 1 -r 60", "found.txt"} {
		if !strings.Contains(summary, part) {
			t.Errorf("the summary does not say %q:\n%s", part, summary)
		}
	}
}

// What is kept between probes is bounded, and no transcript outlives a success.
func TestEvidenceKeepsLittle(t *testing.T) {
	v := NewEvidence(watchreg.Status{}, "/nonexistent")
	report := rungs("connect", "negotiate")
	report.Target = "192.0.2.1:445"
	report.Wire = make([]watch.Segment, 3)
	for i := range 100 {
		v.On(watch.Event{Kind: watch.Failed, Failures: i, Report: report, Err: errors.New(strings.Repeat("x", 100_000))})
	}
	v.On(watch.Event{Kind: watch.Failed, Failures: 100, Err: errBroken}) // overran: it has no report
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

// A collector that hangs costs its own file, and never more than the budget.
func TestHungCollector(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		let := make(chan bool)
		defer close(let)
		hung := collector{"hung.txt", func(_ context.Context, out io.Writer) error {
			io.WriteString(out, "as far as it came")
			<-let // deaf to its context, as a read of /proc is
			return nil
		}}
		broken := collector{"broken.txt", func(context.Context, io.Writer) error { return errors.New("no permission") }}
		began := time.Now()
		a := newEvidence(dir, "127.0.0.1:445", hung, says("found.txt", "all"), broken).Save(t.Context(), 1400*time.Millisecond)
		if took := time.Since(began); took != 1100*time.Millisecond {
			t.Errorf("Save took %s", took)
		}
		path := caseOf(t, a)
		if a.Detail != "not in it, or not whole: hung.txt, broken.txt" {
			t.Errorf("detail %q", a.Detail)
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
		if summary := readFile(t, filepath.Join(path, "summary.txt")); !strings.Contains(summary, "missing       hung.txt, broken.txt") {
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
		a := v.Save(t.Context(), 1400*time.Millisecond)
		if took := time.Since(began); took != 1400*time.Millisecond || a.Text != "Evidence could not be saved ("+dir+" did not take it within 1.4s)." {
			t.Errorf("after %s: %d %s", took, a.Number, a.Text)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(errors.New("SIGTERM")) })
		began = time.Now()
		a = v.Save(ctx, 1400*time.Millisecond)
		if took := time.Since(began); took != 100*time.Millisecond || a.Text != "Evidence could not be saved (SIGTERM)." {
			t.Errorf("told to stop, after %s: %d %s", took, a.Number, a.Text)
		}
		close(let)
		synctest.Wait()
	})
}

// Where evidence cannot or must not be saved there is one message, and nobody's files are touched.
func TestEvidenceRefused(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string) (evidence string)
		says    string
	}{
		"the directory cannot be made": {func(t *testing.T, dir string) string { return "/proc/fsmon/evidence" }, "/proc/fsmon"},
		"a file is in its place": {func(t *testing.T, dir string) string {
			return must(t, filepath.Join(dir, "file"), os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
		}, "not a directory"},
		"others may write it": {func(t *testing.T, dir string) string {
			open := filepath.Join(dir, "open")
			return must(t, open, errors.Join(os.Mkdir(open, 0o777), os.Chmod(open, 0o777)))
		}, "can be written by others (mode 0777"},
		"its group may write the watch's": {func(t *testing.T, dir string) string {
			return must(t, dir, errors.Join(os.Mkdir(filepath.Join(dir, "w"), 0o770), os.Chmod(filepath.Join(dir, "w"), 0o770)))
		}, "w can be written by others (mode 0770"},
		"the watch's is a link": {func(t *testing.T, dir string) string {
			inner := filepath.Join(dir, "evidence")
			return must(t, inner, errors.Join(os.Mkdir(inner, 0o700), os.Mkdir(filepath.Join(dir, "victim"), 0o700), os.Symlink("../victim", filepath.Join(inner, "w"))))
		}, "w is a symbolic link"},
		"it is a link itself": {func(t *testing.T, dir string) string {
			link := filepath.Join(dir, "evidence")
			return must(t, link, errors.Join(os.Mkdir(filepath.Join(dir, "victim"), 0o700), os.Symlink("victim", link)))
		}, "evidence is a symbolic link"},
		"it is a link to the outside": {func(t *testing.T, dir string) string {
			link := filepath.Join(dir, "evidence")
			return must(t, link, os.Symlink(must(t, t.TempDir(), nil), link))
		}, "evidence is a symbolic link"},
		"the watch's is a file": {func(t *testing.T, dir string) string {
			return must(t, dir, os.WriteFile(filepath.Join(dir, "w"), nil, 0o600))
		}, "w is not a directory"},
		"another user's": {func(t *testing.T, dir string) string {
			if os.Geteuid() != 0 {
				return "/proc/1/fd" // of root
			}
			foreign := filepath.Join(dir, "foreign")
			return must(t, foreign, errors.Join(os.Mkdir(foreign, 0o755), os.Chown(foreign, 65534, 65534)))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			v := newEvidence(c.prepare(t, dir), "192.0.2.1:445")
			before := tree(t, dir)
			if err := v.Prepare(); err == nil {
				t.Error("Prepare finds nothing wrong")
			}
			a := v.Save(t.Context(), 10*time.Second)
			if a.Number != 117 || !strings.HasPrefix(a.Text, "Evidence could not be saved (") || !strings.Contains(a.Text, c.says) {
				t.Errorf("got %d %s", a.Number, a.Text)
			}
			if after := tree(t, dir); !slices.Equal(before, after) {
				t.Errorf("before %q, after %q", before, after)
			}
		})
	}
}

// A clock that was set back gives a time anew: what was saved then stays, and so does what is saved now.
func TestEvidenceOfTheSameMillisecond(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var names []string
	for range 3 {
		names = append(names, filepath.Base(caseOf(t, newEvidence(dir, "192.0.2.1:445").Save(t.Context(), 10*time.Second))))
	}
	if want := []string{"20261121T194100.000Z", "20261121T194100.001Z", "20261121T194100.002Z"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

// A relative directory is where it was when the watch began, whatever has become of the working directory.
func TestRelativeEvidenceDirectory(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	t.Chdir(dir)
	v := newEvidence("evidence", "192.0.2.1:445")
	t.Chdir(elsewhere)
	if path, want := caseOf(t, v.Save(t.Context(), 10*time.Second)), filepath.Join(dir, "evidence", "w", "20261121T194100.000Z"); path != want {
		t.Errorf("saved in %s, want %s", path, want)
	}
}

func must(t *testing.T, path string, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// tree is every path below dir.
func tree(t *testing.T, dir string) (paths []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error { paths = append(paths, path); return err }); err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestEvidenceOnAFullDisk(t *testing.T) {
	v := newEvidence(smallDisk(t), "127.0.0.1:445", says("large.txt", strings.Repeat("x", 100_000)))
	a := v.Save(t.Context(), 10*time.Second)
	if a.Number != 117 || !strings.Contains(a.Text, "no space left on device; what there was room for is in ") {
		t.Errorf("got %d %s", a.Number, a.Text)
	}
}

// The newest ten stay; what does not look like ours stays whatever it is, and no link is followed.
func TestEvidenceIsPruned(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "w")
	victim := filepath.Join(dir, "victim")
	for _, err := range []error{
		os.Chmod(dir, 0o700), os.Mkdir(mine, 0o700), os.Mkdir(victim, 0o700),
		os.WriteFile(filepath.Join(victim, "precious"), nil, 0o600),
		os.Symlink("../victim", filepath.Join(mine, "20000101T000000.000Z")),
		os.Mkdir(filepath.Join(mine, "kept for the vendor"), 0o700),
		os.WriteFile(filepath.Join(mine, "20000102T000000.000Z"), nil, 0o600),
		os.Mkdir(filepath.Join(mine, "20000103T000000,000Z"), 0o700),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		old := filepath.Join(mine, fmt.Sprintf("20250101T0000%02d.000Z", i))
		if err := errors.Join(os.Mkdir(old, 0o700), os.WriteFile(filepath.Join(old, "f"), nil, 0o600), os.Symlink(victim, filepath.Join(old, "link"))); err != nil {
			t.Fatal(err)
		}
	}
	path := caseOf(t, newEvidence(dir, "192.0.2.1:445").Save(t.Context(), 10*time.Second))
	entries, err := os.ReadDir(mine)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	want := []string{"20000101T000000.000Z", "20000102T000000.000Z", "20000103T000000,000Z"}
	for i := 3; i < 12; i++ {
		want = append(want, fmt.Sprintf("20250101T0000%02d.000Z", i))
	}
	want = append(want, filepath.Base(path), "kept for the vendor")
	if !slices.Equal(got, want) {
		t.Errorf("left are %q\nwant     %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(victim, "precious")); err != nil {
		t.Error(err)
	}
}

// Whether the server is this machine, by its address as far as it is known.
func TestEvidenceKnowsWhereTheServerIs(t *testing.T) {
	refused := func(address string) error {
		return fmt.Errorf("connect: %w", &net.OpError{Op: "dial", Addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)), Err: syscall.ECONNREFUSED})
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

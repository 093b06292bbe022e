package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
)

// A frozen server on this machine: its evidence is there when the watch has
// ended, and the verdict did not wait for it.
func TestEvidence(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	dir := filepath.Join(t.TempDir(), "evidence")
	w := l.Watch(at(s.Addr(), "-s", "share", "-i", "1", "-c", "1", "-r", "4",
		"--evidence-dir", dir)...)
	w.Message(cmdtest.Watching)
	l.Healthy()
	freeze(t, s)
	saved := w.Message(cmdtest.Saved)
	w.Exits(1)
	w.Told("started watching probe-failed probe-failed net-select terminate saved")

	path, _ := strings.CutPrefix(strings.TrimSuffix(saved.Text+saved.Detail, "."),
		"Evidence was saved in ")
	if filepath.Dir(path) != filepath.Join(dir, "w") {
		t.Fatalf("%+v", saved)
	}
	files := cmdtest.Files(t, path)
	for name, part := range map[string]string{
		"summary.txt": "identifier w",
		"server.txt":  fmt.Sprintf("listen on port %d; processes that hold them: [%d", s.Port, s.PID),
		"sockets.txt": "LISTEN       " + s.Addr(),
		"blocked.txt": "in uninterruptible sleep",
		"mounts.txt":  "/proc/1/mountinfo",
		"load.txt":    "MemTotal",
		"probe.pcap":  "\x4d\x3c\xb2\xa1",
	} {
		if got := files[filepath.Join(path, name)]; !strings.Contains(got, part) {
			t.Errorf("%s does not hold %q:\n%.2000s", name, part, got)
		}
	}
	var reports []struct {
		Result string
		Error  string
		Rungs  []struct{ Name string }
	}
	text := files[filepath.Join(path, "reports.json")]
	if err := json.Unmarshal([]byte(text), &reports); err != nil {
		t.Fatal(err)
	}
	last := reports[len(reports)-1]
	if len(reports) < 3 || reports[0].Result != "healthy" || last.Result != "failed" ||
		!strings.Contains(last.Error, "deadline") || len(last.Rungs) == 0 {
		t.Errorf("%+v", reports)
	}
	for file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}
	l.Gone()
}

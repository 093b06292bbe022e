package observe

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const templates = "../../../templates"

// promtool fails the test unless promtool (Debian package prometheus) accepts
// the input.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("promtool is not installed (package prometheus)")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil || args[1] == "metrics" && len(out) > 0 {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

func TestAlertRules(t *testing.T) {
	promtool(t, "", "check", "rules", filepath.Join(templates, "prometheus/fsmon.rules.yml"))
	promtool(t, "", "test", "rules", "testdata/rules.test.yml")
}

// The dashboard and the rules use only metrics that we write.
func TestTemplatesKnowOurMetrics(t *testing.T) {
	ours := metricNames(readFile(t, "testdata/metrics.golden"), `(?m)^(fsmon_\w+)\{`)
	rules := metricNames(readFile(t, filepath.Join(templates, "prometheus/fsmon.rules.yml")),
		`\b(fsmon_\w+)\b`)
	if len(rules) < 5 {
		t.Errorf("the rules use only %v", rules)
	}

	var board struct {
		Title      string
		UID        string
		Templating struct {
			List []struct{ Name, Query any }
		}
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ H, W, X, Y int }
			Targets []struct{ Expr string }
		}
	}
	text := readFile(t, filepath.Join(templates, "grafana/fsmon.json"))
	if err := json.Unmarshal([]byte(text), &board); err != nil {
		t.Fatal(err)
	}
	if board.Title == "" || board.UID == "" || len(board.Panels) < 5 {
		t.Errorf("%+v", board)
	}
	ids := map[int]bool{}
	used := metricNames(text, `\b(fsmon_\w+)\b`)
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.Type == "" || p.GridPos.W == 0 ||
			p.GridPos.X+p.GridPos.W > 24 || len(p.Targets) == 0 {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, "fsmon_") {
				t.Errorf("panel %q asks for %q", p.Title, target.Expr)
			}
		}
	}
	for _, name := range slices.Concat(rules, used) {
		// The exporter's own are asked for by the lab's test of it.
		if !slices.Contains(ours, name) && !strings.HasPrefix(name, "fsmon_exporter") {
			t.Errorf("nobody writes %s", name)
		}
	}
	for _, name := range ours {
		if !slices.Contains(slices.Concat(rules, used), name) &&
			name != "fsmon_last_success_timestamp_seconds" {
			t.Logf("nobody reads %s", name)
		}
	}
}

func metricNames(text, pattern string) []string {
	var names []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

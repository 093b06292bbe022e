package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fsmon/kitrunner"
)

// twoSystems is a cluster of HERE and GONE without resources.
type twoSystems struct {
	gone bool
	ran  []string
	fail string // this command does not end
}

func (c *twoSystems) Run(_ context.Context, cmd kitrunner.Command) kitrunner.Result {
	name := strings.TrimSuffix(cmd.Name, ".exe")
	c.ran = append(c.ran, name)
	if name == c.fail {
		return kitrunner.Result{Err: fmt.Errorf("%s: %w", name, context.DeadlineExceeded)}
	}
	switch name {
	case "sys_list":
		if c.gone {
			return kitrunner.Result{Output: "HERE\r\n"}
		}
		return kitrunner.Result{Output: "HERE\r\nGONE\r\n"}
	case "sys_remove":
		c.gone = true
	}
	return kitrunner.Result{}
}

// rejoinFor is a command line for twoSystems.
func rejoinFor(t *testing.T, c *twoSystems, args ...string) *rejoinOptions {
	t.Helper()
	dir, err := os.MkdirTemp("", "rejoin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // file by file, for Wine
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range append(files, dir) {
			if err := os.Remove(f); err != nil {
				t.Error(err)
			}
		}
	})
	o, err := parseRejoin(append([]string{"--system", "HERE", "--gone", "GONE", "--state-dir", dir},
		args...))
	if err != nil {
		t.Fatal(err)
	}
	o.rejoin.Engine.Runner, o.rejoin.Engine.Log = c, kitrunner.Logs()
	if err := o.rejoin.Check(); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestRejoinConfirmation(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		args         []string
		code         int
		removed      bool
	}{
		{"yes", "yes\n", nil, 0, true},
		{"yes with Windows' line end", "YES\r\n", nil, 0, true},
		{"no", "no\n", nil, 1, false},
		{"only y", "y\n", nil, 1, false},
		{"nothing", "\n", nil, 1, false},
		{"nobody", "", nil, 64, false},
		{"--yes", "", []string{"--yes"}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := &twoSystems{}
			o := rejoinFor(t, cluster, c.args...)
			var out bytes.Buffer
			code := o.run(context.Background(), strings.NewReader(c.answer), &out, io.Discard)
			if code != c.code || cluster.gone != c.removed {
				t.Errorf("exit code %d, removed %v; want %d, %v\n%s", code, cluster.gone, c.code,
					c.removed, &out)
			}
			// What is to be confirmed stands above the question.
			if text := out.String(); !strings.Contains(text, `> %LKBIN%\sys_remove.exe -s GONE`) ||
				!c.removed && slices.Contains(cluster.ran, "sys_remove") {
				t.Errorf("got\n%s", text)
			}
		})
	}
}

func TestRejoinAsksNobodyButATerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	cluster := &twoSystems{}
	if code := rejoinFor(t, cluster).run(context.Background(), r, io.Discard,
		io.Discard); code != 64 {
		t.Errorf("exit code %d, want 64", code)
	}
	if len(cluster.ran) > 0 {
		t.Errorf("ran %q", cluster.ran)
	}
}

func TestRejoinInterruptedAtTheQuestion(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	in, typed := io.Pipe()
	defer typed.Close()
	cluster := &twoSystems{}
	code := rejoinFor(t, cluster).run(ctx, in, writerFunc(func(p []byte) (int, error) {
		if bytes.Contains(p, []byte("Type yes")) {
			cancel()
		}
		return len(p), nil
	}), io.Discard)
	if code != 1 || cluster.gone {
		t.Errorf("exit code %d, removed %v", code, cluster.gone)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestRejoinJSON(t *testing.T) {
	cluster := &twoSystems{fail: "net_remove"}
	o := rejoinFor(t, cluster, "--yes", "--json")
	var out bytes.Buffer
	if code := o.run(context.Background(), strings.NewReader(""), &out, io.Discard); code != 0 {
		t.Fatalf("exit code %d: %s", code, &out)
	}
	var report rejoinReport
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	last := report.Steps[len(report.Steps)-1]
	if report.Outcome != "success" || last.Step != "(A)" || report.Began.IsZero() ||
		len(report.Checklist) == 0 {
		t.Errorf("got %s", &out)
	}
	if _, err := os.Stat(report.Journal); err != nil {
		t.Errorf("the journal: %v", err)
	}

	cluster = &twoSystems{fail: "sys_remove"}
	o = rejoinFor(t, cluster, "--yes", "--json")
	out.Reset()
	code := o.run(context.Background(), strings.NewReader(""), &out, io.Discard)
	report = rejoinReport{}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	last = report.Steps[len(report.Steps)-1]
	if code != 3 || report.Code != 3 || report.Outcome != "could not determine" ||
		last.Step != "(A)" ||
		!strings.Contains(report.Error, "sys_remove") ||
		cluster.ran[len(cluster.ran)-1] != "sys_remove" {
		t.Errorf("exit code %d: %s", code, &out)
	}
}

func TestRejoinUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
	}{
		{"rejoin --system HERE --gone GONE --volume E --plan --offline", 0},
		{"rejoin --system HERE --gone GONE --volume E --volume F: " +
			"--all-resources --plan --offline --json", 0},
		{"rejoin --help", 0},
		{"rejoin --system HERE --gone GONE --plan --lkroot= --lkbin=", 64},
		{"rejoin --system HERE --gone GONE --offline", 64},
		{"rejoin --system HERE --gone GONE --plan --offline --skip 3", 64},
		{"rejoin --system HERE --gone GONE --plan --offline --skip 3 --reason why", 0},
		{"rejoin", 64},
		{"rejoin --system HERE --gone here --plan", 64},
		{"rejoin --system HERE --gone GONE --volume EF --plan", 64},
		{"rejoin --system HERE --gone GONE --plan now", 64},
		{"rejoin --system HERE --gone GONE --no-such-option", 64},
		{"rejoin --system HERE --gone GONE --query-timeout 0", 64},
		{"rejoin --system HERE --gone GONE --yes --lkbin= --lkroot=", 64},
		{"watch", 64},
		{"watch --help", 0},
		{"watch rejoin --tag T", 64},
		{"watch volume --volume E", 64},
		{"watch volume --tag T --volume E --peer P --node N --quick-interval 0", 64},
		{"watch volume --tag T --volume E --peer P --node N --plan", 0},
		{"watch lanman --tag T --id SRV01 --node N --plan --quick-interval 60 " +
			"--deep-interval 600", 0},
		{"watch lanman --tag T --id SRV01 --node N --system32= --lkbin= --lkroot=", 64},
	} {
		t.Run(c.args, func(t *testing.T) {
			if code := dispatch(strings.Fields(c.args)); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
		})
	}
}

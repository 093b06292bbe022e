//go:build linux

package winetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fsmon/kitrunner"
	"fsmon/kitrunner/kitdouble"
)

// pure are tests of package kitrunner that are skipped under Wine: they play
// hundreds of scenarios through the engine and rejoin, with a Runner of their
// own. What they do with files the other tests do too, and they take minutes
// there.
const pure = "^(TestFaults|TestRejoinFaults|TestRejoinResumes|TestUnknownEndsTheAction)$"

// TestPackagesUnderWine runs the tests of the packages of kitrunner as programs
// for Windows. The package parse has no access to the system.
func TestPackagesUnderWine(t *testing.T) {
	t.Parallel()
	need(t, "windows")
	for _, pkg := range []string{"kitrunner", "kitrunner/winsys", "cmd/kitrunner"} {
		t.Run(strings.ReplaceAll(pkg, "/", "-"), func(t *testing.T) {
			t.Parallel()
			dir, err := filepath.Abs(filepath.Join("../..", pkg))
			if err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(t.TempDir(), "package.test.exe")
			if err := build("windows", "test", "-c", "-tags", "wine", "-ldflags=-checklinkname=0",
				"-o", program, "fsmon/"+pkg); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(program); err != nil {
				t.Fatalf("fsmon/%s has no tests for Windows: %v", pkg, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			cmd := english.command(ctx, nil, program,
				"-test.timeout", limit.String(), "-test.skip", pure)
			cmd.Dir = dir
			defer slot("stories")()
			if out, err := runToFile(t, cmd); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// runToFile runs a program for Windows with its output in a file. A pipe would
// be held open by processes that outlive the program.
func runToFile(t *testing.T, cmd *exec.Cmd) ([]byte, error) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	err = cmd.Run()
	out, readErr := os.ReadFile(f.Name())
	if readErr != nil {
		t.Fatal(readErr)
	}
	return out, err
}

// TestEveryMessageIsReadable asks the built program for the text of each
// number, as the Event Viewer does.
func TestEveryMessageIsReadable(t *testing.T) {
	t.Parallel()
	need(t, "windows")
	var want strings.Builder
	args := []string{windows(programs["windows"].kitrunner)}
	for _, e := range kitrunner.Catalogue() {
		args = append(args, strconv.Itoa(e.Number))
		fmt.Fprintln(&want, e.Number, "the text <nil>")
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out, err := runToFile(t, english.command(ctx, nil, programs["windows"].messages, args...))
	if got := strings.ReplaceAll(string(out), "\r", ""); got != want.String() || err != nil {
		t.Errorf("%v, got\n%s", err, got)
	}
}

// If kitrunner is killed its command ends too: the job object ends with the
// process that made it.
func TestKilledRunnerTakesItsCommandAlong(t *testing.T) {
	t.Parallel()
	need(t, "windows")
	h := newTethers(t)
	s := cluster()
	s.Faults["nbtstat.exe"] = &kitdouble.Fault{Mode: "hang", Tether: h.String()}
	l := newLab(t, english, s)
	cmd, wait := l.start(append(with(alias, "lanman", "quickCheck"), l.options()...)...)
	h.wait(2)
	if len(l.processes()) < 3 {
		t.Errorf("kitrunner, a command and its child run, but there are %q", l.processes())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	l.gone()
	wait()
}

// Without CheckVolume.exe nothing is known; with --native the write test is our
// own, and the report says so. The drive is real.
func TestNativeWriteTest(t *testing.T) {
	t.Parallel()
	need(t, "windows")
	drive := t.TempDir()
	link := filepath.Join(prefix, "dosdevices/e:")
	if err := os.Symlink(drive, link); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(link)
	s := cluster()
	source(s.Nodes["NODEA"], s.Nodes["NODEB"])
	l := newLab(t, english, s)
	l.missing("CheckVolume.exe")
	l.expect(3, []int{20001}, with(mirrored, "volume", "deepCheck")...)
	native := with(mirrored, "volume", "deepCheck", "--native")
	o := l.expect(0, []int{}, native...)
	if !strings.Contains(o.stdout, "> kitrunner itself: write-test E") {
		t.Errorf("it does not say what ran:\n%s", o.stdout)
	}
	if left, err := os.ReadDir(drive); err != nil || len(left) > 0 {
		t.Errorf("the write test left %v, %v", left, err)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	l.expect(1, []int{12022}, native...) // the volume is gone
}

// A second action on a resource waits, and does nothing if the first does not
// end.
func TestOneActionAtATime(t *testing.T) {
	t.Parallel()
	onSystems(t, []system{native, english}, func(t *testing.T, sys system) {
		h := newTethers(t)
		s := cluster()
		s.Faults["nbtstat.exe"] = &kitdouble.Fault{Mode: "hang", Tether: h.String()}
		l := newLab(t, sys, s)
		first, wait := l.start(append(with(alias, "lanman", "quickCheck"), l.options()...)...)
		conns := h.wait(2)
		o := l.run(with(alias, "lanman", "restore", "--wait-timeout", "1")...)
		if o.code != kitrunner.Undetermined || len(o.calls) > 0 || len(o.events) != 1 ||
			!strings.Contains(o.events[0].Text, "another action on this resource has not ended") {
			t.Errorf("exit code %d, calls %q, events %v\n%s%s", o.code, o.called(), o.events,
				o.stdout, o.stderr)
		}
		if err := first.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// On Linux a command outlives kitrunner. The doubles end when their
		// connection does.
		for _, conn := range conns {
			conn.Close()
		}
		wait()
		l.gone()
	})
}

// TestPlanRunsNothing prints the same plan everywhere.
func TestPlanRunsNothing(t *testing.T) {
	t.Parallel()
	plans := map[string]string{}
	for _, sys := range everywhere {
		need(t, sys.goos)
		l := newLab(t, sys, cluster())
		o := l.run(with(mirrored, "volume", "remove", "--plan")...)
		if o.code != 0 || len(o.calls) > 0 || !strings.Contains(o.stdout,
			`EMCMD.exe . LOCKVOLUME E:`) {
			t.Errorf("%s: exit code %d, calls %q\n%s%s", sys.name, o.code, o.called(),
				o.stdout, o.stderr)
		}
		plans[strings.ReplaceAll(o.stdout, "\r", "")] = sys.name
	}
	if len(plans) != 1 {
		t.Errorf("the plans differ: %q", plans)
	}
}

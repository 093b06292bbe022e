//go:build linux

package winetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fsmon/kitrunner"
	"fsmon/kitrunner/kitdouble"
)

// limit bounds every wait. It only has to end a test that would never end.
const limit = 10 * time.Minute

// slots bound how many programs of the labs work at the same time: those of the
// stories, and those of TestFaults for each system. More of them would finish
// no sooner: all programs for Windows wait for the one Wine server, which gets
// the less of the processors the more programs run.
var slots = map[string]chan struct{}{
	"stories": make(chan struct{}, 3*runtime.NumCPU()),
	"linux":   make(chan struct{}, 3*runtime.NumCPU()),
	"windows": make(chan struct{}, 2*runtime.NumCPU()),
}

// slot waits for a slot and returns how to give it back, which may be done
// twice.
func slot(of string) (release func()) {
	slots[of] <- struct{}{}
	return sync.OnceFunc(func() { <-slots[of] })
}

// A system is one that kitrunner runs on.
type system struct {
	name     string
	goos     string
	japanese bool
	hangs    time.Duration // after which a command counts as one that hangs
}

var (
	native   = system{"native", "linux", false, 20 * time.Second}
	english  = system{"wine", "windows", false, time.Minute}
	japanese = system{"wine-japanese", "windows", true, time.Minute}
)

// onSystems runs a test on several systems.
func onSystems(t *testing.T, systems []system, f func(t *testing.T, s system)) {
	for _, s := range systems {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			need(t, s.goos)
			f(t, s)
		})
	}
}

var everywhere = []system{native, english, japanese}

// command returns the call of a program built for the system.
func (s system) command(ctx context.Context, env []string, program string,
	args ...string) *exec.Cmd {
	if s.goos == "windows" {
		cmd := exec.CommandContext(ctx, wine, append([]string{program}, args...)...)
		locale := "C"
		if s.japanese {
			locale = "ja_JP.UTF-8"
		}
		cmd.Env = wineEnv(locale, env...)
		return cmd
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// path is how the system writes the path of a file.
func (s system) path(file string) string {
	if s.goos == "windows" {
		return windows(file)
	}
	return file
}

// places are where the documents' commands are, by the option that tells.
var places = map[string][]string{
	"system32": {"nbtstat.exe", "sc.exe", "arp.exe", "ping.exe", "chkntfs.exe", "vssadmin.exe",
		"schtasks.exe", "mountvol.exe", "reg.exe"},
	"lkbin": {"LmServerNameAdd.exe", "LmServerNameDel.exe", "volume.exe", "CheckVolume.exe",
		"EISMEventNotice.exe", "lcdremexec.exe",
		"flg_create.exe", "flg_test.exe", "flg_remove.exe", "ins_list.exe", "ins_setst.exe",
		"ins_remove.exe", "eqv_list.exe",
		"eqv_remove.exe", "sys_list.exe",
		"sys_remove.exe", "net_list.exe", "net_remove.exe", "lcdsync.exe"},
	"lkroot": {"Admin/kit/Ipapp/bin/ips_ipchange.exe",
		"Admin/kit/Ipapp/bin/ips_arpupdate.exe"},
	"extmirrbase": {"EMCMD.exe"},
}

// lab is a node with the documents' commands and their state.
type lab struct {
	t         *testing.T
	sys       system
	dir       string
	slots     string        // those that its runs wait for
	timeout   time.Duration // of every command
	unstarted int           // kitrunners that Wine did not start
	hanging   *tethers      // of commands that a run waits for until their timeout
}

// newLab installs the commands. They share the state.
func newLab(t *testing.T, sys system, s *kitdouble.State) *lab {
	t.Helper()
	l := &lab{t: t, sys: sys, dir: t.TempDir(), slots: "stories", timeout: limit}
	for place, names := range places {
		for _, name := range names {
			file := filepath.Join(l.dir, place, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(programs[sys.goos].double, file); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.set(s)
	return l
}

func (l *lab) stateFile() string { return filepath.Join(l.dir, "state.json") }

func (l *lab) set(s *kitdouble.State) {
	l.t.Helper()
	s.Japanese = l.sys.japanese
	if err := s.Save(l.stateFile()); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) state() *kitdouble.State {
	l.t.Helper()
	s, err := kitdouble.Load(l.stateFile())
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// missing uninstalls a command.
func (l *lab) missing(name string) {
	l.t.Helper()
	for place := range places {
		for _, n := range places[place] {
			if strings.EqualFold(filepath.Base(n), name) {
				if err := os.Remove(filepath.Join(l.dir, place, n)); err != nil {
					l.t.Fatal(err)
				}
				return
			}
		}
	}
	l.t.Fatalf("%s is not installed", name)
}

// outcome is what a run of kitrunner left behind.
type outcome struct {
	code           int
	stdout, stderr string
	events         []kitrunner.Event
	calls          []kitdouble.Call
}

// numbers are the events' numbers.
func (o outcome) numbers() []int {
	ns := []int{}
	for _, e := range o.events {
		ns = append(ns, e.Number)
	}
	return ns
}

// called are the calls as people read them.
func (o outcome) called() []string {
	var lines []string
	for _, c := range o.calls {
		lines = append(lines, strings.Join(append([]string{c.Name}, c.Args...), " "))
	}
	return lines
}

// common are the options of every run, rejoin among them.
func (l *lab) common() []string {
	o := []string{"--state-dir", l.sys.path(filepath.Join(l.dir, "states"))}
	for place := range places {
		o = append(o, "--"+place, l.sys.path(filepath.Join(l.dir, place)))
	}
	return append(o, l.timeouts("query", "change")...)
}

// options are the options of every action of a kit.
func (l *lab) options() []string {
	o := append(l.common(), l.timeouts("switchover", "lock", "delete")...)
	return append(o, "--node", "NODEA", "--events", l.sys.path(filepath.Join(l.dir, "events")))
}

func (l *lab) timeouts(kinds ...string) (o []string) {
	for _, kind := range kinds {
		o = append(o, "--"+kind+"-timeout", fmt.Sprintf("%.0f", l.timeout.Seconds()))
	}
	return o
}

// start starts kitrunner; wait waits for its end.
func (l *lab) start(args ...string) (cmd *exec.Cmd, wait func() outcome) {
	l.t.Helper()
	for _, f := range []string{"events", "state.json.log"} {
		if err := os.Remove(filepath.Join(l.dir, f)); err != nil &&
			!errors.Is(err, os.ErrNotExist) {
			l.t.Fatal(err)
		}
	}
	return l.launch(args...)
}

// launch is start beside a kitrunner that runs: it keeps the events. Wine fails
// to start a program once in some thousand times. kitrunner tries such a
// command again; a kitrunner that ended without a word, a call and an event is
// started again here.
func (l *lab) launch(args ...string) (cmd *exec.Cmd, wait func() outcome) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), limit)
	l.t.Cleanup(cancel)
	cmd = l.sys.command(ctx, []string{"KITDOUBLE=" + l.sys.path(l.stateFile())},
		programs[l.sys.goos].kitrunner, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Dir = l.dir
	cmd.WaitDelay = limit // a double that is just being ended may hold them open
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	return cmd, func() outcome {
		l.t.Helper()
		err := cmd.Wait()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) ||
			ctx.Err() != nil {
			l.t.Fatalf("kitrunner %q: %v %v\n%s%s", args, err, ctx.Err(), stdout.Bytes(),
				stderr.Bytes())
		}
		o := outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(),
			readLines[kitrunner.Event](l.t, filepath.Join(l.dir, "events")),
			readLines[kitdouble.Call](l.t, l.stateFile()+".log")}
		if l.sys.goos == "windows" && o.code > 0 && o.stdout+o.stderr == "" &&
			len(o.calls)+len(o.events) == 0 && l.unstarted < 2 {
			l.unstarted++
			l.t.Log("Wine did not start kitrunner")
			_, again := l.launch(args...)
			return again()
		}
		return o
	}
}

// run runs kitrunner KIT ACTION.
func (l *lab) run(args ...string) outcome {
	l.t.Helper()
	release := slot(l.slots)
	defer release()
	_, wait := l.start(append(args, l.options()...)...)
	if l.hanging != nil { // a run that waits for a timeout does no work
		go l.hanging.each(release)
	}
	return wait()
}

// expect runs kitrunner and compares exit code and events.
func (l *lab) expect(code int, events []int, args ...string) outcome {
	l.t.Helper()
	o := l.run(args...)
	if o.code != code || !slices.Equal(o.numbers(), events) {
		l.t.Errorf("kitrunner %q: exit code %d, events %v; want %d, %v\ncalls: %s\n%s%s",
			args, o.code, o.numbers(), code, events,
			strings.Join(o.called(), "\n       "), o.stdout, o.stderr)
	}
	return o
}

// readLines reads a file of JSON lines; none is empty.
func readLines[T any](t *testing.T, file string) (values []T) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var v T
		switch err := d.Decode(&v); err {
		case nil:
			values = append(values, v)
		case io.EOF:
			return values
		default:
			t.Fatalf("%s: %v", file, err)
		}
	}
}

package cmdtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"fsmon/watchreg"
)

// Lab is where the commands of one test run: with a registry and a log file of
// their own.
type Lab struct {
	t testing.TB

	Command       string // path of the command that is run
	ID            string // identifier of the lab's watch
	Registry, Log string
	Env           []string            // besides PATH and the registry
	Attr          syscall.SysProcAttr // of what is started next
	Stderr        *os.File            // of what is started next; nil: it is collected
	// Exec makes what is started next run elsewhere, in another network
	// namespace; nil: here.
	Exec func(name string, args ...string) *exec.Cmd

	started *[]*Process
}

// NewLab returns a lab for a command that Main has built. When the test is
// over, all that its watches have started is waited for before its directory is
// removed; so a test makes its lab before a disk that hangs.
func NewLab(t testing.TB, program string) *Lab {
	dir := t.TempDir()
	l := &Lab{t: t, Command: Program(program), ID: "w", Registry: filepath.Join(dir, "registry"),
		Log: filepath.Join(dir, "log", "watch.log"), started: new([]*Process)}
	t.Cleanup(func() { left(t, *l.started...) })
	return l
}

// Start runs the command in the background.
func (l *Lab) Start(args ...string) *Process {
	l.t.Helper()
	make := exec.Command
	if l.Exec != nil {
		make = l.Exec
	}
	cmd := make(l.Command, args...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "FSMON_REGISTRY=" + l.Registry},
		l.Env...)
	if cmd.SysProcAttr == nil {
		attr := l.Attr
		cmd.SysProcAttr = &attr
	}
	if l.Stderr != nil {
		cmd.Stderr = l.Stderr
	}
	p := launch(l.t, cmd)
	*l.started = append(*l.started, p)
	return p
}

// As makes what is started next run as this user and group, and gives the
// lab's directory to it.
func (l *Lab) As(id int) {
	l.t.Helper()
	dir := filepath.Dir(l.Registry)
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chown(dir, id, id)); err != nil {
		l.t.Fatal(err)
	}
	run := l.Exec
	if run == nil {
		run = exec.Command
	}
	// Not with a Credential: it would be that of the program that Exec puts in
	// front. A change of user clears the parent-death signal, so setpriv sets
	// it again.
	l.Exec = func(name string, args ...string) *exec.Cmd {
		user := fmt.Sprint(id)
		return run("setpriv",
			append([]string{"--reuid", user, "--regid", user, "--clear-groups", "--pdeathsig",
				"KILL", "--", name}, args...)...)
	}
}

// Watch starts the lab's watch. It saves no evidence unless args say where:
// root's default directory belongs to the machine.
func (l *Lab) Watch(args ...string) *Process {
	l.t.Helper()
	if !slices.Contains(args, "--evidence-dir") {
		args = append(args, "--no-evidence")
	}
	return l.Start(append([]string{l.ID, "--log-file", l.Log}, args...)...)
}

// Run runs the command to its end.
func (l *Lab) Run(args ...string) *Process {
	l.t.Helper()
	p := l.Start(args...)
	p.Exit()
	return p
}

// Verb runs a verb for the lab's watch to its end.
func (l *Lab) Verb(words ...string) *Process {
	l.t.Helper()
	return l.Run(append([]string{l.ID}, words...)...)
}

// Silent runs a verb that must succeed and print nothing.
func (l *Lab) Silent(words ...string) {
	l.t.Helper()
	p := l.Verb(words...)
	p.Exits(0)
	if said := p.Output() + p.Errors(); said != "" {
		l.t.Errorf("%v said %q", words, said)
	}
}

// Entry is what the registry has of the lab's watch.
func (l *Lab) Entry() (watchreg.Entry, error) {
	l.t.Helper()
	registry, err := watchreg.OpenExisting(l.Registry)
	if err != nil {
		l.t.Fatal(err)
	}
	return registry.Read(l.ID)
}

// Gone fails the test unless nothing is left of the watch in the registry.
func (l *Lab) Gone() {
	l.t.Helper()
	if e, err := l.Entry(); !errors.Is(err, watchreg.ErrUnknown) {
		l.t.Errorf("the registry still has %+v, %v", e, err)
	}
	l.Nothing()
}

// Nothing fails the test when there is a file in the registry, which need not
// even have been made.
func (l *Lab) Nothing() {
	l.t.Helper()
	filepath.WalkDir(l.Registry, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			l.t.Errorf("left behind: %s", path)
		}
		return nil
	})
}

// Status waits until the watch is alive and its status is as it should be.
func (l *Lab) Status(what string, is func(watchreg.Status) bool) watchreg.Status {
	l.t.Helper()
	var st watchreg.Status
	Eventually(l.t, what, func() bool {
		e, err := l.Entry()
		if err == nil && e.Live && e.Status != nil {
			st = *e.Status
			return is(st)
		}
		return false
	})
	return st
}

// Healthy waits for one more successful probe, which began after this call.
func (l *Lab) Healthy() watchreg.Status {
	l.t.Helper()
	now := time.Now()
	return l.Status("a healthy probe", func(st watchreg.Status) bool {
		return st.State == watchreg.Healthy && st.LastSuccess.After(now) && st.LastError == "" &&
			st.Failures == 0
	})
}

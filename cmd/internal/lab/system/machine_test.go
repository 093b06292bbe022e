//go:build system

// Package system boots real systems, and installs and runs the packages there.
// `make system-test` runs it.
package system

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/cmd/internal/lab/proc"
)

//go:embed prepare.sh
var prepare string

// machine is a booted system. It ends with its test.
type machine struct {
	*testing.T
	guardian *exec.Cmd
	init     string // process 1, seen from here
}

// everywhere runs a test for each release.
func everywhere(t *testing.T, test func(t *testing.T, release string)) {
	for _, release := range releases {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			test(t, release)
		})
	}
}

// onEach boots each release and runs a test there.
func onEach(t *testing.T, before string, test func(m *machine)) {
	everywhere(t, func(t *testing.T, release string) { test(boot(t, release, before)) })
}

// boot boots a release after the lines of shell script given have been run in
// it, and waits until multi-user.target is reached.
func boot(t *testing.T, release string, before ...string) *machine {
	t.Helper()
	dir := t.TempDir()
	script := prepare + strings.Join(before, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "prepare"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if err := os.Link(filepath.Join(shared, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	m := &machine{T: t, guardian: exec.Command("./boot.sh", images[release], dir)}
	var said bytes.Buffer
	m.guardian.Stdout, m.guardian.Stderr = &said, &said
	// It must outlive this process, however that ends, to clear up.
	m.guardian.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	alive, err := m.guardian.StdinPipe()
	if err == nil {
		err = m.guardian.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		alive.Close()
		if err := m.guardian.Wait(); err != nil || t.Failed() {
			t.Errorf("the machine: %v\n%s", err, said.String())
		}
	})
	m.booted("")
	return m
}

// booted finds the machine's process 1, which is not the one before, and waits
// until it has reached multi-user.target.
func (m *machine) booted(before string) {
	m.Helper()
	m.until("boot", func() bool {
		m.init = strconv.Itoa(m.guardian.Process.Pid)
		for range 4 { // unshare, its shell, systemd-nspawn, systemd
			b, _ := os.ReadFile("/proc/" + m.init + "/task/" + m.init + "/children")
			m.init, _, _ = strings.Cut(string(b), " ")
		}
		b, _ := os.ReadFile("/proc/" + m.init + "/comm")
		return string(b) == "systemd\n" && m.init != before
	})
	m.holds("systemctl is-active multi-user.target")
}

// reboot boots the machine once more.
func (m *machine) reboot() {
	m.Helper()
	before := m.init
	m.try("systemctl reboot") // an error: it was killed by what it has begun
	m.booted(before)
}

// until waits until done says so.
func (m *machine) until(what string, done func() bool) {
	m.Helper()
	// nothing announces it
	for end := time.Now().Add(proc.Patience); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			m.Fatalf("%s did not come within %v", what, proc.Patience)
		}
	}
}

// try runs a shell script in the machine and returns what it prints.
func (m *machine) try(script string) (string, error) {
	cmd := exec.Command("nsenter", "--target="+m.init, "--all", "--root", "--wd",
		"env", "-i", "HOME=/root", "LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"/bin/sh", "-c", script)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// do runs a script that must succeed.
func (m *machine) do(script string) string {
	m.Helper()
	out, err := m.try(script)
	if err != nil {
		m.Fatalf("%s: %v\n%s", script, err, out)
	}
	return out
}

// holds waits until a script succeeds.
func (m *machine) holds(script string) {
	m.Helper()
	m.until(script, func() bool { _, err := m.try(script); return err == nil })
}

// says fails the test unless a script prints what is wanted.
func (m *machine) says(script, want string) {
	m.Helper()
	if got, err := m.try(script); !strings.Contains(got, want) {
		m.Errorf("%s: %v\n%s\nwant: %s", script, err, got, want)
	}
}

// property is one of a unit's, as systemctl show has it.
func (m *machine) property(unit, name string) string {
	m.Helper()
	return m.do("systemctl show --value -p " + name + " " + unit)
}

// stamp is the time of a property that ends with Monotonic; 0: never.
func (m *machine) stamp(unit, name string) time.Duration {
	m.Helper()
	n, err := strconv.ParseInt(m.property(unit, name), 10, 64)
	if err != nil {
		m.Fatalf("%s of %s: %v", name, unit, err)
	}
	return time.Duration(n) * time.Microsecond
}

// freeze freezes the file system at /disk or /rootdisk until thaw is called, or
// this process ends.
func (m *machine) freeze(disk string) (thaw func()) {
	m.Helper()
	// Not in the machine's process namespace: what waits for the disk must not
	// outlive it.
	cmd := exec.Command("nsenter", "--target="+m.init, "--mount", "/bin/sh", "-c",
		`fsfreeze -f "$0" && echo frozen && { read -r _; fsfreeze -u "$0"; }`, disk)
	// It must outlive this process, too, to thaw.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		m.Fatal(err)
	}
	thawed := false
	thaw = func() {
		if !thawed {
			thawed = true
			stdin.Close()
			if err := cmd.Wait(); err != nil {
				m.Errorf("thaw: %v", err)
			}
		}
	}
	m.Cleanup(thaw)
	if _, err := io.ReadFull(stdout, make([]byte, len("frozen\n"))); err != nil {
		m.Fatalf("freeze: %v", err)
	}
	return thaw
}

// env is the script that writes the environment file of a unit.
func env(name, text string) string {
	return fmt.Sprintf("mkdir -p /etc/fsmon; cat >/etc/fsmon/%s.env <<'X'\n%s\nX\n", name, text)
}

// install is the script that installs the package.
const install = "dpkg -i /shared/fsmon.deb >/dev/null\n"

// quick is a watch that gives its verdict after 4 s.
const quick = "SHARE=data\nOPTIONS=-a 127.0.0.1 -i 1 -c 1 -r 2"

// units are an instance of each unit, by its command. They watch what prepare.sh
// has made when the script bothEnv or quickEnv has been run.
var (
	units = map[string]string{
		"clp_sambamon": "clp_sambamon@data", "clp_nfsmon": "clp_nfsmon@export",
	}
	bothEnv = env("data", "SHARE=data\nOPTIONS=-a 127.0.0.1 -i 1") +
		env("export", "DIRECTORY=/disk/export\nOPTIONS=-a 127.0.0.1 -i 1")
	quickEnv = env("data", quick) +
		env("export", strings.Replace(quick, "SHARE=data", "DIRECTORY=/disk/export", 1))
)

// dropIn is the script that adds lines to a unit.
func dropIn(unit, lines string) string {
	return fmt.Sprintf("mkdir -p /etc/systemd/system/%[1]s.service.d\n"+
		"cat >/etc/systemd/system/%[1]s.service.d/test.conf <<'X'\n%[2]s\nX\n", unit, lines)
}

// fired is the script that has systemd leave /run/fired-UNIT when the unit of a
// watch fails.
var fired = dropIn("clp_sambamon@", "[Unit]\nOnFailure=fired@%N.service") +
	dropIn("clp_nfsmon@", "[Unit]\nOnFailure=fired@%N.service") +
	dropIn("fired@", "[Service]\nExecStart=/bin/touch /run/fired-%i") +
	"echo '[Unit]' >/etc/systemd/system/fired@.service\n"

// stopped fails the test unless a unit has ended without a failure.
func (m *machine) stopped(unit string) {
	m.Helper()
	m.holds("systemctl show -p ActiveState " + unit + " | grep -E '=(inactive|failed)$'")
	got := m.property(unit, "ActiveState") + " " + m.property(unit, "Result")
	if got != "inactive success" {
		m.Errorf("%s is %s\n%s", unit, got, m.do("journalctl -n 12 --no-pager -u "+unit))
	}
	if _, err := m.try("rm /run/fired-" + unit); err == nil {
		m.Errorf("OnFailure= of %s has fired", unit)
	}
}

// document reads a file of the repository.
func document(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile("../../../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

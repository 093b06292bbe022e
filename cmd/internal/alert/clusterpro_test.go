package alert

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stub writes a clplogcmd that runs the given shell lines in dir. A call of it
// may take a minute, since it does not matter here how busy the machine is.
func stub(t *testing.T, dir, script string) *clusterpro {
	t.Helper()
	path := filepath.Join(dir, "clplogcmd")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncd '"+dir+"' || exit 9\n"+script),
		0o700); err != nil {
		t.Fatal(err)
	}
	s, ok := Clusterpro(path).(*clusterpro)
	if !ok {
		t.Fatal("an executable file was not taken")
	}
	s.timeout = time.Minute
	return s
}

func TestClusterpro(t *testing.T) {
	t.Setenv("PASSWD", "secret")
	t.Setenv("NOTIFY_SOCKET", "/run/systemd/notify")
	dir := t.TempDir()
	s := stub(t, dir, `
printf '%s|' "$@" >>calls; echo >>calls
tr '\0' '\n' </proc/$$/environ >environment
ls -l /proc/$$/fd >descriptors
read -r pid comm state parent group rest </proc/$$/stat
test "$pid" = "$group" && echo own >group
`)
	long := strings.Repeat("か", 86)
	for _, a := range []Alert{
		{Number: 1, Text: "The clp_sambamon has started watching Samba."},
		{Number: 107, Severity: Warning, Text: "dropped"},
		{Number: 0, Severity: Error, Text: `clp_nfsmon: "$(reboot)"; 'x'`,
			Detail: "not for the alert view"},
		{Number: 62, Severity: Error, Text: long + "\n"},
	} {
		if err := s.Deliver(a); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) []string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	}
	same(t, "calls", read("calls"), []string{
		"-m|The clp_sambamon has started watching Samba.|-i|1|-l|INFO|--alert|",
		"-m|dropped|-i|107|-l|WARN|--alert|",
		`-m|clp_nfsmon: "$(reboot)"; 'x'|-i|0|-l|ERR|--alert|`,
		"-m|" + long[:255] + "|-i|62|-l|ERR|--alert|",
		`-m|... か\n|-i|62|-l|ERR|--alert|`,
	})
	environment := read("environment")
	slices.Sort(environment)
	same(t, "environment", environment,
		[]string{"LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"})
	same(t, "process group", read("group"), []string{"own"})
	null := 0
	for _, line := range read("descriptors") {
		if strings.Contains(line, " -> ") && strings.HasSuffix(line, "/dev/null") {
			null++
		}
	}
	if null < 2 { // standard output of the ls itself is the file
		t.Errorf("descriptors are not /dev/null: %q", read("descriptors"))
	}
}

func TestClusterproFails(t *testing.T) {
	s := stub(t, t.TempDir(), "exit 3\n")
	if err := s.Deliver(Alert{Text: "x"}); err == nil ||
		!strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("exit 3: %v", err)
	}
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	if err := s.Deliver(Alert{Text: "x"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("uninstalled meanwhile: %v", err)
	}
}

func TestClusterproAbsent(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none"), dir, plain} {
		if s := Clusterpro(path); s != nil {
			t.Errorf("%s was taken", path)
		}
	}
	link := filepath.Join(dir, "link")
	if err := errors.Join(os.Chmod(plain, 0o755), os.Symlink(plain, link)); err != nil {
		t.Fatal(err)
	}
	if Clusterpro(link) == nil {
		t.Error("a link to the product's directory was not taken")
	}
}

// A call that hangs is killed with its children. They all read a FIFO that this
// process holds open, so they end with it, whatever happens.
func TestClusterproHangs(t *testing.T) {
	dir := t.TempDir()
	alive, hold := filepath.Join(dir, "alive"), filepath.Join(dir, "hold")
	if err := errors.Join(unix.Mkfifo(alive, 0o600), unix.Mkfifo(hold, 0o600)); err != nil {
		t.Fatal(err)
	}
	holder, err := os.OpenFile(hold, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	s := stub(t, dir, `
exec 3>alive 4<hold
(trap '' TERM HUP INT; read -r x <&4) &
echo ready >&3
read -r x <&4
`)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		err := viewCall{Path: s.path, Timeout: time.Minute}.run(ctx)
		// If the stub has not opened it, this lets the Open below go on.
		if w, err := os.OpenFile(alive, os.O_RDWR, 0); err == nil {
			w.Close()
		}
		result <- err
	}()

	r, err := os.Open(alive)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(r)
	if line, err := in.ReadString('\n'); line != "ready\n" {
		t.Fatalf("the stub said %q, %v", line, err)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("killed: %v", err)
	}
	// The end of the FIFO comes when the last process that has it open is gone.
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("a process of the call lives on: %v", err)
	}

	s.timeout = time.Millisecond
	if err := s.Deliver(Alert{Number: 1, Text: "text"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("at its deadline: %v", err)
	}
}

// A child does not keep the protection that it inherits.
func TestChildOOMScore(t *testing.T) {
	const own = "/proc/self/oom_score_adj"
	before := readFile(t, own)
	// Everybody may raise it above zero, and set it back.
	defer func() {
		if err := os.WriteFile(own, []byte(before), 0); err != nil {
			t.Error(err)
		}
	}()
	if err := os.WriteFile(own, []byte("300"), 0); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := stub(t, dir, `
read -r score </proc/$$/oom_score_adj
until [ "$score" = 0 ]; do # or until the deadline of the call
	read -r score </proc/$$/oom_score_adj
done
echo "$score" >score
`)
	if err := s.Deliver(Alert{Number: 1, Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, filepath.Join(dir, "score")); got != "0\n" {
		t.Errorf("the child has %q", got)
	}
}

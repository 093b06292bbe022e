package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
)

// checkObject is what a program reads of --json.
type checkObject struct {
	Target, Address string
	Healthy         bool
	MS              float64
	Rungs           []struct {
		Name, Learnt string
		MS           float64
	}
	Failed *struct {
		Step, Name, Code, Detail, Text, Look string
		Message                              int
		Local                                bool
	}
	Warnings, Notes []string
	Verdict         struct{ Refused, Stalled int } `json:"verdict_seconds"`
}

func TestCheckJSONOfHealthy(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	p := l.Check(at(s.Addr(), "--json", "-s", "share", "-i", "2",
		"-u", "nosuchuser", "-p", token)...)
	p.Exits(0)
	var got checkObject
	d := json.NewDecoder(strings.NewReader(p.Output()))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil || strings.Count(p.Output(), "\n") != 1 {
		t.Fatalf("%v: %s", err, p.Output())
	}
	var rungs []string
	for _, r := range got.Rungs {
		rungs = append(rungs, r.Name)
		if r.MS < 0 || r.MS > got.MS {
			t.Errorf("%s took %v of %v ms", r.Name, r.MS, got.MS)
		}
	}
	want := "connect, negotiate, session setup, tree connect, tree disconnect, logoff"
	if strings.Join(rungs, ", ") != want {
		t.Errorf("%q", rungs)
	}
	if !got.Healthy || got.Failed != nil || got.Target != "//"+s.Addr()+"/share" ||
		got.Address != s.Addr() || got.Verdict.Refused != 10 || got.Verdict.Stalled != 360 {
		t.Errorf("%s", p.Output())
	}
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "guest") {
		t.Errorf("%q", got.Warnings)
	}
	l.Hides(token, p)
}

// The fault is local, so a failover of the server would not help: exit 4.
func TestCheckWithoutDescriptors(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	p := newLab(t).CheckStarved(at(s.Addr(), "-s", "share")...)
	p.Exits(4)
	for _, want := range []string{"EMFILE (errno 24)", "ulimit -n", "exit code 4"} {
		if !strings.Contains(cmdtest.Flat(p.Output()), want) {
			t.Errorf("%q is missing:\n%s%s", want, p.Output(), p.Errors())
		}
	}
}

// The command line of a running check shows no password, and neither does
// anything it prints.
func TestCheckHidesPassword(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p := l.Start(at(silent.Addr().String(), "-check", "-s", "share", "-u", "root", "-p", token,
		"-r", "3600")...)
	cmdline := fmt.Sprintf("/proc/%d/cmdline", p.PID)
	cmdtest.Eventually(t, "the wiping of the password", func() bool {
		text := readAll(cmdline)
		return strings.Contains(text, "\x00-u\x00root\x00") && !strings.Contains(text, token)
	})
	asked, err := silent.Accept() // the probe is under way
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	p.Signal(unix.SIGTERM)
	p.Exits(1)
	l.Hides(token, p)
	if _, err := os.Stat(l.Registry); err == nil {
		t.Error("a check has made a registry")
	}
}

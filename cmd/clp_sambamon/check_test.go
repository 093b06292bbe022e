package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"fsmon/cmd/internal/lab/cmdtest"
	"fsmon/smbprobe/smbtest"
)

// A ladder of a healthy server: the rungs in order with their times, and nothing left in the registry, which is not even made.
func TestCheckHealthy(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	p := l.Check(at(s.Addr(), "-s", "priv", "-u", "root", "-p", "pw", "-i", "1", "-c", "2", "-r", "10")...)
	p.Exits(0)
	want := regexp.MustCompile(`^//127\.0\.0\.1:\d+/priv

  connect  +\d+\.\d ms  127\.0\.0\.1:\d+
  negotiate  +\d+\.\d ms  SMB 3\.1\.1.*
  session setup  +\d+\.\d ms  NTLMv2 user root.*
  tree connect  +\d+\.\d ms  disk.*
  tree disconnect  +\d+\.\d ms
  logoff  +\d+\.\d ms
  whole probe  +\d+\.\d ms

healthy: the server answered every step
note: Should the password of "root" become wrong, each verdict costs 3 refused logons [^.]*\.

Time to verdict with -i 1 -c 2 -r 10: 2 s for a server that refuses, 30 s for one that stalls,
counted from the start of the first failed probe, which is at most 1 s after the fault.
$`)
	if !want.MatchString(p.Output()) || p.Errors() != "" {
		t.Errorf("%s%s", p.Output(), p.Errors())
	}
	if left := names(cmdtest.Files(t, filepath.Dir(l.Registry))); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	// An anonymous one risks no account.
	if p := l.Check(at(s.Addr(), "-s", "share")...); strings.Contains(p.Output(), "logon") {
		t.Error(p.Output())
	}
}

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
	p := l.Check(at(s.Addr(), "--json", "-s", "share", "-u", "nosuchuser", "-p", token, "-i", "2")...)
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
	if want := []string{"connect", "negotiate", "session setup", "tree connect", "tree disconnect", "logoff"}; !slices.Equal(rungs, want) {
		t.Errorf("%q", rungs)
	}
	if !got.Healthy || got.Failed != nil || got.Target != "//"+s.Addr()+"/share" || got.Address != s.Addr() ||
		got.Verdict.Refused != 10 || got.Verdict.Stalled != 360 {
		t.Errorf("%s", p.Output())
	}
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "guest") {
		t.Errorf("%q", got.Warnings)
	}
	l.Hides(token, p)
}

// A summary with performance data as the Monitoring Plugins guidelines have it, and the plugin's exit codes.
func TestCheckForNagios(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	data := regexp.MustCompile(`^[a-z_]+=\d+\.\d+s;;;0;\d*$`)
	p := l.Check(at(s.Addr(), "-s", "share", "--exit-style", "nagios")...)
	p.Exits(0)
	text, numbers, found := strings.Cut(strings.TrimSuffix(p.Output(), "\n"), " | ")
	if !found || !strings.HasPrefix(text, "FSMON OK - //"+s.Addr()+"/share is healthy, ") || strings.ContainsAny(numbers, "|\n") {
		t.Error(p.Output())
	}
	for _, one := range strings.Fields(numbers) {
		if !data.MatchString(one) {
			t.Errorf("performance data %q", one)
		}
	}
	if !strings.HasPrefix(numbers, "time=") || !strings.Contains(numbers, ";;;0;60 ") || !strings.Contains(numbers, " session_setup=") {
		t.Error(numbers)
	}
	for _, args := range [][]string{{"-i", "0"}, {"--credentials", "/nosuch"}, {"-x"}} {
		p := l.Check(at(s.Addr(), append([]string{"-s", "share", "--exit-style=nagios"}, args...)...)...)
		p.Exits(3)
		if !strings.HasPrefix(p.Output(), "FSMON UNKNOWN - ") || !strings.Contains(p.Output(), args[0]) || strings.Count(p.Output(), "\n") != 1 {
			t.Errorf("%q: %q", args, p.Output())
		}
	}
}

func TestCheckForPacemaker(t *testing.T) {
	t.Parallel()
	s := smbtest.Samba(t, smbtest.Config{})
	l := newLab(t)
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"healthy":       {[]string{"-s", "share"}, 0, "//" + s.Addr() + "/share is healthy"},
		"failed":        {[]string{"-s", "nosuch"}, 1, "//" + s.Addr() + "/nosuch failed at tree connect: STATUS_BAD_NETWORK_NAME (0xC00000CC, Win32 67)"},
		"wrong line":    {[]string{"-s", "share", "-i", "x"}, 6, ""},
		"not this node": {[]string{"-s", "share", "--credentials", "/nosuch"}, 2, ""},
	} {
		p := l.Check(at(s.Addr(), append(c.args, "--exit-style", "ocf")...)...)
		p.Exits(c.code)
		lines := 0
		if c.says != "" {
			lines = 1
		}
		if !strings.HasPrefix(p.Output(), c.says) || strings.Count(p.Output(), "\n") != lines {
			t.Errorf("%s: %q", name, p.Output())
		}
	}
}

// A want of this machine is not the server's failure: exit 4.
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

// The command line of a running check shows no password, and neither does anything it prints.
func TestCheckHidesPassword(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	silent := smbtest.Hostile(t, smbtest.Silent)
	p := l.Start(at(silent, "-check", "-s", "share", "-u", "root", "-p", token, "-r", "3600")...)
	cmdline := fmt.Sprintf("/proc/%d/cmdline", p.PID)
	cmdtest.Eventually(t, "the wiping of the password", func() bool {
		text := readAll(cmdline)
		return strings.Contains(text, "\x00-u\x00root\x00") && !strings.Contains(text, token)
	})
	p.Signal(unix.SIGTERM)
	p.Exits(1)
	l.Hides(token, p)
	if _, err := os.Stat(l.Registry); err == nil {
		t.Error("a check has made a registry")
	}
}

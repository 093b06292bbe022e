//go:build wine

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// As a service, or with a command line of kitrunner, this test is kitrunner.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		main()
	}
	os.Exit(m.Run())
}

// The service manager starts a watch and stops it. Its commands are missing, so
// the first check cannot determine anything, and no other is due.
func TestService(t *testing.T) {
	dir, err := os.MkdirTemp("", "service") // t.TempDir cannot remove it under Wine
	if err != nil {
		t.Fatal(err)
	}
	events := filepath.Join(dir, "events")
	args := []string{"lanman", "--tag", "lan tag", "--id", "SRV01", "--state-dir", dir, "--events",
		events, "--system32", dir, "--lkbin", dir, "--quick-interval", "3600"}
	const name = "kitrunner-lanman-lan%20tag"
	run := func(want int, args ...string) {
		t.Helper()
		if code := dispatch(args); code != want {
			t.Fatalf("kitrunner %q: exit code %d, want %d", args, code, want)
		}
	}
	logged := func(number string) bool {
		b, _ := os.ReadFile(events)
		return strings.Contains(string(b), `"number":`+number)
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(5 * time.Minute); !is(); {
			if time.Now().After(end) {
				b, _ := os.ReadFile(events)
				t.Fatalf("not %s; the events are\n%s", what, b)
			}
			time.Sleep(100 * time.Millisecond) // another process does it
		}
	}
	run(1, "service", "remove", "lanman", "--tag", "lan tag")
	run(0, append([]string{"service", "install"}, args...)...)
	run(1, append([]string{"service", "install"}, args...)...) // it is there already

	m, err := mgr.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Disconnect()
	s, err := m.OpenService(name)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	// Wine 8 does not know all that s.Config asks for.
	buf := make([]byte, 8<<10)
	config := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&buf[0]))
	var needed uint32
	if err := windows.QueryServiceConfig(s.Handle, config, uint32(len(buf)), &needed); err != nil {
		t.Fatal(err)
	}
	line := windows.UTF16PtrToString(config.BinaryPathName)
	if config.StartType != mgr.StartAutomatic ||
		!strings.Contains(line, ` watch lanman --tag "lan tag" --id SRV01 `) {
		t.Errorf("start type %d, %s", config.StartType, line)
	}
	// Wine starts more than one service manager; each would start it.
	if err := windows.ChangeServiceConfig(s.Handle, windows.SERVICE_NO_CHANGE, mgr.StartManual,
		windows.SERVICE_NO_CHANGE, nil, nil, nil, nil, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	state := func(want svc.State) func() bool {
		return func() bool {
			status, err := s.Query()
			if err != nil {
				t.Fatal(err)
			}
			return status.State == want
		}
	}
	until("running", state(svc.Running))
	until("checked", func() bool { return logged("20001") })
	run(0, "list", "--state-dir", dir)
	run(0, "pause", "--tag", "lan tag", "--state-dir", dir)
	until("paused", func() bool { return logged("20034") })

	// kitrunner stop ends the service as well.
	run(0, "stop", "--tag", "lan tag", "--state-dir", dir)
	until("stopped", state(svc.Stopped))
	if !logged("20032") {
		t.Error("no event of its end")
	}
	if err := os.Remove(events); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	until("begun again", func() bool { return logged("20001") })
	run(0, "service", "remove", "lanman", "--tag", "lan tag")
	if !logged("20032") {
		t.Error("the service manager did not let it end")
	}
	run(1, "stop", "--tag", "lan tag", "--state-dir", dir) // nothing is left
}

//go:build wine

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc/mgr"
)

// As a service, or with a command line of kitrunner, this test is kitrunner.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		main()
	}
	os.Exit(m.Run())
}

// The service manager starts a watch, and it is removed. Its commands are missing,
// so the first check cannot determine anything, and no other is due.
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
		for end := time.Now().Add(time.Minute); !is(); {
			if time.Now().After(end) {
				b, _ := os.ReadFile(events)
				t.Fatalf("not %s; the events are\n%s", what, b)
			}
			time.Sleep(100 * time.Millisecond) // another process does it
		}
	}
	run(1, "service", "remove", "lanman", "--tag", "lan tag")
	run(0, append([]string{"service", "install"}, args...)...)

	// Wine ends its service manager with the last program and starts another with
	// the next. For a while there are both, with services of their own: what one
	// does not have the other has.
	var s *mgr.Service
	until("installed", func() bool {
		m, err := mgr.Connect()
		if err != nil {
			t.Fatal(err)
		}
		s, err = m.OpenService(name)
		return errors.Join(err, m.Disconnect()) == nil
	})
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
	// Another manager may have started it already.
	until("checked", func() bool {
		s.Start()
		return logged("20031") && logged("20001")
	})
	until("removed", func() bool {
		return dispatch([]string{"service", "remove", "lanman", "--tag", "lan tag"}) == 0
	})
}

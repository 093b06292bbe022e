package nfsprobe

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fsmon/nfsprobe/nfstest"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "take the captures of the real servers anew (TestCapture)")

// TestCapture asks for every answer that is captured, and with -update stores
// what it gets:
//
//	go test ./nfsprobe -run 'TestCapture$' -update
func TestCapture(t *testing.T) {
	host, err := os.Hostname()
	must(t, err)
	if *update {
		nameThread(t)
	}
	l := realLab(t, nfstest.Config{Exports: []nfstest.Export{{Name: "readonly", ReadOnly: true}}})
	mark(t, l.Dir())
	mark(t, l.Path("readonly"))
	ipv6 := export(l, "export", "3")
	ipv6.Address = "::1"
	streams := map[string][]byte{}
	for name, c := range map[string]Config{
		"3": marked(l, "export", "3"), "3-ipv6": ipv6, "3-unknown": export(l, "nowhere", "3"),
		"3-kerberos": export(l, "kerberos", "3"),
		"3-readonly": marked(l, "readonly", "3"),
		"4.0":        marked(l, "export", "4.0"), "4.1": marked(l, "export", "4.1"),
		"4.2":         marked(l, "export", "4.2"),
		"4.1-unknown": export(l, "nowhere", "4.1"), "4.1-kerberos": export(l, "kerberos", "4.1"),
		"4.1-readonly": marked(l, "readonly", "4.1"),
	} {
		r, err := probe(t, c)
		if healthy := len(name) == 3 || name == "3" || name == "3-ipv6"; healthy != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		connections := map[[2]netip.AddrPort]string{} // by both ends
		for _, s := range r.Wire {
			service, answer := map[uint16]string{111: "-portmap", 20048: "-mount",
				2049: "-nfs"}[s.From.Port()]
			if !answer {
				continue
			}
			if c.Version != "3" {
				service = "" // version 4 has only one
			}
			ends := [2]netip.AddrPort{s.From, s.To}
			if connections[ends] == "" {
				connections[ends] = name + service + ".bin"
				if streams[connections[ends]] != nil {
					// After a refusal a second one asks for TLS.
					if connections[ends] = "TLS"; !strings.HasSuffix(name, "-kerberos") {
						t.Errorf("%s: a second connection to port %d", name, s.From.Port())
					}
				}
			}
			streams[connections[ends]] = append(streams[connections[ends]], s.Data...)
		}
	}
	var stored map[string][]byte
	if !*update { // with it there need not be any
		stored = captures(t)
	}
	for _, name := range []string{
		"3-portmap.bin", "3-mount.bin", "3-nfs.bin", "3-ipv6-portmap.bin", "3-unknown-mount.bin",
		"3-kerberos-mount.bin", "3-kerberos-nfs.bin",
		"3-readonly-nfs.bin", "4.0.bin", "4.1.bin", "4.2.bin", "4.1-unknown.bin",
		"4.1-kerberos.bin", "4.1-readonly.bin",
	} {
		if *update {
			if bytes.Contains(streams[name], []byte(host)) {
				t.Fatalf("%s would hold this machine's name, %s", name, host)
			}
			must(t, os.WriteFile(filepath.Join("testdata/answers", name), streams[name], 0o644))
		} else if len(streams[name]) == 0 || len(stored[name]) == 0 {
			t.Errorf("%s: %d bytes, stored %d", name, len(streams[name]), len(stored[name]))
		}
	}
}

// nameThread gives this thread, and what it starts, another host name, since a
// server of version 4.1 sends its host name in answers. The thread ends with
// the goroutine.
func nameThread(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	must(t, unix.Unshare(unix.CLONE_NEWUTS))
	must(t, unix.Sethostname([]byte(captureHost)))
}

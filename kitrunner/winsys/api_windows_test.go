package winsys

import (
	"net/netip"
	"os"
	"strings"
	"testing"
)

// What can be asked without changing anything. The machine's loopback interface
// is no adapter for GetAdaptersInfo.
func TestNativeQueries(t *testing.T) {
	n := NewAPI("", "")
	addresses, err := n.Addresses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if strings.Trim(a.GUID, "{}") == "" || !a.IP.Is4() {
			t.Errorf("%+v", a)
		}
		if state, err := n.Cable(t.Context(), a.GUID); err != nil || state != CableConnected {
			t.Errorf("the cable of %s, which has %v: %v, %v", a.GUID, a.IP, state, err)
		}
		// An address of this machine is not asked about.
		if answers, err := n.Answers(t.Context(), a.IP); answers || err != nil {
			t.Errorf("%v: %v, %v", a.IP, answers, err)
		}
	}
	if state, err := n.Cable(t.Context(), "{00000000-0000-0000-0000-000000000000}"); err == nil {
		t.Errorf("an adapter that is not there: %v", state)
	}
	if _, err := n.Answers(t.Context(), netip.MustParseAddr("fe80::1")); err == nil {
		t.Error("ARP was asked for an IPv6 address")
	}
	if err := n.WriteTest(t.Context(), os.Getenv("SystemDrive")[:1]); err != nil {
		t.Error(err)
	}
	if err := n.WriteTest(t.Context(), "Q"); err == nil {
		t.Error("a volume that is not there")
	}
	if sinceBoot() <= 0 {
		t.Error("no time since the start")
	}
}

package smbprobe

import (
	"testing"

	"fsmon/smbprobe/ntlm"
	"fsmon/smbprobe/smbtest"
)

// A member of a domain names it, also to an anonymous client, and while no
// domain controller is there.
func TestDomainOfServer(t *testing.T) {
	member := smbtest.Samba(t, smbtest.Config{Global: []string{
		"server role = member server", "security = domain", "workgroup = EXAMPLE",
	}})
	for addr, want := range map[string]string{member.Addr(): "EXAMPLE", samba(t).Addr(): ""} {
		r, err := probe(t, at(t, addr, "share"))
		if err != nil || r.Domain != want {
			t.Errorf("domain %q, want %q, %v", r.Domain, want, err)
		}
	}
	for _, c := range []struct {
		server ntlm.Target
		want   string
	}{
		{ntlm.Target{}, ""}, {ntlm.Target{Name: "FILES", NetBIOSDomain: "FILES"}, ""},
		{ntlm.Target{Name: "files", NetBIOSName: "FILES", NetBIOSDomain: "WORKGROUP"}, ""},
		{ntlm.Target{NetBIOSName: "FILES"}, ""},
		{ntlm.Target{Name: "EXAMPLE", NetBIOSName: "FILES"}, "EXAMPLE"},
	} {
		if got := domainOf(c.server); got != c.want {
			t.Errorf("%+v: %q", c.server, got)
		}
	}
}

//go:build linux

package winetest

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fsmon/kitrunner/kitdouble"
)

const (
	primaryGUID = "{11111111-2222-3333-4444-5555AAAABBBB}"
	backupGUID  = "{99999999-2222-3333-4444-5555AAAABBBB}"
	volumeGUID  = "{E0000000-0000-0000-0000-00000000000E}"
)

// cluster is two nodes: the commands run on NODEA, which has nothing in service
// yet; NODEB is its standby.
func cluster() *kitdouble.State {
	node := func(address string) *kitdouble.Node {
		return &kitdouble.Node{
			Services: map[string]int{"lanmanserver": 4, "lifekeeper": 4},
			NICs: []*kitdouble.NIC{
				{Name: "Public", GUID: primaryGUID,
					Addresses: []kitdouble.Address{{IP: address, Mask: "255.255.255.0",
						Context: "7"}}},
				{Name: "Backup", GUID: backupGUID},
			},
			Volumes: map[string]*kitdouble.Volume{"E": {Role: 2, Source: "NODEB", Peer: "10.0.0.1",
				State: 1, GUID: volumeGUID}},
			Tasks:   map[string]bool{"ShadowCopyVolume" + volumeGUID: false},
			Jobs:    map[string]*kitdouble.Job{},
			Systems: []string{"NODEA", "NODEB"},
		}
	}
	s := &kitdouble.State{Self: "NODEA",
		Nodes:  map[string]*kitdouble.Node{"NODEA": node("10.0.0.1"), "NODEB": node("10.0.0.2")},
		Faults: map[string]*kitdouble.Fault{}}
	s.Nodes["NODEB"].Volumes["E"].Role = 1
	s.Nodes["NODEB"].Instances = []*kitdouble.Instance{{App: "filesys", Type: "volume",
		Tag: "vol-e", ID: "E:", State: "OSU"}}
	return s
}

// alias, address and mirrored are the options of the resources.
var (
	alias   = []string{"--tag", "lan-tag", "--id", "SRV01"}
	address = []string{"--tag", "ip-tag", "--id", "10.0.0.50", "--mask", "255.255.255.0", "--nic",
		"Public", "--guid", primaryGUID, "--peer", "NODEB"}
	backup = append(slices.Clone(address), "--backup-nic", "Backup", "--backup-guid", backupGUID,
		"--local-recovery")
	mirrored = []string{"--tag", "vol-e", "--volume", "E", "--peer", "NODEB"}
)

func with(options []string, action ...string) []string {
	return append(slices.Clone(action), options...)
}

func TestLanman(t *testing.T) {
	t.Parallel()
	onSystems(t, everywhere, func(t *testing.T, sys system) {
		s := cluster()
		a := s.Nodes["NODEA"]
		// the alias shows in the third list, the second after it was added
		a.Services["lanmanserver"], a.Slow = 1, 2
		l := newLab(t, sys, s)
		has := func(want bool) {
			t.Helper()
			if got := slices.Contains(l.state().Nodes["NODEA"].Aliases, "SRV01"); got != want {
				t.Errorf("the alias is there: %v, want %v", got, want)
			}
		}
		l.expect(0, []int{13083, 13085, 13087, 13084}, with(alias, "lanman", "restore")...)
		has(true)
		if n := l.state().Nodes["NODEA"].Services["lanmanserver"]; n != 4 {
			t.Errorf("the service is in state %d", n)
		}
		l.expect(0, []int{}, with(alias, "lanman", "quickCheck")...)
		l.expect(0, []int{}, with(alias, "lanman", "deepCheck")...)
		o := l.expect(0, []int{13083, 13084}, with(alias, "lanman", "restore")...) // twice
		if len(o.calls) != 2 {
			t.Errorf("a second restore calls %q", o.called())
		}
		// SRV is not SRV01.
		l.expect(0, []int{13034}, "lanman", "DEEPCHECK", "--tag", "lan-tag", "--id", "SRV")
		l.expect(1, []int{13051}, "lanman", "quickcheck", "--tag", "lan-tag", "--id", "SRV")
		has(true)
		l.expect(0, []int{13062, 13063}, with(alias, "lanman", "remove")...)
		has(false)
		l.expect(0, []int{13062, 13063}, with(alias, "lanman", "remove")...) // twice
		o = l.expect(1, []int{13051}, with(alias, "lanman", "quickCheck")...)
		if want := "Resource lan-tag (Machine Alias " +
			"SRV01) not available"; o.events[0].Text != want {
			t.Errorf("%q, want %q", o.events[0].Text, want)
		}
		l.expect(0, []int{13083, 13084, 13072}, with(alias, "lanman", "recover")...)
		has(true)
	})
}

func TestIP(t *testing.T) {
	t.Parallel()
	onSystems(t, everywhere, func(t *testing.T, sys system) {
		l := newLab(t, sys, cluster())
		on := func(want string) {
			t.Helper()
			got := ""
			for _, nic := range l.state().Nodes["NODEA"].NICs {
				for _, a := range nic.Addresses {
					if a.IP == "10.0.0.50" {
						got += nic.Name
					}
				}
			}
			if got != want {
				t.Errorf("the address is on %q, want %q", got, want)
			}
		}
		l.expect(0, []int{6013, 6001}, with(address, "ip", "restore")...)
		on("Public")
		l.verb(0, "10.0.0.50", with(address, "doctor", "ip")...)
		l.expect(0, []int{}, with(address, "ip", "quickCheck")...)
		l.expect(0, []int{}, with(address, "ip", "deepCheck")...)
		l.expect(0, []int{6013, 6001}, with(address, "ip", "restore")...) // twice
		on("Public")

		s := l.state()
		s.Nodes["NODEB"].NICs[0].Disconnected = true
		l.set(s)
		o := l.expect(0, []int{6406}, with(address, "ip", "deepCheck")...)
		if want := "The network cable for network adapter Public servicing protected IP address " +
			"10.0.0.50 on system NODEB is currently disconnected!"; !strings.HasPrefix(
			o.events[0].Text, want) {
			t.Errorf("%q, want %q", o.events[0].Text, want)
		}
		l.expect(0, []int{6101}, with(address, "ip", "remove")...)
		on("")
		l.expect(0, []int{6101}, with(address, "ip", "remove")...) // twice
		if n := len(l.state().Nodes["NODEA"].NICs[0].Addresses); n != 1 {
			t.Errorf("the adapter has %d addresses, want its own", n)
		}
		l.expect(1, []int{6508}, with(address, "ip", "quickCheck")...)

		// The primary adapter does not take the address; the backup does, and
		// the next quickCheck knows.
		s = l.state()
		s.Faults["ips_ipchange.exe"] = &kitdouble.Fault{Mode: "exit", Match: "-n" + primaryGUID,
			Code: 1}
		l.set(s)
		l.expect(0, []int{6605, 6607, 6603}, with(backup, "ip", "recover")...)
		on("Backup")
		l.expect(0, []int{}, with(backup, "ip", "quickCheck")...)

		// After a remove the backup is forgotten, and an address on the primary
		// is in its place: the restore succeeds and updates the ARP caches.
		// It is the second address on its line.
		l.expect(0, []int{6101}, with(backup, "ip", "remove")...)
		s = l.state()
		s.Faults = map[string]*kitdouble.Fault{}
		s.Nodes["NODEA"].NICs[0].Addresses = append(s.Nodes["NODEA"].NICs[0].Addresses,
			kitdouble.Address{IP: "10.0.0.50", Mask: "255.255.255.0", Context: "9"})
		s.Nodes["NODEA"].OneLine = true
		l.set(s)
		o = l.expect(0, []int{6013, 6001}, with(backup, "ip", "restore")...)
		if !slices.Contains(o.called(), "ips_arpupdate.exe 10.0.0.50 "+primaryGUID) {
			t.Errorf("the ARP caches are not updated: %q", o.called())
		}
		l.expect(0, []int{}, with(backup, "ip", "quickCheck")...)
	})
}

func TestIPInUse(t *testing.T) {
	t.Parallel()
	onSystems(t, everywhere, func(t *testing.T, sys system) {
		s := cluster()
		s.Nodes["NODEA"].InUse = []string{"10.0.0.50"}
		l := newLab(t, sys, s)
		o := l.expect(1, []int{6013, 20003, 6002}, with(address, "ip", "restore")...)
		for _, c := range o.called() {
			if strings.Contains(c, "ips_ipchange.exe -a") {
				t.Errorf("an address in use was assigned: %s", c)
			}
		}
	})
}

func TestVolume(t *testing.T) {
	t.Parallel()
	onSystems(t, everywhere, func(t *testing.T, sys system) {
		l := newLab(t, sys, cluster())
		is := func(role int, locked bool) {
			t.Helper()
			if v := l.state().Nodes["NODEA"].Volumes["E"]; v.Role != role || v.Locked != locked {
				t.Errorf("the volume has role %d, locked %v; want %d, %v", v.Role,
					v.Locked, role, locked)
			}
		}
		l.expect(0, []int{12030}, with(mirrored, "volume", "quickCheck")...) // a target
		l.expect(0, []int{12065}, with(mirrored, "volume", "restore")...)    // switches over
		is(1, false)
		l.expect(0, []int{12065}, with(mirrored, "volume", "restore")...) // twice
		is(1, false)
		l.expect(0, []int{}, with(mirrored, "volume", "quickCheck")...)
		l.expect(0, []int{}, with(mirrored, "volume", "deepCheck")...)
		l.verb(0, "mirror", with(mirrored, "doctor", "volume")...)

		// A broken mirror makes the peer's resource OSF.
		s := l.state()
		s.Nodes["NODEA"].Volumes["E"].State = 3
		s.Nodes["NODEB"].Volumes["E"].Shadows = 2
		l.set(s)
		l.expect(0, []int{}, with(mirrored, "volume", "quickCheck")...)
		if b := l.state().Nodes["NODEB"]; b.Instances[0].State != "OSF" ||
			b.Volumes["E"].Shadows != 0 {
			t.Errorf("the peer's resource is %s, with %d shadow copies", b.Instances[0].State,
				b.Volumes["E"].Shadows)
		}

		s = l.state()
		s.Nodes["NODEA"].Volumes["E"].Shadows = 1
		l.set(s)
		l.expect(0, []int{}, with(mirrored, "volume", "remove")...)
		is(1, true)
		l.expect(0, []int{}, with(mirrored, "volume", "remove")...) // twice
		is(1, true)
		l.expect(0, []int{12065}, with(mirrored, "volume", "restore")...)
		is(1, false)

		// Whether there is a scheduled task is told by an exit code alone.
		s = l.state()
		s.Nodes["NODEA"].Tasks = map[string]bool{}
		l.set(s)
		l.expect(0, []int{}, with(mirrored, "volume", "restore")...)
		s = l.state()
		s.Faults["schtasks.exe"] = &kitdouble.Fault{Mode: "exit", Match: "/Query", Code: 5,
			Output: "Access is denied.\r\n"}
		l.set(s)
		l.expect(0, []int{12066}, with(mirrored, "volume", "restore")...)

		s = l.state()
		s.Nodes["NODEA"].Volumes["E"].Storage = true
		l.set(s)
		l.expect(1, []int{12039}, with(mirrored, "volume", "remove")...)
		is(1, false)
		l.expect(69, []int{}, with(mirrored, "volume", "recover")...)
	})
}

func TestSplitBrain(t *testing.T) {
	t.Parallel()
	onSystems(t, everywhere, func(t *testing.T, sys system) {
		s := cluster()
		s.Nodes["NODEA"].Volumes["E"].Role = 1
		s.Nodes["NODEB"].Volumes["E"].Shadows = 1
		l := newLab(t, sys, s)
		l.expect(0, []int{20008}, with(mirrored, "volume", "quickCheck")...)
		// no second trap while the flag stands
		l.expect(0, []int{}, with(mirrored, "volume", "quickCheck")...)
		s = l.state()
		for name, n := range s.Nodes {
			if !slices.Equal(n.Flags, []string{"SplitBrain_E:"}) {
				t.Errorf("%s has the flags %q", name, n.Flags)
			}
		}
		want := []string{"NODEA", "6", "160",
			"s:LifeKeeper replicated volume Split Brain detected.", "s:E:", "s:NODEB"}
		if traps := s.Nodes["NODEA"].Traps; len(traps) != 1 || !slices.Equal(traps[0], want) {
			t.Errorf("traps %q", traps)
		}
		if n := s.Nodes["NODEB"].Volumes["E"].Shadows; n != 1 {
			t.Errorf("the other source has %d shadow copies, want the one it had", n)
		}
		// It is healed, which removes the flags; the next one is news again.
		s.Nodes["NODEB"].Volumes["E"].Role = 2
		l.set(s)
		l.expect(0, []int{20011}, with(mirrored, "volume", "deepCheck")...)
		l.expect(0, []int{}, with(mirrored, "volume", "quickCheck")...)
		s = l.state()
		for name, n := range s.Nodes {
			if len(n.Flags) > 0 {
				t.Errorf("%s still has the flags %q", name, n.Flags)
			}
		}
		s.Nodes["NODEB"].Volumes["E"].Role = 1
		l.set(s)
		l.expect(0, []int{20008}, with(mirrored, "volume", "quickCheck")...)
		if traps := l.state().Nodes["NODEA"].Traps; len(traps) != 2 {
			t.Errorf("traps %q", traps)
		}
	})
}

// Without EISMEventNotice.exe no trap is sent, and an event says so; with
// --native it is our own, and the report says so. (Wine 8 does not know an
// option that Go sets on every UDP socket.)
func TestNativeTrap(t *testing.T) {
	t.Parallel()
	need(t, native.goos)
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := cluster()
	s.Nodes["NODEA"].Volumes["E"].Role = 1
	l := newLab(t, native, s)
	l.missing("EISMEventNotice.exe")
	o := l.expect(0, []int{20008, 20010}, with(mirrored, "volume", "quickCheck")...)
	if !strings.Contains(o.events[1].Text, "EISMEventNotice.exe") {
		t.Error(o.events[1].Text)
	}
	l.set(s)
	o = l.expect(0, []int{20008}, with(mirrored, "volume", "quickCheck", "--native",
		"--trap-destination", conn.LocalAddr().String())...)
	if !strings.Contains(o.stdout, "> kitrunner itself: snmp-trap NODEA 6 160 ") {
		t.Errorf("it does not say what ran:\n%s", o.stdout)
	}
	conn.SetReadDeadline(time.Now().Add(limit))
	trap := make([]byte, 1500)
	if n, _, err := conn.ReadFrom(trap); err != nil || !bytes.Contains(trap[:n],
		[]byte("Split Brain detected.")) {
		t.Errorf("%q, %v", trap[:n], err)
	}
}

func TestRejoin(t *testing.T) {
	t.Parallel()
	const job = "e829700c-27b0-447f-b852-1a3135da31a7"
	onSystems(t, everywhere, func(t *testing.T, sys system) {
		s := cluster()
		a := s.Nodes["NODEA"]
		a.Volumes["E"] = &kitdouble.Volume{Role: 1, Source: "NODEA", Peer: "10.0.0.2", State: 3,
			Switchover: true}
		a.Jobs[job] = &kitdouble.Job{Name: "E Vol", Volume: "E",
			EndPoints: "NODEA;E;10.0.0.1;NODEB;E;10.0.0.2;A"}
		a.Equiv = []kitdouble.Equivalency{
			{Sys: "NODEA", Tag: "Vol.E", OtherSys: "NODEB", OtherTag: "Vol E 2", Type: "SHARED"},
			{Sys: "NODEB", Tag: "lan", OtherSys: "NODEA", OtherTag: "lan", Type: "SHARED"},
		}
		a.Paths = []kitdouble.Path{{Node: "NODEB", Device: "TCP", Local: "10.0.0.1",
			Remote: "10.0.0.2"}}
		l := newLab(t, sys, s)
		info := filepath.Join(l.dir, "lkroot/subsys/filesys/resources/volume/LKDRInfo.E")
		if err := os.MkdirAll(filepath.Dir(info), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(info, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"rejoin", "--system", "NODEA", "--gone", "NODEB", "--volume", "E",
			"--yes", "--journal", sys.path(filepath.Join(l.dir, "journal.json"))}, l.common()...)
		rejoin := func() outcome {
			defer slot(l.slots)()
			_, wait := l.start(args...)
			return wait()
		}
		s = l.state()
		s.Faults["sys_remove.exe"] = &kitdouble.Fault{Mode: "exit", Code: 9} // communication failed
		l.set(s)
		if o := rejoin(); o.code != 1 && o.code != 3 {
			t.Errorf("sys_remove fails, exit code %d\n%s%s", o.code, o.stdout, o.stderr)
		}
		if a = l.state().Nodes["NODEA"]; len(a.Jobs) > 0 || len(a.Systems) != 2 {
			t.Errorf("where sys_remove fails: jobs %v, systems %q", a.Jobs, a.Systems)
		}
		s = l.state()
		delete(s.Faults, "sys_remove.exe")
		l.set(s)
		if o := rejoin(); o.code != 0 { // goes on where the first ended
			t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
		}
		a = l.state().Nodes["NODEA"]
		if len(a.Equiv) > 0 || len(a.Jobs) > 0 || len(a.Paths) > 0 ||
			!slices.Equal(a.Systems, []string{"NODEA"}) ||
			a.Volumes["E"].Role != 0 || a.Volumes["E"].Switchover || a.Synced == 0 {
			t.Errorf("%+v %+v", a, a.Volumes["E"])
		}
		if _, err := os.Stat(info); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("LKDRInfo.E is still there: %v", err)
		}
		saved, err := filepath.Glob(filepath.Join(l.dir, "*"+job+".reg"))
		if err != nil || len(saved) != 1 {
			t.Errorf("the job was saved in %q, %v", saved, err)
		}
	})
}

package kitrunner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fsmon/kitrunner/parse"
)

// node is a Runner with a state: an address that was added is listed, a volume
// that was locked stays locked.
type node struct {
	t       *testing.T
	aliases []string
	server  bool              // LanmanServer runs
	holds   map[string]string // address to GUID
	role    int
	locked  bool // by LOCKVOLUME
	shadows int
	task    bool
}

// state is everything that an action may change.
func (n *node) state() string {
	return fmt.Sprint(n.aliases, n.server, n.holds, n.role, n.locked, n.shadows, n.task)
}

func (n *node) Run(_ context.Context, c Command) Result {
	yes := func(did bool) Result {
		if !did {
			return Result{Code: 1}
		}
		return Result{}
	}
	lines := func(l string) Result { return Result{Output: l + "\r\n"} }
	switch s := short(c); {
	case s == "nbtstat.exe -n":
		return lines(names(append([]string{"NODE1"}, n.aliases...)...))
	case s == "sc.exe query LanmanServer" && n.server:
		return serverRuns[0]
	case s == "sc.exe query LanmanServer":
		return serverStopped[0]
	case s == "sc.exe start LanmanServer":
		was := n.server
		n.server = true
		return yes(!was)
	case s == "sc.exe start browser":
		return Result{Code: noSuchService}
	case c.Name == "LmServerNameAdd.exe":
		if slices.Contains(n.aliases, c.Args[0]) {
			return yes(false)
		}
		n.aliases = append(n.aliases, c.Args[0])
		return yes(true)
	case c.Name == "LmServerNameDel.exe":
		i := slices.Index(n.aliases, c.Args[0])
		if i >= 0 {
			n.aliases = slices.Delete(n.aliases, i, i+1)
		}
		return yes(i >= 0)

	case strings.HasPrefix(s, "ips_ipchange.exe -l"):
		out := nicGUID + " 198.51.100.101\r\n" + backupGUID + " 198.51.100.102\r\n"
		for address, guid := range n.holds {
			out += guid + " " + address + "\r\n"
		}
		return lines(out)
	case strings.HasPrefix(s, "ips_ipchange.exe -a"):
		address := strings.TrimPrefix(c.Args[2], "-i")
		if n.holds[address] != "" {
			return yes(false)
		}
		n.holds[address] = strings.TrimPrefix(c.Args[1], "-n")
		return yes(true)
	case strings.HasPrefix(s, "ips_ipchange.exe -d"):
		for address, guid := range n.holds {
			if "-c"+guid == c.Args[1] {
				delete(n.holds, address)
				return yes(true)
			}
		}
		return yes(false)
	case strings.HasPrefix(s, "cable "):
		return lines("2")
	case strings.HasPrefix(s, "ping.exe"):
		return lines(pingSilence)
	case strings.HasPrefix(s, "arp "):
		return yes(false)
	case strings.HasPrefix(s, "arp.exe"), strings.HasPrefix(s, "ips_arpupdate"):
		return yes(true)

	case strings.HasSuffix(s, "GETMIRRORVOLINFO E:"):
		return lines(fmt.Sprintf("E: %d NODE1 198.51.100.2 1", n.role))
	case strings.HasSuffix(s, "UPDATEVOLUMEINFO E:"):
		return lines("Status = 0")
	case strings.HasSuffix(s, " UNLOCKVOLUME E:"):
		n.locked = false
		return lines("Status = 0")
	case strings.HasSuffix(s, " LOCKVOLUME E:"):
		n.locked = true
		return lines("Status = 0")
	case strings.HasSuffix(s, "SWITCHOVERVOLUME E:"):
		n.role, n.locked = parse.RoleSource, false
		return lines("Status = 0")
	case s == "volume.exe -d" && n.locked:
		return lines("E:")
	case s == "volume.exe -d":
		return lines("")
	case strings.HasPrefix(s, "chkntfs"):
		return yes(true)
	case strings.HasPrefix(s, "CheckVolume"):
		return yes(!n.locked && n.role == parse.RoleSource)
	case strings.HasPrefix(s, "mountvol"):
		return volumeScript["mountvol.exe E: /L"][0]
	case strings.HasPrefix(s, "schtasks.exe /Query"):
		return yes(true)
	case strings.HasPrefix(s, "schtasks.exe /Change"):
		n.task = true
		return yes(true)
	case strings.HasPrefix(s, "vssadmin.exe delete"):
		did := n.shadows > 0
		n.shadows = 0
		return yes(did)
	case strings.HasPrefix(s, "vssadmin.exe list shadows ") && n.shadows > 0:
		return shadow[0]
	case strings.HasPrefix(s, "vssadmin.exe list"):
		return noneListed[0]
	case strings.HasPrefix(s, "sc.exe query LifeKeeper"):
		return lkRuns[0]
	}
	n.t.Errorf("the node does not know %q", short(c))
	return Result{Code: 1}
}

// An action done twice succeeds twice, and the second time changes nothing.
func TestTwice(t *testing.T) {
	for _, c := range []struct {
		kit  string
		node node
	}{
		{"lanman", node{}},
		{"lanman", node{server: true, aliases: []string{"SRV01"}}},
		{"ip", node{holds: map[string]string{}}},
		{"ip", node{holds: map[string]string{"198.51.100.7": nicGUID}}},
		{"volume", node{role: parse.RoleSource, locked: true}},
		{"volume", node{role: parse.RoleTarget, locked: true}},
	} {
		n := c.node
		n.t = t
		n.shadows = 1
		dir, kit := t.TempDir(), FindKit(c.kit)
		actions := []string{"restore", "restore", "remove", "remove", "restore", "remove"}
		if kit.Action("recover") != nil { // from nowhere, and from where all is well
			actions = append(actions, "recover", "recover", "remove", "recover")
		}
		for _, action := range actions {
			before := n.state()
			e := &Engine{Runner: &n, Log: new(logged), Deadlines: DefaultDeadlines(), StateDir: dir}
			report := e.Run(t.Context(), kit, kit.Action(action), resources[c.kit])
			if report.Code != Success {
				t.Fatalf("%s %s, from %s: %+v", c.kit, action, before, report)
			}
			again := n.state()
			e.Run(t.Context(), kit, kit.Action(action), resources[c.kit])
			if n.state() != again {
				t.Errorf("%s %s again: from %s to %s", c.kit, action, again, n.state())
			}
			in := slices.Contains(n.aliases, "SRV") || n.holds["198.51.100.7"] == nicGUID ||
				c.kit == "volume" && !n.locked && n.role == parse.RoleSource
			if in != (action != "remove") {
				t.Errorf("after %s %s: %s", c.kit, action, n.state())
			}
		}
	}
}

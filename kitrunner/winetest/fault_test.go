//go:build linux

package winetest

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"fsmon/kitrunner/kitdouble"
)

var update = flag.Bool("update", false, "write testdata/faults.golden anew")

const goldenFile = "testdata/faults.golden"

// scenarios are runs in which something will go wrong. Undisturbed, they call
// as many commands as possible.
var scenarios = []struct {
	name string
	args []string
	set  func(a, b *kitdouble.Node)
}{
	{"lanman quickCheck", alias, func(a, b *kitdouble.Node) { a.Aliases = []string{"SRV01"} }},
	{"lanman quickCheck gone", alias, nil},
	{"lanman deepCheck", alias, func(a, b *kitdouble.Node) { a.Aliases = []string{"SRV01"} }},
	{"lanman restore", alias, func(a, b *kitdouble.Node) {
		a.Services["lanmanserver"], a.Services["browser"] = 1, 1
	}},
	{"lanman remove", alias, func(a, b *kitdouble.Node) { a.Aliases = []string{"SRV01"} }},
	{"lanman recover", alias, nil},
	{"ip quickCheck", address, onPublic},
	{"ip deepCheck", address, onPublic},
	{"ip restore", address, nil},
	{"ip remove", address, onPublic},
	{"ip recover", backup, nil},
	{"volume quickCheck", mirrored, source},
	{"volume quickCheck broken", mirrored, func(a, b *kitdouble.Node) {
		source(a, b)
		a.Volumes["E"].State = 3
	}},
	{"volume quickCheck split", mirrored, func(a, b *kitdouble.Node) {
		source(a, b)
		b.Volumes["E"].Role = 1
	}},
	{"volume deepCheck", mirrored, source},
	{"volume restore", mirrored, func(a, b *kitdouble.Node) { a.Volumes["E"].Held = true }},
	{"volume restore locked", mirrored, func(a, b *kitdouble.Node) {
		source(a, b)
		a.Volumes["E"].Locked = true
	}},
	{"volume remove", mirrored, source},
}

func onPublic(a, b *kitdouble.Node) {
	a.NICs[0].Addresses = append(a.NICs[0].Addresses, kitdouble.Address{IP: "10.0.0.50",
		Mask: "255.255.255.0", Context: "50"})
}

func source(a, b *kitdouble.Node) {
	for _, n := range []*kitdouble.Node{a, b} {
		n.Volumes["E"].Source, n.Volumes["E"].Shadows = "NODEA", 1
	}
	a.Volumes["E"].Role, b.Volumes["E"].Role = 1, 2
}

// modes are the ways in which a command goes wrong, from one of its calls on.
var modes = []string{"missing", "hang", "exit", "garbage", "flood"}

// minutes are cases that would wait for all of restore's 60 seconds (LAN kit,
// step 7) and show no more than the case that hangs.
var minutes = []string{"lanman restore" + "exit" + "nbtstat.exe", "lanman restore" + "garbage" +
	"nbtstat.exe"}

// TestFaults makes every command of every scenario fail in every way. A golden
// file has the outcomes. The program for Windows has the same outcome; there
// each command fails in each way once. All that a kit changes must be as it was
// before, or as the undisturbed run leaves it.
func TestFaults(t *testing.T) {
	t.Parallel()
	need(t, native.goos)
	var mu sync.Mutex
	got := map[string]string{}
	var order []string
	onWine := map[string]bool{} // by command and mode
	done := map[string]string{} // the scenario, by action and call
	t.Run("cases", func(t *testing.T) {
		for _, sc := range scenarios {
			state := func() *kitdouble.State {
				s := cluster()
				if sc.set != nil {
					sc.set(s.Nodes["NODEA"], s.Nodes["NODEB"])
				}
				return s
			}
			args := with(sc.args, strings.Fields(sc.name)[:2]...)
			healthy := newLab(t, native, state())
			undisturbed := healthy.run(args...)
			before, after := facts(state()), facts(healthy.state())
			order = append(order, sc.name)
			got[sc.name] = line(undisturbed)
			seen := map[string]int{}
			for i, c := range undisturbed.calls {
				skip := seen[c.Name]
				seen[c.Name]++
				same := strings.Join(args[:2], " ") + undisturbed.called()[i]
				if sc.name == "lanman recover" { // which does what restore does
					same = "lanman restore" + undisturbed.called()[i]
				}
				if in, ok := done[same]; ok && in != sc.name {
					continue
				}
				done[same] = sc.name
				for _, mode := range modes {
					if mode == "missing" && skip > 0 || mode == "flood" && onWine[c.Name+mode] ||
						slices.Contains(minutes, sc.name+mode+c.Name) && skip > 0 {
						continue
					}
					name := fmt.Sprintf("%s | %d %s | %s", sc.name, i+1,
						undisturbed.called()[i], mode)
					order = append(order, name)
					systems := []system{native}
					if key := c.Name + mode; !onWine[key] {
						onWine[key] = true
						systems = append(systems, english)
					}
					onSystems(t, systems, func(t *testing.T, sys system) {
						o, facts := disturbed(t, sys, state(), c.Name, mode, skip, args)
						mu.Lock()
						defer mu.Unlock()
						switch first, ok := got[name]; {
						case !ok:
							got[name] = line(o)
						case first != line(o):
							t.Errorf("%s\n%s: %s\nbefore that: %s\n%s%s", name, sys.name, line(o),
								first, o.stdout, o.stderr)
						}
						for i := range facts {
							if facts[i] != before[i] && facts[i] != after[i] {
								t.Errorf("%s: %s\nit was %s, undisturbed it becomes %s\n%s%s", name,
									facts[i], before[i], after[i], o.stdout, o.stderr)
							}
						}
						if strings.Contains(o.stderr, "panic") || o.code > 3 {
							t.Errorf("%s: %s\n%s", name, line(o), o.stderr)
						}
					})
				}
			}
		}
	})
	var b strings.Builder
	b.WriteString("# What comes of a command that goes wrong, from that call on: go test " +
		"./kitrunner/winetest -run TestFaults -update\n")
	for _, name := range order {
		fmt.Fprintf(&b, "%s | %s\n", name, got[name])
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(goldenFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		for name := range strings.Lines(b.String()) {
			if !strings.Contains(string(want), name) {
				t.Errorf("not in %s: %s", goldenFile, name)
			}
		}
		if !t.Failed() {
			t.Errorf("%s has lines too many, or in another order", goldenFile)
		}
	}
}

// line is what came of a run.
func line(o outcome) string { return fmt.Sprintf("%d %v", o.code, o.numbers()) }

// disturbed is a run in which a command goes wrong. If it hangs, no process may
// be left afterwards.
func disturbed(t *testing.T, sys system, s *kitdouble.State, name, mode string, skip int,
	args []string) (outcome, []string) {
	t.Helper()
	h := newTethers(t)
	fault := &kitdouble.Fault{Mode: mode, Skip: skip, Tether: h.String()}
	s.Faults[name] = fault
	if mode == "exit" {
		fault.Code = 13
	}
	l := newLab(t, sys, s)
	l.slots = sys.goos
	if mode == "hang" {
		// Long enough for the commands that do not hang, on a busy machine: few
		// of them run at the same time, see slots.
		l.hanging, l.timeout = h, sys.hangs
	}
	if mode == "missing" {
		l.missing(name)
	}
	o := l.run(args...)
	if mode == "hang" {
		l.gone()
	}
	return o, facts(l.state())
}

// facts is all that the kits change, a line for each.
func facts(s *kitdouble.State) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, name := range []string{"NODEA", "NODEB"} {
		n := s.Nodes[name]
		add("%s aliases %q", name, n.Aliases)
		for _, nic := range n.NICs {
			var ips []string
			for _, a := range nic.Addresses {
				ips = append(ips, a.IP)
			}
			add("%s addresses of %s %q", name, nic.Name, ips)
		}
		v := n.Volumes["E"]
		add("%s role %d", name, v.Role)
		add("%s locked %v", name, v.Locked)
		add("%s shadow copies %d", name, v.Shadows)
		for _, r := range n.Instances {
			add("%s %s is %s", name, r.Tag, r.State)
		}
	}
	return lines
}

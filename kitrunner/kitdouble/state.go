package kitdouble

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/gofrs/flock"
)

// State is the cluster as the commands see it, and what goes wrong.
type State struct {
	Self     string
	Japanese bool // messages in Japanese, in code page 932
	Nodes    map[string]*Node
	Faults   map[string]*Fault // by file name in lower case
}

// Fault is what a test lets go wrong with a command.
type Fault struct {
	Mode   string // exit, garbage, flood, hang
	Match  string // only if an argument contains it, in any case
	Skip   int    // how many such calls go well before
	Code   int
	Output string
	Tether string // host:port to which hang connects, once for each of its two processes
}

// Node is one system of the cluster.
type Node struct {
	Name string
	Down bool
	// name in lower case to the state's number: 1 stopped, 3 stop pending, 4
	// running
	Services  map[string]int
	Aliases   []string
	Slow      int      // how many times nbtstat does not list a new alias yet
	Hidden    []string // those that it does not list yet
	NICs      []*NIC
	OneLine   bool     // ips_ipchange -l has a line an adapter, not an address
	InUse     []string // addresses that another host answers for
	Volumes   map[string]*Volume
	Flags     []string
	Instances []*Instance
	Equiv     []Equivalency
	Systems   []string
	Paths     []Path
	Tasks     map[string]bool // scheduled tasks, enabled or not
	Jobs      map[string]*Job // by GUID
	Synced    int             // how many times lcdsync ran
	Traps     [][]string
	Separator string // between fields of the LCDI lists; a space if empty
}

// NIC is a network adapter.
type NIC struct {
	Name, GUID   string
	Disconnected bool
	Addresses    []Address
}

// Address is an IPv4 address on an adapter.
type Address struct{ IP, Mask, Context string }

// Volume is a volume, mirrored if it has a role.
type Volume struct {
	Role       int    // 1 source, 2 target
	Source     string // name of the source system
	Peer       string // address of the target
	State      int
	Locked     bool // by EMCMD
	Held       bool // by volume.exe
	Dirty      bool
	Unwritable bool
	Storage    bool // used for shadow copy storage
	Shadows    int
	Undeleted  bool // vssadmin delete says it worked and did not
	GUID       string
	Switchover bool // the flag that clearswitchover clears
}

// Job is a DataKeeper job.
type Job struct{ Name, Volume, EndPoints string }

// Instance is a LifeKeeper resource instance.
type Instance struct{ App, Type, Tag, ID, State string }

// Equivalency is a row of eqv_list.
type Equivalency struct{ Sys, Tag, OtherSys, OtherTag, Type string }

// Path is a communication path.
type Path struct{ Node, Device, Local, Remote string }

// call is one command's run on a node.
type call struct {
	s    *State
	node *Node
	args []string
	out  bytes.Buffer
}

// printf prints a line, in Japanese if the state says so, with Windows' line
// ends.
func (c *call) printf(format string, args ...any) {
	line := fmt.Sprintf(c.word(format), args...)
	c.out.WriteString(strings.ReplaceAll(line, "\n", "\r\n") + "\r\n")
}

func (c *call) word(english string) string {
	if j, ok := japanese[english]; ok && c.s.Japanese {
		return j
	}
	return english
}

// arg returns the argument at i, or nothing.
func (c *call) arg(i int) string {
	if i < len(c.args) {
		return c.args[i]
	}
	return ""
}

// option returns the value of -x VALUE or -xVALUE.
func (c *call) option(name string) string {
	for i, a := range c.args {
		if a == name {
			return c.arg(i + 1)
		}
		if v, ok := strings.CutPrefix(a, name); ok && len(name) == 2 {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}

// at returns the node that -d names, or this one; nil if it does not answer.
func (c *call) at() *Node {
	if d := c.option("-d"); d != "" {
		return c.s.reach(d)
	}
	return c.node
}

// reach returns the node of a name or ".", unless it is down.
func (s *State) reach(name string) *Node {
	if name == "." {
		name = s.Self
	}
	for n, node := range s.Nodes {
		if strings.EqualFold(n, name) && !node.Down {
			return node
		}
	}
	return nil
}

func (s *State) fault(name string, args []string) Fault {
	f := s.Faults[name]
	if f == nil || !slices.ContainsFunc(append([]string{""}, args...), func(a string) bool {
		return strings.Contains(strings.ToLower(a), strings.ToLower(f.Match))
	}) {
		return Fault{}
	}
	if f.Skip > 0 {
		f.Skip--
		return Fault{}
	}
	return *f
}

// Load reads the state from a file.
func Load(file string) (*State, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := new(State)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if s.Nodes[s.Self] == nil {
		return nil, fmt.Errorf("%s: no node %q", file, s.Self)
	}
	for name, n := range s.Nodes {
		n.Name = name
	}
	return s, nil
}

// Save writes the state to a file.
func (s *State) Save(file string) error {
	b, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

func lock(file string) (unlock func(), err error) {
	l := flock.New(file + ".lock")
	if err := l.Lock(); err != nil {
		return nil, err
	}
	return func() { l.Close() }, nil
}

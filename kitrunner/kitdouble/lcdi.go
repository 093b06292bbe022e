package kitdouble

import (
	"slices"
	"strings"
)

// The exit codes of LifeKeeper's LCDI commands (0 to 9).
const (
	lcdiSyntax  = 2
	lcdiExists  = 4
	lcdiMissing = 7
	lcdiNoReply = 9
)

// row prints the fields of one row of a list.
func (c *call) row(n *Node, fields ...string) {
	sep := n.Separator
	if sep == "" {
		sep = " "
	}
	for _, a := range c.args {
		if f, ok := strings.CutPrefix(a, "-f"); ok && len(f) == 1 {
			sep = f
		}
	}
	c.printf("%s", strings.Join(fields, sep))
}

// remote plays lcdremexec -d NODE -- COMMAND ARGS: its exit code is the remote
// command's.
func remote(c *call) int {
	i := slices.Index(c.args, "--")
	n := c.at()
	switch {
	case i < 0 || c.arg(i+1) == "":
		return lcdiSyntax
	case n == nil:
		return lcdiNoReply
	}
	name := strings.ToLower(c.args[i+1])
	if k := strings.LastIndexAny(name, `\/`); k >= 0 {
		name = name[k+1:]
	}
	if !strings.HasSuffix(name, ".exe") {
		name += ".exe"
	}
	there := &call{s: c.s, node: n, args: c.args[i+2:]}
	code := there.play(name)
	c.out.Write(there.out.Bytes())
	return code
}

func flagCreate(c *call) int {
	n, flag := c.at(), c.option("-f")
	switch {
	case n == nil:
		return lcdiNoReply
	case flag == "":
		return lcdiSyntax
	case slices.Contains(n.Flags, flag):
		return lcdiExists
	}
	n.Flags = append(n.Flags, flag)
	return 0
}

func flagRemove(c *call) int {
	n, flag := c.at(), c.option("-f")
	if n == nil {
		return lcdiNoReply
	}
	if !slices.Contains(n.Flags, flag) {
		return lcdiMissing
	}
	n.Flags = slices.DeleteFunc(n.Flags, func(f string) bool { return f == flag })
	return 0
}

func flagTest(c *call) int {
	n := c.at()
	if n == nil {
		return lcdiNoReply
	}
	if !slices.Contains(n.Flags, c.option("-f")) {
		return lcdiMissing
	}
	return 0
}

func flagList(c *call) int {
	n := c.at()
	if n == nil {
		return lcdiNoReply
	}
	for _, f := range n.Flags {
		c.printf("%s", f)
	}
	return 0
}

func insList(c *call) int {
	n, tag := c.at(), c.option("-t")
	if n == nil {
		return lcdiNoReply
	}
	found := false
	for _, r := range n.Instances {
		if tag == "" || r.Tag == tag {
			c.row(n, n.Name, r.App, r.Type, r.Tag, r.ID, r.State)
			found = true
		}
	}
	if tag != "" && !found {
		return lcdiMissing
	}
	return 0
}

func insSetState(c *call) int {
	n := c.at()
	if n == nil {
		return lcdiNoReply
	}
	for _, r := range n.Instances {
		if r.Tag == c.option("-t") {
			r.State = c.option("-S")
			return 0
		}
	}
	return lcdiMissing
}

func insRemove(c *call) int {
	n := c.at()
	if n == nil {
		return lcdiNoReply
	}
	before := len(n.Instances)
	n.Instances = slices.DeleteFunc(n.Instances, func(r *Instance) bool {
		return r.Tag == c.option("-t")
	})
	if len(n.Instances) == before {
		return lcdiMissing
	}
	return 0
}

func eqvList(c *call) int {
	n := c.at()
	if n == nil {
		return lcdiNoReply
	}
	for _, e := range n.Equiv {
		if want := c.option("-e"); want == "" || want == e.Type {
			c.row(n, e.Sys, e.Tag, e.OtherSys, e.OtherTag, e.Type, "1", "10")
		}
	}
	return 0
}

func eqvRemove(c *call) int {
	n := c.at()
	if n == nil {
		return lcdiNoReply
	}
	if c.option("-t") == "" || c.option("-o") == "" {
		return lcdiSyntax
	}
	before := len(n.Equiv)
	n.Equiv = slices.DeleteFunc(n.Equiv, func(e Equivalency) bool {
		return strings.EqualFold(e.Sys, c.option("-s")) && e.Tag == c.option("-t") &&
			strings.EqualFold(e.OtherSys, c.option("-S")) && e.OtherTag == c.option("-o")
	})
	if len(n.Equiv) == before {
		return lcdiMissing
	}
	return 0
}

func sysList(c *call) int {
	n := c.at()
	if n == nil {
		return lcdiNoReply
	}
	for _, s := range n.Systems {
		c.printf("%s", s)
	}
	return 0
}

func sysRemove(c *call) int {
	n, sys := c.at(), c.option("-s")
	if n == nil {
		return lcdiNoReply
	}
	if strings.EqualFold(sys, n.Name) {
		c.printf("(null)Process: sys_remove(2728)")
		c.printf("[File:sys.C Line:81]")
		c.printf("*ERROR* (No. 424) can't remove entry for local system \"%s\"", n.Name)
		return 5
	}
	before := len(n.Systems)
	n.Systems = slices.DeleteFunc(n.Systems, func(s string) bool {
		return strings.EqualFold(s, sys)
	})
	if len(n.Systems) == before {
		return lcdiMissing
	}
	return 0
}

func netList(c *call) int {
	n := c.at()
	if n == nil {
		return lcdiNoReply
	}
	for _, p := range n.Paths {
		c.row(n, p.Node, p.Device, p.Local, p.Remote)
	}
	return 0
}

func netRemove(c *call) int {
	n := c.at()
	if n == nil {
		return lcdiNoReply
	}
	before := len(n.Paths)
	n.Paths = slices.DeleteFunc(n.Paths, func(p Path) bool {
		return strings.EqualFold(p.Node, c.option("-s")) &&
			(c.option("-r") == "" || c.option("-r") == p.Remote)
	})
	if len(n.Paths) == before {
		return lcdiMissing
	}
	return 0
}

func lcdsync(c *call) int {
	n := c.at()
	if n == nil {
		return lcdiNoReply
	}
	n.Synced++
	return 0
}

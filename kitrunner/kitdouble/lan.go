package kitdouble

import (
	"slices"
	"strings"
)

func (n *Node) hasAlias(name string) bool {
	return slices.ContainsFunc(n.Aliases, func(a string) bool { return strings.EqualFold(a, name) })
}

// nbtstat plays nbtstat -n.
func nbtstat(c *call) int {
	if c.arg(0) != "-n" {
		return 1
	}
	c.printf("")
	c.printf("Ethernet:")
	c.printf("Node IpAddress: [%s] Scope Id: []", "192.168.1.10")
	c.printf("")
	c.printf("                NetBIOS Local Name Table")
	c.printf("")
	c.printf("       Name               Type         Status")
	c.printf("    ---------------------------------------------")
	row := func(name, suffix, kind string) {
		c.printf("%s", "    "+pad(name)+"<"+suffix+">  "+c.word(kind)+"  "+c.word("Registered "))
	}
	row(c.node.Name, "00", "UNIQUE     ")
	row("WORKGROUP", "00", "GROUP      ")
	row(c.node.Name, "20", "UNIQUE     ")
	hidden := c.node.Hidden
	if c.node.Slow--; c.node.Slow < 0 {
		c.node.Slow, c.node.Hidden, hidden = 0, nil, nil
	}
	for _, a := range c.node.Aliases {
		if !slices.Contains(hidden, a) {
			row(strings.ToUpper(a), "00", "UNIQUE     ")
			row(strings.ToUpper(a), "20", "UNIQUE     ")
		}
	}
	return 0
}

// pad cuts or fills a NetBIOS name to its 15 characters.
func pad(name string) string { return (name + strings.Repeat(" ", 15))[:15] }

func nameAdd(c *call) int {
	if c.arg(0) == "" || c.node.hasAlias(c.arg(0)) {
		return 1
	}
	c.node.Aliases = append(c.node.Aliases, c.arg(0))
	if c.node.Slow > 0 {
		c.node.Hidden = append(c.node.Hidden, c.arg(0))
	}
	return 0
}

func nameDel(c *call) int {
	if !c.node.hasAlias(c.arg(0)) {
		return 1
	}
	c.node.Aliases = slices.DeleteFunc(c.node.Aliases, func(a string) bool {
		return strings.EqualFold(a, c.arg(0))
	})
	return 0
}

var serviceStates = map[int]string{1: "STOPPED", 2: "START_PENDING", 3: "STOP_PENDING",
	4: "RUNNING", 7: "PAUSED"}

// sc plays sc query NAME and sc start NAME, with or without \\SERVER before.
func sc(c *call) int {
	verb, name := strings.ToLower(c.arg(0)), strings.ToLower(c.arg(1))
	state, ok := c.node.Services[name]
	fail := func(api string, code int, why string) int {
		c.printf("[SC] %s FAILED %d:", api, code)
		c.printf("")
		c.printf("%s", c.word(why))
		c.printf("")
		return code
	}
	switch {
	case !ok && verb == "query":
		return fail("EnumQueryServicesStatus:OpenService", 1060,
			"The specified service does not exist as an installed service.")
	case !ok:
		return fail("StartService: OpenService", 1060,
			"The specified service does not exist as an installed service.")
	case verb == "start" && state == 4:
		return fail("StartService", 1056, "An instance of the service is already running.")
	case verb == "start":
		state = 4
		c.node.Services[name] = 4
	}
	c.printf("")
	c.printf("SERVICE_NAME: %s ", c.arg(1))
	c.printf("        TYPE               : 20  WIN32_SHARE_PROCESS  ")
	c.printf("        STATE              : %d  %s ", state, serviceStates[state])
	c.printf("                                (STOPPABLE, PAUSABLE, IGNORES_SHUTDOWN)")
	c.printf("        WIN32_EXIT_CODE    : 0  (0x0)")
	c.printf("        SERVICE_EXIT_CODE  : 0  (0x0)")
	c.printf("        CHECKPOINT         : 0x0")
	c.printf("        WAIT_HINT          : 0x0")
	return 0
}

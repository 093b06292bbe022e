package kitdouble

import (
	"slices"
	"strings"
)

func (n *Node) nic(guid string) *NIC {
	guid = strings.Trim(guid, "{}")
	for _, nic := range n.NICs {
		if strings.EqualFold(strings.Trim(nic.GUID, "{}"), guid) {
			return nic
		}
	}
	return nil
}

// ipChange plays ips_ipchange: -l lists the addresses, -a -nGUID -iIP -mMASK
// adds one, -d -cCONTEXT deletes by the address's context or, as the document
// has it, by the adapter's GUID. The document does not show the list's form.
func ipChange(c *call) int {
	switch c.arg(0) {
	case "-l":
		for _, nic := range c.node.NICs {
			line := nic.GUID
			for _, a := range nic.Addresses {
				line += " " + a.IP + " " + a.Mask + " Context=" + a.Context
				if !c.node.OneLine {
					c.printf("%s", line)
					line = nic.GUID
				}
			}
			if c.node.OneLine {
				c.printf("%s", line)
			}
		}
		return 0
	case "-a":
		nic := c.node.nic(c.option("-n"))
		ip, mask := c.option("-i"), c.option("-m")
		if nic == nil || ip == "" || mask == "" {
			c.printf("ips_ipchange: error 87")
			return 87
		}
		for _, n := range c.node.NICs {
			if slices.ContainsFunc(n.Addresses, func(a Address) bool { return a.IP == ip }) {
				c.printf("ips_ipchange: error 5010") // ERROR_OBJECT_ALREADY_EXISTS
				return 1
			}
		}
		nic.Addresses = append(nic.Addresses,
			Address{ip, mask, "100" + ip[strings.LastIndexByte(ip, '.')+1:]})
		return 0
	case "-d":
		key := c.option("-c")
		for _, nic := range c.node.NICs {
			for i, a := range nic.Addresses {
				if a.Context == key || c.node.nic(key) == nic && i == len(nic.Addresses)-1 {
					nic.Addresses = slices.Delete(nic.Addresses, i, i+1)
					return 0
				}
			}
		}
		c.printf("ips_ipchange: error 1168")
		return 1
	}
	return 87
}

func arpUpdate(c *call) int {
	if c.node.nic(c.arg(1)) == nil {
		c.printf("87")
		return 1
	}
	return 0
}

// arp plays arp -d IP. Deleting what is not there is an error on Windows.
func arp(c *call) int {
	if c.arg(0) != "-d" || c.arg(1) == "" {
		return 1
	}
	c.printf("The ARP entry deletion failed: The parameter is incorrect.")
	return 1
}

func ping(c *call) int {
	ip := c.arg(len(c.args) - 1)
	answers := slices.Contains(c.node.InUse, ip)
	for _, n := range c.s.Nodes {
		for _, nic := range n.NICs {
			answers = answers || slices.ContainsFunc(nic.Addresses, func(a Address) bool {
				return a.IP == ip
			})
		}
	}
	for name, n := range c.s.Nodes {
		answers = answers || strings.EqualFold(name, ip) && !n.Down
	}
	if !answers {
		c.printf("Request timed out.")
		c.printf("    Packets: Sent = 1, Received = %d, Lost = %d (%d%% loss),", 0, 1, 100)
		return 1
	}
	c.printf("Reply from %s: bytes=32 time<1ms TTL=128", ip)
	c.printf("    Packets: Sent = 1, Received = %d, Lost = %d (%d%% loss),", 1, 0, 0)
	return 0
}

// powershell plays a query for the NetConnectionStatus (Win32_NetworkAdapter)
// of the adapter whose name it contains.
func powershell(c *call) int {
	for _, nic := range c.node.NICs {
		if strings.Contains(c.arg(len(c.args)-1), "'"+nic.Name+"'") {
			status := 2
			if nic.Disconnected {
				status = 7
			}
			c.printf("%d", status)
		}
	}
	return 0
}

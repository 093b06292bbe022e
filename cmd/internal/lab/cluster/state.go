package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"
)

// monitor is what crm_mon says.
type monitor struct {
	Nodes []struct {
		Name    string `xml:"name,attr"`
		Online  bool   `xml:"online,attr"`
		Unclean bool   `xml:"unclean,attr"`
	} `xml:"nodes>node"`
	Group []struct {
		ID      string `xml:"id,attr"`
		Role    string `xml:"role,attr"`
		Failed  bool   `xml:"failed,attr"`
		Blocked bool   `xml:"blocked,attr"`
		On      []struct {
			Name string `xml:"name,attr"`
		} `xml:"node"`
	} `xml:"resources>group>resource"`
}

// state asks one node how it sees the cluster.
func (l *lab) state(node string) (m monitor, err error) {
	out, err := l.on(node, "crm_mon", "-1", "--output-as=xml")
	if err != nil {
		return m, err
	}
	return m, xml.Unmarshal([]byte(out), &m)
}

// home is the node on which all of the group is started; "" when there is none.
func (m monitor) home() string {
	home := ""
	for _, r := range m.Group {
		if r.Role != "Started" || r.Failed || r.Blocked || len(r.On) != 1 || home != "" &&
			r.On[0].Name != home {
			return ""
		}
		home = r.On[0].Name
	}
	return home
}

// role is that of one resource of the group: "Started", "Stopped".
func (m monitor) role(id string) string {
	for _, r := range m.Group {
		if r.ID == id {
			return r.Role
		}
	}
	return ""
}

func (m monitor) online(nodes ...string) bool {
	found := 0
	for _, n := range m.Nodes {
		for _, want := range nodes {
			if n.Name == want && n.Online && !n.Unclean {
				found++
			}
		}
	}
	return found == len(nodes)
}

// at waits until asked sees the whole group started on node.
func (l *lab) at(asked, node string) error {
	var last monitor
	err := until("the group on "+node, func() bool {
		m, err := l.state(asked)
		last = m
		return err == nil && m.home() == node
	})
	if err != nil {
		text, _ := l.on(asked, "crm_mon", "-1rfm")
		err = fmt.Errorf("%w; it is %+v\n%s", err, last.Group, text)
	}
	return err
}

// failures is a resource's fail count on a node.
func (l *lab) failures(asked, resource, node string) (string, error) {
	out, err := l.on(asked, "crm_failcount", "--query", "-r", resource, "-N", node)
	if err != nil {
		return "", err
	}
	_, count, ok := strings.Cut(strings.TrimSpace(out), "value=")
	if !ok {
		return "", errors.New(out)
	}
	return count, nil
}

// settle cleans the failures up, and waits until the cluster has nothing to do.
func (l *lab) settle(asked string) error {
	if _, err := l.on(asked, "crm_resource", "--cleanup"); err != nil {
		return err
	}
	_, err := l.on(asked, "crm_resource", "--wait", "--timeout=15s")
	return err
}

// move moves the group as an administrator does.
func (l *lab) move(asked, node string) error {
	if _, err := l.on(asked, "crm_resource", "-r", "fs", "--move", "--node", node); err != nil {
		return err
	}
	err := l.at(asked, node)
	_, cleared := l.on(asked, "crm_resource", "-r", "fs", "--clear")
	return errors.Join(err, cleared)
}

// alerts is what a node's watch has logged since a moment.
func (l *lab) alerts(node, id string, since time.Time) ([]string, error) {
	out, err := l.on(node, "sh", "-c", "cat /var/log/fsmon/"+id+"/watch.log 2>/dev/null || true")
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(out) {
		when, _, _ := strings.Cut(line, " ")
		if t, err := time.Parse(time.RFC3339, when); err == nil &&
			!t.Before(since.Truncate(time.Second)) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines, nil
}

// story is what both nodes know when something went wrong.
func (c *chain) story() string {
	var b strings.Builder
	for _, node := range []string{"n1", "n2"} {
		text, err := c.on(node, "crm_mon", "-1rfm")
		fmt.Fprintf(&b, "%s: %v\n%s\n", node, err, text)
		text, err = c.on(node, "sh", "-c",
			"tail -n 20 /var/log/fsmon/"+watchName+"/watch.log /var/log/fs-server.log /var/log/ganesha.log")
		fmt.Fprintf(&b, "%v\n%s\n", err, text)
	}
	return b.String()
}

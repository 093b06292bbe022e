package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// scenario is something that happens to a file server in a cluster. At its end
// the cluster serves again and has no failures.
type scenario struct {
	name string
	play func(c *chain) error
}

var everywhere = []string{"samba", "nfs3", "nfs4"}

var scenarios = []scenario{
	{"server frozen", func(c *chain) error {
		return c.brokenServer("server frozen", stalledBound, `kill -STOP -%s`)
	}},
	{"server killed", func(c *chain) error {
		return c.brokenServer("server killed", refusedBound, `kill -KILL -%s`)
	}},
	{"port blackholed", blackholed},
	{"share directory gone", directoryGone},
	{"planned move during a pause", plannedMove},
	{"maintenance by hand", maintenance},
	{"leftover of a killed watch", leftover},
	{"both nodes broken", bothBroken},
	{"node frozen, with fencing", nodeFrozen},
}

// messages are those of a server that is dead or hung.
func (c *chain) messages() []string {
	if c.name == "samba" {
		return []string{"72", "74", "75"}
	}
	return []string{"66"}
}

func (c *chain) brokenServer(what string, bound time.Duration, kill string) error {
	_, err := c.failover(what, bound, func(home string) error {
		server, err := c.server(home)
		if err != nil {
			return err
		}
		return c.sh(home, fmt.Sprintf(kill, server))
	}, c.messages()...)
	return errors.Join(err, c.settle("n1"))
}

func blackholed(c *chain) error {
	home, err := c.home()
	if err != nil {
		return err
	}
	rule := fmt.Sprintf(" INPUT -p tcp --dport %d -j DROP", c.port)
	_, err = c.failover("port blackholed", stalledBound, func(home string) error {
		return c.sh(home, "iptables -A"+rule)
	}, c.messages()...)
	return errors.Join(err, c.sh(home, "iptables -D"+rule), c.settle("n1"))
}

// removeShare removes the served directory of a node, and restoreShare makes it
// again. An NFS server goes on serving from what it holds open, so it is also
// told that the export is gone.
func (c *chain) removeShare(node string) error {
	return c.sh(node,
		"rm -r /run/node/data; cp /run/node/none.conf /run/node/ganesha.conf; "+reload)
}

func (c *chain) restoreShare(node string) error {
	return c.sh(node,
		"mkdir -p /run/node/data && echo "+node+" >/run/node/data/whoami; "+
			"cp "+c.path("ganesha.conf")+" /run/node/ganesha.conf; "+reload)
}

// reload tells a file server that runs to read its configuration again.
const reload = "kill -HUP $(cat /run/resource-agents/proc-fs-server.pid 2>/dev/null) 2>/dev/null || true"

func directoryGone(c *chain) error {
	home, err := c.home()
	if err != nil {
		return err
	}
	_, err = c.failover("share directory gone", refusedBound, c.removeShare, "62", "66")
	return errors.Join(err, c.restoreShare(home), c.settle("n1"))
}

// plannedMove: an administrator pauses the watch and moves the group. Nothing
// is counted and nobody is alarmed.
func plannedMove(c *chain) error {
	home, err := c.home()
	if err != nil {
		return err
	}
	to := other(home)
	at := time.Now()
	if _, err := c.on(home, c.watch(), watchName, "-pause"); err != nil {
		return err
	}
	if err := c.move(home, to); err != nil {
		return err
	}
	if _, err := c.client.served(to, at); err != nil {
		return err
	}
	if err := c.quiet(at); err != nil {
		return err
	}
	c.say("%s: planned move during a pause: %s, no alert, no failure counted", c.name,
		c.client.between(at, time.Now()))
	return c.watching(to) // the new one is not paused
}

// quiet fails unless no watch has complained since, and none is counted as
// failed.
func (c *chain) quiet(since time.Time) error {
	for _, node := range []string{"n1", "n2"} {
		alerts, err := c.alerts(node, watchName, since)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(alerts, func(line string) bool {
			return strings.Contains(line, " ERROR ") || strings.Contains(line, " WARN 101 ")
		}); i >= 0 {
			return fmt.Errorf("%s said: %s", node, alerts[i])
		}
		if n, err := c.failures("n1", watchName, node); err != nil || n != "0" {
			return errors.Join(err, fmt.Errorf("the fail count of the watch on %s is %q", node, n))
		}
	}
	return nil
}

// maintenance: pause, the server is started anew by hand, continue.
func maintenance(c *chain) error {
	home, err := c.home()
	if err != nil {
		return err
	}
	old, err := c.server(home)
	if err != nil {
		return err
	}
	at := time.Now()
	if _, err := c.on(home, c.watch(), watchName, "-pause"); err != nil {
		return err
	}
	// What `systemctl restart` does: the service is the same, its process is
	// not.
	command := strings.ReplaceAll(c.runs, "@DIR@", c.dir)
	err = c.sh(home, `kill -TERM -`+old+`; while kill -0 -`+old+` 2>/dev/null; do sleep 0.05; done
setsid sh -c 'echo $$ >/run/resource-agents/proc-fs-server.pid; exec `+command+`' </dev/null >/dev/null 2>&1 &`)
	if err != nil {
		return err
	}
	if _, err := c.client.served(home, time.Now()); err != nil {
		return err
	}
	if _, err := c.on(home, c.watch(), watchName, "-continue"); err != nil {
		return err
	}
	if err := c.watching(home); err != nil {
		return err
	}
	if err := c.quiet(at); err != nil {
		return err
	}
	if now, err := c.home(); err != nil || now != home {
		return errors.Join(err, fmt.Errorf("the group has moved to %s", now))
	}
	c.say("%s: maintenance: paused, server restarted by hand, continued: %s, no failover", c.name,
		c.client.between(at, time.Now()))
	return nil
}

// leftover: a watch was killed on a node, with its identifier and all, and the
// group comes back there.
func leftover(c *chain) error {
	home, err := c.home()
	if err != nil {
		return err
	}
	back := other(home)
	at := time.Now()
	target := "-s data"
	if c.name != "samba" {
		target = "-d /run/node/data"
	}
	err = c.sh(back, c.watch()+` `+watchName+` `+target+` -a 198.51.100.50 >/dev/null 2>&1 & pid=$!
until test -e /run/fsmon/`+watchName+`/status; do sleep 0.05; done
kill -KILL $pid; while kill -0 $pid 2>/dev/null; do sleep 0.05; done; test -e /run/fsmon/`+watchName+`/lock`)
	if err != nil {
		return err
	}
	if err := c.move(home, back); err != nil {
		return err
	}
	if _, err := c.client.served(back, at); err != nil {
		return err
	}
	if err := c.watching(back); err != nil {
		return err
	}
	alerts, err := c.alerts(back, watchName, at)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(alerts,
		func(line string) bool { return strings.Contains(line, " WARN 108 ") }) {
		return fmt.Errorf("the leftover was not taken over: %q", alerts)
	}
	c.say("%s: the leftover of a killed watch on %s was taken over when the group came back",
		c.name, back)
	return c.settle("n1")
}

// bothBroken: no node can serve. The group must come to rest, not wander.
func bothBroken(c *chain) error {
	at := time.Now()
	home, err := c.home()
	if err != nil {
		return err
	}
	for _, node := range []string{other(home), home} {
		if err := c.removeShare(node); err != nil {
			return err
		}
	}
	// The watch has failed once on each node and may run on neither. Pacemaker
	// leaves the rest of the group where it was last.
	atRest := func() bool {
		m, err := c.state("n1")
		if err != nil || m.role(watchName) != "Stopped" {
			return false
		}
		for _, node := range []string{"n1", "n2"} {
			if n, err := c.failures("n1", watchName, node); err != nil || n != "1" {
				return false
			}
		}
		return true
	}
	if err := until("the group to come to rest", atRest); err != nil {
		return err
	}
	// Pacemaker plans nothing more until somebody cleans up.
	if _, err := c.on("n1", "crm_resource", "--wait", "--timeout=60s"); err != nil {
		return err
	}
	if !atRest() {
		return errors.New("the watch was started again")
	}
	rest := time.Since(at)
	for _, node := range []string{"n1", "n2"} {
		if err := c.restoreShare(node); err != nil {
			return err
		}
	}
	if err := c.settle("n1"); err != nil {
		return err
	}
	// A server that still holds the removed directory open fails once more. The
	// other node's is started anew and does not.
	err = until("a healthy watch and a served client", func() bool {
		m, err := c.state("n1")
		if home = m.home(); err != nil || home == "" || !c.healthy(home) {
			return false
		}
		_, err = c.client.servedWithin(home, time.Now(), 3*time.Second)
		return err == nil
	})
	if err != nil {
		return err
	}
	c.say("%s: both nodes broken: at rest after %.1f s with one failure each; served again by %s "+
		"after the repair and a clean-up", c.name, rest.Seconds(), home)
	return c.settle("n1")
}

// nodeFrozen: the whole machine hangs. Only fencing makes it safe to go on.
func nodeFrozen(c *chain) error {
	config, err := c.write("fencing.crm", `primitive fencing stonith:fence_lab params pcmk_host_list="n1 n2" op monitor interval=60s
property stonith-enabled=true
`)
	if err != nil {
		return err
	}
	if _, err := c.on("n1", "env", "HOME=/run", "crm", "configure", "load", "update",
		config); err != nil {
		return err
	}
	if _, err := c.on("n1", "crm_resource", "--wait", "--timeout=60s"); err != nil {
		return err
	}
	home, err := c.home()
	if err != nil {
		return err
	}
	to := other(home)
	at := time.Now()
	if err := c.freeze(home); err != nil {
		return err
	}
	took, err := c.client.served(to, at)
	if err != nil {
		return err
	}
	if err := c.at(to, to); err != nil {
		return err
	}
	if c.up(home) {
		return fmt.Errorf("%s was not fenced", home)
	}
	c.say("%s: node frozen: %s fenced by %s, served by %s after %.2f s", c.name, home, to, to,
		took.Seconds())
	if err := c.boot(home); err != nil {
		return err
	}
	return until(home+" back in the cluster", func() bool {
		m, err := c.state(to)
		return err == nil && m.online("n1", "n2")
	})
}

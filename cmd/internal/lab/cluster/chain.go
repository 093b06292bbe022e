package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What every watch of the cluster is started with, and what follows from it:
// the next probe after a fault begins at most an interval later, and its
// timeout and those of the retries make the verdict.
const (
	interval = 1 * time.Second
	retries  = 1
	timeout  = 1 * time.Second

	stalledBound = interval + (retries+1)*timeout
	refusedBound = interval + retries*interval
	// failoverBudget is for the cluster: to see that the watch has gone, stop
	// what hangs, and start the group on the other node.
	failoverBudget = 3 * time.Second
)

// protocol is one way in which the group serves its files.
type protocol struct {
	name    string // samba, nfs3, nfs4
	config  string // below templates/pacemaker
	service string // the systemd service there
	runs    string // what runs it in the lab
	options string // of the watch
	port    int
	grace   time.Duration // how long a server that has just started lets no client open a file
}

const ganesha = "ganesha.nfsd -F -f /run/node/ganesha.conf -L /var/log/ganesha.log " +
	"-p /run/ganesha.pid -N NIV_EVENT"

var protocols = map[string]protocol{
	"samba": {"samba", "samba.crm", "systemd:smbd", "smbd -F --no-process-group -s @DIR@/smb.conf",
		"", 445, 0},
	"nfs3": {"nfs3", "nfs.crm", "systemd:nfs-server",
		ganesha, "--nfs-version 3 --marker whoami", 2049, 0},
	"nfs4": {"nfs4", "nfs.crm", "systemd:nfs-server",
		ganesha, "--nfs-version 4.1 --nfs4-path /data --marker whoami", 2049, 5 * time.Second},
}

// chain is a running cluster that serves files, and a client that reads them.
type chain struct {
	*lab
	protocol
	client *client
	say    func(format string, args ...any) // tells the story
}

const watchName = "fs-watch"

// startChain boots the cluster, loads the published configuration and waits
// until the client is served.
func startChain(name, bin, templates string, say func(string, ...any)) (c *chain, err error) {
	began := time.Now()
	l, err := startLab(bin, filepath.Join(templates, "ocf", "fsmon"), "")
	if err != nil {
		return nil, err
	}
	c = &chain{lab: l, protocol: protocols[name], say: say}
	defer func() {
		if err != nil {
			c.close()
			c = nil
		}
	}()
	err = until("both nodes online", func() bool {
		m, err := l.state("n1")
		return err == nil && m.online("n1", "n2")
	})
	if err != nil {
		return c, err
	}
	text, err := os.ReadFile(filepath.Join(templates, "pacemaker", c.config))
	if err != nil {
		return c, err
	}
	config, err := c.forLab(string(text))
	if err != nil {
		return c, err
	}
	path, err := l.write("group.crm", config)
	if err != nil {
		return c, err
	}
	if _, err := l.on("n1", "env", "HOME=/run", "crm", "configure", "load", "update",
		path); err != nil {
		return c, err
	}
	home, err := c.home()
	if err != nil {
		return c, err
	}
	if c.client, err = l.client(c.name); err != nil {
		return c, err
	}
	if _, err := c.client.served(home, began); err != nil {
		return c, err
	}
	say("%s: two nodes booted, %s loaded, the client is served by %s after %.1f s", c.name,
		c.config, home, time.Since(began).Seconds())
	return c, c.watching(home)
}

// forLab adapts a published configuration to the lab. It replaces only the
// address, systemd, the exported path and the long times.
func (c *chain) forLab(text string) (string, error) {
	options := fmt.Sprintf("interval=%d retries=%d timeout=%d", int(interval.Seconds()), retries,
		int(timeout.Seconds()))
	if c.options != "" {
		options += ` options="` + c.options + `"`
	}
	for _, r := range [][2]string{
		{"192.0.2.50", "198.51.100.50"},
		{c.service, fmt.Sprintf(`ocf:lab:proc params cmd="%s" port=%d`,
			strings.ReplaceAll(c.runs, "@DIR@", c.dir), c.port)},
		{"interval=5 retries=2 timeout=5", options},
	} {
		if !strings.Contains(text, r[0]) {
			return "", fmt.Errorf("%s does not have %q", c.config, r[0])
		}
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	if strings.HasSuffix(c.config, ".pcs") {
		text = strings.ReplaceAll(text, "params ", "") // a word of crmsh's
	}
	return strings.ReplaceAll(text, "/srv/export", "/run/node/data"), nil
}

// close ends the client and the cluster.
func (c *chain) close() {
	if c.client != nil {
		c.client.Kill()
	}
	c.lab.close()
}

// home waits for the group to be started somewhere, as both nodes see it.
func (c *chain) home() (home string, err error) {
	err = until("the group to be started", func() bool {
		m, err := c.state("n1")
		if home = m.home(); err != nil || home == "" {
			return false
		}
		m, err = c.state("n2")
		return err == nil && m.home() == home
	})
	if err != nil {
		text, _ := c.on("n1", "crm_mon", "-1rfm")
		err = fmt.Errorf("%w\n%s", err, text)
	}
	return home, err
}

// watching waits until the watch on node has seen its server healthy.
func (c *chain) watching(node string) error {
	return until("a healthy watch on "+node, func() bool { return c.healthy(node) })
}

func (c *chain) healthy(node string) bool {
	out, _ := c.on(node, c.watch(), watchName, "-disp")
	return strings.Contains(out, "healthy since")
}

// watch is the command that watches.
func (c *chain) watch() string {
	if c.name == "samba" {
		return "clp_sambamon"
	}
	return "clp_nfsmon"
}

func other(node string) string {
	if node == "n1" {
		return "n2"
	}
	return "n1"
}

// server is the process group of the file server on a node.
func (c *chain) server(node string) (string, error) {
	out, err := c.on(node, "cat", "/run/resource-agents/proc-fs-server.pid")
	return strings.TrimSpace(out), err
}

// failover causes a fault on the group's node and checks the whole chain: who
// noticed it and why, who serves afterwards, and what the client saw. The watch
// must have sent one of the messages. It returns the time from the fault to the
// first good reply.
func (c *chain) failover(what string, bound time.Duration, fault func(home string) error,
	messages ...string) (time.Duration, error) {
	home, err := c.home()
	if err != nil {
		return 0, err
	}
	if err := c.watching(home); err != nil {
		return 0, err
	}
	to := other(home)
	at := time.Now()
	if err := fault(home); err != nil {
		return 0, err
	}
	took, err := c.client.served(to, at)
	if err != nil {
		return 0, err
	}
	if err := c.at(to, to); err != nil {
		return took, err
	}
	alerts, err := c.alerts(home, watchName, at)
	if err != nil {
		return took, err
	}
	verdict, judged := time.Duration(0), false
	for _, line := range alerts {
		for _, number := range messages {
			judged = judged || strings.Contains(line, " ERROR "+number+" ")
		}
		if strings.Contains(line, " ERROR 6 ") {
			when, _, _ := strings.Cut(line, " ")
			t, _ := time.Parse(time.RFC3339, when)
			verdict = t.Sub(at)
		}
	}
	if !judged {
		return took, fmt.Errorf("%s: none of the messages %v in the log of %s: %q", what, messages,
			home, alerts)
	}
	if n, err := c.failures(to, watchName, home); err != nil || n != "1" {
		return took, errors.Join(err,
			fmt.Errorf("%s: the fail count of the watch on %s is %q", what, home, n))
	}
	if evidence, err := c.on(home, "find", "/var/log/fsmon", "-name", "probe.pcap", "-newermt",
		at.Add(-time.Second).Format("2006-01-02 15:04:05")); err != nil || evidence == "" {
		return took, errors.Join(err, fmt.Errorf("%s: no evidence on %s", what, home))
	}
	held, bound := "within", bound+c.grace
	if took > bound+failoverBudget {
		held = "BEYOND" // on a machine with more to do; a measurement, not an assertion
	}
	c.say("%s: %s: verdict about %.0f s after the fault, served by %s after %.2f s (%s %v + %v)",
		c.name, what, verdict.Seconds(), to, took.Seconds(), held, bound, failoverBudget)
	return took, nil
}

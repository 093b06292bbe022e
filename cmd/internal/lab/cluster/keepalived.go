package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// keepalivedBound is fall × interval + timeout of the published configuration.
const keepalivedBound = 2*2*time.Second + 3*time.Second

// startKeepalived is startChain for two nodes with keepalived and the published
// track_script.
func startKeepalived(name, bin, templates string, say func(string, ...any)) (c *chain, err error) {
	began := time.Now()
	text, err := os.ReadFile(filepath.Join(templates, "keepalived", "keepalived.conf"))
	if err != nil {
		return nil, err
	}
	config := strings.ReplaceAll(string(text), "192.0.2.50", "198.51.100.50")
	l, err := startLab(bin, filepath.Join(templates, "ocf", "fsmon"), config)
	if err != nil {
		return nil, err
	}
	c = &chain{lab: l, protocol: protocols["samba"], say: say}
	c.name = name
	if c.client, err = l.client("samba"); err == nil {
		_, err = c.client.served("n1", began)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	say("keepalived: the client is served by n1 after %.1f s", time.Since(began).Seconds())
	return c, nil
}

// keepalivedMoves: a frozen server loses the address, and gets it back when it
// answers again.
func keepalivedMoves(c *chain) error {
	server, err := c.server("n1")
	if err != nil {
		return err
	}
	frozen := time.Now()
	if err := c.sh("n1", "kill -STOP -"+server); err != nil {
		return err
	}
	took, err := c.client.served("n2", frozen)
	if err != nil {
		log, _ := c.on("n1", "cat", "/var/log/keepalived.log")
		return fmt.Errorf("%w\n%s", err, log)
	}
	c.say("keepalived: server frozen: served by n2 after %.2f s (bound %v + %v)", took.Seconds(),
		keepalivedBound, failoverBudget)
	thawed := time.Now()
	if err := c.sh("n1", "kill -CONT -"+server); err != nil {
		return err
	}
	if took, err = c.client.served("n1", thawed); err != nil {
		return err
	}
	c.say("keepalived: server thawed: served by n1 again after %.2f s", took.Seconds())
	return nil
}

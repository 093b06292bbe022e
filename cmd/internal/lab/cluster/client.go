package main

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// client asks the floating address again and again, with the client programs
// of the distribution, and keeps what it saw.
type client struct {
	cancel context.CancelFunc
	cmd    *exec.Cmd

	mu       sync.Mutex
	attempts []attempt
}

// attempt is one try to read the file that names the node.
type attempt struct {
	began, ended time.Time
	node         string // who served it; "" when nobody did
}

// client starts asking with the protocol: samba, nfs3 or nfs4.
func (l *lab) client(protocol string) (*client, error) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &client{cancel: cancel, cmd: l.command(ctx, "client", "bash", l.path("client.sh"), protocol)}
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if f := strings.Fields(lines.Text()); len(f) == 3 {
				a := attempt{began: moment(f[0]), ended: moment(f[2])}
				if f[1] != "FAIL" {
					a.node = f[1]
				}
				c.mu.Lock()
				c.attempts = append(c.attempts, a)
				c.mu.Unlock()
			}
		}
	}()
	return c, nil
}

func moment(s string) time.Time {
	seconds, nanos, _ := strings.Cut(s, ".")
	a, _ := strconv.ParseInt(seconds, 10, 64)
	b, _ := strconv.ParseInt(nanos, 10, 64)
	return time.Unix(a, b)
}

// close ends the client.
func (c *client) close() {
	c.cancel()
	c.cmd.Wait()
}

// served waits until node serves an attempt that began after since, and
// returns how long after since the good reply came.
func (c *client) served(node string, since time.Time) (time.Duration, error) {
	return c.servedWithin(node, since, limit)
}

func (c *client) servedWithin(node string, since time.Time, wait time.Duration) (time.Duration, error) {
	var took time.Duration
	err := within(wait, "a file served by "+node, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, a := range c.attempts {
			if a.node == node && a.began.After(since) {
				took = a.ended.Sub(since)
				return true
			}
		}
		return false
	})
	return took, err
}

// between says how many attempts failed, and who served the others.
func (c *client) between(from, to time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := map[string]int{}
	for _, a := range c.attempts {
		if a.began.After(from) && a.ended.Before(to) {
			counts[a.node]++
		}
	}
	return fmt.Sprintf("%d failed, %d by n1, %d by n2", counts[""], counts["n1"], counts["n2"])
}

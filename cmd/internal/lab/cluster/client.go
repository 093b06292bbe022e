package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fsmon/cmd/internal/lab/proc"
)

// client asks the floating address again and again, with the client programs
// of the distribution, and prints what it saw.
type client struct{ *proc.Process }

// attempt is one try to read the file that names the node.
type attempt struct {
	began, ended time.Time
	node         string // who served it; "" when nobody did
}

// client starts asking with the protocol: samba, nfs3 or nfs4.
func (l *lab) client(protocol string) (*client, error) {
	p, err := proc.Start(l.command(context.Background(), "client", "bash", l.path("client.sh"),
		protocol))
	if err != nil {
		return nil, err
	}
	return &client{p}, nil
}

// attempts are those that have ended.
func (c *client) attempts() (all []attempt) {
	for line := range strings.Lines(c.Output()) {
		if f := strings.Fields(line); len(f) == 3 && strings.HasSuffix(line, "\n") {
			all = append(all, attempt{moment(f[0]), moment(f[2]), strings.TrimPrefix(f[1], "FAIL")})
		}
	}
	return all
}

func moment(s string) time.Time {
	seconds, nanos, _ := strings.Cut(s, ".")
	a, _ := strconv.ParseInt(seconds, 10, 64)
	b, _ := strconv.ParseInt(nanos, 10, 64)
	return time.Unix(a, b)
}

// served waits until node serves an attempt that began after since, and
// returns how long after since the good reply came.
func (c *client) served(node string, since time.Time) (time.Duration, error) {
	return c.servedWithin(node, since, proc.Patience)
}

func (c *client) servedWithin(node string, since time.Time,
	wait time.Duration) (time.Duration, error) {
	var took time.Duration
	err := within(wait, "a file served by "+node, func() bool {
		for _, a := range c.attempts() {
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
	counts := map[string]int{}
	for _, a := range c.attempts() {
		if a.began.After(from) && a.ended.Before(to) {
			counts[a.node]++
		}
	}
	return fmt.Sprintf("%d failed, %d by n1, %d by n2", counts[""], counts["n1"], counts["n2"])
}

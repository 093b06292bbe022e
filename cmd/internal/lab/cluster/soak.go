package main

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"time"

	"fsmon/cmd/internal/lab/proc"
)

// leftAlone: nothing happens to a healthy cluster for a time, while every core
// of this machine is kept busy twice over. Nothing may fail or move.
func leftAlone(c *chain, d time.Duration) error {
	home, err := c.home()
	if err != nil {
		return err
	}
	began := time.Now()
	for range 2 * runtime.NumCPU() {
		busy, err := proc.Start(exec.Command("/bin/sh", "-c", "while :; do :; done"))
		if err != nil {
			return err
		}
		defer busy.Kill()
	}
	for tick := time.NewTicker(10 * time.Second); time.Since(began) < d; <-tick.C {
		if err := c.quiet(began); err != nil {
			return fmt.Errorf("after %.0f s: %w", time.Since(began).Seconds(), err)
		}
		if now, err := c.home(); err != nil || now != home {
			return errors.Join(err,
				fmt.Errorf("after %.0f s the group is on %s", time.Since(began).Seconds(), now))
		}
	}
	c.say("%s: left alone for %v with %d busy loops: no failover, no failed probe; the client: %s",
		c.name, d, 2*runtime.NumCPU(), c.client.between(began, time.Now()))
	return nil
}

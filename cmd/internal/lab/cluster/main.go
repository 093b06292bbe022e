// Command cluster shows what a watch is worth: two Pacemaker nodes in
// namespaces of this machine, a file server that is frozen, killed and cut off,
// and a client that gets its files back. Its tests assert the same.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr,
			"usage: cluster DIRECTORY-OF-COMMANDS DIRECTORY-OF-TEMPLATES [DURATION] [samba|nfs3|nfs4|keepalived]...")
		os.Exit(2)
	}
	names := os.Args[3:]
	all := append(slices.Clone(everywhere), "keepalived")
	if len(names) > 0 {
		if d, err := time.ParseDuration(names[0]); err == nil {
			healthy, names, all = d, names[1:], everywhere
		}
	}
	if len(names) == 0 {
		names = all
	}
	for _, name := range names {
		if !slices.Contains(everywhere, name) && name != "keepalived" {
			fmt.Fprintf(os.Stderr,
				"cluster: error: %q is none of samba, nfs3, nfs4 and keepalived\n", name)
			os.Exit(2)
		}
	}
	began := time.Now()
	say := func(format string, args ...any) {
		fmt.Printf("%7.1f s  "+format+"\n", append([]any{time.Since(began).Seconds()}, args...)...)
	}
	var shows sync.WaitGroup
	failed := make(chan error, len(names))
	for _, name := range names {
		shows.Go(func() { failed <- show(name, os.Args[1], os.Args[2], say) })
		if healthy == 0 {
			shows.Wait() // a story at a time; to be left alone they can be all together
		}
	}
	shows.Wait()
	close(failed)
	code := 0
	for err := range failed {
		if err != nil {
			fmt.Fprintf(os.Stderr, "cluster: error: %v\n", err)
			code = 1
		}
	}
	os.Exit(code)
}

// healthy is how long each cluster is to be left alone, under load; 0: every
// scenario is played instead.
var healthy time.Duration

// show plays every scenario of a protocol.
func show(name, bin, templates string, say func(string, ...any)) error {
	start := startChain
	if name == "keepalived" {
		start = startKeepalived
	}
	c, err := start(name, bin, templates, say)
	if err != nil {
		return err
	}
	defer c.close()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupted)
	go func() {
		if _, ok := <-interrupted; ok {
			c.close()
			os.Exit(1)
		}
	}()
	switch {
	case name == "keepalived":
		return keepalivedMoves(c)
	case healthy > 0:
		return leftAlone(c, healthy)
	}
	for _, s := range scenarios {
		if err := s.play(c); err != nil {
			return fmt.Errorf("%s: %s: %w\n%s", name, s.name, err, c.story())
		}
	}
	return nil
}

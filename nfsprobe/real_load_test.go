//go:build linux

package nfsprobe

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fsmon/nfsprobe/nfstest"
)

func init() { childRoles["many"] = manyProbes }

// After thousands of probes no descriptors are left open, and source ports do
// not run out, although there are 359 privileged ones and version 3 uses two a
// probe.
func TestRealManyProbes(t *testing.T) {
	l := realLab(t, nfstest.Config{})
	for _, c := range []struct {
		uid  int
		port string
	}{{0, "privileged port"}, {65534, "uid 65534, port"}} {
		t.Run(fmt.Sprint(c.uid), func(t *testing.T) {
			child(t, "many", l.Dir(), strconv.Itoa(c.uid), c.port)
		})
	}
	if left, err := l.Clients(); err != nil || len(left) > 0 {
		t.Errorf("the server still knows %q (%v)", left, err)
	}
}

// manyProbes probes 2,000 times, as the user in its arguments.
func manyProbes() {
	dir, user, port := os.Args[1], os.Args[2], os.Args[3]
	fail := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
		os.Exit(1)
	}
	if uid, err := strconv.Atoi(user); err != nil {
		fail("%v", err)
	} else if uid != 0 {
		// Changed here, since that user could not execute the test binary.
		for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(uid),
			syscall.Setuid(uid)} {
			if err != nil {
				fail("become user %d: %v", uid, err)
			}
		}
	}
	var probers []*Prober
	for _, version := range []string{"3", "4.0", "4.2", "auto"} {
		probers = append(probers, New(Config{Address: "127.0.0.1", Dir: dir, Path4: "/export",
			Version: version}))
	}
	once := func(p *Prober) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		r, err := p.Probe(ctx)
		if err != nil || len(r.Warnings) > 0 {
			fail("%v, warnings %q", err, r.Warnings)
		}
		if !strings.Contains(r.Identity, port) {
			fail("spoke as %q", r.Identity)
		}
	}
	descriptors := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			fail("%v", err)
		}
		return len(names)
	}
	for _, p := range probers {
		once(p) // opens what is opened only once
	}
	before := descriptors()
	for i := range 2000 {
		once(probers[i%len(probers)])
	}
	if after := descriptors(); after > before {
		fail("%d descriptors, %d before", after, before)
	}
}

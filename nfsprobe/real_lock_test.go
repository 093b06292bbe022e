//go:build linux

package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"
)

// A real lock manager and status monitor; when the monitor dies or hangs, every
// other step stays green.
func TestRealLocks(t *testing.T) {
	l := realLab(t, nfstest.Config{Locks: true})
	mark(t, l.Dir())
	// With a lock manager Ganesha has a grace period at every start.
	for _, version := range []string{"3", "4.2"} {
		c := marked(l, "export", version)
		c.LockTest = true
		r, err := probe(t, c)
		if err != nil || !r.Grace || !strings.HasPrefix(learnt(r, LockTest), "in grace: ") {
			t.Errorf("%s: %v, rungs %v", version, err, r.Rungs)
		}
	}
	retry(t, func() error {
		c := marked(l, "export", "3")
		c.LockTest = true
		if r, err := probe(t, c); err != nil || r.Grace {
			time.Sleep(100 * time.Millisecond) // it lasts for seconds
			return fmt.Errorf("%v, in grace: %v", err, r.Grace)
		}
		return nil
	})
	probers := map[string]*Prober{}
	for _, version := range append([]string{"auto"}, versions...) {
		c := marked(l, "export", version)
		c.LockTest = true
		probers[version] = New(c)
		for range 2 {
			r, err := probeWith(t, probers[version])
			want := "locked and unlocked"
			if r.Version == "3" {
				want = "TEST: NLM4_"
			}
			if err != nil || r.Grace || len(r.Warnings) > 0 ||
				!strings.Contains(learnt(r, LockTest), want) {
				t.Errorf("%s: %v, warnings %q, rungs %v", version, err, r.Warnings, r.Rungs)
			}
		}
		c.Marker = ""
		if r, err := probe(t, c); err != nil || len(r.Warnings) > 0 {
			t.Errorf("%s, on the write test's file: %v, rungs %v", version, err, r.Rungs)
		}
	}
	noTestFile(t, l.Dir())
	knownClients(t, l, 2)

	must(t, l.Freeze(nfstest.Statd))
	_, err := probeUntilDeadline(t, probers["3"], LockTest)
	fails(t, err, LockTest, context.DeadlineExceeded)
	must(t, l.Thaw(nfstest.Statd))
	must(t, l.Kill(nfstest.Statd))
	if _, err := probeWith(t, probers["3"]); !errors.Is(err, syscall.ECONNREFUSED) ||
		!strings.HasPrefix(err.Error(), "lock test: status: ") {
		t.Errorf("without a status monitor: %v", err)
	}
	if _, err := probeWith(t, probers["4.2"]); err != nil {
		t.Errorf("version 4 does without: %v", err)
	}
}

package nfsprobe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
	"github.com/buildbarn/go-xdr/pkg/protocols/nlm"
)

// hostileLocks is hostileFiles with a lock test and without a write test.
func hostileLocks(t testing.TB, version string) (*nfstest.Hostile, Config) {
	h, c := hostileFiles(t, version)
	c.WriteTest, c.LockTest = false, true
	return h, c
}

// noLocks asserts that nothing is left at the server, locks included.
func noLocks(t testing.TB, h *nfstest.Hostile, version string) {
	t.Helper()
	nothingLeft(t, h, min(1, strings.Count(version, "4.0")))
	if n := h.Lockers(); n != 0 {
		t.Errorf("%s: %d lock owners left", version, n)
	}
}

func TestLocks(t *testing.T) {
	for _, version := range append([]string{"auto"}, versions...) {
		for _, write := range []bool{false, true} {
			for _, marker := range []string{"MOUNTED", ""} {
				h, c := hostileLocks(t, version)
				c.WriteTest, c.Marker = write, marker
				p := New(c)
				for range 2 {
					r, err := probeWith(t, p)
					want := "locked and unlocked"
					if r.Version == "3" {
						want = "TEST: NLM4_GRANTED"
					} else if !write && marker == "" {
						want = "nothing to lock"
					}
					if err != nil || len(r.Warnings) > 0 ||
						!strings.Contains(learnt(r, LockTest), want) {
						t.Errorf("%s: %v, warnings %q, rungs %v", version, err, r.Warnings, r.Rungs)
					}
				}
				if version != "auto" {
					opens := 0
					if strings.HasPrefix(version, "4") && (write || marker != "") {
						opens = min(1, strings.Count(version, "4.0"))
					}
					nothingLeft(t, h, opens)
				}
				if h.Lockers() != 0 {
					t.Errorf("%s: lock owners left", version)
				}
			}
		}
	}
}

// Whatever the lock manager of version 3 answers, but that it cannot lock, is
// healthy; and it must be there.
func TestLocks3(t *testing.T) {
	hang := context.DeadlineExceeded
	for name, c := range map[string]struct {
		on    func(h *nfstest.Hostile)
		cause error
		text  string
		grace bool
	}{
		"a directory cannot be locked": {on(nfstest.TestLock, nfstest.Tested(nlm.NLM4_FAILED)), nil,
			"", false},
		"somebody has it": {on(nfstest.TestLock, nfstest.Tested(nlm.NLM4_DENIED)), nil, "", false},
		"grace": {on(nfstest.TestLock, nfstest.Tested(nlm.NLM4_DENIED_GRACE_PERIOD)), nil, "",
			true},
		"no room": {on(nfstest.TestLock, nfstest.Tested(nlm.NLM4_DENIED_NOLOCKS)), nil,
			"nlockmgr: TEST: NLM4_DENIED_NOLOCKS", false},
		"stale": {on(nfstest.TestLock, nfstest.Tested(nlm.NLM4_STALE_FH)), nil,
			"nlockmgr: TEST: NLM4_STALE_FH", false},
		"unknown": {on(nfstest.TestLock, nfstest.Tested(99)), &MalformedError{"nlm4_stats 99"},
			"", false},
		"no lockd": {on(nfstest.Getport, nfstest.Unregistered(lockProgram)), ErrNotRegistered,
			"nlockmgr: program not registered", false},
		"no statd": {on(nfstest.Getport, nfstest.Unregistered(statusProgram)), ErrNotRegistered,
			"status: program not registered", false},
		"statd hangs": {on(nfstest.NullStat, nfstest.Hang), hang, "status: no answer", false},
		"lockd hangs": {on(nfstest.NullLock, nfstest.Hang), hang, "nlockmgr: no answer", false},
		"lockd hangs in TEST": {on(nfstest.TestLock, nfstest.Hang), hang, "nlockmgr: no answer",
			false},
		"lockd closes": {on(nfstest.NullLock, nfstest.Close), broken("read", io.EOF), "", false},
		"cut":          {on(nfstest.TestLock, nfstest.Truncated(30)), &MalformedError{"TEST: "}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, config := hostileLocks(t, "3")
			config.MountPort, config.Port = 0, 0
			c.on(h)
			var r Report
			var err error
			if c.cause == hang {
				r, err = probeUntilDeadline(t, New(config), LockTest)
			} else {
				r, err = probe(t, config)
			}
			if c.cause == nil && c.text == "" {
				if err != nil || r.Grace != c.grace {
					t.Errorf("%v, in grace: %v", err, r.Grace)
				}
			} else if c.cause != nil {
				fails(t, err, LockTest, c.cause)
			}
			if err != nil && !strings.Contains(err.Error(), "lock test: "+c.text) {
				t.Errorf("%v, want %q", err, c.text)
			}
			if (c.cause != nil || c.text != "") && err == nil {
				t.Error("healthy")
			}
			noLocks(t, h, "3")
		})
	}
}

// In version 4 a lock that another client holds is an answer, grace is alive,
// and whatever fails leaves nothing locked or open.
func TestLocks4(t *testing.T) {
	for _, version := range versions[1:] {
		for _, marker := range []string{"MOUNTED", ""} {
			config := func(t *testing.T) (*nfstest.Hostile, Config) {
				h, c := hostileLocks(t, version)
				c.Marker, c.WriteTest = marker, marker == ""
				return h, c
			}
			h, c := config(t)
			h.FailOp(-1, nfsv4.OP_LOCK, nfsv4.NFS4ERR_GRACE)
			r, err := probe(t, c)
			if err != nil || !r.Grace || learnt(r, LockTest) != "in grace: LOCK: NFS4ERR_GRACE" {
				t.Errorf("%s: %v, rungs %v", version, err, r.Rungs)
			}
			noLocks(t, h, version)
			for _, op := range []nfsv4.NfsOpnum4{nfsv4.OP_LOCK, nfsv4.OP_LOCKU} {
				h, c := config(t)
				h.FailOp(2, op, nfsv4.NFS4ERR_DELAY)
				if r, err := probe(t, c); err != nil || learnt(r, LockTest) != "locked and unlocked" {
					t.Errorf("%s, busy at %s: %v", version, opName(op), err)
				}
				noLocks(t, h, version)
			}
			h, c = config(t)
			h.FailOp(-1, nfsv4.OP_LOCK, nfsv4.NFS4ERR_SERVERFAULT)
			_, err = probe(t, c)
			fails(t, err, LockTest, &Status4{"LOCK", uint32(nfsv4.NFS4ERR_SERVERFAULT)})
			noLocks(t, h, version)
		}
		h, c := hostileLocks(t, version)
		h.FailOp(-1, nfsv4.OP_LOCK, nfsv4.NFS4ERR_DENIED)
		r, err := probe(t, c)
		if err != nil || learnt(r, LockTest) != "locked by another client" {
			t.Errorf("%s: %v, %s", version, err, learnt(r, LockTest))
		}
		noLocks(t, h, version)
	}
}

// FuzzLockTest: no answer to NLM TEST makes its decoder panic.
func FuzzLockTest(f *testing.F) {
	f.Add(slices.Concat(opaque("12345678"), xdr(0)))
	f.Add(slices.Concat(opaque("12345678"), xdr(1, 0, 0xffffffff)))
	f.Fuzz(func(t *testing.T, results []byte) {
		said, err := parseLockTest(message{bytes.NewReader(results)}, []byte("12345678"))
		var bad *MalformedError
		if (err == nil) == (said == "") || errors.As(err, &bad) && bad.What == "" {
			t.Errorf("%q, %v", said, err)
		}
	})
}

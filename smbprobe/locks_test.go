package smbprobe

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"fsmon/smbprobe/smb2"
	"fsmon/smbprobe/smbtest"
)

// learntAt is what the step learnt.
func learntAt(r Report, step Step) string {
	for _, rung := range r.Rungs {
		if rung.Step == step {
			return rung.Learnt
		}
	}
	return "no such rung"
}

// The lock test needs no right to write where there is a marker, and leaves
// nothing anywhere.
func TestLockTest(t *testing.T) {
	s := smbtest.Samba(t, smbtest.Config{Shares: map[string][]string{
		"ro": {"guest ok = yes", "read only = yes"}, "rw": {"guest ok = yes", "read only = no"},
	}})
	for _, share := range []string{"ro", "rw"} {
		writeShared(t, s, share, marker, markerText)
		if err := os.Chmod(filepath.Join(s.Dir, "shares", share, marker), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		share, user, marker string
		cause               error
	}{
		{"ro", "", marker, nil}, {"ro", "games", marker, nil}, {"rw", "", marker, nil},
		{"rw", "", "", nil}, {"rw", "games", "", nil}, {"ro", "games", "", StatusAccessDenied},
	} {
		config := at(t, s.Addr(), c.share).as(c.user, "pw-games")
		config.Marker, config.LockTest = c.marker, true
		r, err := probe(t, config)
		if c.cause != nil {
			fails(t, err, LockTest, c.cause)
		} else if err != nil || learntAt(r, LockTest) != "locked and unlocked" {
			t.Errorf("%+v: %v, %+v", c, err, r.Rungs)
		}
		if got := filesIn(t, s, c.share); !slices.Equal(got, []string{marker}) {
			t.Errorf("%+v left behind %q", c, got)
		}
	}
}

// Somebody else's lock is as good as an own one. A server that loses a lock, or
// does not know how to lock, has failed.
func TestLocksSpoilt(t *testing.T) {
	// nth spoils the n-th answer to a LOCK: 0 locks, 1 unlocks.
	nth := func(n int32, do smbtest.Filter) smbtest.Filter {
		return smbtest.OnReply(smbtest.Lock, func(f *smbtest.Frame) smbtest.Behaviour {
			if n--; n == -1 {
				return do(f)
			}
			return nil
		})
	}
	const notLocked = 0xC000007E
	s := fresh(t)
	for _, withMarker := range []bool{true, false} {
		for _, c := range []struct {
			status uint32
			n      int32
			cause  error
		}{
			{uint32(smb2.StatusLockNotGranted), 0, nil}, {uint32(smb2.StatusFileLockConflict), 0, nil},
			{uint32(smb2.StatusLockNotGranted), 1, smb2.StatusLockNotGranted},
			{notLocked, 1, Status(notLocked)}, {0xC0000002, 0, Status(0xC0000002)},
		} {
			addr := smbtest.Relay(t, s.Addr(), nth(c.n, smbtest.SetStatus(c.status)))
			config := at(t, addr, "fresh")
			config.LockTest = true
			if withMarker {
				config.Marker = marker
			}
			r, err := probe(t, config)
			if c.cause != nil {
				fails(t, err, LockTest, c.cause)
			} else if err != nil || learntAt(r, LockTest) != "somebody else has the lock" {
				t.Errorf("0x%X: %v, %+v", c.status, err, r.Rungs)
			}
			if got := filesIn(t, s, "fresh"); !slices.Equal(got, []string{marker}) {
				t.Errorf("0x%X left behind %q", c.status, got)
			}
		}
	}
}

// A server that does not tell what is behind the root is healthy. One that does
// not answer is not.
func TestIdentity(t *testing.T) {
	refuse := smbtest.SetStatus(uint32(StatusAccessDenied))
	tooShort := change(func(m []byte) { le.PutUint32(m[headerLen+4:], 4) })
	var ended atomic.Pointer[expiring]
	for _, c := range []struct {
		name   string
		answer uint16
		spoil  smbtest.Filter
		cause  error
	}{
		{"root refused", smbtest.Create, refuse, nil},
		{"query refused", smbtest.QueryInfo, refuse, nil},
		{"query too short", smbtest.QueryInfo, tooShort, nil},
		{"close refused", smbtest.CloseFile, refuse, nil},
		{"closed", smbtest.Create, instead(smbtest.Nothing, smbtest.Close), broken("read", io.EOF)},
		{"silent", smbtest.QueryInfo, func(f *smbtest.Frame) smbtest.Behaviour {
			ended.Load().expire()
			return smbtest.Hold(f)
		}, context.DeadlineExceeded},
	} {
		ctx := newExpiring()
		ended.Store(&ctx)
		config := at(t, spoilt(t, c.answer, c.spoil), "share")
		config.Identity = true
		r, err := probeIn(t, ctx, New(config))
		if c.cause != nil {
			fails(t, err, Root, c.cause)
		} else if err != nil || len(r.Warnings) > 0 {
			t.Errorf("%s: %v, %q", c.name, err, r.Warnings)
		}
		if r.RootID != "" {
			t.Errorf("%s: root %q", c.name, r.RootID)
		}
	}
	// Without the option nothing is asked.
	r, err := probe(t, at(t, samba(t).Addr(), "share"))
	if err != nil || r.RootID != "" || learntAt(r, Root) != "no such rung" {
		t.Errorf("%v, %+v", err, r)
	}
}

// Another directory behind the share has another identity.
func TestIdentityOfAnother(t *testing.T) {
	s := fresh(t)
	config := at(t, s.Addr(), "fresh")
	config.Identity = true
	r1, err := probe(t, config)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.Dir, "shares", "fresh")
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if r2, err := probe(t, config); err != nil || r2.RootID == "" || r2.RootID == r1.RootID {
		t.Errorf("%q, then %q, %v", r1.RootID, r2.RootID, err)
	}
}

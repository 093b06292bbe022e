package nfsprobe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
)

// export3Calls are what one write asks of the NFS server.
var export3Calls = []nfstest.Proc{nfstest.Null3, nfstest.Getattr3, nfstest.Access3}

// collect makes a server answer no call until the last of procs has come. Then
// answer makes one write of all replies, each a record, by the index in procs.
func collect(h *nfstest.Hostile, procs []nfstest.Proc, answer func(replies [][]byte) []byte) {
	var mu sync.Mutex
	replies := make([][]byte, 0, len(procs))
	for _, proc := range procs {
		h.On(proc, func(conn net.Conn, _ nfstest.Call, healthy func() []byte) bool {
			mu.Lock()
			defer mu.Unlock()
			if replies = append(replies, nfstest.Record(healthy())); len(replies) < cap(replies) {
				return true
			}
			_, err := conn.Write(answer(replies))
			replies = replies[:0]
			return err == nil
		})
	}
}

// A probe writes four times: for both ports, for the handle, for all that it
// asks of the NFS server, and to say goodbye.
func TestWrites(t *testing.T) {
	_, c := hostile(t)
	r, err := probe(t, c)
	if err != nil {
		t.Fatal(err)
	}
	var writes []int
	for _, s := range r.Wire {
		if s.From.Port() == uint16(r.NFSPort) || s.From.Port() == uint16(r.MountPort) ||
			s.From.Port() == uint16(c.portMapper) {
			continue
		}
		calls := 0
		for b := s.Data; len(b) > 0; calls++ {
			n := int(b[2])<<8 | int(b[3])
			b = b[4+n:]
		}
		writes = append(writes, calls)
	}
	if !slices.Equal(writes, []int{2, 1, 3, 1}) {
		t.Errorf("calls in each write: %d", writes)
	}
}

// Replies belong to their calls, in whatever order they come.
func TestOutOfOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		h, c := hostile(t)
		collect(h, export3Calls, func(replies [][]byte) []byte {
			return slices.Concat(replies[order[0]], replies[order[1]], replies[order[2]])
		})
		r, err := probe(t, c)
		if err != nil || r.MountPort != h.MountPort || r.NFSPort != h.NFSPort ||
			r.Version != "3" || r.RootID == "" {
			t.Errorf("%d: %v, %+v", order, err, r)
		}
	}
	h, c := hostile(t)
	var first []byte
	h.On(nfstest.Getport, func(conn net.Conn, _ nfstest.Call, healthy func() []byte) bool {
		if first == nil {
			first = nfstest.Record(healthy())
			return true
		}
		_, err := conn.Write(append(nfstest.Record(healthy()), first...))
		return err == nil
	})
	if r, err := probe(t, c); err != nil || r.MountPort != h.MountPort || r.NFSPort != h.NFSPort {
		t.Errorf("ports: %v, %+v", err, r)
	}
}

// What is wrong with one of several replies fails the step that awaits it, or
// the first that has not been answered if it belongs to none.
func TestSpoiltTogether(t *testing.T) {
	wasDue := &MalformedError{"was due"}
	unknown := func(reply []byte) []byte {
		other := slices.Clone(reply)
		other[4] ^= 0x80
		return other
	}
	for name, one := range map[string]struct {
		answer func(replies [][]byte) []byte
		step   Step
	}{
		"an unknown one first": {func(r [][]byte) []byte {
			return slices.Concat(unknown(r[0]), r[0], r[1], r[2])
		}, Null},
		"an unknown one second": {func(r [][]byte) []byte {
			return slices.Concat(r[0], unknown(r[0]), r[1], r[2])
		}, Getattr},
		"an unknown one last but one": {func(r [][]byte) []byte {
			return slices.Concat(r[0], r[1], unknown(r[0]), r[2])
		}, Access},
		"two to NULL": {func(r [][]byte) []byte {
			return slices.Concat(r[0], r[0], r[1], r[2])
		}, Getattr},
		"two to NULL, late": {func(r [][]byte) []byte {
			return slices.Concat(r[0], r[1], r[0], r[2])
		}, Access},
		"two to ACCESS before NULL": {func(r [][]byte) []byte {
			return slices.Concat(r[2], r[2], r[0], r[1])
		}, Null},
	} {
		h, c := hostile(t)
		collect(h, export3Calls, one.answer)
		_, err := probe(t, c)
		if fails(t, err, one.step, wasDue); t.Failed() {
			t.Fatal(name)
		}
		if h.Count(nfstest.Umnt) != 1 {
			t.Errorf("%s: no UMNT", name)
		}
	}
	// A refusal that comes before the replies to earlier calls is looked at in
	// its turn.
	h, c := hostile(t)
	collect(h, export3Calls, func(r [][]byte) []byte {
		stale := slices.Concat(r[1][:28], xdr(uint32(nfsv3.NFS3ERR_STALE)))
		stale[3] = byte(len(stale) - 4)
		return slices.Concat(r[2], stale, r[0])
	})
	r, err := probe(t, c)
	fails(t, err, Getattr, Status3(nfsv3.NFS3ERR_STALE))
	if r.Version != "3" {
		t.Errorf("%+v", r)
	}
}

// A busy server is asked again while other replies are due.
func TestBusyTogether(t *testing.T) {
	h, c := hostile(t)
	var late []byte
	h.On(nfstest.Access3, nfstest.Times(1,
		func(conn net.Conn, _ nfstest.Call, healthy func() []byte) bool {
			late = nfstest.Record(healthy())
			return true
		}, nfstest.Healthy))
	h.On(nfstest.Getattr3, nfstest.Times(1, nfstest.GetattrStatus(nfsv3.NFS3ERR_JUKEBOX),
		func(conn net.Conn, call nfstest.Call, healthy func() []byte) bool {
			_, err := conn.Write(late)
			return err == nil && nfstest.Healthy(conn, call, healthy)
		}))
	if _, err := probe(t, c); err != nil || h.Count(nfstest.Getattr3) != 2 ||
		h.Count(nfstest.Access3) != 1 {
		t.Errorf("%v, %d GETATTR, %d ACCESS", err, h.Count(nfstest.Getattr3),
			h.Count(nfstest.Access3))
	}
}

// Of three calls in one write one reply never comes: its await ends with the
// deadline, those of the others before do not.
func TestOneReplyMissing(t *testing.T) {
	const limit = 3 * time.Second
	for missing := range 3 {
		synctest.Test(t, func(t *testing.T) {
			c, far := piped(t)
			var all []*pending
			for proc := range uint32(3) {
				all = append(all, c.queue(100003, 3, proc, nil))
			}
			go func() {
				var calls [][]byte
				for range all {
					record, err := readRecord(far)
					if err != nil {
						t.Error(err)
					}
					calls = append(calls, record)
				}
				for i := len(all) - 1; i >= 0; i-- { // the last call is answered first
					if i != missing {
						far.Write(fragment(1, append(calls[i][:4:4], xdr(1, 0, 0, 0, 0, uint32(i))...)))
					}
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			for i, p := range all {
				results, err := c.await(ctx, p)
				if i >= missing {
					if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != limit {
						t.Errorf("%d of %d: %v after %v", i, missing, err, time.Since(began))
					}
					continue
				}
				if err != nil || time.Since(began) != 0 {
					t.Fatalf("%d: %v after %v", i, err, time.Since(began))
				}
				if rest, _ := io.ReadAll(results); !bytes.Equal(rest, xdr(uint32(i))) {
					t.Errorf("%d: results %x", i, rest)
				}
			}
			c.Close()
			far.Close()
		})
	}
}

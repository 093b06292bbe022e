package nfsprobe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
)

// expiring is a context whose deadline passes when the test says so.
type expiring struct {
	context.Context
	done chan struct{}
	once *sync.Once
}

func newExpiring() expiring {
	return expiring{context.Background(), make(chan struct{}), new(sync.Once)}
}

func (e expiring) expire()               { e.once.Do(func() { close(e.done) }) }
func (e expiring) Done() <-chan struct{} { return e.done }

func (e expiring) Err() error {
	select {
	case <-e.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// A step that stalls ends when the deadline passes or the context is cancelled,
// and is named.
func TestStalls(t *testing.T) {
	slow := nfstest.Drip(20 * time.Millisecond) // more than half a second for an answer
	for _, c := range []struct {
		name   string
		proc   nfstest.Proc
		answer nfstest.Answer
		step   Step
		umnt   bool // warns that UMNT could not be sent
	}{
		{"port mapper", nfstest.Getport, nfstest.Hang, PortMap, false},
		{"port mapper drips", nfstest.Getport, slow, PortMap, false},
		{"MNT", nfstest.Mnt, nfstest.Hang, Mount, false},
		{"MNT in the answer", nfstest.Mnt, nfstest.Mark(1<<31 | 200), Mount, false},
		{"NULL", nfstest.Null3, nfstest.Hang, Null, true},
		{"GETATTR", nfstest.Getattr3, nfstest.Hang, Getattr, true},
		{"GETATTR drips", nfstest.Getattr3, slow, Getattr, true},
		{"ACCESS", nfstest.Access3, nfstest.Hang, Access, true},
		{"UMNT", nfstest.Umnt, nfstest.Hang, Unmount, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, config := hostile(t)
			// ended is how a probe fails that ends during the call. The replies
			// to calls that were sent with it are read meanwhile.
			ended := func(cause error, begin func() (context.Context, func())) (r Report) {
				var err error
				retry(t, func() error {
					ctx, end := begin()
					defer end()
					h.On(c.proc, func(conn net.Conn, call nfstest.Call, healthy func() []byte) bool {
						time.AfterFunc(50*time.Millisecond, end)
						return c.answer(conn, call, healthy)
					})
					r, err = probeIn(t, ctx, New(config))
					disconnected(t, h)
					var failed *Error
					if !errors.As(err, &failed) || failed.Step != c.step {
						return fmt.Errorf("%v, want a failure of %v", err, c.step)
					}
					return nil
				})
				fails(t, err, c.step, cause)
				return r
			}
			r := ended(context.DeadlineExceeded, func() (context.Context, func()) {
				deadline := newExpiring()
				return deadline, deadline.expire
			})
			if warned := len(r.Warnings) > 0; warned != c.umnt {
				t.Errorf("warnings %q", r.Warnings)
			}
			ended(context.Canceled, func() (context.Context, func()) {
				return context.WithCancel(t.Context())
			})
		})
	}
	t.Run("until the deadline", func(t *testing.T) {
		t.Parallel()
		h, config := hostile(t)
		h.On(nfstest.Getport, nfstest.Drip(20*time.Millisecond))
		_, err := probeUntilDeadline(t, New(config), PortMap)
		fails(t, err, PortMap, context.DeadlineExceeded)
		disconnected(t, h)
	})
	t.Run("busy", func(t *testing.T) {
		t.Parallel()
		var h *nfstest.Hostile
		r, err := probeInTime(t, time.Second, func() *Prober {
			var config Config
			h, config = hostile(t)
			h.On(nfstest.Getattr3, nfstest.GetattrStatus(nfsv3.NFS3ERR_JUKEBOX))
			return New(config)
		})
		fails(t, err, Getattr, Status3(nfsv3.NFS3ERR_JUKEBOX))
		if h.Count(nfstest.Getattr3) < 2 || len(r.Warnings) != 0 ||
			h.Count(nfstest.Umnt) != h.Count(nfstest.Mnt) {
			t.Errorf("asked %d times, warnings %q", h.Count(nfstest.Getattr3), r.Warnings)
		}
	})
}

// Whatever stalls behind a granted MNT, UMNT has its time: a mount entry
// without an end stays in the server's list for good.
func TestUnmountInTime(t *testing.T) {
	for _, proc := range []nfstest.Proc{nfstest.Null3, nfstest.Getattr3, nfstest.Access3,
		nfstest.Write3} {
		t.Run(fmt.Sprint(proc.Procedure), func(t *testing.T) {
			t.Parallel()
			retry(t, func() error {
				h, config := hostileFiles(t, "3")
				h.On(proc, nfstest.Hang)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				r, err := probeIn(t, ctx, New(config))
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
				disconnected(t, h)
				if h.Count(nfstest.Umnt) != 1 || ctx.Err() != nil {
					return fmt.Errorf("%d UMNTs, %v, warnings %q", h.Count(nfstest.Umnt), ctx.Err(),
						r.Warnings)
				}
				return nil
			})
		})
	}
}

package nfsprobe

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fsmon/nfsprobe/nfstest"

	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv3"
	"github.com/buildbarn/go-xdr/pkg/protocols/nfsv4"
)

// The probe waits for a server that is busy or recovering, at every operation.
func TestFilesBusy(t *testing.T) {
	busy3 := nfstest.FileStatus(nfsv3.NFS3ERR_JUKEBOX)
	for _, proc := range []nfstest.Proc{nfstest.Lookup3, nfstest.Read3, nfstest.Create3,
		nfstest.Write3, nfstest.Remove3} {
		t.Run(fmt.Sprint("3 ", proc.Procedure), func(t *testing.T) {
			t.Parallel()
			h, c := hostileFiles(t, "3")
			h.On(proc, nfstest.Times(2, busy3, nfstest.Healthy))
			if _, err := probe(t, c); err != nil {
				t.Error(err)
			}
			nothingLeft(t, h, 0)
		})
	}
	for _, version := range versions[1:] {
		for _, op := range []nfsv4.NfsOpnum4{
			nfsv4.OP_SETCLIENTID, nfsv4.OP_SETCLIENTID_CONFIRM, nfsv4.OP_RECLAIM_COMPLETE,
			nfsv4.OP_READ, nfsv4.OP_OPEN, nfsv4.OP_WRITE, nfsv4.OP_REMOVE, nfsv4.OP_PUTFH,
			nfsv4.OP_OPEN_CONFIRM, nfsv4.OP_CLOSE,
		} {
			t.Run(version+" "+opName(op), func(t *testing.T) {
				t.Parallel()
				h, c := hostileFiles(t, version)
				h.FailOp(2, op, nfsv4.NFS4ERR_DELAY)
				if r, err := probe(t, c); err != nil || r.Grace {
					t.Errorf("%v, in grace: %v", err, r.Grace)
				}
				nothingLeft(t, h, min(1, strings.Count(version, "4.0")))
			})
		}
	}
	// At the deadline the probe fails, but has had time to clean up.
	for _, version := range versions {
		t.Run("too long "+version, func(t *testing.T) {
			t.Parallel()
			var h *nfstest.Hostile
			_, err := probeInTime(t, 2*time.Second, func() *Prober {
				var c Config
				h, c = hostileFiles(t, version)
				h.On(nfstest.Write3, busy3)
				if version != "3" {
					h.FailOp(-1, nfsv4.OP_WRITE, nfsv4.NFS4ERR_DELAY)
				}
				return New(c)
			})
			if status(err) != 10008 {
				t.Error(err)
			}
			nothingLeft(t, h, min(1, strings.Count(version, "4.0")))
		})
	}
}

// A server in its grace period is healthy, and the probe says so at once: it
// does not use up its deadline. Nothing is left behind.
func TestFilesGrace(t *testing.T) {
	for _, version := range versions[1:] {
		for op, step := range map[nfsv4.NfsOpnum4]Step{
			nfsv4.OP_OPEN: WriteTest, nfsv4.OP_READ: Marker,
		} {
			h, c := hostileFiles(t, version)
			h.FailOp(-1, op, nfsv4.NFS4ERR_GRACE)
			p := New(c)
			for range 2 {
				r, err := probeWith(t, p)
				if err != nil || !r.Grace ||
					learnt(r, step) != "in grace: "+opName(op)+": NFS4ERR_GRACE" ||
					!slices.Equal(r.Warnings, []string{"in grace: files cannot be opened yet"}) {
					t.Errorf("%s %s: %v, warnings %q, rungs %v", version, opName(op), err,
						r.Warnings, r.Rungs)
				}
			}
			// In the directory it is no answer: the probe asks again.
			h.FailOp(2, nfsv4.OP_LOOKUP, nfsv4.NFS4ERR_GRACE)
			if r, err := probeWith(t, p); err != nil || r.Grace {
				t.Errorf("%s: %v, in grace: %v", version, err, r.Grace)
			}
			nothingLeft(t, h, min(1, strings.Count(version, "4.0")))
		}
	}
}

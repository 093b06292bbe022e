package nfsmon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/buildbarn/go-xdr/pkg/protocols/mount"

	"fsmon/nfsprobe"
	"fsmon/nfsprobe/nfstest"
)

// What is said of version 4 is true: only what is pinned is watched from now
// on.
func TestNotVersion3(t *testing.T) {
	r := nfsprobe.Report{Version: "4.2",
		NotVersion3: &nfsprobe.Error{Step: nfsprobe.Socket, Err: errors.New("no more ports")}}
	for pinned, want := range map[string]string{
		"": "version 3 failed (system error (socket 5)), so version 4.2 is watched for now, " +
			"and 3 is tried again with each probe",
		"4.2": "version 3 is not offered (system error (socket 5)), " +
			"so version 4.2 is watched from now on",
	} {
		w := new(flags).forWatch(&r, pinned)
		if got := strings.Join(w.Warnings, "; "); got != want ||
			strings.Contains(w.Note, "4.2") != (pinned != "") {
			t.Errorf("pinned to %q: %q, note %q", pinned, got, w.Note)
		}
	}
}

// The transcript is for the evidence of a failed probe. A healthy one does not
// keep it, since a watch keeps its last report.
func TestTranscriptOfFailure(t *testing.T) {
	h := nfstest.NewHostile(t, nfstest.HostileConfig{})
	probe := new(flags).probe(nfsprobe.New(nfsprobe.Config{Address: h.Address, Dir: "/export",
		Version: "3", MountPort: h.MountPort, Port: h.NFSPort}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if r, err := probe(ctx); err != nil || len(r.Rungs) == 0 || r.Wire != nil {
		t.Errorf("healthy: %d rungs, %d segments, %v", len(r.Rungs), len(r.Wire), err)
	}
	h.On(nfstest.Mnt, nfstest.MountStatus(mount.MNT3ERR_ACCES))
	if r, err := probe(ctx); err == nil || len(r.Wire) < 2 {
		t.Errorf("failed: %d segments, %v", len(r.Wire), err)
	}
}

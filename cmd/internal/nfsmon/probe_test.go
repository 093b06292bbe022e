package nfsmon

import (
	"errors"
	"strings"
	"testing"

	"fsmon/nfsprobe"
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

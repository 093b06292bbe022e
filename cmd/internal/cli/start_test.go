package cli

import (
	"os"
	"slices"
	"testing"

	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// What was taken over is said before what was settled on.
func TestStartedOrder(t *testing.T) {
	for name, c := range map[string]struct {
		left   *watchreg.Status
		unheld error
		want   []int
	}{
		"fresh":    {nil, nil, []int{111, 111}},
		"not held": {nil, os.ErrPermission, []int{111, 111, 126}},
		"after a crash": {&watchreg.Status{PID: 7, State: watchreg.Healthy}, nil,
			[]int{108, 111, 111}},
		"after a pause": {&watchreg.Status{PID: 7, State: watchreg.Paused}, nil,
			[]int{108, 109, 111, 111}},
	} {
		var got []int
		note := func(a Alert) { got = append(got, a.Number) }
		on := announceStart(note, []string{"an address", "a version"}, c.left, c.unheld)
		on(watch.Event{Kind: watch.Started})
		on(watch.Event{Kind: watch.Healthy, First: true})
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestEvidenceDir(t *testing.T) {
	byDefault := ""
	if os.Geteuid() == 0 {
		byDefault = "/var/log/fsmon/evidence"
	}
	for _, c := range []struct {
		req  request
		want string
	}{
		{request{}, byDefault},
		{request{EvidenceDir: "/e"}, "/e"},
		{request{NoEvidence: true}, ""},
		{request{EvidenceDir: "/e", NoEvidence: true}, ""},
	} {
		if got := evidenceDir(c.req); got != c.want {
			t.Errorf("%+v: %q, want %q", c.req, got, c.want)
		}
	}
}

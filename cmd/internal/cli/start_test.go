package cli

import (
	"os"
	"testing"
	"time"
)

func TestEvidenceDir(t *testing.T) {
	byDefault := ""
	if os.Geteuid() == 0 {
		byDefault = "/var/log/fsmon/evidence"
	}
	for _, c := range []struct {
		req  Request
		want string
	}{
		{Request{}, byDefault},
		{Request{EvidenceDir: "/e"}, "/e"},
		{Request{NoEvidence: true}, ""},
		{Request{EvidenceDir: "/e", NoEvidence: true}, ""},
	} {
		if got := evidenceDir(c.req); got != c.want {
			t.Errorf("%+v: %q, want %q", c.req, got, c.want)
		}
	}
}

// What is promised of the end of a watch: 200 ms on request, 2 s at a verdict.
func TestBudgets(t *testing.T) {
	if sum := stopBudget + statusBudget + releaseBudget; sum > 200*time.Millisecond {
		t.Errorf("a stop may take %s", sum)
	}
	if sum := evidenceBudget + statusBudget + sinkBudget + releaseBudget; sum > 2*time.Second || evidenceBudget < time.Second {
		t.Errorf("a verdict may take %s, the evidence %s", sum, evidenceBudget)
	}
}

package cmdtest

import (
	"slices"
	"strings"
	"testing"
)

// Plain lines are named like messages where a script lists what was said.
const plainLine = "line"

var (
	numberOf = map[string]int{plainLine: Plain} // by name, for scripts
	nameOf   = map[int]string{Plain: plainLine}
)

// named enters a message into the tables and returns its number.
func named(name string, number int) int {
	numberOf[name], nameOf[number] = number, name
	return number
}

// The messages of both commands, by name: in Go tests and, as the words given
// here, in scripts. The texts stand in testdata/catalogue.golden of the
// commands.
var (
	RPCFailed    = named("rpc-failed", 0) // clp_nfsmon's, with the cause in words
	Started      = named("started", 1)
	Watching     = named("watching", 2)
	Stopping     = named("stopping", 3)
	Terminate    = named("terminate", 6)
	Paused       = named("paused", 7)
	Continued    = named("continued", 8)
	Invalid      = named("invalid", 11)
	Missing      = named("missing", 12)
	NoID         = named("no-id", 13)
	InUse        = named("in-use", 14)
	NotEnded     = named("not-ended", 15)
	System       = named("system-error", 42)
	NoName       = named("no-name", 61)
	TreeConnect  = named("tree-connect", 62)
	ShareType    = named("share-type", 63)
	SambaConnect = named("samba-connect", 64)
	Negotiate    = named("negotiate", 65)
	NFSFailed    = named("nfs-failed", 66)
	NetSocket    = named("net-socket", 71)
	NetConnect   = named("net-connect", 72)
	NetSend      = named("net-send", 73)
	NetSelect    = named("net-select", 74)
	NetRecv      = named("net-recv", 75)

	// Those of our own.
	ProbeFailed     = named("probe-failed", 101)
	Recovered       = named("recovered", 102)
	Void            = named("void", 103)
	Warned          = named("warned", 104)
	PauseEnded      = named("pause-ended", 105)
	PauseUntil      = named("pause-until", 106)
	Dropped         = named("dropped", 107)
	TookOver        = named("took-over", 108)
	Unpaused        = named("unpaused", 109)
	StatusLost      = named("status-lost", 110)
	SettledOn       = named("settled", 111)
	MarkerFailed    = named("marker-failed", 112)
	WriteTestFailed = named("write-test-failed", 113)
	LockTestFailed  = named("lock-test-failed", 128)
	OtherDisk       = named("other-disk", 129)
	TLSFailed       = named("tls-failed", 132)
	FileStays       = named("file-stays", 135)
	Slow            = named("slow", 114)
	NotCounted      = named("not-counted", 115)
	Saved           = named("saved", 116)
	NotSaved        = named("not-saved", 117)
	MetricsLost     = named("metrics-lost", 118)
	Refused         = named("refused", 119)
	Accepted        = named("accepted", 120)
	GraceFailed     = named("grace-failed", 121)
	GraceEnded      = named("grace-ended", 122)
	Drill           = named("drill", 123)
	NoTicket        = named("no-ticket", 124)
	NotHeld         = named("not-held", 126)
)

// number is the number of a message that a script names.
func number(t testing.TB, name string) int {
	t.Helper()
	n, ok := numberOf[name]
	if !ok {
		t.Fatalf("no message is named %q", name)
	}
	return n
}

// Told fails the test unless exactly these messages and plain lines, by name
// and in this order, have come so far. Left out are those whose names stand
// there with a minus, and what depends on the machine: on a busy one Void and
// Slow may come at any time, and not each lets watches keep their programs.
func (p *Process) Told(names ...string) {
	p.t.Helper()
	var want, got []string
	leftOut := map[int]bool{Void: true, Slow: true, NotHeld: true}
	for _, name := range strings.Fields(strings.Join(names, " ")) {
		if left, ok := strings.CutPrefix(name, "-"); ok {
			leftOut[number(p.t, left)] = true
		} else {
			number(p.t, name)
			want = append(want, name)
		}
	}
	for _, l := range p.Said() {
		if !leftOut[l.Number] {
			got = append(got, nameOf[l.Number])
		}
	}
	if !slices.Equal(got, want) {
		p.t.Errorf("it told %q, want %q", got, want)
	}
}

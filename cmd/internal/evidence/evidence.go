// Package evidence saves at a verdict what a failover would destroy: the last
// probes, the wire transcript of the last failed one, and, if the server is on
// this machine, what its processes were doing.
package evidence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"fsmon/cmd/internal/alert"
	"fsmon/cmd/internal/errand"
	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

const (
	keptReports  = 20
	keptErrBytes = 1024 // of one error
	writeBudget  = 300 * time.Millisecond
)

// Evidence remembers the last probes of a watch and saves them at the verdict.
// It keeps little: the only transcript is that of the last failed probe, until
// the next success. The probes have removed what must not be kept, such as the
// security buffers of a session setup.
//
// The directory should be on a disk of this machine, never on the server that
// is watched.
type Evidence struct {
	dir  string
	self watchreg.Status
	last []probeReport // the newest last

	wire   []watch.Segment // of the last failed probe
	target string          // the last address that was spoken to
	judged watch.Event

	collect func(port uint16) []collector // for tests; nil: what there is to see on this machine
}

// probeReport is one probe as reports.json has it. Times are RFC 3339.
type probeReport struct {
	Began  time.Time `json:"began"`
	TookMS float64   `json:"took_ms"`
	// healthy, failed, void (this machine was late), forgiven (start wait),
	// refused (tolerated).
	Result    string       `json:"result"`
	Class     watch.Class  `json:"class,omitempty"` // of the error
	Failures  int          `json:"failures,omitempty"`
	Error     string       `json:"error,omitempty"`
	Target    string       `json:"target,omitempty"`
	Witnesses []string     `json:"witnesses,omitempty"`
	Warnings  []string     `json:"warnings,omitempty"`
	Note      string       `json:"note,omitempty"`
	Rungs     []rungReport `json:"rungs"`
}

type rungReport struct {
	Name   string  `json:"name"`
	TookMS float64 `json:"took_ms"`
	Learnt string  `json:"learnt,omitempty"`
}

// New returns an Evidence that saves below dir, in a directory named after the
// identifier, where the newest ten cases stay. A relative dir is below the
// working directory of now: at the verdict that may be gone, or hang.
func New(self watchreg.Status, dir string) *Evidence {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return &Evidence{self: self, dir: dir}
}

// On takes one event.
func (v *Evidence) On(e watch.Event) {
	r := probeReport{Class: e.Class, Began: e.Began, TookMS: milliseconds(e.Took), Failures: e.Failures,
		Warnings: e.Report.Warnings, Note: e.Report.Note, Target: e.Report.Target}
	switch e.Kind {
	case watch.Healthy:
		r.Result, r.Failures = "healthy", 0
		v.wire = nil
	case watch.Failed:
		r.Result = "failed"
	case watch.Void:
		r.Result = "void"
	case watch.Forgiven:
		r.Result = "forgiven"
	case watch.Refused:
		r.Result = "refused"
	case watch.Judged:
		v.judged = e
		return
	default:
		return
	}
	r.Witnesses = inWords(e.Witnesses)
	if e.Err != nil {
		r.Error = alert.OneLine(e.Err.Error(), keptErrBytes)
	}
	// A probe that overran its deadline has no transcript.
	if (e.Kind == watch.Failed || e.Kind == watch.Refused) && len(e.Report.Wire) > 0 {
		v.wire = e.Report.Wire
	}
	v.target = cmp.Or(e.Report.Target, v.target)

	if len(v.last) == keptReports {
		v.last = slices.Delete(v.last, 0, 1)
	}
	var before []rungReport
	if len(v.last) > 0 {
		before = v.last[len(v.last)-1].Rungs
	}
	for i, rung := range e.Report.Rungs {
		kept := rungReport{rung.Name, milliseconds(rung.Took), rung.Learnt}
		// Probes learn the same every time: one copy is enough.
		if i < len(before) && before[i].Learnt == kept.Learnt {
			kept.Learnt = before[i].Learnt
		}
		r.Rungs = append(r.Rungs, kept)
	}
	v.last = append(v.last, r)
}

func inWords(witnesses []watch.Witness) (said []string) {
	for _, w := range witnesses {
		said = append(said, alert.OneLine(w.String(), keptErrBytes))
	}
	return said
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Prepare makes the directory. It returns an error if evidence could not be
// saved there. It may block.
func (v *Evidence) Prepare() error {
	_, err := prepareErrand.Run(context.Background(), place{v.dir, v.self.ID})
	return err
}

// place is where the evidence of a watch goes.
type place struct{ Dir, ID string }

var prepareErrand = errand.Handle("prepare evidence", func(p place, reply func(struct{}, error)) {
	c, err := openCases(p.Dir, p.ID)
	if err == nil {
		err = c.Close()
	}
	reply(struct{}{}, err)
})

// Save saves the evidence of the verdict. It returns at the latest when budget
// is up or ctx ends, whatever hangs. Call it once, after the last event.
func (v *Evidence) Save(ctx context.Context, budget time.Duration) (Saved, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, budget,
		fmt.Errorf("%s did not take it within %s", v.dir, budget))
	defer cancel()
	address, local := v.server()
	return saveErrand.Run(ctx, saveRequest{
		Dir: v.dir, Self: v.self, Reports: v.last, Wire: v.wire,
		At: v.judged.At, Failures: v.judged.Failures, Because: fmt.Sprint(v.judged.Err),
		Witnesses: inWords(v.judged.Witnesses), Class: v.judged.Class, Drill: v.judged.Err == watch.ErrDrill,
		Address: address, Local: local,
		Until: time.Now().Add(max(budget-writeBudget, budget/2)), collect: v.collect,
	})
}

// server returns the server's address, and whether that is this machine.
func (v *Evidence) server() (address netip.AddrPort, local bool) {
	address, err := netip.ParseAddrPort(v.target)
	if err != nil { // there never was a connection
		var op *net.OpError
		if errors.As(v.judged.Err, &op) && op.Addr != nil {
			address, _ = netip.ParseAddrPort(op.Addr.String())
		}
	}
	if !address.IsValid() {
		return address, false
	}
	ip := address.Addr().Unmap().WithZone("")
	if ip.IsLoopback() {
		return address, true
	}
	own, err := net.InterfaceAddrs()
	return address, err == nil && slices.ContainsFunc(own, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr().Unmap().WithZone("") == ip
	})
}

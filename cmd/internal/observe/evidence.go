package observe

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

const (
	keptReports  = 20
	keptErrBytes = 1024 // of one error
	writeBudget  = 300 * time.Millisecond
)

// Evidence remembers the last probes of a watch and saves them at the verdict,
// before a failover destroys what there is to see. What it keeps is small: no
// transcript but that of the last failed probe, and that only until the next
// success. The probes themselves have blanked what must not be kept, such as the
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

	collect func(port uint16) []collector // what there is to see on this machine
}

// probeReport is one probe as reports.json has it. Times are RFC 3339.
type probeReport struct {
	Began    time.Time    `json:"began"`
	TookMS   float64      `json:"took_ms"`
	Result   string       `json:"result"` // healthy, failed, void (this machine was late), forgiven (start wait)
	Failures int          `json:"failures,omitempty"`
	Error    string       `json:"error,omitempty"`
	Target   string       `json:"target,omitempty"`
	Warnings []string     `json:"warnings,omitempty"`
	Note     string       `json:"note,omitempty"`
	Rungs    []rungReport `json:"rungs"`
}

type rungReport struct {
	Name   string  `json:"name"`
	TookMS float64 `json:"took_ms"`
	Learnt string  `json:"learnt,omitempty"`
}

// NewEvidence saves below dir, in a directory named after the identifier, with
// the newest ten kept.
func NewEvidence(self watchreg.Status, dir string) *Evidence {
	return &Evidence{self: self, dir: dir, collect: func(port uint16) []collector { return machine("/proc", port) }}
}

// On takes one event.
func (v *Evidence) On(e watch.Event) {
	r := probeReport{Began: e.Began, TookMS: milliseconds(e.Took), Failures: e.Failures, Warnings: e.Report.Warnings,
		Note: e.Report.Note, Target: e.Report.Target}
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
	case watch.Judged:
		v.judged = e
		return
	default:
		return
	}
	if e.Err != nil {
		r.Error = oneLine(e.Err.Error(), keptErrBytes)
	}
	if e.Kind == watch.Failed && len(e.Report.Wire) > 0 { // a probe that overran its deadline has none
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
		// Probes learn the same again and again: one copy is enough.
		if i < len(before) && before[i].Learnt == kept.Learnt {
			kept.Learnt = before[i].Learnt
		}
		r.Rungs = append(r.Rungs, kept)
	}
	v.last = append(v.last, r)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Prepare makes the directory, and is an error when evidence could not be saved
// in it. It may block.
func (v *Evidence) Prepare() error {
	c, err := openCases(v.dir, v.self.ID)
	if err == nil {
		c.Close()
	}
	return err
}

// savedAs is how far Save came.
type savedAs struct {
	path string
	lack []string // what is not in it, or not whole
	err  error
}

// Save saves the evidence of the verdict, and returns the message about that. It
// returns when budget is up or ctx ends, whatever hangs. It is called once, after
// the last event.
func (v *Evidence) Save(ctx context.Context, budget time.Duration) Alert {
	ctx, cancel := context.WithTimeoutCause(ctx, budget, fmt.Errorf("%s did not take it within %s", v.dir, budget))
	defer cancel()
	saved := make(chan savedAs, 1)
	go func() { saved <- v.save(ctx, time.Now().Add(max(budget-writeBudget, budget/2))) }()
	select {
	case s := <-saved:
		if s.err != nil {
			return NotSaved(s.err)
		}
		a := Saved.Alert(s.path)
		if len(s.lack) > 0 {
			a.Detail = "not in it, or not whole: " + strings.Join(s.lack, ", ")
		}
		return a
	case <-ctx.Done():
		return NotSaved(context.Cause(ctx))
	}
}

// save collects until the given time, and writes.
func (v *Evidence) save(ctx context.Context, until time.Time) savedAs {
	address, local := v.server()
	var pages []*page
	if local {
		ctx, cancel := context.WithDeadline(ctx, until)
		defer cancel()
		pages = collect(ctx, v.collect(address.Port()))
	}

	cases, err := openCases(v.dir, v.self.ID)
	if err != nil {
		return savedAs{err: err}
	}
	defer cases.Close()
	c, err := cases.next(v.judged.At)
	if err != nil {
		return savedAs{err: err}
	}
	defer c.Close()
	reports, err := json.MarshalIndent(v.last, "", "  ")
	err = cmp.Or(err, c.write("reports.json", append(reports, '\n')))
	err = cmp.Or(err, c.writeWire("probe.pcap", v.wire))

	var found, lack []string
	for _, p := range pages {
		text, whole := p.wait(until)
		if !whole {
			lack = append(lack, p.name)
		}
		if len(text) > 0 {
			found = append(found, p.name)
			err = cmp.Or(err, c.write(p.name, text))
		}
	}
	err = cmp.Or(err, c.write("summary.txt", v.summary(address, local, found, lack)))
	c.startSync()
	if err != nil {
		err = fmt.Errorf("%w; what there was room for is in %s", err, c.path)
	}
	return savedAs{c.path, lack, err}
}

// server is where the server is, and whether that is this machine.
func (v *Evidence) server() (address netip.AddrPort, local bool) {
	address, err := netip.ParseAddrPort(v.target)
	if err != nil { // no connection ever stood
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

// summary is for whoever opens the directory first.
func (v *Evidence) summary(address netip.AddrPort, local bool, found, lack []string) []byte {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s  %s\n", name, oneLine(fmt.Sprintf(format, args...), 4*maxText))
	}
	e := v.judged
	row("watch", "%s %s, identifier %s", v.self.Command, v.self.Version, v.self.ID)
	row("target", "%s", v.self.Target)
	if v.self.Note != "" {
		row("note", "%s", v.self.Note)
	}
	row("verdict", "%s, after %d failed probes in a row", e.At.Format(time.RFC3339), e.Failures)
	row("because", "%v", e.Err)
	row("settings", "-i %d -c %d -r %d", v.self.Interval, v.self.Retries, v.self.Timeout)
	b.WriteString("\n")
	row("reports.json", "the last %d probes, the newest last", len(v.last))
	row("probe.pcap", "%s", wireSays(v.wire))
	switch {
	case local:
		row("this host", "is the server (%s); what it was doing: %s", address, strings.Join(found, ", "))
	case address.IsValid():
		row("this host", "is not the server (%s), so nothing was collected about it", address)
	default:
		row("this host", "may or may not be the server: no address was ever spoken to")
	}
	if len(lack) > 0 {
		row("missing", "%s: not ready in time, or not whole", strings.Join(lack, ", "))
	}
	return []byte(b.String())
}

func wireSays(wire []watch.Segment) string {
	if len(wire) == 0 {
		return "no packets: the last failed probe has no transcript, since no connection stood or it did not end in time"
	}
	return "what the last failed probe sent and received (packet headers are made up around it)"
}

package evidence

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"fsmon/cmd/internal/alert"
	"fsmon/cmd/internal/errand"
	"fsmon/cmd/internal/watch"
	"fsmon/watchreg"
)

// Saved says where the evidence of a verdict is.
type Saved struct {
	Path    string
	Missing []string // files that are missing or not whole
}

const maxRow = 4096 // bytes of a row of the summary

// saveRequest holds all that is needed to save the evidence of one verdict.
type saveRequest struct {
	Dir       string
	Self      watchreg.Status
	Reports   []probeReport
	Wire      []watch.Segment
	At        time.Time // of the verdict
	Failures  int
	Because   string
	Class     watch.Class
	Drill     bool // there was no failure
	Witnesses []string
	Address   netip.AddrPort // of the server, if it is known
	Local     bool           // the server is on this machine
	Until     time.Time      // the end of collecting; then what was found is written

	collect func(port uint16) []collector // nil: machine
}

var saveErrand = errand.Handle("save evidence", saveRequest.save)

// save collects, writes and replies; only then it waits for the disk.
func (t saveRequest) save(reply func(Saved, error)) {
	var pages []*page
	if t.Local {
		ctx, cancel := context.WithDeadline(context.Background(), t.Until)
		defer cancel()
		collectors := t.collect
		if collectors == nil {
			collectors = func(port uint16) []collector { return machine("/proc", port) }
		}
		pages = collect(ctx, collectors(t.Address.Port()))
	}

	cases, err := openCases(t.Dir, t.Self.ID)
	if err != nil {
		reply(Saved{}, err)
		return
	}
	defer cases.Close()
	c, err := cases.next(t.At)
	if err != nil {
		reply(Saved{}, err)
		return
	}
	defer c.Close()
	reports, err := json.MarshalIndent(t.Reports, "", "  ")
	err = cmp.Or(err, c.write("reports.json", append(reports, '\n')))
	err = cmp.Or(err, c.writeWire("probe.pcap", t.Wire))

	var found, missing []string
	for _, p := range pages {
		text, whole := p.wait(t.Until)
		if !whole {
			missing = append(missing, p.name)
		}
		if len(text) > 0 {
			found = append(found, p.name)
			err = cmp.Or(err, c.write(p.name, text))
		}
	}
	err = cmp.Or(err, c.write("summary.txt", t.summary(found, missing)))
	if err != nil {
		err = fmt.Errorf("%w; what there was room for is in %s", err, c.path)
	}
	reply(Saved{c.path, missing}, err)
	c.sync()
	cases.sync()
}

// summary is what people read first.
func (t saveRequest) summary(found, missing []string) []byte {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s  %s\n", name, alert.OneLine(fmt.Sprintf(format, args...), maxRow))
	}
	row("watch", "%s %s, identifier %s", t.Self.Command, t.Self.Version, t.Self.ID)
	row("target", "%s", t.Self.Target)
	if t.Self.Note != "" {
		row("note", "%s", t.Self.Note)
	}
	if at := t.At.Format(time.RFC3339); t.Drill {
		row("verdict", "%s, A DRILL: asked for with -drill", at)
	} else {
		row("verdict", "%s, after %d failed probes in a row", at, t.Failures)
		row("because", "%s", t.Because)
		row("class", "%s", t.Class)
	}
	for _, said := range t.Witnesses {
		row("witness", "%s", said)
	}
	row("settings", "%s", t.Self.Settings())
	b.WriteString("\n")
	row("reports.json", "the last %d probes, the newest last", len(t.Reports))
	row("probe.pcap", "%s", wireSays(t.Wire))
	switch {
	case t.Local:
		row("this host", "is the server (%s); what it was doing: %s", t.Address,
			strings.Join(found, ", "))
	case t.Address.IsValid():
		row("this host", "is not the server (%s), so nothing was collected about it", t.Address)
	default:
		row("this host", "may or may not be the server: no address was ever spoken to")
	}
	if len(missing) > 0 {
		row("missing", "%s: not ready in time, or not whole", strings.Join(missing, ", "))
	}
	return []byte(b.String())
}

func wireSays(wire []watch.Segment) string {
	if len(wire) == 0 {
		return "no packets: the last failed probe has no transcript, " +
			"since no connection stood or it did not end in time"
	}
	return "what the last failed probe sent and received (packet headers are made up around it)"
}

package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fsmon/watchreg"
)

// The columns of the table of watches.
const (
	colID = iota
	colKind
	colTarget
	colState
	colLast
	colFailures
	colPID
	columns
)

var headings = [columns]string{
	"IDENTIFIER", "KIND", "TARGET", "STATE", "LAST PROBE", "FAILED", "PID",
}

// leastName is how short a narrow terminal makes a target or an identifier: the
// table then fits into 80 characters.
const leastName = 10

// row is one watch in the table.
type row struct {
	cells [columns]string
	paint colour // of the state
	why   string // a line below the table; empty for a watch that is well
}

// table draws the watches, one a line and no line longer than width (0: no
// limit), and below the table what is wrong with some of them.
func table(entries []watchreg.Entry, now time.Time, width int, paint palette) []byte {
	var out bytes.Buffer
	if len(entries) == 0 {
		out.WriteString("no watches\n")
		return out.Bytes()
	}
	rows := []row{{cells: headings}}
	for _, e := range entries {
		rows = append(rows, toRow(e, now))
	}
	var widths [columns]int
	for _, r := range rows {
		for i, cell := range r.cells {
			widths[i] = max(widths[i], visible(cell))
		}
	}
	fit(&widths, width)
	for _, r := range rows {
		var line strings.Builder
		used := 0
		for i, cell := range r.cells {
			cell = shorten(cell, widths[i])
			if width > 0 {
				cell = shorten(cell, width-used)
			}
			if cell == "" {
				break // the terminal ends here
			}
			pad := strings.Repeat(" ", widths[i]-visible(cell)+2)
			used += widths[i] + 2
			if i == colState && r.paint != nil {
				cell = r.paint(paint, cell)
			}
			line.WriteString(cell + pad)
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	for _, r := range rows {
		if r.why != "" {
			wrapped(&out, cmp.Or(width, lineWidth), r.cells[colID]+": ", r.why, "  ")
		}
	}
	return out.Bytes()
}

// fit makes the table fit into width: it cuts the target first, then the
// identifier.
func fit(widths *[columns]int, width int) {
	if width == 0 {
		return
	}
	total := 2 * (columns - 1)
	for _, w := range widths {
		total += w
	}
	for _, i := range []int{colTarget, colID} {
		if over := total - width; over > 0 {
			give := min(over, max(0, widths[i]-leastName))
			widths[i] -= give
			total -= give
		}
	}
}

func toRow(e watchreg.Entry, now time.Time) row {
	r := row{cells: [columns]string{e.ID, "-", "-", "", "-", "-", "-"}}
	if e.Status != nil {
		st := *e.Status
		r.cells[colKind] = cmp.Or(printable(st.Kind), "-")
		r.cells[colTarget] = cmp.Or(printable(st.Target), "-")
		r.cells[colPID] = strconv.Itoa(st.PID)
		r.cells[colFailures] = fmt.Sprintf("%d/%d", st.Failures, st.Retries+1)
		if !st.LastProbe.IsZero() {
			r.cells[colLast] = ago(now.Sub(st.LastProbe)) + " ago"
		}
	}
	r.cells[colState], r.paint = stateOf(e, now)
	r.why = printable(trouble(e, now))
	return r
}

// colour is a method of palette.
type colour = func(palette, string) string

// stateOf says in a few words how a watch is.
func stateOf(e watchreg.Entry, now time.Time) (string, colour) {
	switch {
	case e.Err != nil && e.Live:
		return "running, unreadable", palette.bad
	case e.Err != nil:
		return "unreadable", palette.bad
	case !e.Live:
		return "not running", palette.bad
	case e.Status == nil:
		return "starting", palette.odd
	case overdue(*e.Status, now) > 0:
		return "overdue", palette.bad
	}
	return doing(*e.Status, func(t time.Time) string { return clock(t, now) })
}

// sickStates need attention, endStates are those of a watch that has ended;
// "failed" and "stopping" are an older watch's.
var (
	sickStates = []watchreg.State{watchreg.Failing, watchreg.Refused, watchreg.Ended, "failed"}
	endStates  = []watchreg.State{watchreg.Ended, "failed", "stopping"}
)

// doing is the state that a live watch has written.
func doing(st watchreg.Status, moment func(time.Time) string) (string, colour) {
	since := " since " + moment(st.Since)
	switch {
	case st.State == watchreg.Healthy:
		return "healthy" + since, palette.good
	case slices.Contains(sickStates, st.State):
		return string(st.State) + since, palette.bad
	case st.State == watchreg.Paused && !st.PausedUntil.IsZero():
		return "paused until " + moment(st.PausedUntil), palette.odd
	}
	return printable(string(st.State)) + since, palette.odd
}

// trouble is the line below the table for a watch whose row does not say
// enough, such as why it is not well.
func trouble(e watchreg.Entry, now time.Time) string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case !e.Live && e.Status == nil:
		return "its process is gone, and so is what it watched (-del removes what is left of it)"
	case !e.Live && slices.Contains(endStates, e.Status.State):
		return fmt.Sprintf("its process %d ended at %s, and could not clear the registry "+
			"(-del removes what is left, a new start takes it over)",
			e.Status.PID, moment(e.Status.Since))
	case !e.Live:
		return fmt.Sprintf("its process %d is gone without a word (killed, crashed, or its registry "+
			"hung); it was %s at %s (-del removes what is left, a new start takes it over)",
			e.Status.PID, e.Status.State, moment(e.Status.Since))
	case e.Status == nil:
		return ""
	}
	if late := overdue(*e.Status, now); late > 0 {
		return ago(late) + " without the end of a probe: " +
			"the watch's process may be frozen, or this machine starved"
	}
	return cmp.Or(e.Status.LastError, strings.Join(e.Status.Warnings, "; "))
}

// clock is a time of day to the minute, with the date when it is not today's.
func clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// sickFirst moves the watches that need attention to the top, since the screen
// may not hold all of them.
func sickFirst(entries []watchreg.Entry, now time.Time) {
	sick := func(e watchreg.Entry) bool {
		st := e.Status
		switch {
		case e.Err != nil, !e.Live:
			return true
		case st == nil:
			return false
		}
		return slices.Contains(sickStates, st.State) || overdue(*st, now) > 0
	}
	slices.SortStableFunc(entries, func(a, b watchreg.Entry) int {
		switch {
		case sick(a) == sick(b):
			return 0
		case sick(a):
			return -1
		}
		return 1
	})
}

// redraw draws text over the last one on the terminal: from the top left
// corner, each line to its end, and clears what is below. Lines that do not fit
// into height are only counted, since redrawing works on no terminal that
// scrolled.
func redraw(out *bytes.Buffer, text []byte, width, height int) {
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if room := height - 1; height > 0 && len(lines) > room {
		hidden := len(lines) - max(1, room) + 1
		more := fmt.Sprintf("… %d more lines: -list alone shows them", hidden)
		lines = append(lines[:len(lines)-hidden], more)
	}
	out.WriteString("\x1b[H")
	for _, line := range lines {
		// One word that is longer is cut; such a line has no colours.
		if width > 0 && visible(line) > width {
			line = shorten(line, width)
		}
		out.WriteString(line + "\x1b[K\n")
	}
	out.WriteString("\x1b[J")
}

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"fsmon/cmd/internal/watch"
)

// ladder prints a check for people: the probe, and what a watch with these
// options would do.
func (c *checked) ladder(out io.Writer, width int, paint palette) {
	c.result(out, width, paint)
	if hint := c.hint(); hint != "" {
		label := "note: "
		if c.why.LogonRefused {
			label = paint.odd("warning") + ": "
		}
		wrapped(out, width, label, printable(hint), "")
	}
	c.sayVerdict(out, width)
}

// result prints a probe for people: one rung a line, the result, and what to
// look at. Prose is broken before width.
func (c *checked) result(out io.Writer, width int, paint palette) {
	fmt.Fprintln(out, printable(c.target.Where))
	for _, note := range c.target.Notes {
		fmt.Fprintln(out, "  "+printable(note))
	}
	if c.report.Note != "" {
		fmt.Fprintln(out, "  "+printable(c.report.Note))
	}
	fmt.Fprintln(out)
	rungs, broken := c.rungs()
	longest := len("whole probe")
	for _, r := range rungs {
		longest = max(longest, len(r.Name))
	}
	row := func(name, took, learnt string) {
		line := fmt.Sprintf("  %-*s  %11s  %s", longest, name, took, learnt)
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	for i, r := range rungs {
		took, learnt := milliseconds(r.Took), printable(r.Learnt)
		if i == broken {
			if r.Took == 0 {
				took = "" // it needed no request of its own
			}
			learnt = strings.TrimSuffix(paint.bad("FAILED")+" "+learnt, " ")
		}
		row(r.Name, took, learnt)
	}
	row("whole probe", milliseconds(c.took), "")
	fmt.Fprintln(out)

	if c.err == nil {
		fmt.Fprintln(out, paint.good("healthy")+": the server answered every step")
	} else {
		c.sayFailure(out, width, paint)
	}
	for _, w := range c.witnesses {
		wrapped(out, width, "witness: ", printable(c.says(w)), "  ")
	}
	for _, w := range c.warnings() {
		wrapped(out, width, paint.odd("warning")+": ", printable(w), "")
	}
}

func (c *checked) sayFailure(out io.Writer, width int, paint palette) {
	wrapped(out, width, paint.bad("failed")+" at ", printable(c.why.Step+": "+c.cause()), "")
	detail := strings.TrimPrefix(c.err.Error(), c.why.Step+": ")
	if detail != c.why.Name && !strings.HasPrefix(detail, c.why.Name+" (0x") {
		wrapped(out, width, "  ", printable(detail), "  ")
	}
	if c.why.Look != "" {
		wrapped(out, width, "  ", printable(c.why.Look), "  ")
	}
	wrapped(out, width, "  ", "Class "+c.why.classInWords()+".", "  ")
	switch {
	case c.why.Class == Local:
		wrapped(out, width, "  ", "A watch would end with exit code 4.", "  ")
	case c.tolerated():
		wrapped(out, width, "  ", "A watch would not count it (--tolerate).", "  ")
	}
}

// cause is the name and number of what broke.
func (c *checked) cause() string {
	if c.why.Code == "" {
		return c.why.Name
	}
	return c.why.Name + " (" + c.why.Code + ")"
}

func (c *checked) sayVerdict(out io.Writer, width int) {
	refused, stalled := c.req.Verdict()
	settings := settingsOf(c.req.Policy)
	fmt.Fprintln(out)
	wrapped(out, width, "", fmt.Sprintf("Time to verdict with %s: "+
		"%s for a server that refuses, %s for one that stalls, counted from "+
		"the start of the first failed probe, which is at most %s after the fault.",
		settings.Settings(),
		inSeconds(refused), inSeconds(stalled), inSeconds(c.req.Interval)), "")
	if c.err == nil || c.tolerated() {
		return
	}
	fmt.Fprintln(out, "The watch would then send:")
	for _, a := range c.why.Alerts {
		fmt.Fprintf(out, "  %s %d %s\n", a.Severity, a.Number, printable(a.Text))
	}
}

// rungs returns the steps that were begun, and which of them broke (-1: none).
func (c *checked) rungs() (rungs []watch.Rung, broken int) {
	rungs = c.report.Rungs
	last := len(rungs) - 1
	switch {
	case c.err == nil:
		return rungs, -1
	case last >= 0 && rungs[last].Name == c.why.Step:
		return rungs, last
	}
	return append(rungs[:last+1:last+1], watch.Rung{Name: c.why.Step}), last + 1
}

// checkJSON is what -check --json prints, one object in one line. Fields may be
// added.
type checkJSON struct {
	Target string `json:"target"` // "//192.0.2.1:445/share"
	// Address is what the probe connected to, "192.0.2.1:445"; absent without a
	// connection.
	Address string  `json:"address,omitempty"`
	Healthy bool    `json:"healthy"`
	MS      float64 `json:"ms"` // milliseconds of the whole probe
	// Rungs are the steps begun, in wire order; if one broke, it is the last.
	Rungs     []rungJSON    `json:"rungs"`
	Failed    *failedJSON   `json:"failed,omitempty"` // absent when healthy
	Witnesses []witnessJSON `json:"witnesses,omitempty"`
	Warnings  []string      `json:"warnings"`
	Notes     []string      `json:"notes"` // what the target was settled on, what the account risks
	// Verdict is the seconds from the first failed probe to the verdict.
	Verdict struct {
		Refused int `json:"refused"` // on a server that refuses
		Stalled int `json:"stalled"` // on one that does not answer
	} `json:"verdict_seconds"`
}

type witnessJSON struct {
	Address string  `json:"address"`
	Healthy bool    `json:"healthy"`
	MS      float64 `json:"ms"`
	Says    string  `json:"says"` // what it answered, and what that means
}

type rungJSON struct {
	Name   string  `json:"name"`
	MS     float64 `json:"ms"`
	Learnt string  `json:"learnt"`
}

type failedJSON struct {
	Step    string `json:"step"`    // "session setup"
	Name    string `json:"name"`    // "STATUS_LOGON_FAILURE"
	Code    string `json:"code"`    // "0xC000006D, Win32 1326"; empty when the cause has no number
	Detail  string `json:"detail"`  // the error in full
	Message int    `json:"message"` // the number of the alert at the verdict
	Text    string `json:"text"`    // its text
	Class   Class  `json:"class"`   // "account"; see fsmon(7)
	Local   bool   `json:"local"`   // the class is local, exit code 4
	// Tolerated: --tolerate has the class, so that a watch would not count it.
	Tolerated bool   `json:"tolerated"`
	Look      string `json:"look"` // what it means and what to look at
}

func (c *checked) json(out io.Writer) {
	j := checkJSON{
		Target: c.target.Where, Address: c.report.Target, Healthy: c.err == nil, MS: inMS(c.took),
		Rungs:    []rungJSON{},
		Warnings: append([]string{}, c.warnings()...),
		Notes:    append([]string{}, c.target.Notes...),
	}
	for _, w := range c.witnesses {
		j.Witnesses = append(j.Witnesses,
			witnessJSON{w.Address, w.Answered && w.Err == nil, inMS(w.Took), c.says(w)})
	}
	rungs, _ := c.rungs()
	for _, r := range rungs {
		j.Rungs = append(j.Rungs, rungJSON{r.Name, inMS(r.Took), r.Learnt})
	}
	if c.report.Note != "" {
		j.Notes = append(j.Notes, c.report.Note)
	}
	if hint := c.hint(); hint != "" {
		j.Notes = append(j.Notes, hint)
	}
	if c.err != nil {
		j.Failed = &failedJSON{
			Step: c.why.Step, Name: c.why.Name, Code: c.why.Code, Detail: c.err.Error(),
			Message: c.why.Alerts[0].Number, Text: c.why.Alerts[0].Text,
			Class: c.why.Class, Local: c.why.Class == Local, Tolerated: c.tolerated(),
			Look: c.why.Look,
		}
	}
	refused, stalled := c.req.Verdict()
	j.Verdict.Refused, j.Verdict.Stalled = int(refused.Seconds()), int(stalled.Seconds())
	printJSON(out, j)
}

// printJSON prints one value in one line. The value holds only strings, numbers
// and times, so encoding cannot fail. The encoder leaves DEL, the C1 controls
// (U+009B is "ESC [") and what reorders text as they are; here they become
// escapes, so that no terminal obeys them.
func printJSON(out io.Writer, v any) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.Encode(v)
	var safe bytes.Buffer
	for _, r := range text.String() {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			safe.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&safe, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&safe, `\u%04x`, r)
		}
	}
	out.Write(safe.Bytes())
}

// summary is a check in one line.
func (c *checked) summary() string {
	text := fmt.Sprintf("%s is healthy, %s", c.target.Where, milliseconds(c.took))
	if c.err != nil {
		text = fmt.Sprintf("%s failed at %s: %s, class %s", c.target.Where, c.why.Step, c.cause(),
			c.why.Class)
		if c.tolerated() {
			text += ", tolerated"
		}
	}
	for _, w := range c.witnesses {
		text += "; witness " + c.says(w)
	}
	for _, w := range c.warnings() {
		text += "; warning: " + w
	}
	return printable(text)
}

// nagios prints a check as the one line of a monitoring plugin (Monitoring
// Plugins Development Guidelines, "Plugin Output" and "Performance data"):
// seconds, with 0 and the deadline as the bounds of the whole.
func (c *checked) nagios(out io.Writer) {
	deadline := int(c.req.Timeout.Seconds())
	data := []string{fmt.Sprintf("time=%.6fs;;;0;%d", c.took.Seconds(), deadline)}
	seen := map[string]int{"time": 1}
	for _, r := range c.report.Rungs {
		label := metricLabel(r.Name)
		if seen[label]++; seen[label] > 1 {
			label = fmt.Sprintf("%s_%d", label, seen[label])
		}
		data = append(data, fmt.Sprintf("%s=%.6fs;;;0;", label, r.Took.Seconds()))
	}
	fmt.Fprintln(out, nagiosLine(c.ending(), c.summary())+" | "+strings.Join(data, " "))
}

func nagiosLine(e ending, text string) string {
	state := "UNKNOWN"
	switch e {
	case endOK:
		state = "OK"
	case endRefused:
		state = "WARNING"
	case endFailed:
		state = "CRITICAL"
	}
	// What follows a bar is performance data.
	return "FSMON " + state + " - " + strings.ReplaceAll(printable(text), "|", "/")
}

// metricLabel makes a rung's name a label that needs no quotes.
func metricLabel(name string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return unicode.ToLower(r)
		}
		return '_'
	}, name)
}

func inMS(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func milliseconds(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f ms", inMS(d))
}

// inSeconds is a number of whole seconds, for long ones in hours and minutes
// too.
func inSeconds(d time.Duration) string {
	if d < 10*time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return fmt.Sprintf("%d s (%s)", int(d.Seconds()), ago(d))
}

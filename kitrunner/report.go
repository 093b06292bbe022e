package kitrunner

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Notice is something to show to people while an action runs.
type Notice struct {
	Kind NoticeKind
	Step string // "(3)", or "quickCheck (3)" within recover
	Text string
}

// NoticeKind is what a Notice is about.
type NoticeKind int

// The kinds of notices, in the order in which a step has them.
const (
	StepBegins     NoticeKind = iota // Text is what the step does
	CommandBegins                    // Text is the command
	CommandEnds                      // Text is its exit code or error, and its time
	EventLogged                      // Text is its number, severity and text
	Waiting                          // Text is how long of how long
	OutcomeIsKnown                   // Text is what was found out
)

// Report is the outcome of an action, or its plan.
type Report struct {
	Kit     string       `json:"kit"`
	Action  string       `json:"action"`
	Tag     string       `json:"tag"`
	Code    int          `json:"code"`    // 0, 1, 2 or 3
	Outcome string       `json:"outcome"` // "success", "failure", "could not determine", "planned"
	Began   time.Time    `json:"began"`
	Seconds float64      `json:"seconds"`
	Steps   []StepReport `json:"steps"`
	// LogErrors are the errors of the event log, for events that it did not
	// take.
	LogErrors []string `json:"log_errors,omitempty"`
}

// StepReport is the outcome of a step.
type StepReport struct {
	Action   string          `json:"action"` // recover performs other actions too
	Step     string          `json:"step"`   // "(1)"; "(0)" is ours, before the first
	Text     string          `json:"text"`
	Outcomes []string        `json:"outcomes,omitempty"` // what was found out, in order
	Seconds  float64         `json:"seconds"`
	Commands []CommandReport `json:"commands,omitempty"`
	Events   []Event         `json:"events,omitempty"`
}

// CommandReport is the outcome of a command.
type CommandReport struct {
	Command string  `json:"command"`
	Code    int     `json:"code"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"` // it could not be run or did not end
	// Output is set if the command failed or was not understood; on one line.
	Output string `json:"output,omitempty"`
}

// Why is the text of the last warning or error that was logged.
func (r Report) Why() (text string) {
	for _, s := range r.Steps {
		for _, e := range s.Events {
			if e.Severity != Info {
				text = e.Text
			}
		}
	}
	return text
}

// OutcomeOf is a Report's outcome with this exit code.
func OutcomeOf(code int) string {
	switch code {
	case Success:
		return "success"
	case Undetermined:
		return "could not determine"
	}
	return "failure"
}

// say logs an event. If the log does not take it, the report says so.
func (r *run) say(e EventText) {
	r.vars["ERR"] = strconv.Itoa(r.code)
	ev := Event{
		Time: time.Now(), Kit: r.kit.Name, Action: r.report.Action, Tag: r.res.Tag,
		Number: e.Number, Severity: e.Severity, Text: expand(e.Text, r.vars),
	}
	s := r.current()
	s.Events = append(s.Events, ev)
	r.show(EventLogged, fmt.Sprintf("%s %d %s", ev.Severity, ev.Number, ev.Text))
	if err := r.Log.Log(ev); err != nil {
		r.report.LogErrors = append(r.report.LogErrors, fmt.Sprintf("event %d: %v", ev.Number, err))
	}
}

func (r *run) outcome(a answer) {
	s := r.current()
	s.Outcomes = append(s.Outcomes, string(a))
	r.show(OutcomeIsKnown, string(a))
}

func (r *run) current() *StepReport { return &r.report.Steps[r.step] }

func (r *run) begin(a *Action, s Step) {
	r.report.Steps = append(r.report.Steps, StepReport{Action: a.Name, Step: s.No, Text: s.Text})
	r.step, r.start = len(r.report.Steps)-1, time.Now()
	r.show(StepBegins, s.Text)
}

func (r *run) finish() { r.current().Seconds = time.Since(r.start).Seconds() }

func (r *run) show(k NoticeKind, text string) {
	if r.Show != nil {
		r.Show(Notice{k, r.where(), text})
	}
}

// where is the current step, with the action's name if recover performs another
// one.
func (r *run) where() string {
	s := r.current()
	if s.Action != r.report.Action {
		return s.Action + " " + s.Step
	}
	return s.Step
}

// oneLine is a command's output on one line, for an event's text. What cannot
// be printed becomes "?": the event log would end a text at a NUL.
func oneLine(s string) string {
	const most = 400
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}

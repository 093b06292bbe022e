package kitrunner

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// planner writes an action's steps without running anything.
type planner struct {
	known
	w      *strings.Builder
	engine *Engine
	kit    *Kit
	at     *Action // the one being written
	indent int
	used   []Command
	steps  []StepReport
	shown  []string // actions performed within this one
	err    error    // the kit goes where there is nothing
}

// Plan returns the numbered steps of an action in order, with the commands
// filled in, as text and as the report of a run that is yet to come. It runs
// nothing. Variables that become known only in a run are left as the documents
// have them. The adapter of the ip kit is the stored one, if it can be read.
func (e *Engine) Plan(kit *Kit, action *Action, res Resource) (text string, report Report) {
	k := e.known(res)
	_ = kit.begun(e, k) // a run says it
	return e.plan(kit, action, k)
}

func (e *Engine) plan(kit *Kit, action *Action, k known) (text string, report Report) {
	p := e.planner(kit, k)
	p.action(action)
	if action.Fails.Number != 0 {
		p.line("What fails: event %d, end with 1.", action.Fails.Number)
	}
	if action.Closing != "" {
		p.line("What cannot be determined: event 20001, return value 3, go to %s.", action.Closing)
	} else {
		p.line("What cannot be determined: event 20001, end with 3.")
	}
	return p.w.String(), Report{Kit: kit.Name, Action: action.Name, Tag: k.res.Tag,
		Outcome: "planned", Began: time.Now(), Steps: p.steps}
}

// Uses lists the commands that an action may run.
func (e *Engine) Uses(kit *Kit, action *Action, res Resource) []Command {
	p := e.planner(kit, e.known(res))
	p.action(action)
	return p.used
}

func (e *Engine) planner(kit *Kit, k known) *planner {
	return &planner{known: k, w: new(strings.Builder), engine: e, kit: kit}
}

func (p *planner) action(a *Action) {
	outer := p.at
	p.at = a
	for _, s := range a.Steps {
		p.line("%s %s", s.No, s.Text)
		p.steps = append(p.steps, StepReport{Action: a.Name, Step: s.No, Text: s.Text})
		p.ops(s.Do)
	}
	p.goesTo(a.Closing)
	p.at = outer
}

// goesTo notes it as an error if the action has no such step.
func (p *planner) goesTo(step string) {
	if step != "" && p.at.index(step) < 0 {
		p.err = fmt.Errorf("%s has no step %s", p.at.Name, step)
	}
}

func (p *planner) line(format string, args ...any) {
	fmt.Fprintf(p.w, "%*s%s\n", 2*p.indent, "", fmt.Sprintf(format, args...))
}

func (p *planner) ops(ops []Op) {
	p.indent += 2
	for _, o := range ops {
		o.plan(p)
	}
	p.indent -= 2
}

func (p *planner) branches(bs []branch) {
	for _, b := range bs {
		words := make([]string, len(b.on))
		for i, a := range b.on {
			words[i] = string(a)
		}
		p.line("if %s:", strings.Join(words, ", or "))
		p.ops(b.do)
		if len(b.do) == 0 {
			p.ops([]Op{act("nothing", nil)})
		}
	}
}

func (p *planner) command(c cmd) {
	if c.template != "" {
		if _, _, _, err := parseTemplate(p.engine.template(c.template)); err != nil {
			p.err = fmt.Errorf("%s-command: %w", c.template, err)
		}
	}
	command := p.engine.command(c, p.vars)
	if command.Place == API && natives[command.Name] == nil {
		p.err = fmt.Errorf("there is no command %s", command)
	}
	p.used = append(p.used, command)
	s := &p.steps[len(p.steps)-1]
	s.Commands = append(s.Commands, CommandReport{Command: command.String()})
	p.line("> %s", command)
}

func (o askOp) plan(p *planner) {
	if o.wanted == "" {
		p.command(o.cmd)
	} else {
		p.line("every %v for up to %v, until %s:", o.every, o.most, o.wanted)
		p.indent += 2
		p.command(o.cmd)
		p.indent -= 2
		p.line("if the first look does not find it:")
		p.ops([]Op{o.first})
	}
	p.branches(o.branches)
}

func (o actOp) plan(p *planner) {
	if o.let != nil {
		o.let(p.res, p.vars)
	}
	if o.text != "" {
		p.line("%s", expand(o.text, p.vars))
	}
	p.branches(o.branches)
}

func (o sayOp) plan(p *planner) {
	p.line("event %s %d %s", o.event.Severity, o.event.Number, expand(o.event.Text, p.vars))
}

func (o eachOp) plan(p *planner) {
	rows, found := p.rows[o.list]
	if !found {
		rows = []row{nil}
	}
	if len(rows) == 0 {
		p.line(string(nothingToDo))
	}
	outer := p.vars
	for _, row := range rows {
		p.vars = maps.Clone(outer)
		maps.Copy(p.vars, row)
		for _, op := range o.ops {
			op.plan(p)
		}
	}
	p.vars = outer
	if o.stuck != nil {
		p.line("if no other is left:")
		p.ops([]Op{o.stuck})
	}
}

func (o performOp) plan(p *planner) {
	if p.kit.Action(o.action) == nil {
		p.err = fmt.Errorf("there is no action %s", o.action)
	} else if slices.Contains(p.shown, o.action) {
		p.line("perform %s, as above", o.action)
	} else {
		p.shown = append(p.shown, o.action)
		p.line("perform %s:", o.action)
		p.indent += 2
		p.action(p.kit.Action(o.action))
		p.indent -= 2
	}
	p.branches(o.branches)
}

func (o jumpOp) plan(p *planner) {
	p.goesTo(o.next.step)
	to := "go to " + o.next.step
	switch {
	case o.next.later:
		p.line("do this again after the others")
	case o.code == Undetermined:
		p.line("cannot be determined")
	case o.next.end && o.code < 0:
		p.line("end with that return value")
	case o.next.end:
		p.line("end with %d (%s)", o.code, OutcomeOf(o.code))
	case o.code >= 0:
		p.line("return value %d, %s", o.code, to)
	default:
		p.line("%s", to)
	}
}

package kitrunner

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// planner writes an action's steps without running anything.
type planner struct {
	w      *strings.Builder
	engine *Engine
	kit    *Kit
	vars   map[string]string
	indent int
	used   []Command
	res    Resource
	shown  []string // actions performed within this one
}

// Plan writes the numbered steps of an action in order, with the commands
// filled in, and runs nothing. Variables that become known only in a run are
// left as the documents have them. The adapter of the ip kit is the stored one,
// if it can be read.
func (e *Engine) Plan(w io.Writer, kit *Kit, action *Action, res Resource) error {
	p := e.planner(kit, res)
	_ = e.loadNIC(kit, res, p.vars) // a run says it
	p.action(action)
	if action.Closing != "" {
		fmt.Fprintf(p.w, "What cannot be determined: event 20001, return value 3, go to %s.\n",
			action.Closing)
	} else {
		fmt.Fprintf(p.w, "What cannot be determined: event 20001, end with 3.\n")
	}
	_, err := io.WriteString(w, p.w.String())
	return err
}

// Uses lists the commands that an action may run.
func (e *Engine) Uses(kit *Kit, action *Action, res Resource) []Command {
	p := e.planner(kit, res)
	p.action(action)
	return p.used
}

func (e *Engine) planner(kit *Kit, res Resource) *planner {
	return &planner{w: new(strings.Builder), engine: e, kit: kit, res: res,
		vars: variables(res, e.PlainVolume)}
}

func (p *planner) action(a *Action) {
	for _, s := range a.Steps {
		p.line("%s %s", s.No, s.Text)
		p.ops(s.Do)
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
			p.ops([]Op{set("nothing", nil)})
		}
	}
}

func (p *planner) command(c cmd) {
	command := p.engine.command(c, p.vars)
	p.used = append(p.used, command)
	p.line("> %s", command)
}

func (o askOp) plan(p *planner) {
	p.command(o.cmd)
	p.branches(o.branches)
}

func (o doOp) plan(p *planner) {
	p.command(o.cmd)
}

func (o checkOp) plan(p *planner) { p.branches(o.branches) }

func (o sayOp) plan(p *planner) {
	p.line("event %s %d %s", o.event.Severity, o.event.Number, expand(o.event.Text, p.vars))
}

func (o setOp) plan(p *planner) { p.line("%s", o.text) }

func (o letOp) plan(p *planner) {
	o.f(p.res, p.vars)
	p.line("%s", o.text)
}

func (o performOp) plan(p *planner) {
	if slices.Contains(p.shown, o.action) {
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

func (o cannotOp) plan(p *planner) { p.line("cannot be determined") }

func (o jumpOp) plan(p *planner) {
	to := "go to " + o.next.step
	switch {
	case o.next.end && o.code < 0:
		p.line("end with that return value")
	case o.next.end:
		p.line("end with %d (%s)", o.code, outcomeOf(o.code))
	case o.code >= 0:
		p.line("return value %d, %s", o.code, to)
	default:
		p.line("%s", to)
	}
}

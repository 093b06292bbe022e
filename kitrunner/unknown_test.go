package kitrunner

import (
	"slices"
	"strings"
	"testing"
)

// A question without an answer ends the action with 3 and event 20001. No
// command runs after it, unless the step itself says what to do then. The same
// is true of a change if nobody knows whether it was made.
func TestUnknownEndsTheAction(t *testing.T) {
	ended, handled := map[string]bool{}, 0
	for _, c := range scenarios() {
		if c.engine != nil {
			continue // other commands than the kit's own
		}
		for i := range c.play(t, nil).ran {
			if i > 12 {
				break // the looks of lanman's step (7), all the same
			}
			tr := c.play(t, func(n int) (Result, bool) { return timedOut[0], n == i })
			where, command := tr.nth(i)
			if handlesUnknown(t, FindKit(c.kit), where, command) {
				handled++
				continue
			}
			ended[c.kit+" "+where.Action+" "+where.Step] = true
			step := where.Step
			if where.Action != c.action {
				step = where.Action + " " + step
			}
			if n := len(tr.ran); n != i+1 || tr.report.Code != Undetermined ||
				!strings.Contains(tr.text, "event Warning 20001 Step "+step+" ") {
				t.Errorf("%s, %s hangs: exit code %d, %d commands after it\n%s", c.id(),
					short(command), tr.report.Code, n-i-1, tr.text)
			}
		}
	}
	// The questions in front of what deletes, locks or switches over.
	for _, where := range []string{
		"lanman quickCheck (1)", "lanman remove (2)", "lanman remove (3)", "ip remove (1)",
		"ip recover (3)", "ip recover (5)",
		"volume restore (2)", "volume remove (1)", "volume remove (2)", "volume remove (4)",
		"volume remove (5)",
	} {
		if !ended[where] {
			t.Errorf("%s was not asked in vain", where)
		}
	}
	if handled == 0 {
		t.Error("no step says what to do without an answer")
	}
}

// nth is the i-th command that ran, and the step in which it did.
func (tr transcript) nth(i int) (StepReport, Command) {
	n := i
	for _, s := range tr.report.Steps {
		if n < len(s.Commands) {
			return s, tr.ran[i]
		}
		n -= len(s.Commands)
	}
	return StepReport{}, tr.ran[i]
}

// handlesUnknown tells whether a step says what to do if the command has no
// answer.
func handlesUnknown(t *testing.T, kit *Kit, where StepReport, c Command) bool {
	t.Helper()
	a := kit.Action(where.Action)
	step := a.Steps[slices.IndexFunc(a.Steps, func(s Step) bool { return s.No == where.Step })]
	found, handled := false, false
	var walk func(ops []Op)
	branches := func(bs []branch) {
		for _, b := range bs {
			walk(b.do)
		}
	}
	walk = func(ops []Op) {
		for _, o := range ops {
			switch o := o.(type) {
			case askOp:
				if isCommand(o.cmd, c) {
					found = true
					// until asks again
					handled = o.anyway || o.wanted != "" ||
						slices.ContainsFunc(o.branches, func(b branch) bool {
							return slices.Contains(b.on, unknown)
						})
				}
				branches(o.branches)
			case actOp:
				branches(o.branches)
			case eachOp:
				walk(o.ops)
			}
		}
	}
	walk(step.Do)
	if !found {
		t.Fatalf("%s %s %s has no command %s", kit.Name, where.Action, where.Step, c)
	}
	return handled
}

// isCommand tells whether c is what became of a kit's command.
func isCommand(of cmd, c Command) bool {
	if of.template != "" {
		_, of.name, of.args, _ = parseTemplate((&Engine{}).template(of.template))
	}
	if of.name != c.Name || len(of.args) != len(c.Args) {
		return false
	}
	for i, a := range of.args {
		if !strings.Contains(a, "$") && a != c.Args[i] {
			return false
		}
	}
	return true
}

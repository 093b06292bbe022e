package kitrunner

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fsmon/kitrunner/winsys"
)

// Kit is a recovery kit: its document as a value.
type Kit struct {
	Name    string
	Actions []Action
	// begin, if not nil, sets the variables that an earlier action has stored.
	begin func(e *Engine, res Resource, vars map[string]string) error
}

// Action is one action of a kit: the document's numbered steps.
type Action struct {
	Name  string   // "quickCheck", "restore", ...
	Needs []string // options without which it cannot run
	Steps []Step
	// Closing is the step that logs how the action ended, if the document has
	// one. An action that could not be determined ends with it too.
	Closing string
	// Fails, if it has a number, is the event of a step that failed without
	// saying what to do then. The action ends with Failure, through Closing.
	Fails EventText
}

// Step is one numbered sentence of a document.
type Step struct {
	No   string // "(4-1)", as in the document
	Text string // what it does or asks
	Do   []Op
}

// Op is one thing that a step does. The plan and the run use the same Ops, so
// that they cannot differ.
type Op interface {
	plan(p *planner)
	run(r *run) next
}

// next tells where an Op leads: the zero value to the next Op or step.
type next struct {
	step  string // go to this step
	end   bool   // the action ends
	later bool   // go on with the next row of the list, see each
}

// answer is what a command's outcome means. Answers without a branch may say
// anything that people should read: "3 equivalencies".
type answer string

// The answers of commands that change something, and of every command that
// could not be run, did not end, or printed something unknown.
const (
	ok      answer = "it succeeded"
	failed  answer = "it failed"
	unknown answer = "it cannot be determined"

	nothingToDo answer = "nothing to do"
)

// reader turns a command's result into an answer. It may set variables and
// lists.
type reader func(r *run, res Result) answer

// branch is what to do on any of the given answers.
type branch struct {
	on []answer
	do []Op
}

func on(a answer, do ...Op) branch { return branch{[]answer{a}, do} }

func onAny(as []answer, do ...Op) branch { return branch{as, do} }

// ask runs a command and goes on by its answer. An answer without a branch goes
// on with the next Op; only unknown ends the action as undetermined.
func ask(c cmd, read reader, branches ...branch) askOp {
	return askOp{cmd: c, read: read, branches: branches}
}

// do runs a command and goes on whatever its outcome.
func do(c cmd) Op { return askOp{cmd: c, read: exitCode, anyway: true} }

// until asks again at every, 2·every, … up to most, until it gets the answer a,
// and goes on by the last answer. first is done once, if the first answer was
// another one.
func (o askOp) until(a answer, every, most time.Duration, first Op) Op {
	o.wanted, o.every, o.most, o.first = a, every, most, first
	return o
}

// check goes on by what is already known, without a command.
func check(know func(r *run) answer, branches ...branch) Op {
	return actOp{know: know, branches: branches}
}

// act does something inside the runner, which text describes, and goes on by
// its answer. The answer "" is not reported.
func act(text string, f func(r *run) answer, branches ...branch) Op {
	return actOp{text: text, know: f, branches: branches}
}

// let changes variables, in a plan as well.
func let(text string, f func(res Resource, vars map[string]string)) Op {
	return actOp{text: text, let: f}
}

// say logs an event.
func say(e EventText) Op { return sayOp{e} }

// each does the Ops for every row of a list that a reader has found, with the
// row's variables set; variables that are set meanwhile are forgotten after the
// row. A plan that does not know the list has the Ops once. Rows that end with
// later are done again after the others; if no row of a round ends otherwise,
// stuck is done.
func each(list string, stuck Op, ops ...Op) Op { return eachOp{list, stuck, ops} }

// later ends a row of each: it is done again after the others.
func later() Op { return jumpOp{next: next{later: true}, code: -1} }

// perform runs another action of the kit and goes on by its answer, as ask
// does.
func perform(action string, branches ...branch) Op { return performOp{action, branches} }

// goTo goes on with the numbered step.
func goTo(step string) Op { return jumpOp{next: next{step: step}, code: -1} }

// ret sets the action's return value and goes on with the numbered step.
func ret(code int, step string) Op { return jumpOp{next: next{step: step}, code: code} }

// end ends the action with a return value.
func end(code int) Op { return jumpOp{next: next{end: true}, code: code} }

// cannotTell ends the action as undetermined.
func cannotTell() Op { return end(Undetermined) }

// endAsSet ends the action with the return value that was set before.
func endAsSet() Op { return end(-1) }

type (
	askOp struct {
		cmd      cmd
		read     reader
		branches []branch
		anyway   bool // go on even if it cannot be determined

		wanted      answer // if not "", ask again until it is the answer
		every, most time.Duration
		first       Op
	}
	actOp struct {
		text     string
		let      func(res Resource, vars map[string]string)
		know     func(r *run) answer
		branches []branch
	}
	sayOp  struct{ event EventText }
	eachOp struct {
		list  string
		stuck Op
		ops   []Op
	}
	performOp struct {
		action   string
		branches []branch
	}
	jumpOp struct {
		next next
		code int // -1: as it is
	}
)

func (o askOp) run(r *run) next {
	begin := time.Now()
	a := r.ask(o.cmd, o.read)
	if o.wanted != "" && a != o.wanted {
		o.first.run(r)
	}
	for at := o.every; o.wanted != "" && a != o.wanted && at <= o.most; at += o.every {
		passed := time.Since(begin)
		if at < passed { // a slow command: the next look is the next that is due
			continue
		}
		r.show(Waiting, fmt.Sprintf("looking again at %.0f s of %.0f s", at.Seconds(),
			o.most.Seconds()))
		select {
		case <-r.ctx.Done():
			r.why = winsys.Ended(r.ctx, 0).Error()
			return r.choose(unknown, o.branches)
		case <-time.After(at - passed):
		}
		a = r.ask(o.cmd, o.read)
	}
	if o.anyway {
		return next{}
	}
	return r.choose(a, o.branches)
}

func (o actOp) run(r *run) next {
	if o.let != nil {
		o.let(r.res, r.vars)
		return next{}
	}
	a := o.know(r)
	if a != "" {
		r.outcome(a)
	}
	return r.choose(a, o.branches)
}

func (o sayOp) run(r *run) next { r.say(o.event); return next{} }

func (o eachOp) run(r *run) next {
	outer := r.vars
	defer func() { r.vars = outer }()
	rows, found := r.rows[o.list]
	if found && len(rows) == 0 {
		r.outcome(nothingToDo)
	}
	for len(rows) > 0 {
		var again []row
		for _, row := range rows {
			r.vars = maps.Clone(outer)
			maps.Copy(r.vars, row)
			switch n := r.ops(o.ops); {
			case n.later:
				again = append(again, row)
			case n != next{}:
				return n
			}
		}
		if len(again) == len(rows) {
			return o.stuck.run(r)
		}
		rows = again
	}
	return next{}
}

func (o performOp) run(r *run) next {
	a := r.perform(o.action)
	r.outcome(a)
	return r.choose(a, o.branches)
}

func (o jumpOp) run(r *run) next {
	if o.code == Undetermined {
		return r.undetermined(r.asked, r.why)
	}
	if o.code >= 0 {
		r.code = o.code
	}
	return o.next
}

// exitCode reads a command whose exit code tells whether it worked.
func exitCode(r *run, res Result) answer {
	if res.Code != 0 {
		return failed
	}
	return ok
}

// Kits lists the kits.
func Kits() []*Kit { return []*Kit{&lanman, &ip, &volume} }

// begun lets the kit add what it has stored to what is known.
func (k *Kit) begun(e *Engine, is known) error {
	if k.begin == nil {
		return nil
	}
	return k.begin(e, is.res, is.vars)
}

// index returns where the numbered step is, or -1.
func (a *Action) index(step string) int {
	return slices.IndexFunc(a.Steps, func(s Step) bool { return s.No == step })
}

// Action returns the action of that name, or nil when the kit has none.
func (k *Kit) Action(name string) *Action {
	for i := range k.Actions {
		if strings.EqualFold(k.Actions[i].Name, name) {
			return &k.Actions[i]
		}
	}
	return nil
}

// FindKit returns the kit of that name, in any case, or nil.
func FindKit(name string) *Kit {
	for _, k := range Kits() {
		if strings.EqualFold(k.Name, name) {
			return k
		}
	}
	return nil
}

package kitrunner

import "strings"

// Kit is a recovery kit: its document as a value.
type Kit struct {
	Name    string
	Actions []Action
}

// Action is one action of a kit: the document's numbered steps.
type Action struct {
	Name  string   // "quickCheck", "restore", ...
	Needs []string // options without which it cannot run
	Steps []Step
	// Closing is the step that logs how the action ended, if the document has
	// one. An action that could not be determined ends with it too.
	Closing string
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
	step string // go to this step
	end  bool   // the action ends
}

func (n next) elsewhere() bool { return n.step != "" || n.end }

// answer is what a command's outcome means.
type answer string

// The answers of commands that change something, and of every command that
// could not be run, did not end, or printed something unknown.
const (
	ok      answer = "it succeeded"
	failed  answer = "it failed"
	unknown answer = "it cannot be determined"
)

// reader turns a command's result into an answer. It may set variables.
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
func ask(c cmd, read reader, branches ...branch) Op { return askOp{c, read, branches} }

// do runs a command and goes on whatever its outcome.
func do(c cmd) Op { return doOp{c} }

// check goes on by what is already known, without a command.
func check(know func(r *run) answer, branches ...branch) Op { return checkOp{know, branches} }

// say logs an event.
func say(e EventText) Op { return sayOp{e} }

// set does something inside the runner; text describes it.
func set(text string, f func(r *run)) Op { return setOp{text, f} }

// let changes variables, in a plan as well.
func let(text string, f func(res Resource, vars map[string]string)) Op { return letOp{text, f} }

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
func cannotTell() Op { return cannotOp{} }

// endAsSet ends the action with the return value that was set before.
func endAsSet() Op { return jumpOp{next: next{end: true}, code: -1} }

type (
	askOp struct {
		cmd      cmd
		read     reader
		branches []branch
	}
	doOp    struct{ cmd cmd }
	checkOp struct {
		know     func(r *run) answer
		branches []branch
	}
	sayOp struct{ event EventText }
	setOp struct {
		text string
		f    func(r *run)
	}
	letOp struct {
		text string
		f    func(res Resource, vars map[string]string)
	}
	performOp struct {
		action   string
		branches []branch
	}
	cannotOp struct{}
	jumpOp   struct {
		next next
		code int // -1: as it is
	}
)

func (o askOp) run(r *run) next {
	a, _ := r.ask(o.cmd, o.read)
	return r.choose(a, o.branches)
}

func (o doOp) run(r *run) next {
	r.ask(o.cmd, exitCode)
	return next{}
}

func (o checkOp) run(r *run) next {
	a := o.know(r)
	r.outcome(a)
	return r.choose(a, o.branches)
}

func (o sayOp) run(r *run) next { r.say(o.event); return next{} }

func (o setOp) run(r *run) next { o.f(r); return next{} }

func (o letOp) run(r *run) next { o.f(r.res, r.vars); return next{} }

func (o performOp) run(r *run) next {
	a := r.perform(o.action)
	r.outcome(a)
	return r.choose(a, o.branches)
}

func (o cannotOp) run(r *run) next { return r.undetermined(r.asked, r.why) }

func (o jumpOp) run(r *run) next {
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

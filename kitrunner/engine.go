package kitrunner

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"fsmon/kitrunner/winsys"
)

// Exit codes of an action. 1 and 2 are the documents' return values.
const (
	Success      = 0
	Failure      = 1
	TimeIsUp     = 2 // LAN kit, restore (7)
	Undetermined = 3
)

// Resource describes a protected resource. A kit needs only some of the fields,
// see Action.Needs.
type Resource struct {
	Tag  string
	ID   string // lanman: the alias; ip: the address
	Node string // this system's name
	Peer string // the standby system's name

	NIC, GUID, Mask string // ip: the primary adapter's name and GUID, the netmask
	// The adapter for local recovery; if there is none, the primary adapter is
	// tried again.
	BackupNIC, BackupGUID string
	LocalRecovery         bool

	Volume string // volume: the drive letter, without a colon
}

// Engine runs the actions of kits.
type Engine struct {
	Runner    Runner
	Log       EventLog
	Deadlines Deadlines
	// Commands replace those of Templates, by name.
	Commands map[string]string
	// Native takes our own write test, SNMP trap and list of addresses in the
	// place of the documented commands.
	Native bool
	// PlainVolume gives EMCMD the volume without its colon.
	PlainVolume bool
	// StateDir holds the locks, and which adapter holds an address of the ip
	// kit. If it is "" nothing is stored, and the primary adapter counts.
	StateDir string
	// Wait is how long an action waits for another action on the same resource,
	// in any process that uses StateDir. 0 takes no lock.
	Wait time.Duration
	// Show, if set, is called as things happen.
	Show func(Notice)
}

// Run performs an action of a kit. The report always says what was done; its
// Code is the exit code. When ctx is done, a running command is ended if it
// only asks, and nothing more is started: the action could then not be
// determined.
func (e *Engine) Run(ctx context.Context, kit *Kit, action *Action, res Resource) Report {
	return e.perform(ctx, kit, action, e.known(res))
}

// perform is Run with what an earlier action has found out; what this one finds
// out is added.
func (e *Engine) perform(ctx context.Context, kit *Kit, action *Action, k known) Report {
	r := &run{Engine: e, ctx: ctx, kit: kit, action: action, known: k, began: time.Now()}
	r.report = Report{Kit: kit.Name, Action: action.Name, Tag: k.res.Tag, Began: r.began}
	what, err := "kit "+kit.Name, e.Check(kit)
	if err == nil {
		what = "state directory " + e.StateDir
		var release func() error
		if release, err = r.hold(action); err == nil {
			defer release()
			err = kit.begun(e, k)
		}
	}
	if err != nil {
		r.begin(action, Step{No: "(0)", Text: "The action was not begun."})
		r.undetermined(what, err.Error())
		r.finish()
	} else {
		r.steps(action)
	}
	r.report.Code = r.code
	r.report.Seconds = time.Since(r.began).Seconds()
	r.report.Outcome = OutcomeOf(r.code)
	return r.report
}

// run is an action that is being performed.
type run struct {
	*Engine
	ctx    context.Context
	kit    *Kit
	action *Action // the one under way; recover performs others
	known
	code  int
	began time.Time

	report Report
	step   int // index of the step under way in report.Steps
	start  time.Time

	asked string // the command asked last, and why its answer is unknown
	why   string
}

// known is what is known at some point of a run or of a plan.
type known struct {
	res  Resource
	vars map[string]string // $TAG, what readers have found, what a kit must remember
	rows map[string][]row  // lists that readers have found, for each
}

// row has the variables of one line of a list.
type row = map[string]string

// known is what is known before anything runs.
func (e *Engine) known(res Resource) known {
	v := map[string]string{}
	for name, value := range map[string]string{
		"TAG": res.Tag, "ID": res.ID, "NODE": res.Node, "PEER": res.Peer, "NIC": res.NIC,
		"GUID": res.GUID,
		"MASK": res.Mask, "VOLUME": res.Volume,
	} {
		if value != "" {
			v[name] = value
		}
	}
	if res.Volume != "" {
		v["MIRROR"] = res.Volume + ":"
		if e.PlainVolume {
			v["MIRROR"] = res.Volume
		}
	}
	return known{res, v, map[string][]row{}}
}

// expand fills in variables. One that is not known is left as it is.
func expand(text string, vars map[string]string) string {
	return os.Expand(text, func(name string) string {
		if v, ok := vars[name]; ok {
			return v
		}
		return "$" + name
	})
}

// command fills in a command.
func (e *Engine) command(c cmd, vars map[string]string) Command {
	if e.Native && c.native != nil {
		c = *c.native
	}
	if c.template != "" {
		// Check has read it before
		c.place, c.name, c.args, _ = parseTemplate(e.template(c.template))
	}
	out := Command{Place: c.place, Name: c.name, Timeout: e.Deadlines.of(c.kind),
		Changes: c.kind != queries}
	for _, a := range c.args {
		out.Args = append(out.Args, expand(a, vars))
	}
	return out
}

func (e *Engine) template(name string) string {
	if line := e.Commands[name]; line != "" {
		return line
	}
	for _, t := range templates {
		if t.Name == name {
			return t.Command
		}
	}
	return ""
}

// Check returns an error if a command that the user set cannot be read, or if
// the kit names a step, an action or a template that there is not.
func (e *Engine) Check(kit *Kit) error {
	for _, t := range templates {
		if _, _, _, err := parseTemplate(e.template(t.Name)); err != nil {
			return fmt.Errorf("--%s-command: %w", t.Name, err)
		}
	}
	for i := range kit.Actions {
		p := e.planner(kit, e.known(Resource{}))
		p.action(&kit.Actions[i])
		if p.err != nil {
			return fmt.Errorf("%s %s: %w", kit.Name, kit.Actions[i].Name, p.err)
		}
	}
	return nil
}

// steps performs the steps of an action, from the first.
func (r *run) steps(a *Action) {
	outer := r.action
	r.action = a
	defer func() { r.action = outer }()
	for i := 0; i < len(a.Steps); {
		r.begin(a, a.Steps[i])
		n := r.ops(a.Steps[i].Do)
		r.finish()
		switch {
		case n.end:
			return
		case n.step != "":
			i = a.index(n.step) // Check has found it
		default:
			i++
		}
	}
}

// perform performs another action of the kit within this one.
func (r *run) perform(action string) answer {
	outer, step, start := r.code, r.step, r.start
	r.code = Success
	r.steps(r.kit.Action(action))
	code := r.code
	r.code, r.step, r.start = outer, step, start
	switch code {
	case Success:
		return ok
	case Undetermined:
		r.asked = ""
		return unknown
	}
	r.code = code // a failure's return value passes on, until another is set
	return failed
}

func (r *run) ops(ops []Op) next {
	for _, o := range ops {
		if n := o.run(r); n != (next{}) {
			return n
		}
	}
	return next{}
}

// choose goes on by an answer.
func (r *run) choose(a answer, branches []branch) next {
	for _, b := range branches {
		if slices.Contains(b.on, a) {
			return r.ops(b.do)
		}
	}
	switch {
	case a == unknown:
		return r.undetermined(r.asked, r.why)
	case a == failed && r.action.Fails.Number != 0:
		return r.stop(r.action.Fails, Failure, r.asked, r.why)
	}
	return next{}
}

// undetermined ends the action with exit code 3, through the closing step.
func (r *run) undetermined(what, why string) next {
	return r.stop(ev20001, Undetermined, what, why)
}

// stop ends the action with an event and a return value, through the closing
// step.
func (r *run) stop(e EventText, code int, what, why string) next {
	if what != "" { // or else a performed action has said it
		r.vars["STEP"], r.vars["COMMAND"], r.vars["WHY"] = r.where(), what, why
		r.say(e)
	}
	r.code = code
	if r.action.Closing != "" {
		return next{step: r.action.Closing}
	}
	return next{end: true}
}

// ask runs a command and reads its outcome.
func (r *run) ask(c cmd, read reader) answer {
	command := r.command(c, r.vars)
	r.asked, r.why = command.String(), ""
	r.show(CommandBegins, r.asked)
	res := r.exec(c, command)
	rep := CommandReport{Command: r.asked, Code: res.Code, Seconds: res.Took.Seconds()}
	a, end := unknown, ""
	if res.Err != nil {
		rep.Code, rep.Error = -1, oneLine(res.Err.Error())
		end = "could not run: " + rep.Error
		r.vars["STATUS"], r.vars["OUTPUT"] = rep.Error, oneLine(res.Output)
	} else {
		end = fmt.Sprintf("exit code %d", res.Code)
		r.vars["STATUS"], r.vars["OUTPUT"] = strconv.Itoa(res.Code), oneLine(res.Output)
		a = read(r, res)
	}
	if a == unknown || res.Err == nil && res.Code != 0 {
		rep.Output = oneLine(res.Output)
	}
	s := r.current()
	s.Commands = append(s.Commands, rep)
	r.show(CommandEnds,
		strings.TrimSpace(fmt.Sprintf("%s (%.1f s) %s", end, rep.Seconds, rep.Output)))
	if r.why == "" {
		r.why = strings.TrimSpace(end + " " + oneLine(res.Output))
	}
	r.vars["WHY"] = r.why
	r.outcome(a)
	return a
}

// exec runs a command, unless the run was asked to stop. A command that changes
// something is allowed to finish: half a change is worse than a late stop.
func (r *run) exec(c cmd, command Command) Result {
	ctx := r.ctx
	if err := winsys.Ended(ctx, 0); err != nil {
		return Result{Err: err}
	}
	if c.kind != queries {
		ctx = context.WithoutCancel(ctx)
	}
	return r.Runner.Run(ctx, command)
}

package kitrunner

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"fsmon/kitrunner/parse"
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
	r := &run{
		Engine: e, ctx: ctx, kit: kit, action: action, res: res, began: time.Now(),
		vars: variables(res, e.PlainVolume),
	}
	r.report = Report{Kit: kit.Name, Action: action.Name, Tag: res.Tag, Began: r.began}
	release, err := r.hold(action)
	if err == nil {
		defer release()
		err = e.loadNIC(kit, res, r.vars)
	}
	if err != nil {
		r.begin(action, Step{No: "(0)", Text: "The action was not begun."})
		r.undetermined("state directory "+e.StateDir, err.Error())
		r.finish()
	} else {
		r.steps(action)
	}
	r.report.Code = r.code
	r.report.Seconds = time.Since(r.began).Seconds()
	r.report.Outcome = outcomeOf(r.code)
	return r.report
}

// run is an action that is being performed.
type run struct {
	*Engine
	ctx    context.Context
	kit    *Kit
	action *Action // the one under way; recover performs others
	res    Resource
	vars   map[string]string
	code   int
	began  time.Time

	report Report
	step   int // index of the step under way in report.Steps
	start  time.Time

	asked     string // the command asked last, and why its answer is unknown
	why       string
	retried   bool           // IP kit, restore: step (5) came by once
	mirrors   []parse.Mirror // volume kit: what GETMIRRORVOLINFO has said
	flagStood bool           // volume kit: the split-brain flag was there already
}

// variables are the ones known before anything runs.
func variables(res Resource, plainVolume bool) map[string]string {
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
		if plainVolume {
			v["MIRROR"] = res.Volume
		}
	}
	return v
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
	if c.template != "" {
		// Check has parsed it before
		c.place, c.name, c.args, _ = parseTemplate(e.template(c.template))
	}
	out := Command{Place: c.place, Name: c.name, Timeout: e.Deadlines.of(c.kind)}
	for _, a := range c.args {
		out.Args = append(out.Args, expand(a, vars))
	}
	return out
}

func (e *Engine) template(name string) string {
	if line := e.Commands[name]; line != "" {
		return line
	}
	i := slices.IndexFunc(templates, func(t Template) bool { return t.Name == name })
	return templates[i].Command
}

// Check returns an error if a command that the user set cannot be read.
func (e *Engine) Check() error {
	for _, t := range templates {
		if _, _, _, err := parseTemplate(e.template(t.Name)); err != nil {
			return fmt.Errorf("--%s-command: %w", t.Name, err)
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
			i = slices.IndexFunc(a.Steps, func(s Step) bool { return s.No == n.step })
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
		if n := o.run(r); n.elsewhere() {
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
	if a == unknown {
		return r.undetermined(r.asked, r.why)
	}
	return next{}
}

// undetermined ends the action with exit code 3, through the closing step.
func (r *run) undetermined(what, why string) next {
	if what != "" { // or else a performed action has said it
		r.vars["STEP"], r.vars["COMMAND"], r.vars["WHY"] = r.where(), what, why
		r.say(ev20001)
	}
	r.code = Undetermined
	if r.action.Closing != "" {
		return next{step: r.action.Closing}
	}
	return next{end: true}
}

// ask runs a command and reads its outcome.
func (r *run) ask(c cmd, read reader) (answer, Result) {
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
	return a, res
}

// exec runs a command, unless the run was asked to stop. A command that changes
// something is allowed to finish: half a change is worse than a late stop.
func (r *run) exec(c cmd, command Command) Result {
	ctx := r.ctx
	if err := ctx.Err(); err != nil {
		return Result{Err: err}
	}
	if c.kind != queries {
		ctx = context.WithoutCancel(ctx)
	}
	return r.Runner.Run(ctx, command)
}

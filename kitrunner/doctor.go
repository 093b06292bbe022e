package kitrunner

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"fsmon/kitrunner/parse"
	"fsmon/kitrunner/winsys"
)

// Finding is one line of Doctor.
type Finding struct {
	Grade Grade  `json:"grade"`
	About string `json:"about"` // a command, an option, a mirror
	Text  string `json:"text"`
}

// Grade tells how bad a Finding is.
type Grade string

// The grades. A note tells the state of the resource, or what a kit can do
// without.
const (
	Fine    Grade = "ok"
	Note    Grade = "note"
	Problem Grade = "PROBLEM"
)

// Doctor looks, without changing anything, whether a kit can work with a
// resource: whether what the options leave out is needed, whether every command
// is installed, and whether the answer of every command that only asks is
// understood. No lock is taken and no event is logged.
type Doctor struct {
	Engine   *Engine
	Dirs     Dirs
	Adapters []winsys.Adapter // those of this system, as far as it can tell
	Tell     func(Finding)    // is called with each finding when it is found
}

// Run asks everything once. For the ip kit it returns the network adapters: those
// of Adapters, and those that ips_ipchange -l names besides.
func (d Doctor) Run(ctx context.Context, kit *Kit, res Resource) []winsys.Adapter {
	e := *d.Engine
	x := &examination{Doctor: d, outputs: map[string]Result{}, found: map[string]Grade{}}
	e.Runner, e.Log, e.Show = recorder{e.Runner, x.outputs}, Logs(), nil
	x.run = &run{Engine: &e, ctx: ctx, kit: kit, known: e.known(res)}
	x.begin(&Action{Name: "doctor"}, Step{No: "(0)"})
	x.options()
	x.installed()
	for i := range kit.Actions {
		for _, s := range kit.Actions[i].Steps {
			x.ops(s.Do)
		}
	}
	switch kit {
	case &volume:
		x.mirrors()
	case &ip:
		return x.adapters()
	}
	return nil
}

type examination struct {
	Doctor
	*run
	outputs map[string]Result // of the commands that were asked, by Command.String
	found   map[string]Grade  // by the same
	missing []string          // files that are not installed
}

// recorder keeps what commands answer.
type recorder struct {
	Runner
	outputs map[string]Result
}

func (r recorder) Run(ctx context.Context, c Command) Result {
	res := r.Runner.Run(ctx, c)
	r.outputs[c.String()] = res
	return res
}

func (x *examination) say(g Grade, about, format string, args ...any) {
	x.Tell(Finding{g, about, fmt.Sprintf(format, args...)})
}

// options tells which options are missing, and who needs them.
func (x *examination) options() {
	needed := map[string][]string{}
	var names []string
	for _, a := range x.kit.Actions {
		for _, name := range a.Needs {
			if x.vars[strings.ToUpper(name)] == "" {
				if needed[name] == nil {
					names = append(names, name)
				}
				needed[name] = append(needed[name], a.Name)
			}
		}
	}
	for _, name := range names {
		x.say(Problem, "--"+name, "is missing (needed by %s)", strings.Join(needed[name], ", "))
	}
}

// installed tells which commands there are.
func (x *examination) installed() {
	var seen []string
	for i := range x.kit.Actions {
		for _, c := range x.Uses(x.kit, &x.kit.Actions[i], x.res) {
			file := Command{Place: c.Place, Name: c.Name}.String()
			if c.Place == API || slices.Contains(seen, file) {
				continue
			}
			seen = append(seen, file)
			if _, err := x.Dirs.path(c); err != nil {
				x.missing = append(x.missing, file)
				x.say(Problem, file, "%v", err)
			} else {
				x.say(Fine, file, "it is installed")
			}
		}
	}
}

// ops asks what the Ops ask, in every branch.
func (x *examination) ops(ops []Op) {
	for _, o := range ops {
		switch o := o.(type) {
		case askOp:
			x.query(o)
			x.branches(o.branches)
		case actOp:
			x.branches(o.branches)
		case eachOp:
			outer := x.vars
			for _, row := range x.rows[o.list] {
				x.vars = maps.Clone(outer)
				maps.Copy(x.vars, row)
				x.ops(o.ops)
			}
			x.vars = outer
		}
	}
}

func (x *examination) branches(bs []branch) {
	for _, b := range bs {
		x.ops(b.do)
	}
}

// variable is one that is not filled in.
var variable = regexp.MustCompile(`\$[A-Z]{2,}`)

// query asks a command that changes nothing, once.
func (x *examination) query(o askOp) {
	if o.cmd.kind != queries || x.ctx.Err() != nil {
		return
	}
	command := x.command(o.cmd, x.vars)
	if slices.Contains(x.missing, Command{Place: command.Place, Name: command.Name}.String()) {
		return // it is a problem already
	}
	name := command.String()
	goesOn := o.anyway || slices.ContainsFunc(o.branches, func(b branch) bool {
		return slices.Contains(b.on, unknown)
	})
	if grade, asked := x.found[name]; asked {
		if grade == Note && !goesOn && x.outputs[name].Err != nil {
			x.found[name] = Problem
			x.say(Problem, name, "another step cannot do without its answer")
		}
		return
	}
	if v := variable.FindString(strings.Join(command.Args, " ")); v != "" {
		x.found[name] = Note
		x.say(Note, name, "was not asked, since %s is not known", v)
		return
	}
	grade, text := Fine, ""
	switch a := x.ask(o.cmd, o.read); {
	case a != unknown && a != failed:
		text = string(a)
	case a == unknown && goesOn:
		grade, text = Note, "cannot be determined, and the kit goes on without it: "+x.why
	case a == unknown:
		grade, text = Problem, "cannot be determined: "+x.why
	default:
		grade, text = Problem, "failed: "+x.why
	}
	x.found[name] = grade
	x.say(grade, name, "%s", oneLine(text))
}

// mirrors tells the state of the mirror in words.
func (x *examination) mirrors() {
	res := x.outputs[x.command(mirrorCmd(queries, ".", "GETMIRRORVOLINFO"), x.vars).String()]
	mirrors, understood := parse.Mirrors(res.Output, x.res.Volume)
	if !understood {
		return // the question has said it
	}
	for _, m := range mirrors {
		state, known := mirrorStates[m.State]
		if !known {
			state = fmt.Sprintf("in state %d", m.State)
		}
		role := map[int]string{parse.RoleSource: "the source", parse.RoleTarget: "the target"}[m.Role]
		if role == "" {
			role = fmt.Sprintf("in role %d", m.Role)
		}
		x.say(Note, "volume "+x.res.Volume, "this system is %s; the mirror to %s is %s", role,
			m.Target, state)
	}
}

// mirrorStates are the states of GETMIRRORVOLINFO (SIOS, EMCMD).
var mirrorStates = map[int]string{-1: "invalid", 0: "not there", parse.Mirroring: "mirroring",
	2: "resynchronising", 3: "broken", 4: "paused", 5: "waiting for its resynchronisation"}

// adapters lists the network adapters, and tells whether the resource's are
// among them.
func (x *examination) adapters() []winsys.Adapter {
	list := slices.Clone(x.Adapters)
	at := func(guid string) int {
		return slices.IndexFunc(list, func(a winsys.Adapter) bool {
			return parse.CanonicalGUID(a.GUID) == parse.CanonicalGUID(guid)
		})
	}
	addresses, _ := parse.Addresses(x.outputs[x.command(ipList, x.vars).String()].Output)
	for _, a := range addresses {
		i := at(a.GUID)
		if i < 0 {
			i, list = len(list), append(list, winsys.Adapter{GUID: a.GUID})
		}
		if !slices.Contains(list[i].Addresses, a.IP) {
			list[i].Addresses = append(list[i].Addresses, a.IP)
		}
	}
	for _, c := range []struct{ option, guid, name string }{
		{"nic", x.res.GUID, x.res.NIC}, {"backup-nic", x.res.BackupGUID, x.res.BackupNIC},
	} {
		i := at(c.guid)
		switch {
		case c.guid == "" || i < 0 && x.Adapters == nil: // without the list nobody knows
		case i < 0:
			x.say(Problem, "--"+c.option, "no network adapter has the GUID %s (see the table)", c.guid)
		case list[i].Name != "" && c.name != "" && !strings.EqualFold(list[i].Name, c.name):
			x.say(Problem, "--"+c.option, "%s is called %q, not %q", c.guid, list[i].Name, c.name)
		}
	}
	return list
}

package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"fsmon/kitrunner/parse"
)

// Rejoin cleans up the cluster configuration of this system after the operating
// system of another one, the gone system, was installed anew. After that the
// resource hierarchies can be extended to it again (REJOIN). It is a kit that
// is made for its arguments and for what the systems look like. Set the fields,
// call Check, then Survey, then Run.
type Rejoin struct {
	System        string   // this system, as LifeKeeper names it
	Gone          string   // the reinstalled system
	GoneAddresses []string // its addresses, where no job and no path tells them
	Volumes       []string // mirrored volumes, "E" or "E:"
	AllResources  bool     // also remove every resource instance of this system
	Skip          []string // steps that are left out, "5E-4"; each has Reason
	Reason        string
	NoDataKeeper  bool     // its commands are not installed here
	Drives        []string // the letters of this system's drives
	Root          string   // %LKROOT%
	// Journal is the audit trail: every command and every completed step.
	// Exports of the registry are put beside it.
	Journal string
	Engine  *Engine
	Refused []string // set by Survey and Run: why this may not be done

	found   found
	known   known
	agreed  map[string][]row // what the plan shows: nothing else is done
	journal *journal
	step    string // of the journal's next command
	changed bool   // by this step
	heard   bool   // EMCMD has answered for some drive
}

// Check checks the arguments, runs nothing, and brings the volumes into their
// usual form. Its errors mean wrong usage.
func (r *Rejoin) Check() error {
	for _, s := range []struct{ option, name string }{{"--system", r.System}, {"--gone", r.Gone}} {
		if s.name == "" {
			return fmt.Errorf("%s: is missing (the name of a system)", s.option)
		}
		if !parse.IsSystem(s.name) {
			return fmt.Errorf("%s: %q is not accepted (the name of a system as sys_list has it)",
				s.option, s.name)
		}
	}
	host, _ := os.Hostname()
	if strings.EqualFold(r.Gone, r.System) || strings.EqualFold(r.Gone, host) {
		return fmt.Errorf("--gone: %s is the local system (LifeKeeper's error 424: the entry for "+
			"the local system cannot be removed)", r.Gone)
	}
	var volumes []string
	for _, v := range r.Volumes {
		letter := strings.ToUpper(strings.TrimSuffix(v, ":"))
		if !parse.IsDrive(letter) {
			return fmt.Errorf("--volume: %q is not accepted (a drive letter)", v)
		}
		if slices.Contains(volumes, letter) {
			return fmt.Errorf("--volume: %q is repeated", v)
		}
		volumes = append(volumes, letter)
	}
	slices.Sort(volumes)
	r.Volumes = volumes
	r.found.addresses = r.GoneAddresses
	r.known = r.Engine.known(Resource{Tag: r.System, Node: r.System, Peer: r.Gone})
	r.known.vars["SYSTEM"], r.known.vars["OTHERSYSTEM"] = r.System, r.Gone
	r.known.vars["REASON"] = r.Reason
	return r.checkSkip()
}

// checkSkip brings the steps to skip into their usual form. The first step says
// that the clean-up begins, and the first of a volume's that it may be deleted.
func (r *Rejoin) checkSkip() error {
	if (len(r.Skip) > 0) != (r.Reason != "") {
		return errors.New("--skip and --reason: one is missing (the journal tells why a step was " +
			"skipped)")
	}
	for i, no := range r.Skip {
		no = "(" + strings.Trim(no, "()") + ")"
		var steps []string
		for _, s := range r.cleanUp().Steps {
			if s.No == "(1)" || s.No == closing || strings.HasSuffix(s.No, "-1)") {
				continue
			}
			steps = append(steps, strings.Trim(s.No, "()"))
			if strings.EqualFold(s.No, no) {
				r.Skip[i] = s.No
			}
		}
		if !slices.Contains(steps, strings.Trim(r.Skip[i], "()")) {
			return fmt.Errorf("--skip: %q is not a step that can be skipped (%s)", r.Skip[i],
				strings.Join(steps, ", "))
		}
	}
	return nil
}

// Plan returns the steps as text and as a report, filled in as far as known:
// before Survey, tags and job IDs are variables. It runs nothing.
func (r *Rejoin) Plan() (text string, report Report) {
	kit := r.kit()
	return r.Engine.plan(kit, kit.Action("rejoin"), r.known)
}

// Uses lists the commands that the survey and the rejoin may run.
func (r *Rejoin) Uses() []Command {
	kit := r.kit()
	var uses []Command
	for i := range kit.Actions {
		p := r.Engine.planner(kit, r.known)
		p.action(&kit.Actions[i])
		uses = append(uses, p.used...)
	}
	return uses
}

// Survey reads the journal and asks everything that can be asked without a
// change, so that Plan shows what will be removed. It changes nothing, and
// refuses what must not be done: the report has exit code 1 then, and Refused
// the reasons. An error means that the journal cannot be used.
func (r *Rejoin) Survey(ctx context.Context) (Report, error) {
	j, err := openJournal(r.Journal, journal{System: r.System, Gone: r.Gone, Volumes: r.Volumes,
		AllResources: r.AllResources})
	if err != nil {
		return Report{}, err
	}
	r.journal = j
	r.found.addresses = slices.Concat(r.GoneAddresses, j.Addresses)
	report := r.run(ctx, "survey")
	r.agreed = map[string][]row{}
	for name, rows := range r.known.rows {
		r.agreed[name] = rows
	}
	return report, nil
}

// Run performs the steps that Plan shows, after a Survey with exit code 0, and
// stops at the first that fails or cannot be determined. Every completed step
// is in the journal before the next begins. When ctx is done, a running command
// that changes something is allowed to finish, and Run stops; a later run goes
// on from there. An error means that the journal cannot be written, and nothing
// was done.
func (r *Rejoin) Run(ctx context.Context) (Report, error) {
	// Better an error now than after the first change.
	if err := r.journal.write(); err != nil {
		return Report{}, err
	}
	report := r.run(ctx, "rejoin")
	if err := r.journal.write(); err != nil { // the end of the last command
		report.LogErrors = append(report.LogErrors, err.Error())
	}
	return report, nil
}

// run performs an action through a Runner that writes the journal.
func (r *Rejoin) run(ctx context.Context, action string) Report {
	e := *r.Engine
	show := e.Show
	e.Show = func(n Notice) {
		if n.Kind == StepBegins {
			r.step = action + " " + n.Step
		}
		if show != nil {
			show(n)
		}
	}
	e.Runner = audited{r, WithNative(r.Engine.Runner, nil)}
	kit := r.kit()
	return e.perform(ctx, kit, kit.Action(action), r.known)
}

// audited is a Runner that writes every command to the journal; one that
// changes something before it runs, too. In the survey nothing is written yet.
type audited struct {
	r      *Rejoin
	runner Runner
}

func (a audited) Run(ctx context.Context, c Command) (res Result) {
	r := a.r
	r.journal.begin(r.step, c)
	if c.Changes {
		if err := r.journal.write(); err != nil {
			return Result{Err: err}
		}
		r.changed = true
	}
	res = a.runner.Run(ctx, c)
	r.journal.end(res)
	return res
}

// Finish renames the journal of a completed Run and returns its new name.
func (r *Rejoin) Finish() (string, error) { return r.journal.finish() }

// Checklist is what remains to be done by hand (REJOIN 6, 9 and 10). After
// Survey it names the other systems.
func (r *Rejoin) Checklist() []string {
	others := "every other system that remains in the cluster"
	var named []string
	for _, s := range r.found.systems {
		if !strings.EqualFold(s, r.System) && !strings.EqualFold(s, r.Gone) {
			named = append(named, s)
		}
	}
	if r.found.systems != nil {
		others = strings.Join(named, ", ")
	}
	list := r.nobodys()
	for _, no := range r.Skip {
		list = append(list, fmt.Sprintf("Step %s was skipped: do it by hand if it is needed (%s).",
			no, r.Reason))
	}
	if others != "" {
		list = append(list,
			fmt.Sprintf("Run the same on %s: kitrunner rejoin --system NAME --gone %s, with the "+
				"volumes it mirrors (REJOIN 1, 2, 6).", others, r.Gone))
	}
	list = append(list, "Close the LifeKeeper GUI and start it again (REJOIN 9).")
	if r.AllResources {
		list = append(list,
			fmt.Sprintf("Create the resource hierarchies of %s anew: all of its resource "+
				"instances were removed (REJOIN 8).", r.System))
	}
	list = append(list,
		fmt.Sprintf("In the GUI, connect to %s, which has its operating system, LifeKeeper and "+
			"all patches again, and create the communication paths to it (REJOIN, "+
			"introduction, and 10 a).", r.Gone),
		fmt.Sprintf("Extend each resource hierarchy to %s, from the system where it is in "+
			"service (REJOIN 10 b).", r.Gone))
	if len(r.Volumes) > 0 {
		list = append(list,
			fmt.Sprintf("Add or extend the mirror resources of %s: this makes their mirrors and "+
				"DataKeeper jobs anew (REJOIN 5, 10 c).", strings.Join(r.Volumes, ", ")))
	} else {
		list = append(list, "Add or extend mirror resources, if there are any (REJOIN 10 c).")
	}
	return append(list, "See in the GUI that every protected resource is in service and "+
		"protected again (REJOIN 10).")
}

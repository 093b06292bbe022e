package kitrunner

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"fsmon/kitrunner/parse"
)

// jobsKey is where DataKeeper keeps its jobs (REJOIN 5).
const jobsKey = `HKLM\System\CurrentControlSet\Services\ExtMirr\Parameters\Jobs\`

// rejoinStep is one step of REJOIN. It either asks or changes something.
// Questions are asked in every run. Changes are made once; they are worked out
// from the answers of this run. The plan is made by the same functions, from
// what is known so far.
type rejoinStep struct {
	id    string // in the journal; of a step that changes
	doc   string // REJOIN's steps, counted from 1
	title string

	ask   *Command
	learn func(f *facts, output string) error
	told  func(f *facts) string // what was learnt, for people
	holds func(f *facts) error  // of a query after a change: what must be so now
	of    string                // the step whose change it looks at

	deeds  func(f *facts) []deed
	accept func(ctx context.Context, d deed, r Result) error
}

// deed is one change: a command, or a file to remove.
type deed struct {
	Command
	file     string   // to be removed, when there is no command
	produces string   // a file that the command must have written, or it has failed
	check    *Command // asked when the command fails: whether the work had been done before
	noMirror string   // of which volume check must say that it has no mirror
}

func (d deed) String() string {
	if d.file != "" {
		return `del "` + d.file + `"`
	}
	return d.Command.String()
}

// facts holds the answers. Nil means not asked yet; empty means none.
type facts struct {
	equivalencies []parse.Equivalency
	jobs          map[string][]parse.Job // by volume
	systems       []string
	paths         []parse.Path
	tags          []string
}

// The plan's text for what only a query can tell.
const (
	unknownTag      = "<TAG>"
	unknownOtherTag = "<OTHERTAG>"
	unknownGUID     = "<GUID>"
)

// The documented commands, with the deadline of a query or of a change.
func (r *Rejoin) lcdiQuery(name string) Command {
	return Command{Place: LKBin, Name: name + ".exe", Timeout: r.Deadlines.Query}
}

func (r *Rejoin) lcdiChange(name string, args ...string) deed {
	return deed{Command: Command{Place: LKBin, Name: name + ".exe", Args: args,
		Timeout: r.Deadlines.Change}}
}

func (r *Rejoin) reg(args ...string) deed {
	return deed{Command: Command{Place: System32, Name: "reg.exe", Args: args,
		Timeout: r.Deadlines.Change}}
}

func emcmd(timeout time.Duration, args ...string) Command {
	return Command{Place: ExtMirrBase, Name: "EMCMD.exe", Args: append([]string{"."}, args...),
		Timeout: timeout}
}

func asks(doc, title string, c Command, learn func(*facts, string) error,
	told func(*facts) string) *rejoinStep {
	return &rejoinStep{doc: doc, title: title, ask: &c, learn: learn, told: told}
}

// after makes a query check a change.
func (s *rejoinStep) after(change, doc, title string, holds func(*facts) error) *rejoinStep {
	again := *s
	again.of, again.doc, again.title, again.holds = change, doc, title, holds
	return &again
}

// none is the condition that the list is empty after a change.
func none(what string, list func(*facts) []string) func(*facts) error {
	return func(f *facts) error {
		if left := list(f); len(left) > 0 {
			return fmt.Errorf("%s still there: %s (run this again; if it stays, remove it by hand)",
				what, strings.Join(left, "; "))
		}
		return nil
	}
}

// list is REJOIN, in order.
func (r *Rejoin) list() []*rejoinStep {
	eqv := asks("1", "list the shared equivalencies", r.lcdiQuery("eqv_list"),
		func(f *facts, out string) (err error) {
			f.equivalencies, err = parse.Equivalencies(out, r.Gone)
			return err
		}, func(f *facts) string { return fmt.Sprintf("%d with %s", len(f.equivalencies), r.Gone) })
	steps := []*rejoinStep{
		eqv,
		{id: "eqv_remove", doc: "2", title: "remove every shared equivalency with " + r.Gone,
			deeds: r.removeEquivalencies, accept: acceptRemoval},
		eqv.after("eqv_remove", "3", "list them again: none must be left",
			none("shared equivalencies are", func(f *facts) (left []string) {
				for _, e := range f.equivalencies {
					left = append(left, fmt.Sprintf("%s of %s with %s of %s", e.Tag, e.System,
						e.OtherTag, e.OtherSystem))
				}
				return left
			})),
	}
	for _, v := range r.Volumes {
		steps = append(steps, &rejoinStep{id: "LKDRInfo." + v, doc: "4",
			title: "remove the LKDRInfo file of volume " + v,
			deeds: func(*facts) []deed {
				return []deed{{file: filepath.Join(r.infoDir(), "LKDRInfo."+v)}}
			}})
	}
	for _, v := range r.Volumes {
		steps = append(steps, r.mirror(v)...)
	}
	systems := asks("6 a", "list the systems of the cluster", r.lcdiQuery("sys_list"),
		func(f *facts, out string) (err error) {
			f.systems, err = parse.Systems(out, r.System)
			return err
		}, func(f *facts) string { return strings.Join(f.systems, ", ") })
	paths := asks("7 a", "list the communication paths", r.lcdiQuery("net_list"),
		func(f *facts, out string) (err error) {
			f.paths, err = parse.Paths(out, r.Gone, append([]string{r.System, r.Gone},
				f.systems...))
			return err
		}, func(f *facts) string { return fmt.Sprintf("%d to %s", len(f.paths), r.Gone) })
	steps = append(steps,
		systems,
		&rejoinStep{id: "sys_remove", doc: "6 b", title: "remove " + r.Gone, deeds: r.removeSystem,
			accept: acceptRemoval},
		systems.after("sys_remove", "6", "list the systems again", none("the gone system is",
			func(f *facts) []string {
				if parse.FindName(f.systems, r.Gone) != "" {
					return []string{r.Gone}
				}
				return nil
			})),
		paths,
		&rejoinStep{id: "net_remove", doc: "7 b", title: "remove the communication paths to " +
			r.Gone, deeds: r.removePaths, accept: acceptRemoval},
		paths.after("net_remove", "7", "list the communication paths again",
			none("communication paths are", func(f *facts) (left []string) {
				for _, p := range f.paths {
					left = append(left, p.Line)
				}
				return left
			})),
		r.syncStep("lcdsync", "write the changes to the disk"),
	)
	if r.AllResources {
		tags := asks("8", "list all resource instances", r.lcdiQuery("ins_list"),
			func(f *facts, out string) (err error) {
				f.tags, err = parse.Instances(out, r.System)
				return err
			}, func(f *facts) string { return fmt.Sprintf("%d instances", len(f.tags)) })
		steps = append(steps,
			tags,
			&rejoinStep{id: "ins_remove", doc: "8", title: "remove every resource instance of " +
				r.System, deeds: r.removeInstances, accept: acceptRemoval},
			tags.after("ins_remove", "8", "list the resource instances again",
				none("resource instances are", func(f *facts) []string { return f.tags })),
			r.syncStep("lcdsync, second", "write the changes to the disk again"),
		)
	}
	return steps
}

// mirror is REJOIN 5 for one volume. The job is deleted from the registry
// because emcmd's deletejob would delete it on every node, and the gone node
// cannot answer.
func (r *Rejoin) mirror(v string) []*rejoinStep {
	job := asks("5", "ask for the DataKeeper job of volume "+v,
		emcmd(r.Deadlines.Query, "getjobinfoforvol", v),
		func(f *facts, out string) error {
			jobs, err := parse.Jobs(out, r.System, v)
			if err != nil {
				return err
			}
			if f.jobs == nil {
				f.jobs = map[string][]parse.Job{}
			}
			f.jobs[v] = jobs
			return r.mayDelete(jobs)
		}, func(f *facts) string {
			if len(f.jobs[v]) == 0 {
				return "no job"
			}
			return strings.Join(jobIDs(f.jobs[v]), ", ")
		})
	change := func(id, title, verb string, check *Command) *rejoinStep {
		return &rejoinStep{id: id + " " + v, doc: "5", title: fmt.Sprintf(title, v),
			deeds: func(*facts) []deed {
				d := deed{Command: emcmd(r.Deadlines.Change, verb, v), check: check}
				if check != nil {
					d.noMirror = v
				}
				return []deed{d}
			}, accept: r.acceptEMCMD}
	}
	mirror := emcmd(r.Deadlines.Query, "GETMIRRORVOLINFO", v+":")
	return []*rejoinStep{
		job,
		{id: "job " + v, doc: "5", title: "export the job of volume " + v +
			" from the registry, then delete it there",
			deeds: func(f *facts) []deed { return r.deleteJobs(f, v) }, accept: acceptReg},
		job.after("job "+v, "5", "ask for the job again: none must be left",
			none("a DataKeeper job is", func(f *facts) []string { return jobIDs(f.jobs[v]) })),
		change("deletelocalmirroronly", "delete the local end of the mirror of volume %s",
			"deletelocalmirroronly", &mirror),
		change("clearswitchover", "clear the switchover flag of volume %s", "clearswitchover", nil),
	}
}

func jobIDs(jobs []parse.Job) (ids []string) {
	for _, j := range jobs {
		ids = append(ids, j.ID)
	}
	return ids
}

// mayDelete refuses two kinds of jobs: one that also mirrors to a third system,
// since deleting it would end a live mirror, and one with further volumes,
// since their mirrors would be left without a job.
func (r *Rejoin) mayDelete(jobs []parse.Job) error {
	for _, j := range jobs {
		for _, e := range j.Ends {
			if !e.IsOf(r.System) && !e.IsOf(r.Gone) {
				return refused("the DataKeeper job %s also mirrors to %s, whose mirror would end "+
					"with it (take %s out of the job with the DataKeeper GUI, and leave "+
					"volume %s out here)", j.ID, e.System, r.Gone, e.Volume)
			}
			if e.IsOf(r.System) && parse.FindName(r.Volumes, e.Volume) == "" {
				return refused("the DataKeeper job %s also holds volume %s (add --volume %s)", j.ID,
					e.Volume, e.Volume)
			}
		}
	}
	return nil
}

func (r *Rejoin) removeEquivalencies(f *facts) []deed {
	list := f.equivalencies
	if list == nil {
		list = []parse.Equivalency{{
			System: r.System, Tag: unknownTag, OtherSystem: r.Gone, OtherTag: unknownOtherTag,
		}}
	}
	deeds := []deed{}
	for _, e := range list {
		deeds = append(deeds, r.lcdiChange("eqv_remove",
			"-s", e.System, "-t", e.Tag, "-S", e.OtherSystem, "-o", e.OtherTag, "-e", "SHARED"))
	}
	return deeds
}

func (r *Rejoin) deleteJobs(f *facts, v string) []deed {
	jobs, known := f.jobs[v]
	if !known {
		jobs = []parse.Job{{ID: unknownGUID}}
	}
	deeds := []deed{}
	for _, j := range jobs {
		export := r.exportFile(v, j.ID)
		save := r.reg("export", jobsKey+j.ID, export, "/y")
		save.produces = export
		deeds = append(deeds, save, r.reg("delete", jobsKey+j.ID, "/f"))
	}
	return deeds
}

// exportFile is where a job's registry key is kept: beside the journal.
func (r *Rejoin) exportFile(volume, guid string) string {
	return filepath.Join(filepath.Dir(r.Journal),
		"rejoin-"+strings.ToLower(r.Gone)+"-"+volume+"-"+guid+".reg")
}

// removeSystem names the gone system as sys_list spells it.
func (r *Rejoin) removeSystem(f *facts) []deed {
	name := r.Gone
	if f.systems != nil {
		name = parse.FindName(f.systems, r.Gone)
	}
	if name == "" {
		return nil
	}
	return []deed{r.lcdiChange("sys_remove", "-s", name)}
}

// removePaths runs one net_remove for every path. REJOIN shows no options; -s
// is LifeKeeper's for the system at the other end. It makes no difference
// whether one command removes one path or all of them: the others then answer
// that theirs does not exist.
func (r *Rejoin) removePaths(f *facts) []deed {
	paths := f.paths
	if paths == nil {
		paths = []parse.Path{{System: r.Gone}}
	}
	deeds := []deed{}
	for _, p := range paths {
		deeds = append(deeds, r.lcdiChange("net_remove", "-s", p.System))
	}
	return deeds
}

func (r *Rejoin) removeInstances(f *facts) []deed {
	tags := f.tags
	if tags == nil {
		tags = []string{unknownTag}
	}
	deeds := []deed{}
	for _, tag := range tags {
		deeds = append(deeds, r.lcdiChange("ins_remove", "-t", tag))
	}
	return deeds
}

func (r *Rejoin) syncStep(id, title string) *rejoinStep {
	return &rejoinStep{id: id, doc: "8", title: title,
		deeds: func(*facts) []deed { return []deed{r.lcdiChange("lcdsync")} },
		accept: func(_ context.Context, _ deed, res Result) error {
			return acceptCode(res, lcdiMeaning)
		}}
}

// infoDir is the folder of the LKDRInfo files (REJOIN 4).
func (r *Rejoin) infoDir() string {
	return filepath.Join(r.Root, "subsys", "filesys", "resources", "volume")
}

// Checklist is what remains to be done by hand (REJOIN 6, 9 and 10). After
// Survey it names the other systems.
func (r *Rejoin) Checklist() []string {
	others := "every other system that remains in the cluster"
	var named []string
	for _, s := range r.facts.systems {
		if !strings.EqualFold(s, r.System) && !strings.EqualFold(s, r.Gone) {
			named = append(named, s)
		}
	}
	if r.facts.systems != nil {
		others = strings.Join(named, ", ")
	}
	var list []string
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

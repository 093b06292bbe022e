package kitrunner

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fsmon/kitrunner/parse"
)

const (
	// jobsKey is where DataKeeper keeps its jobs (REJOIN 5).
	jobsKey = `HKLM\System\CurrentControlSet\Services\ExtMirr\Parameters\Jobs\`
	closing = "(A)"
)

// The documented commands. What REJOIN leaves out of them is our own: -S and -o
// of eqv_remove are in its syntax; net_remove has no options there, -s is
// LifeKeeper's for the system at the other end; reg asks without /f.
var (
	eqvList   = query(LKBin, "eqv_list.exe", "-f"+parse.Separator)
	eqvRemove = change(LKBin, "eqv_remove.exe", "-s", "$SYSTEM", "-t", "$EQVTAG",
		"-S", "$OTHERSYSTEM", "-o", "$OTHERTAG", "-e", "SHARED")
	sysList   = query(LKBin, "sys_list.exe")
	sysRemove = change(LKBin, "sys_remove.exe", "-s", "$OTHERSYSTEM")
	netList   = query(LKBin, "net_list.exe")
	netRemove = change(LKBin, "net_remove.exe", "-s", "$OTHERSYSTEM")
	insList   = query(LKBin, "ins_list.exe", "-f"+parse.Separator)
	insRemove = change(LKBin, "ins_remove.exe", "-t", "$INSTAG")
	lcdSync   = change(LKBin, "lcdsync.exe")
	regExport = change(System32, "reg.exe", "export", jobsKey+"$JOB", "$EXPORT", "/y")
	regDelete = change(System32, "reg.exe", "delete", jobsKey+"$JOB", "/f")
	getJob    = query(ExtMirrBase, "EMCMD.exe", ".", "getjobinfoforvol", "$DRIVE")
	getMirror = query(ExtMirrBase, "EMCMD.exe", ".", "GETMIRRORVOLINFO", "$DRIVE:")
	deleteEnd = change(ExtMirrBase, "EMCMD.exe", ".", "deletelocalmirroronly", "$DRIVE")
	clearFlag = change(ExtMirrBase, "EMCMD.exe", ".", "clearswitchover", "$DRIVE")
	infoFile  = change(API, "delete-file", "$INFO")
)

// The lists of rows; of a volume, with its letter.
const (
	equivalencies = "equivalencies"
	goneSystem    = "the gone system"
	gonePaths     = "paths to it"
	instances     = "instances"
	drives        = "drives"
	syncs         = "syncs"
	infoOf        = "LKDRInfo "
	jobsOf        = "job "
	mirrorsOf     = "mirror "
	flagOf        = "flag "
)

const dependents answer = "another resource depends on it"

func (r *Rejoin) kit() *Kit {
	return &Kit{Name: "rejoin", Actions: []Action{r.survey(), r.cleanUp()}}
}

// survey asks everything and changes nothing. The systems come first: the other
// answers contain their names.
func (r *Rejoin) survey() Action {
	steps := []Step{
		{"(0)", "Look for every command that may be needed.",
			[]Op{act("look for their files", r.lookForCommands)}},
		{"(1)", "List the systems of the cluster.", []Op{ask(sysList, r.readSystems)}},
		{"(2)", "List the communication paths.", []Op{ask(netList, r.readPaths)}},
		{"(3)", "List the shared equivalencies.", []Op{ask(eqvList, r.readEquivalencies)}},
	}
	if r.AllResources {
		steps = append(steps, Step{"(4)", "List all resource instances.",
			[]Op{ask(insList, r.readInstances)}})
	}
	steps = append(steps, Step{"(5)", "Look for LKDRInfo files.",
		[]Op{act("read the folder "+r.infoDir(), r.lookForInfos)}})
	if !r.NoDataKeeper {
		steps = append(steps, Step{"(6)", "Ask for the job and the mirror of every drive.",
			[]Op{each(drives, nil, ask(getJob, r.readJobs), ask(getMirror, r.readMirrors))}})
	}
	steps = append(steps, Step{"(7)", "May this system be cleaned up?",
		[]Op{act("compare what was found with the arguments", r.examine)}})
	return Action{Name: "survey", Steps: steps, Fails: ev20055}
}

// cleanUp is REJOIN. A step is a step of the document; a letter after its
// number is the volume's, or the document's own (6 a).
func (r *Rejoin) cleanUp() Action {
	steps := []Step{
		{"(1)", "List the shared equivalencies.", []Op{say(ev20051),
			ask(eqvList, r.readEquivalencies)}},
		r.removal("(2)", "Remove every shared equivalency with $PEER.", equivalencies,
			ask(eqvRemove, readRemoval)),
		{"(3)", "List them again: none must be left.", []Op{ask(eqvList, r.readEquivalencies),
			none(equivalencies)}},
	}
	for _, v := range r.Volumes {
		steps = append(steps, r.removal("(4"+v+")", "Delete the LKDRInfo file of volume "+v+".",
			infoOf+v, setting("INFO", func(row) string { return r.infoFile(v) }),
			ask(infoFile, exitCode)))
	}
	for _, v := range r.Volumes {
		steps = append(steps, r.mirror(v)...)
	}
	steps = append(steps,
		Step{"(6a)", "List the systems of the cluster.", []Op{ask(sysList, r.readSystems)}},
		r.removal("(6b)", "Remove $PEER.", goneSystem, ask(sysRemove, readRemoval)),
		Step{"(6c)", "List the systems again.", []Op{ask(sysList, r.readSystems),
			none(goneSystem)}},
		Step{"(7a)", "List the communication paths.", []Op{ask(netList, r.readPaths)}},
		// Whether one command removes one path or all of them makes no
		// difference: the others then answer that theirs does not exist.
		r.removal("(7b)", "Remove the communication paths to $PEER.", gonePaths,
			ask(netRemove, readRemoval)),
		Step{"(7c)", "List the communication paths again.", []Op{ask(netList, r.readPaths),
			none(gonePaths)}},
		r.removal("(8)", "Write the changes to the disk.", syncs, ask(lcdSync, readLCDI)),
	)
	if r.AllResources {
		steps = append(steps,
			Step{"(8a)", "List all resource instances.", []Op{ask(insList, r.readInstances)}},
			r.removal("(8b)", "Remove every resource instance of $NODE.", instances,
				ask(insRemove, readRemoval, on(dependents, later()))),
			Step{"(8c)", "List the resource instances again.",
				[]Op{ask(insList, r.readInstances), none(instances)}},
			r.removal("(8d)", "Write the changes to the disk again.", syncs,
				ask(lcdSync, readLCDI)))
	}
	steps = append(steps, Step{closing, "Log how it ended.", []Op{say(ev20053), endAsSet()}})
	for i, s := range steps {
		steps[i].Text = expand(s.Text, r.known.vars)
		if slices.Contains(r.Skip, s.No) {
			steps[i].Do = []Op{
				setting("SKIPPED", func(row) string { return s.No }),
				say(ev20054), act("", r.skip(s.No))}
		}
	}
	return Action{Name: "rejoin", Steps: steps, Closing: closing, Fails: ev20052}
}

// setting sets a variable.
func setting(name string, value func(vars row) string) Op {
	return let("", func(_ Resource, vars map[string]string) { vars[name] = value(vars) })
}

// mirror is REJOIN 5 for one volume. The job is deleted from the registry
// because emcmd's deletejob would delete it on every node, and the gone node
// cannot answer.
func (r *Rejoin) mirror(v string) []Step {
	drive := setting("DRIVE", func(row) string { return v })
	return []Step{
		{"(5" + v + "-1)", "Ask for the DataKeeper job and the mirror of volume " + v + ".",
			[]Op{drive, ask(getJob, r.readJobs), ask(getMirror, r.readMirrors),
				check(func(w *run) answer { return r.refuse(w, r.mayDelete(v)) })}},
		r.removal("(5"+v+"-2)", "Export the job of volume "+v+
			" from the registry, then delete it there.", jobsOf+v,
			setting("EXPORT", func(vars row) string { return r.exportFile(v, vars["JOB"]) }),
			ask(regExport, readExport), ask(regDelete, readReg)),
		{"(5" + v + "-3)", "Ask for the job again: none must be left.",
			[]Op{drive, ask(getJob, r.readJobs), none(jobsOf + v)}},
		r.removal("(5"+v+"-4)", "Delete the local end of the mirror of volume "+v+".", mirrorsOf+v,
			ask(deleteEnd, r.readDeleteEnd, on(failed, ask(getMirror, r.readMirrors),
				none(mirrorsOf+v)))),
		r.removal("(5"+v+"-5)", "Clear the switchover flag of volume "+v+".", flagOf+v,
			ask(clearFlag, readStatus)),
	}
}

// removal is a step that does ops for every row of a list, and then notes in
// the journal that it is done. What an earlier run has done counts only as
// text: the list tells what is left.
func (r *Rejoin) removal(no, text, list string, ops ...Op) Step {
	if r.journal != nil {
		if at, done := r.journal.done(no); done {
			again := ""
			if len(r.known.rows[list]) > 0 {
				again = " and is to be done again"
			}
			text += fmt.Sprintf(" (Was done %s%s.)", at.Format(time.DateTime), again)
		}
	}
	return Step{no, text, []Op{each(list, stuck(list), ops...), act("", r.noteDone(no))}}
}

// stuck is what to do if every resource depends on another one.
func stuck(list string) Op {
	if list != instances {
		return nil
	}
	return act("it failed: each depends on another", func(w *run) answer {
		w.why = "each resource depends on another"
		return failed
	})
}

func (r *Rejoin) noteDone(no string) func(*run) answer {
	return func(w *run) answer {
		if !r.changed {
			return ""
		}
		r.changed = false
		return r.note(w, no, "")
	}
}

func (r *Rejoin) skip(no string) func(*run) answer {
	return func(w *run) answer { return r.note(w, no, r.Reason) }
}

func (r *Rejoin) note(w *run, no, skipped string) answer {
	if err := r.journal.add(no, skipped); err != nil {
		w.asked, w.why = r.Journal, fmt.Sprintf("it was done, but could not be recorded: %v", err)
		return failed
	}
	return ""
}

// none is what must be so after a change: the list has no rows.
func none(list string) Op {
	return check(func(w *run) answer {
		if len(w.rows[list]) > 0 {
			w.why = fmt.Sprintf("%s%s still there: %s (run this again; if it stays, remove it by "+
				"hand)", w.vars["DELETED"], list, texts(w.rows[list]))
			return failed
		}
		return ""
	})
}

// texts are the rows of a list for people.
func texts(rows []row) string {
	var all []string
	for _, row := range rows {
		all = append(all, row["TEXT"])
	}
	return strings.Join(all, "; ")
}

// lookForCommands finds out what is missing before half of the work is done.
func (r *Rejoin) lookForCommands(w *run) answer {
	finder, can := r.Engine.Runner.(interface{ Find(Command) error })
	if !can {
		return ""
	}
	var missing []string
	for _, c := range r.Uses() {
		if err := finder.Find(c); err != nil && !slices.Contains(missing, c.file()) {
			missing = append(missing, c.file())
		}
	}
	for i, file := range missing {
		missing[i] = file + " is missing (the clean-up may need it)"
	}
	return r.refuse(w, missing)
}

// examine decides whether the clean-up may be done, and whether the two things
// that nothing shows must be done: the journal knows them as done, and nothing
// that they follow is to be done again.
func (r *Rejoin) examine(w *run) answer {
	f := &r.found
	if !r.NoDataKeeper && !r.heard && len(w.rows[drives]) > 0 {
		w.asked, w.why = "EMCMD.exe", "it answered for no drive (does DataKeeper run?)"
		return unknown
	}
	reasons := r.refusals()
	if !r.journal.old && len(reasons) == 0 && !r.goneIsKnown(w) {
		reasons = []string{fmt.Sprintf("%s is named nowhere in the configuration of %s (is --gone "+
			"spelt as sys_list had it, or has all of this been done before?)", r.Gone, r.System)}
	}
	for _, v := range slices.Sorted(maps.Keys(f.jobs)) {
		for _, j := range f.jobs[v] {
			for _, e := range j.Ends {
				if e.IsOf(r.Gone) && !slices.Contains(r.journal.Addresses, e.Address) {
					r.journal.Addresses = append(r.journal.Addresses, e.Address)
				}
			}
		}
	}
	for _, v := range r.Volumes {
		w.rows[flagOf+v] = r.unlessDone("(5"+v+"-5)", w, row{"DRIVE": v, "TEXT": v},
			jobsOf+v, mirrorsOf+v)
	}
	lists := []string{equivalencies, goneSystem, gonePaths}
	last := "(8)"
	if r.AllResources {
		lists, last = append(lists, instances), "(8d)"
	}
	w.rows[syncs] = r.unlessDone(last, w, row{"TEXT": ""}, lists...)
	return r.refuse(w, reasons)
}

// refuse ends the action if there are reasons to.
func (r *Rejoin) refuse(w *run, reasons []string) answer {
	if r.Refused = reasons; len(reasons) == 0 {
		return "nothing is against it"
	}
	w.asked, w.why = "it may not be done", strings.Join(reasons, "; ")
	return failed
}

func (r *Rejoin) unlessDone(no string, w *run, do row, after ...string) []row {
	if _, done := r.journal.done(no); done && !anyRows(w, after) {
		return nil
	}
	return []row{do}
}

// goneIsKnown tells whether something names the gone system.
func (r *Rejoin) goneIsKnown(w *run) bool {
	return anyRows(w, []string{equivalencies, goneSystem, gonePaths}) ||
		slices.ContainsFunc(r.Volumes, func(v string) bool { return len(r.namesGone(v)) > 0 })
}

func anyRows(w *run, lists []string) bool {
	return slices.ContainsFunc(lists, func(list string) bool { return len(w.rows[list]) > 0 })
}

package kitrunner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fsmon/kitrunner/parse"
)

// lcdiCodes are the exit codes of the LCDI commands, as their manual pages have
// them.
var lcdiCodes = map[int]string{
	1: "a system call failed", 2: "syntax error", 3: "LifeKeeper internal error",
	4: "it exists already",
	5: "illegal argument", 6: "index out of range", lcdiNotThere: "it does not exist",
	lcdiDependents: "another resource depends on it", 9: "communication with another system failed",
}

const (
	lcdiNotThere   = 7 // on a removal, and of a listing: nothing (more) to do
	lcdiDependents = 8
)

// codeError is why a command failed that has an exit code.
func codeError(res Result, meanings map[int]string) error {
	text := fmt.Sprintf("exit code %d", res.Code)
	if m := meanings[res.Code]; m != "" {
		text += " (" + m + ")"
	}
	if out := oneLine(res.Output); out != "" {
		text += ": " + out
	}
	return errors.New(text)
}

// byCode reads a command whose exit code tells whether it worked.
func byCode(w *run, res Result, meanings map[int]string) answer {
	if res.Code == 0 {
		return ok
	}
	w.why = codeError(res, meanings).Error()
	return failed
}

func readLCDI(w *run, res Result) answer { return byCode(w, res, lcdiCodes) }

func readReg(w *run, res Result) answer { return byCode(w, res, nil) }

// readRemoval reads a removal: what is not there needs none.
func readRemoval(w *run, res Result) answer {
	switch a := readLCDI(w, res); res.Code {
	case lcdiNotThere:
		return ok
	case lcdiDependents:
		return dependents
	default:
		return a
	}
}

// readExport expects the file of the export: without it nothing is deleted.
func readExport(w *run, res Result) answer {
	if a := readReg(w, res); a != ok {
		return a
	}
	info, err := os.Stat(w.vars["EXPORT"])
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.why = fmt.Sprintf("there is no file %s after it, so nothing is deleted",
			w.vars["EXPORT"])
	case err != nil:
		w.why = fmt.Sprintf("the export cannot be seen, so nothing is deleted: %v", err)
	case !info.Mode().IsRegular() || info.Size() == 0:
		w.why = fmt.Sprintf("the export %s is empty, so nothing is deleted", w.vars["EXPORT"])
	default:
		return ok
	}
	return failed
}

// readStatus expects "Status = 0" of EMCMD.
func readStatus(w *run, res Result) answer {
	status, answered := parse.Status(res.Output)
	switch {
	case res.Code == 0 && answered && status == 0:
		return ok
	case res.Code == 0 && !answered:
		w.why = fmt.Sprintf("emcmd did not answer Status = N: %q", oneLine(res.Output))
		return unknown
	}
	w.why = codeError(res, nil).Error()
	return failed
}

// set stores a list that was read. After the survey it may have only rows that
// the plan has shown.
func (r *Rejoin) set(w *run, list string, rows []row) answer {
	for _, row := range rows {
		if r.agreed != nil && !slices.ContainsFunc(r.agreed[list], func(a map[string]string) bool {
			return a["TEXT"] == row["TEXT"]
		}) {
			w.why = row["TEXT"] + " is not in the plan that was shown: things have changed since " +
				"(run this again)"
			return failed
		}
	}
	w.rows[list] = rows
	if len(rows) == 0 {
		return "none"
	}
	return answer(texts(rows))
}

// lcdi reads a list of LifeKeeper. The list of something that does not exist
// (code 7) is empty.
func lcdi(w *run, res Result, read func(output string) (answer, error)) answer {
	var a answer
	var err error
	switch res.Code {
	case lcdiNotThere:
		a, err = read("")
	case 0:
		a, err = read(res.Output)
	default:
		err = codeError(res, lcdiCodes)
	}
	if err != nil {
		w.why = err.Error()
		return unknown
	}
	return a
}

func (r *Rejoin) readSystems(w *run, res Result) answer {
	return lcdi(w, res, func(out string) (answer, error) {
		systems, err := parse.Systems(out, r.System)
		if err != nil {
			return "", err
		}
		r.found.systems = systems
		var rows []row
		if name := parse.FindName(systems, r.Gone); name != "" {
			rows = append(rows, row{"OTHERSYSTEM": name, "TEXT": name})
		}
		if a := r.set(w, goneSystem, rows); a == failed {
			return a, nil
		}
		return answer(strings.Join(systems, ", ")), nil
	})
}

func (r *Rejoin) readPaths(w *run, res Result) answer {
	return lcdi(w, res, func(out string) (answer, error) {
		names := []string{r.Gone}
		for _, s := range r.found.systems {
			if !strings.EqualFold(s, r.System) {
				names = append(names, s)
			}
		}
		paths, err := parse.Paths(out, append(names, r.System))
		if err != nil {
			return "", err
		}
		r.found.paths = paths
		var rows []row
		for _, p := range paths {
			if strings.EqualFold(p.System, r.Gone) {
				rows = append(rows, row{"OTHERSYSTEM": p.System, "TEXT": p.Line})
			}
		}
		return r.set(w, gonePaths, rows), nil
	})
}

func (r *Rejoin) readEquivalencies(w *run, res Result) answer {
	return lcdi(w, res, func(out string) (answer, error) {
		list, err := parse.Equivalencies(out, r.Gone)
		if err != nil {
			return "", err
		}
		var rows []row
		for _, e := range list {
			rows = append(rows, row{"SYSTEM": e.System, "EQVTAG": e.Tag,
				"OTHERSYSTEM": e.OtherSystem, "OTHERTAG": e.OtherTag,
				"TEXT": fmt.Sprintf("%s of %s with %s of %s", e.Tag, e.System, e.OtherTag,
					e.OtherSystem)})
		}
		return r.set(w, equivalencies, rows), nil
	})
}

func (r *Rejoin) readInstances(w *run, res Result) answer {
	return lcdi(w, res, func(out string) (answer, error) {
		tags, err := parse.Instances(out, r.System)
		if err != nil {
			return "", err
		}
		var rows []row
		for _, tag := range tags {
			rows = append(rows, row{"INSTAG": tag, "TEXT": tag})
		}
		return r.set(w, instances, rows), nil
	})
}

// lookForInfos reads the LKDRInfo files, and makes the list of the drives to
// ask for: those that exist, were named, or have such a file.
func (r *Rejoin) lookForInfos(w *run) answer {
	if err := r.readInfos(); err != nil {
		w.asked, w.why = r.infoDir(), err.Error()
		return unknown
	}
	letters := slices.Concat(r.Volumes, r.Drives)
	for _, v := range r.Volumes {
		w.rows[infoOf+v] = nil // known: there is none
	}
	for letter := range r.found.infos {
		letters = append(letters, letter)
		w.rows[infoOf+letter] = []row{{"TEXT": letter}}
	}
	slices.Sort(letters)
	var rows []row
	for _, letter := range slices.Compact(letters) {
		rows = append(rows, row{"DRIVE": letter, "TEXT": letter})
	}
	w.rows[drives] = rows
	return answer(fmt.Sprintf("%d LKDRInfo files", len(r.found.infos)))
}

func (r *Rejoin) readJobs(w *run, res Result) answer {
	v := w.vars["DRIVE"]
	if res.Code != 0 {
		w.why = codeError(res, nil).Error()
		if !slices.Contains(r.Volumes, v) {
			return "no such volume" // nothing of it will be changed
		}
		return unknown
	}
	r.heard = true
	list, err := parse.Jobs(res.Output, r.System, v)
	if err != nil {
		w.why = err.Error()
		return unknown
	}
	if r.found.jobs == nil {
		r.found.jobs = map[string][]parse.Job{}
	}
	r.found.jobs[v] = list
	var rows []row
	for _, j := range list {
		rows = append(rows, row{"JOB": j.ID, "TEXT": j.ID})
	}
	return r.set(w, jobsOf+v, rows)
}

// exportFile is where a job's registry key is kept: beside the journal. A plan
// may not know the job.
func (r *Rejoin) exportFile(volume, guid string) string {
	if guid == "" {
		guid = "$JOB"
	}
	return filepath.Join(filepath.Dir(r.Journal),
		"rejoin-"+strings.ToLower(r.Gone)+"-"+volume+"-"+guid+".reg")
}

// readDeleteEnd reads deletelocalmirroronly. If it fails the mirror is asked
// for, which may have been deleted before.
func (r *Rejoin) readDeleteEnd(w *run, res Result) answer {
	a := readStatus(w, res)
	if a == failed {
		w.vars["DELETED"] = w.why + "; "
	}
	return a
}

// hasNoRole tells whether the first line says role 0 of the volume, which is
// neither source nor target; how much follows is not documented.
func hasNoRole(output, v string) bool {
	f := strings.Fields(output)
	return len(f) > 1 && strings.EqualFold(strings.TrimSuffix(f[0], ":"), v) && f[1] == "0"
}

// readMirrors reads GETMIRRORVOLINFO. EMCMD answers with Windows' error 2, not
// found, if there is no mirror. For a volume that is not to be changed any
// other status means so too, and so does silence.
func (r *Rejoin) readMirrors(w *run, res Result) answer {
	v := w.vars["DRIVE"]
	list, understood := parse.Mirrors(res.Output, v)
	status, answered := parse.Status(res.Output)
	switch {
	case understood && res.Code == 0:
	case !understood && answered && status == 2:
	case !understood && res.Code == 0 && hasNoRole(res.Output, v):
	case !understood && !slices.Contains(r.Volumes, v) &&
		(answered || strings.TrimSpace(res.Output) == ""):
	default:
		w.why = fmt.Sprintf("exit code %d: %s", res.Code, oneLine(res.Output))
		return unknown
	}
	list = slices.DeleteFunc(list, func(m parse.Mirror) bool { return m.State == 0 })
	var ends, states []string
	for _, m := range list {
		if m.Role != parse.RoleSource && m.Role != parse.RoleTarget {
			w.why = fmt.Sprintf("role %d is neither source nor target", m.Role)
			return unknown
		}
		ends = append(ends, "with "+otherEnd(m))
		states = append(states, fmt.Sprintf("with %s, state %d", otherEnd(m), m.State))
	}
	if r.found.mirrors == nil {
		r.found.mirrors = map[string][]parse.Mirror{}
	}
	r.found.mirrors[v] = list
	var rows []row
	if len(list) > 0 { // one command deletes all of a volume
		rows = []row{{"DRIVE": v, "TEXT": strings.Join(ends, "; ")}}
	}
	if a := r.set(w, mirrorsOf+v, rows); a == failed || len(list) == 0 {
		return a
	}
	return answer(strings.Join(states, "; "))
}

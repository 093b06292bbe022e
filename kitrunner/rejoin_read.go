package kitrunner

import (
	"errors"
	"fmt"
	"os"

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
	case err != nil:
		w.why = fmt.Sprintf("there is no export after it, so nothing is deleted: %v", err)
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

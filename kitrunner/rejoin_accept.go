package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

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

func lcdiMeaning(code int) string { return lcdiCodes[code] }

func noMeaning(int) string { return "" }

// dependents means that a resource instance can be removed only after another.
type dependents struct{ error }

func acceptCode(r Result, meaning func(int) string) error {
	if r.Code == 0 {
		return nil
	}
	text := fmt.Sprintf("exit code %d", r.Code)
	if m := meaning(r.Code); m != "" {
		text += " (" + m + ")"
	}
	if out := oneLine(r.Output); out != "" {
		text += ": " + out
	}
	return errors.New(text)
}

func acceptRemoval(_ context.Context, _ deed, r Result) error {
	err := acceptCode(r, lcdiMeaning)
	switch r.Code {
	case lcdiNotThere:
		return nil
	case lcdiDependents:
		return dependents{err}
	}
	return err
}

func acceptReg(_ context.Context, d deed, r Result) error {
	if err := acceptCode(r, noMeaning); err != nil {
		return err
	}
	if d.produces == "" {
		return nil
	}
	info, err := os.Stat(d.produces)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file %s after it, so nothing is deleted", d.produces)
	}
	if err != nil {
		return fmt.Errorf("the export cannot be seen, so nothing is deleted: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return fmt.Errorf("the export %s is empty, so nothing is deleted", d.produces)
	}
	return nil
}

// acceptEMCMD expects "Status = 0". On another status it asks whether the
// mirror is already gone.
func (r *Rejoin) acceptEMCMD(ctx context.Context, d deed, res Result) error {
	status, ok := parse.Status(res.Output)
	if res.Code == 0 && ok && status == 0 {
		return nil
	}
	if res.Code == 0 && !ok {
		return undetermined(fmt.Errorf("emcmd did not answer Status = N: %q", oneLine(res.Output)))
	}
	failed := fmt.Errorf("exit code %d: %s", res.Code, oneLine(res.Output))
	if d.check == nil {
		return failed
	}
	again := r.Runner.Run(ctx, *d.check)
	if again.Err != nil {
		return undetermined(fmt.Errorf("%w; whether the mirror is still there "+
			"could not be asked: %w", failed, again.Err))
	}
	// EMCMD answers with Windows' error 2, not found, if there is no mirror.
	mirrors, known := parse.Mirrors(again.Output, d.noMirror)
	status, isStatus := parse.Status(again.Output)
	switch {
	case !known && isStatus && status == 2:
		return nil
	case again.Code != 0 || !known:
		return undetermined(fmt.Errorf("%w; whether the mirror is still there was not "+
			"said: exit code %d: %q", failed, again.Code, oneLine(again.Output)))
	case !slices.ContainsFunc(mirrors, func(m parse.Mirror) bool { return m.State != 0 }):
		return nil
	}
	return failed
}

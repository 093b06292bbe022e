package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"fsmon/kitrunner"
	"fsmon/kitrunner/winsys"
)

const rejoinUsage = `Clean the cluster configuration of this system up after the operating system of another one was installed anew, so that the
resource hierarchies can be extended to it again. First install LifeKeeper and all patches there.

  kitrunner rejoin --gone SYSTEM [options]

      --system SYSTEM      this system, as sys_list names it (its host name)
      --gone SYSTEM        the reinstalled system (required)
      --volume LETTER      a mirrored volume; as often as there are any
      --all-resources      also remove every resource instance of this system
      --plan               print the numbered steps with their commands, run nothing
      --yes                do not ask for confirmation
      --json               report as JSON on stdout; all else goes to stderr
      --journal FILE       records the completed steps, so that a second run goes on where the first one ended;
                           registry exports go beside it (rejoin-SYSTEM.json in --state-dir)
      --lkroot, --lkbin, --extmirrbase, --system32, --state-dir DIRECTORY
      --query-timeout, --change-timeout, --wait-timeout SECONDS   see kitrunner --help

Everything is asked first. The plan then shows each command, and nothing else is changed. The first step that fails or cannot be
determined ends the run.

Exit codes: 0 success; 1 failed, refused or not confirmed; 3 could not determine, and nothing was changed after that; 64 wrong usage.
`

// rejoinOptions is a command line of rejoin.
type rejoinOptions struct {
	options
	rejoin kitrunner.Rejoin
	yes    bool
}

// rejoin reads `kitrunner rejoin` with the arguments after that word, and
// returns what performs it, see command.
func rejoin(args []string) (perform func() int, err error) {
	o, err := parseRejoin(args)
	if errors.Is(err, errHelp) {
		return prints(rejoinUsage), nil
	}
	if err == nil {
		err = o.rejoin.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("rejoin: %w", err)
	}
	if o.plan {
		return func() int { return o.printPlan(os.Stdout) }, nil
	}
	uses := []kitrunner.Command{{Place: kitrunner.LKBin, Name: "eqv_list.exe"}}
	if len(o.rejoin.Volumes) > 0 {
		uses = append(uses,
			kitrunner.Command{Place: kitrunner.LKRoot, Name: "the LKDRInfo files"},
			kitrunner.Command{Place: kitrunner.ExtMirrBase, Name: "EMCMD.exe"},
			kitrunner.Command{Place: kitrunner.System32, Name: "reg.exe"})
	}
	dirs, err := o.dirs(uses)
	if err != nil {
		return nil, fmt.Errorf("rejoin: %w", err)
	}
	return func() int { return o.performRejoin(dirs) }, nil
}

func (o *rejoinOptions) performRejoin(dirs kitrunner.Dirs) int {
	o.rejoin.Root, o.rejoin.Runner = dirs[kitrunner.LKRoot], dirs
	ctx, stop := untilSignal()
	defer stop()
	wait, cancel := context.WithTimeout(ctx, o.wait)
	release, err := winsys.Lock(wait, o.stateDir, "rejoin")
	cancel()
	if err != nil {
		complain("rejoin: %v (nothing was done)", err)
		return kitrunner.Undetermined
	}
	defer release()
	return o.run(ctx, os.Stdin, os.Stdout, os.Stderr)
}

func parseRejoin(args []string) (*rejoinOptions, error) {
	o := &rejoinOptions{}
	r := &o.rejoin
	host, _ := os.Hostname() // Check refuses an empty name
	fs := pflag.NewFlagSet("kitrunner rejoin", pflag.ContinueOnError)
	fs.Usage = func() {}
	fs.StringVar(&r.System, "system", host, "")
	fs.StringVar(&r.Gone, "gone", "", "")
	fs.StringArrayVar(&r.Volumes, "volume", nil, "")
	fs.BoolVar(&r.AllResources, "all-resources", false, "")
	fs.StringVar(&r.Journal, "journal", "", "")
	fs.BoolVar(&o.yes, "yes", false, "")
	fs.BoolVar(&o.plan, "plan", false, "")
	fs.BoolVar(&o.json, "json", false, "")
	o.declarePlaces(fs)
	fs.StringVar(&o.stateDir, "state-dir", defaultStateDir(), "")
	o.wait = kitrunner.DefaultDeadlines().Change
	r.Deadlines = kitrunner.DefaultDeadlines()
	fs.Var((*seconds)(&r.Deadlines.Query), "query-timeout", "")
	fs.Var((*seconds)(&r.Deadlines.Change), "change-timeout", "")
	fs.Var((*seconds)(&o.wait), "wait-timeout", "")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("%q belongs to no option (options have two dashes)", fs.Arg(0))
	}
	if o.stateDir == "" {
		o.stateDir = os.TempDir()
	}
	if r.Journal == "" {
		r.Journal = filepath.Join(o.stateDir, "rejoin-"+strings.ToLower(r.Gone)+".json")
	}
	// The commands have other working directories, and reg export gets a file
	// beside the journal.
	var err error
	r.Journal, err = filepath.Abs(r.Journal)
	r.Root = o.lkroot
	if r.Root == "" {
		r.Root = kitrunner.LKRoot.String() // as a plan shows it
	}
	return o, err
}

// rejoinReport is what --json prints.
type rejoinReport struct {
	Code int `json:"code"`
	// "planned", "success", "failure" or "could not determine"
	Outcome   string                 `json:"outcome"`
	Error     string                 `json:"error,omitempty"`
	System    string                 `json:"system"`
	Gone      string                 `json:"gone"`
	Volumes   []string               `json:"volumes"`
	Journal   string                 `json:"journal"`
	Steps     []kitrunner.RejoinStep `json:"steps"`
	Checklist []string               `json:"checklist"` // what remains to be done by hand
}

func (o *rejoinOptions) report(w io.Writer, outcome string, code int, err error,
	steps []kitrunner.RejoinStep) {
	r := &o.rejoin
	report := rejoinReport{Code: code, Outcome: outcome, System: r.System, Gone: r.Gone,
		Volumes: append([]string{}, r.Volumes...),
		Journal: r.Journal, Steps: append([]kitrunner.RejoinStep{}, steps...),
		Checklist: r.Checklist()}
	if err != nil {
		report.Error = err.Error()
	}
	printJSON(w, report, "  ")
}

func (o *rejoinOptions) printPlan(w io.Writer) int {
	if o.json {
		o.report(w, "planned", kitrunner.Success, nil, o.rejoin.Plan())
		return kitrunner.Success
	}
	showSteps(w, o.rejoin.Plan())
	showChecklist(w, o.rejoin.Checklist())
	return kitrunner.Success
}

// run asks, shows the plan, has it confirmed, and performs it.
func (o *rejoinOptions) run(ctx context.Context, in io.Reader, stdout, stderr io.Writer) int {
	r, out := &o.rejoin, stdout
	if o.json {
		out = stderr
	}
	if !o.yes && !isTerminal(in) {
		complain("rejoin: nobody can be asked for confirmation (standard input is no terminal; " +
			"--yes goes on without, --plan only shows)")
		return exitUsage
	}
	err := r.Survey(ctx)
	confirmed := false
	if err == nil {
		showSteps(out, r.Plan())
		confirmed, err = o.confirm(ctx, in, out)
	}
	if confirmed {
		r.Show = func(s kitrunner.RejoinStep) { showProgress(out, s) }
		err = r.Run(ctx)
	}
	if err == nil && confirmed {
		var kept string
		if kept, err = r.Finish(); err == nil {
			fmt.Fprintf(out, "All steps are done. The journal is kept as %s.\n", kept)
			r.Journal = kept
		}
	}
	code, outcome := exitOf(err)
	if err != nil {
		hint := "nothing was done"
		if confirmed {
			hint = "what was done is in " + r.Journal + ": the same command goes on from there"
		}
		complain("rejoin: %v (%s)", err, hint)
	} else {
		showChecklist(out, r.Checklist())
	}
	if o.json {
		o.report(stdout, outcome, code, err, r.Report())
	}
	return code
}

// exitOf is the exit code and the outcome of an error.
func exitOf(err error) (int, string) {
	var e *kitrunner.RejoinError
	switch {
	case err == nil:
		return kitrunner.Success, "success"
	case errors.As(err, &e) && e.Code == kitrunner.Undetermined:
		return e.Code, "could not determine"
	case errors.As(err, &e):
		return e.Code, "failure"
	}
	return kitrunner.Failure, "failure"
}

// isTerminal tells whether a person can answer. The null device counts as a
// terminal here, but never answers.
func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return true
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// confirm asks a person, unless --yes was given.
func (o *rejoinOptions) confirm(ctx context.Context, in io.Reader, out io.Writer) (bool, error) {
	if o.yes {
		return true, nil
	}
	fmt.Fprintf(out,
		"Run these steps on %s? What they remove is not brought back. Type yes to go on: ",
		o.rejoin.System)
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := bufio.NewReader(io.LimitReader(in, 1024)).ReadString('\n')
		answers <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		return false, fmt.Errorf("interrupted: %w", context.Cause(ctx))
	case a := <-answers:
		switch text := strings.TrimSpace(a.text); {
		case a.err != nil && text == "":
			return false, &kitrunner.RejoinError{Code: exitUsage,
				Err: fmt.Errorf("nobody answered: %w (--yes goes on without)", a.err)}
		case !strings.EqualFold(text, "yes"):
			return false, errors.New("it was not confirmed")
		}
	}
	return true, nil
}

func showSteps(w io.Writer, steps []kitrunner.RejoinStep) {
	for _, s := range steps {
		done := ""
		if s.Outcome != "" {
			done = fmt.Sprintf(" [%s, %s]", s.Outcome, s.Detail)
		}
		fmt.Fprintf(w, "%2d. %s (%s)%s\n", s.Number, s.Title, s.Document, done)
		for _, c := range s.Commands {
			fmt.Fprintf(w, "    > %s\n", c)
		}
	}
}

// showProgress shows a step when it begins, each command before it runs, and
// the end.
func showProgress(w io.Writer, s kitrunner.RejoinStep) {
	n := len(s.Commands)
	switch {
	case s.Outcome == "" && n == 0:
		fmt.Fprintf(w, "%2d. %s (%s)\n", s.Number, s.Title, s.Document)
	case s.Outcome == "":
		fmt.Fprintf(w, "    > %s\n", s.Commands[n-1])
	case s.Detail != "":
		fmt.Fprintf(w, "    %s: %s (%.1f s)\n", s.Outcome, s.Detail, float64(s.TookMS)/1000)
	default:
		fmt.Fprintf(w, "    %s (%.1f s)\n", s.Outcome, float64(s.TookMS)/1000)
	}
}

func showChecklist(w io.Writer, list []string) {
	fmt.Fprintln(w, "What remains to be done by hand:")
	for _, line := range list {
		fmt.Fprintf(w, "  [ ] %s\n", line)
	}
}

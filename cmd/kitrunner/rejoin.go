package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"fsmon/kitrunner"
	"fsmon/kitrunner/winsys"
)

const rejoinUsage = `Clean the cluster configuration of this system up after the operating system of another one
was installed anew, so that the resource hierarchies can be extended to it again. First install LifeKeeper and
all patches there.

  kitrunner rejoin --gone SYSTEM [options]

      --system SYSTEM      this system, as sys_list names it (its host name)
      --gone SYSTEM        the reinstalled system (required)
      --gone-address ADDRESS   an address of its mirrors that no job and no communication path names; as often
                           as needed
      --volume LETTER      a mirrored volume; as often as there are any
      --all-resources      also remove every resource instance of this system
      --plan               ask what is there, print the numbered steps with their commands, change nothing
      --offline            with --plan: run nothing at all; what only the systems know is a variable ($JOB)
      --yes                do not ask for confirmation
      --skip STEP          leave a step of the plan out, such as 5E-4; as often as needed, with
      --reason TEXT        why; it goes into the journal and the event log
      --json               report as JSON on stdout; all else goes to stderr
      --events FILE        append the events to FILE as JSON lines, on Windows too
      --journal FILE       the audit trail: every step and every command with its exit code and the head of
                           its output; registry exports go beside it (rejoin-SYSTEM.json in --state-dir)
      --lkroot, --lkbin, --extmirrbase, --system32, --state-dir DIRECTORY
      --query-timeout, --change-timeout, --wait-timeout SECONDS   see kitrunner --help

Everything is asked first. The plan then shows each command, and nothing else is changed. A second run asks
again and does what is left. The first step that fails or cannot be determined ends the run. Refused, before
anything is changed: a mirror that works, a job or a mirror with a third system, a volume of the reinstalled
system that was not named, and a missing command.

Exit codes: 0 success; 1 failed, refused or not confirmed; 3 could not determine, and nothing was changed
after that; 64 wrong usage.
`

// rejoinOptions is a command line of rejoin.
type rejoinOptions struct {
	options
	rejoin       kitrunner.Rejoin
	yes, offline bool
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
	var dirs kitrunner.Dirs
	if err == nil && !o.offline {
		dirs, err = o.dirs(append(o.rejoin.Uses(),
			kitrunner.Command{Place: kitrunner.LKRoot, Name: "the LKDRInfo files"}))
	}
	if err != nil {
		return nil, fmt.Errorf("rejoin: %w", err)
	}
	if o.offline {
		return func() int {
			text, report := o.rejoin.Plan()
			return o.showPlan(os.Stdout, text, report)
		}, nil
	}
	return func() int { return o.performRejoin(dirs) }, nil
}

func (o *rejoinOptions) performRejoin(dirs kitrunner.Dirs) int {
	o.rejoin.Engine.Runner = dirs
	o.rejoin.Root = dirs[kitrunner.LKRoot]
	ctx, stop := untilSignal()
	defer stop()
	o.rejoin.Engine.Log = kitrunner.Logs()
	if o.plan { // it only reads: no lock, and no event
		return o.run(ctx, os.Stdin, os.Stdout, os.Stderr)
	}
	log, done := o.eventLog()
	defer done()
	o.rejoin.Engine.Log = log
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
	o := &rejoinOptions{options: options{dryRun: "--plan --offline"}}
	r := &o.rejoin
	host, _ := os.Hostname() // Check refuses an empty name
	fs := pflag.NewFlagSet("kitrunner rejoin", pflag.ContinueOnError)
	fs.Usage = func() {}
	fs.StringVar(&r.System, "system", host, "")
	fs.StringVar(&r.Gone, "gone", "", "")
	fs.StringArrayVar(&r.GoneAddresses, "gone-address", nil, "")
	fs.StringArrayVar(&r.Volumes, "volume", nil, "")
	fs.BoolVar(&r.AllResources, "all-resources", false, "")
	fs.StringArrayVar(&r.Skip, "skip", nil, "")
	fs.StringVar(&r.Reason, "reason", "", "")
	fs.StringVar(&r.Journal, "journal", "", "")
	fs.BoolVar(&o.yes, "yes", false, "")
	fs.BoolVar(&o.plan, "plan", false, "")
	fs.BoolVar(&o.offline, "offline", false, "")
	fs.BoolVar(&o.json, "json", false, "")
	fs.StringVar(&o.events, "events", "", "")
	o.declarePlaces(fs)
	fs.StringVar(&o.stateDir, "state-dir", defaultStateDir(), "")
	o.wait = kitrunner.DefaultDeadlines().Change
	o.deadlines = kitrunner.DefaultDeadlines()
	fs.Var((*seconds)(&o.deadlines.Query), "query-timeout", "")
	fs.Var((*seconds)(&o.deadlines.Change), "change-timeout", "")
	fs.Var((*seconds)(&o.wait), "wait-timeout", "")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("%q belongs to no option (options have two dashes)", fs.Arg(0))
	}
	if o.offline && !o.plan {
		return nil, errors.New("--offline: goes with --plan alone")
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
	r.Engine = &kitrunner.Engine{Deadlines: o.deadlines}
	r.Drives = winsys.Drives()
	// LifeKeeper without DataKeeper has no mirrors.
	r.NoDataKeeper = o.extmirrbase == "" && len(r.Volumes) == 0
	return o, err
}

// rejoinReport is what --json prints.
type rejoinReport struct {
	kitrunner.Report
	Error     string   `json:"error,omitempty"`
	Refused   []string `json:"refused,omitempty"` // the reasons
	System    string   `json:"system"`
	Gone      string   `json:"gone"`
	Volumes   []string `json:"volumes"`
	Journal   string   `json:"journal"`
	Checklist []string `json:"checklist"` // what remains to be done by hand
}

func (o *rejoinOptions) report(w io.Writer, report kitrunner.Report, why string) {
	r := &o.rejoin
	printJSON(w, rejoinReport{Report: report, Error: why, Refused: r.Refused, System: r.System,
		Gone: r.Gone, Volumes: append([]string{}, r.Volumes...), Journal: r.Journal,
		Checklist: r.Checklist()}, "  ")
}

func (o *rejoinOptions) showPlan(w io.Writer, text string, report kitrunner.Report) int {
	if o.json {
		o.report(w, report, "")
		return kitrunner.Success
	}
	fmt.Fprint(w, text)
	showChecklist(w, o.rejoin.Checklist())
	return kitrunner.Success
}

const nothing = "nothing was done"

// run asks, shows the plan, has it confirmed, and performs it.
func (o *rejoinOptions) run(ctx context.Context, in io.Reader, stdout, stderr io.Writer) int {
	r, out := &o.rejoin, stdout
	if o.json {
		out = stderr
	}
	if !o.plan && !o.yes && !isTerminal(in) {
		complain("rejoin: nobody can be asked for confirmation (standard input is no terminal; " +
			"--yes goes on without, --plan only shows)")
		return exitUsage
	}
	fmt.Fprintln(stderr, "Asking what is there. Nothing is changed yet.")
	report, err := r.Survey(ctx)
	switch {
	case errors.Is(err, kitrunner.ErrOtherJournal):
		return o.fails(stdout, report, exitUsage, err, nothing)
	case err != nil:
		return o.fails(stdout, report, kitrunner.Undetermined, err, nothing)
	case report.Code != kitrunner.Success:
		return o.ends(stdout, report, nothing)
	}
	text, plan := r.Plan()
	if o.plan {
		return o.showPlan(stdout, text, plan)
	}
	fmt.Fprint(out, text)
	if code, err := o.confirm(ctx, in, out); err != nil {
		return o.fails(stdout, report, code, err, nothing)
	}
	r.Engine.Show = func(n kitrunner.Notice) { show(out, n) }
	surveyed := report
	report, err = r.Run(ctx)
	report.Began, report.Seconds = surveyed.Began, surveyed.Seconds+report.Seconds
	report.Steps = slices.Concat(surveyed.Steps, report.Steps)
	if err != nil {
		return o.fails(stdout, report, kitrunner.Failure, err, nothing)
	}
	fmt.Fprintf(out, "rejoin of %s: %s (exit code %d, %.1f s)\n", r.Gone, report.Outcome,
		report.Code, report.Seconds)
	if report.Code != kitrunner.Success {
		return o.ends(stdout, report, "what was done is in "+r.Journal+
			": the same command goes on from there")
	}
	kept, err := r.Finish()
	if err != nil {
		return o.fails(stdout, report, kitrunner.Failure, err, "all steps are done")
	}
	fmt.Fprintf(out, "All steps are done. The journal is kept as %s.\n", kept)
	r.Journal = kept
	showChecklist(out, r.Checklist())
	return o.ends(stdout, report, "")
}

// fails ends with an error outside the steps.
func (o *rejoinOptions) fails(stdout io.Writer, report kitrunner.Report, code int, err error,
	hint string) int {
	report.Code, report.Outcome = code, kitrunner.OutcomeOf(code)
	complain("rejoin: %v (%s)", err, hint)
	if o.json {
		o.report(stdout, report, err.Error())
	}
	return code
}

// ends ends with the report's code, and says why it is not 0.
func (o *rejoinOptions) ends(stdout io.Writer, report kitrunner.Report, hint string) int {
	why := o.rejoin.Refused
	if len(why) == 0 && report.Code != kitrunner.Success {
		why = []string{report.Why()}
	}
	for _, text := range why {
		complain("rejoin: %s (%s)", text, hint)
	}
	for _, e := range report.LogErrors {
		complain("rejoin: %s", e)
	}
	if o.json {
		o.report(stdout, report, strings.Join(why, "; "))
	}
	return report.Code
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

// confirm asks a person, unless --yes was given. An error comes with the exit
// code.
func (o *rejoinOptions) confirm(ctx context.Context, in io.Reader, out io.Writer) (int, error) {
	if o.yes {
		return 0, nil
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
		return kitrunner.Failure, errors.New("interrupted")
	case a := <-answers:
		switch text := strings.TrimSpace(a.text); {
		case a.err != nil && text == "":
			return exitUsage, fmt.Errorf("nobody answered: %w (--yes goes on without)", a.err)
		case !strings.EqualFold(text, "yes"):
			return kitrunner.Failure, errors.New("it was not confirmed")
		}
	}
	return 0, nil
}

func showChecklist(w io.Writer, list []string) {
	fmt.Fprintln(w, "What remains to be done by hand:")
	for _, line := range list {
		fmt.Fprintf(w, "  [ ] %s\n", line)
	}
}

package kitrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"fsmon/kitrunner/parse"
)

// Rejoin cleans up the cluster configuration of this system after the operating
// system of another one, the gone system, was installed anew. After that the
// resource hierarchies can be extended to it again (REJOIN). Set the fields
// first; then call Survey before Run.
type Rejoin struct {
	System       string   // this system, as LifeKeeper names it
	Gone         string   // the reinstalled system
	Volumes      []string // mirrored volumes, "E" or "E:"
	AllResources bool     // also remove every resource instance of this system
	Root         string   // %LKROOT%
	// Journal is the file that records the completed steps. Exports of the
	// registry are put beside it.
	Journal   string
	Runner    Runner
	Deadlines Deadlines // Query and Change count
	// Show, if set, is called when a step begins and before each of its
	// commands (the last of Commands), both without an Outcome, and when the
	// step has ended.
	Show func(RejoinStep)

	steps   []*rejoinStep
	facts   facts
	journal *journal
	agreed  map[string]bool // what the plan shows: nothing else is done

	performed map[string]bool // by this run
	report    []RejoinStep
}

// RejoinStep is a step as people see it, in a plan or in a report.
type RejoinStep struct {
	Number   int       `json:"step"`
	Document string    `json:"document"` // the step of REJOIN, counted from 1
	Title    string    `json:"title"`
	Commands []string  `json:"commands"`
	Outcome  string    `json:"outcome,omitempty"` // one of the RejoinXxx; empty: not run
	Detail   string    `json:"detail,omitempty"`
	Began    time.Time `json:"began,omitzero"`
	TookMS   int64     `json:"took_ms"`
}

// The outcomes of a step.
const (
	RejoinDone         = "done"
	RejoinNothing      = "nothing to do"
	RejoinBefore       = "done before" // by an earlier run, says the journal
	RejoinFailed       = "failed"
	RejoinUndetermined = "could not determine"
)

// RejoinError tells why a rejoin did not begin or did not go on. Code is the
// exit code: 1, it failed, or the state of the systems forbids it; 3, something
// could not be determined, and nothing was done after that; 64, the arguments
// forbid it.
type RejoinError struct {
	Code int
	Err  error
}

func (e *RejoinError) Error() string { return e.Err.Error() }
func (e *RejoinError) Unwrap() error { return e.Err }

func refused(format string, args ...any) error {
	return &RejoinError{1, fmt.Errorf(format, args...)}
}

func undetermined(err error) error { return &RejoinError{3, err} }

// Check checks the arguments, runs nothing, and brings the volumes into their
// usual form. Its errors have the code 64.
func (r *Rejoin) Check() error {
	usage := func(format string, args ...any) error {
		return &RejoinError{64, fmt.Errorf(format, args...)}
	}
	for _, s := range []struct{ option, name string }{{"--system", r.System}, {"--gone", r.Gone}} {
		if s.name == "" {
			return usage("%s: is missing (the name of a system)", s.option)
		}
		if !parse.IsSystem(s.name) {
			return usage("%s: %q is not accepted (the name of a system as sys_list has it)",
				s.option, s.name)
		}
	}
	host, _ := os.Hostname()
	if strings.EqualFold(r.Gone, r.System) || strings.EqualFold(r.Gone, host) {
		return usage("--gone: %s is the local system (LifeKeeper's error 424: the entry for the "+
			"local system cannot be removed)", r.Gone)
	}
	var volumes []string
	for _, v := range r.Volumes {
		letter := strings.ToUpper(strings.TrimSuffix(v, ":"))
		if !parse.IsDrive(letter) {
			return usage("--volume: %q is not accepted (a drive letter)", v)
		}
		if slices.Contains(volumes, letter) {
			return usage("--volume: %q is repeated", v)
		}
		volumes = append(volumes, letter)
	}
	slices.Sort(volumes)
	r.Volumes = volumes
	r.steps = r.list()
	return nil
}

// Plan returns the steps, filled in as far as known: before Survey, tags and
// job IDs are <TAG> and <GUID>. It runs nothing. Call Check first.
func (r *Rejoin) Plan() []RejoinStep {
	var plan []RejoinStep
	for i, s := range r.steps {
		p := RejoinStep{Number: i + 1, Document: "REJOIN " + s.doc, Title: s.title,
			Commands: []string{}}
		if s.ask != nil {
			p.Commands = append(p.Commands, s.ask.String())
		} else {
			for _, d := range s.deeds(&r.facts) {
				p.Commands = append(p.Commands, d.String())
			}
			p.Detail, p.Outcome = r.before(s)
		}
		plan = append(plan, p)
	}
	return plan
}

// before tells whether an earlier run has completed a step.
func (r *Rejoin) before(s *rejoinStep) (detail, outcome string) {
	if r.journal != nil && s.ask == nil {
		if at, ok := r.journal.done(s.id); ok {
			return at.Format(time.DateTime), RejoinBefore
		}
	}
	return "", ""
}

// Survey reads the journal and asks everything that can be asked without a
// change, so that Plan shows what will be removed. It refuses what must not be
// done; a *RejoinError says why. It changes nothing.
func (r *Rejoin) Survey(ctx context.Context) error {
	if err := r.Check(); err != nil {
		return err
	}
	if len(r.Volumes) > 0 {
		if _, err := os.ReadDir(r.infoDir()); err != nil {
			return undetermined(fmt.Errorf("the folder of the LKDRInfo files (is "+
				"LKROOT right?): %w", err))
		}
	}
	j, err := openJournal(r.Journal, journal{System: r.System, Gone: r.Gone, Volumes: r.Volumes,
		AllResources: r.AllResources})
	if errors.Is(err, errOtherJournal) {
		return &RejoinError{64, err}
	}
	if err != nil {
		return undetermined(err)
	}
	r.journal = j
	// The systems first: the other answers contain their names.
	order := slices.Clone(r.steps)
	slices.SortStableFunc(order, func(a, b *rejoinStep) int { return rank(a) - rank(b) })
	for _, s := range order {
		if s.ask == nil || s.holds != nil {
			continue
		}
		if _, err := r.query(ctx, s); err != nil {
			return err
		}
	}
	if !j.old && !r.goneIsKnown() {
		return refused("%s is named nowhere in the configuration of %s (is --gone spelt as "+
			"sys_list had it, or has all of this been done before?)", r.Gone, r.System)
	}
	r.agreed = map[string]bool{}
	for _, p := range r.Plan() {
		for _, c := range p.Commands {
			r.agreed[c] = true
		}
	}
	return nil
}

func rank(s *rejoinStep) int {
	if s.ask != nil && s.ask.Name == "sys_list.exe" {
		return 0
	}
	return 1
}

func (r *Rejoin) goneIsKnown() bool {
	known := parse.FindName(r.facts.systems, r.Gone) != "" || len(r.facts.equivalencies) > 0 ||
		len(r.facts.paths) > 0
	for _, jobs := range r.facts.jobs {
		for _, j := range jobs {
			for _, e := range j.Ends {
				known = known || e.IsOf(r.Gone)
			}
		}
	}
	return known
}

// Run performs the steps that Plan shows, after Survey, and stops at the first
// that fails or cannot be determined. Every completed step is in the journal
// before the next begins. When ctx is done, a running command that changes
// something is allowed to finish, and Run stops; a later run goes on from
// there.
func (r *Rejoin) Run(ctx context.Context) error {
	if r.agreed == nil {
		return &RejoinError{64, errors.New("a rejoin is run after its survey")}
	}
	if !r.journal.old {
		// Better an error now than after the first step.
		if err := r.journal.write(); err != nil {
			return refused("nothing was done: %w", err)
		}
	}
	r.performed = map[string]bool{}
	for i, s := range r.steps {
		p := RejoinStep{Number: i + 1, Document: "REJOIN " + s.doc, Title: s.title,
			Commands: []string{}, Began: time.Now()}
		r.show(p)
		err := r.step(ctx, s, &p)
		p.TookMS = time.Since(p.Began).Milliseconds()
		var e *RejoinError
		switch {
		case err == nil:
		case errors.As(err, &e) && e.Code == 3:
			p.Outcome, p.Detail = RejoinUndetermined, err.Error()
		default:
			p.Outcome, p.Detail = RejoinFailed, err.Error()
		}
		r.report = append(r.report, p)
		r.show(p)
		if err != nil {
			code := 1
			if e != nil {
				code = e.Code
			}
			return &RejoinError{code, fmt.Errorf("step %d (%s): %w", p.Number, s.title, err)}
		}
	}
	return nil
}

// Finish renames the journal of a completed Run and returns its new name.
func (r *Rejoin) Finish() (string, error) { return r.journal.finish() }

// Report returns the steps that Run has begun, with their outcomes.
func (r *Rejoin) Report() []RejoinStep { return r.report }

func (r *Rejoin) show(p RejoinStep) {
	if r.Show != nil {
		r.Show(p)
	}
}

// step runs one step and fills in what a person should know about it.
func (r *Rejoin) step(ctx context.Context, s *rejoinStep, p *RejoinStep) error {
	if err := ctx.Err(); err != nil {
		return refused("interrupted before it began (run this again to go on): %w", err)
	}
	if s.ask != nil {
		p.Commands = append(p.Commands, s.ask.String())
		r.show(*p)
		told, err := r.query(ctx, s)
		if err == nil && s.holds != nil {
			if err = s.holds(&r.facts); err != nil && r.performed[s.of] {
				// It never went away, so the next run shall try again. If an
				// earlier run removed it and it came back, it is not ours to
				// remove.
				err = errors.Join(err, r.journal.drop(s.of))
			}
		}
		p.Outcome, p.Detail = RejoinDone, told
		return err
	}
	if p.Detail, p.Outcome = r.before(s); p.Outcome != "" {
		return nil
	}
	deeds := s.deeds(&r.facts)
	for _, d := range deeds {
		if !r.agreed[d.String()] {
			return refused("%s is not in the plan that was shown: things have changed "+
				"since (run this again)", d)
		}
	}
	if err := r.perform(ctx, s, deeds, p); err != nil {
		return err
	}
	p.Outcome = RejoinDone
	if len(deeds) == 0 {
		p.Outcome = RejoinNothing
	}
	r.performed[s.id] = true
	if err := r.journal.add(s.id); err != nil {
		return fmt.Errorf("it was done, but could not be recorded (run this "+
			"again to go on): %w", err)
	}
	return nil
}

// query asks and remembers the answer. The list of something that does not
// exist (LCDI code 7) is empty.
func (r *Rejoin) query(ctx context.Context, s *rejoinStep) (told string, err error) {
	line := s.ask.String()
	res := r.Runner.Run(ctx, *s.ask)
	output := res.Output
	switch {
	case res.Err != nil:
		return "", undetermined(fmt.Errorf("%s: %w", line, res.Err))
	case s.ask.Place == LKBin && res.Code == lcdiNotThere:
		output = ""
	case res.Code != 0:
		meaning := noMeaning
		if s.ask.Place == LKBin {
			meaning = lcdiMeaning
		}
		return "", undetermined(fmt.Errorf("%s: %w", line, acceptCode(res, meaning)))
	}
	if err := s.learn(&r.facts, output); err != nil {
		var e *RejoinError
		if errors.As(err, &e) {
			return "", err
		}
		return "", undetermined(fmt.Errorf("%s: %w", line, err))
	}
	return s.told(&r.facts), nil
}

// perform does a step's changes, each once. A resource on which others still
// depend is removed after them.
func (r *Rejoin) perform(ctx context.Context, s *rejoinStep, deeds []deed, p *RejoinStep) error {
	for len(deeds) > 0 {
		var later []deed
		var why error
		for _, d := range deeds {
			if err := ctx.Err(); err != nil {
				return refused("interrupted (run this again to go on): %w", err)
			}
			p.Commands = append(p.Commands, d.String())
			r.show(*p)
			// Not cancelled with ctx: half a change is worse than a late stop.
			err := r.do(context.WithoutCancel(ctx), s, d)
			if _, ok := err.(dependents); ok {
				later, why = append(later, d), fmt.Errorf("%s: %w", d, err)
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", d, err)
			}
		}
		if len(later) == len(deeds) {
			return why
		}
		deeds = later
	}
	return nil
}

func (r *Rejoin) do(ctx context.Context, s *rejoinStep, d deed) error {
	if d.file != "" {
		if err := os.Remove(d.file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	res := r.Runner.Run(ctx, d.Command)
	if res.Err != nil {
		return undetermined(res.Err)
	}
	return s.accept(ctx, d, res)
}

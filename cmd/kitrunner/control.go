package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"fsmon/kitrunner"
)

const controlUsage = `Steer the watches of this system (kitrunner watch).

  kitrunner list [--tag TAG] [--json]    the watches that run, and those that ended without being stopped
  kitrunner pause --tag TAG              check and recover nothing, until continue; also after a new start of the watch
  kitrunner continue --tag TAG
  kitrunner stop --tag TAG               end the watch and forget its pause; a recover is let finish

      --resource FILE       takes the tag and the state directory from the resource's file
      --state-dir DIRECTORY the one that the watch has
      --wait-timeout SECONDS   for an action of the watch that is under way to end (300)

restore and remove pause the watch of their resource, so that it does not undo what was done by hand, and say so.

Exit codes: 0 success; 1 there is no such watch; 3 could not determine, or an action under way has not ended; 64 wrong usage.
`

// steer reads `kitrunner list`, pause, continue or stop with the arguments after
// the verb, and returns what performs it, see command.
func steer(verb string, args []string) (perform func() int, err error) {
	o, err := parse(args, false)
	if errors.Is(err, errHelp) {
		return prints(controlUsage), nil
	}
	if err == nil && verb != "list" && o.resource.Tag == "" {
		err = errors.New("--tag: is missing (kitrunner list shows the watches)")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", verb, err)
	}
	return func() int {
		watches, err := o.controls()
		switch {
		case err != nil:
			complain("%s: %v", verb, err)
			return kitrunner.Undetermined
		case verb == "list":
			return o.list(watches)
		case len(watches) == 0:
			complain("%s: there is no watch of %q in %s (kitrunner list shows the watches)", verb,
				o.resource.Tag, o.stateDir)
			return kitrunner.Failure
		}
		code := kitrunner.Success
		for _, c := range watches {
			if err := o.tell(verb, c); err != nil {
				complain("%s: %s %s: %v", verb, c.Kit, c.Tag, err)
				code = kitrunner.Undetermined
			}
		}
		return code
	}, nil
}

// controls are the watches that the command line means.
func (o *options) controls() (watches []kitrunner.Control, err error) {
	all, err := kitrunner.Controls(o.stateDir)
	for _, c := range all {
		if o.resource.Tag == "" || strings.EqualFold(c.Tag, o.resource.Tag) {
			watches = append(watches, c)
		}
	}
	return watches, err
}

// control is how the watch of the resource is steered.
func (o *options) control(kit *kitrunner.Kit) kitrunner.Control {
	return kitrunner.Control{Dir: o.stateDir, Kit: kit.Name, Tag: o.resource.Tag}
}

// tell tells a watch what to do.
func (o *options) tell(verb string, c kitrunner.Control) error {
	ctx, stop := untilSignal()
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	var err error
	done := ""
	switch verb {
	case "pause":
		if err = c.Pause("kitrunner pause"); err == nil {
			err = c.Quiet(ctx)
		}
		done = "is paused"
	case "continue":
		err, done = c.Continue(), "continues with its next check"
	case "stop":
		err, done = c.Stop(ctx), "has ended"
	}
	if err != nil {
		return err
	}
	s, err := c.State()
	if verb != "stop" && err == nil && !s.Running {
		done += " once it is started again: it does not run"
	}
	fmt.Printf("the watch of %s %s %s\n", c.Kit, c.Tag, done)
	return nil
}

// list prints the watches.
func (o *options) list(watches []kitrunner.Control) int {
	code := kitrunner.Success
	states := []kitrunner.WatchState{}
	for _, c := range watches {
		s, err := c.State()
		if err != nil {
			complain("list: %v", err)
			code = kitrunner.Undetermined
			continue
		}
		states = append(states, s)
	}
	if o.json {
		printJSON(os.Stdout, states, "  ")
		return code
	}
	if len(watches) == 0 {
		fmt.Println("no watches")
		return code
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIT\tTAG\tSINCE\tPID\tSTATE")
	for _, s := range states {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", s.Kit, s.Tag, s.Began.Format(time.RFC3339), s.PID,
			stateOf(s))
	}
	if err := w.Flush(); err != nil {
		complain("list: %v", err)
	}
	return code
}

// stateOf is the state of a watch in words.
func stateOf(s kitrunner.WatchState) string {
	state := "running"
	if !s.Running {
		state = "not running (it was killed, gave up or ended while it was paused)"
	}
	if s.Paused != nil {
		state += fmt.Sprintf(", paused since %s (%s)", s.Paused.Format(time.RFC3339), s.Why)
	}
	return state
}

// pauseWatch pauses the watch of the resource before an action by hand that the
// watch would undo.
func (o *options) pauseWatch(kit *kitrunner.Kit, action *kitrunner.Action) {
	if action.Name != "restore" && action.Name != "remove" {
		return
	}
	c := o.control(kit)
	known, err := c.Known()
	if err == nil && known {
		err = c.Pause(action.Name + " by hand")
	}
	if err != nil {
		complain("the watch of the resource could not be paused and may undo this: %v", err)
	} else if known {
		fmt.Fprintf(os.Stderr, "kitrunner: the watch of %s %s is paused until "+
			"kitrunner continue --tag \"%s\"\n", kit.Name, c.Tag, c.Tag)
	}
}

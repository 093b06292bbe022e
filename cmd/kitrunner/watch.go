package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"fsmon/kitrunner"
)

const watchUsage = `Check a resource again and again, and recover it when a check fails.

  kitrunner watch KIT --tag TAG [options]    KIT: lanman, ip, volume

      --quick-interval SECONDS   from one quickCheck to the next, 1 to 86400 (180)
      --deep-interval SECONDS    from one deepCheck to the next, 1 to 86400 (300)
      and the options of the kit's actions, see kitrunner --help; --json prints a report a line

One action runs at a time. A failed check (1) is answered with recover; the volume kit has none. What could
not be determined (3) is tried again. SIGTERM, SIGINT and the closing of the console end the watch: a check is
cancelled, a recover is let finish; a second signal ends the program at once.

A resource has one watch at a time. kitrunner list, pause, continue and stop steer it, see kitrunner pause
--help; a restore or remove by hand pauses it. kitrunner service runs it as a service of Windows.

Exit codes: 0 ended on request; 1 recover failed, or a check of a kit without one; 3 three times in a row an
action could not determine anything; 64 wrong usage, or the resource is watched already.
`

// watch reads `kitrunner watch KIT` with the arguments after the word watch,
// and returns what performs it, see command.
func watch(args []string) (perform func() int, err error) {
	if len(args) > 0 && (args[0] == "--help" || args[0] == "-h") {
		return prints(watchUsage), nil
	}
	if len(args) == 0 {
		return nil, errors.New("watch: no kit (lanman, ip or volume)")
	}
	kit := kitrunner.FindKit(args[0])
	if kit == nil {
		return nil, fmt.Errorf("watch: %q is not a kit (lanman, ip or volume)", args[0])
	}
	o, err := parse(args[1:], true)
	if errors.Is(err, errHelp) {
		return prints(watchUsage), nil
	}
	var uses []kitrunner.Command
	for _, name := range watched {
		if action := kit.Action(name); action != nil && err == nil {
			err = o.check(kit, action)
			uses = append(uses, o.engine().Uses(kit, action, o.resource)...)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if o.plan {
		return func() int { return o.planWatch(kit) }, nil
	}
	dirs, err := o.dirs(uses)
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	return func() int {
		return asService(func(ctx context.Context) int { return o.performWatch(ctx, dirs, kit) })
	}, nil
}

func (o *options) performWatch(ctx context.Context, dirs kitrunner.Dirs, kit *kitrunner.Kit) int {
	log, done := o.eventLog()
	defer done()
	wait := o.wait
	o.wait = 0 // the watch holds the lock for a check and its recover together
	w := kitrunner.Watch{
		Quick: o.quick, Deep: o.deep, Recovers: kit.Action("recover") != nil,
		Act: func(ctx context.Context, name string) int {
			report := o.perform(ctx, dirs, log, kit, kit.Action(name))
			if o.json {
				printJSON(os.Stdout, report, "")
			}
			return report.Code
		},
		Note: func(action string, code int, text string) {
			if code != kitrunner.Success {
				fmt.Fprintf(os.Stderr, "%s kitrunner: watch: %s %s %s %s\n",
					time.Now().Format(time.RFC3339), kit.Name, o.resource.Tag, action, text)
			}
		},
	}
	code, err := w.RunControlled(ctx, o.control(kit), complaining{log}, wait)
	if errors.Is(err, kitrunner.ErrWatched) {
		complain("watch: %s %s: %v (kitrunner list shows the watches)", kit.Name, o.resource.Tag, err)
		return exitUsage
	}
	if err != nil {
		complain("watch: %v", err)
		return kitrunner.Undetermined
	}
	return code
}

// complaining is an event log that says on stderr what it did not take.
type complaining struct{ kitrunner.EventLog }

func (l complaining) Log(e kitrunner.Event) error {
	err := l.EventLog.Log(e)
	if err != nil {
		complain("event log: %v", err)
	}
	return err
}

// watched are the actions of a watch.
var watched = []string{"quickCheck", "deepCheck", "recover"}

// planWatch prints what the actions of a watch would do.
func (o *options) planWatch(kit *kitrunner.Kit) int {
	for _, name := range watched {
		action := kit.Action(name)
		switch {
		case action == nil && !o.json:
			fmt.Printf("%s: the kit has none\n", name)
		case action != nil:
			if !o.json {
				fmt.Printf("%s:\n", name)
			}
			o.printPlan(kit, action, "")
		}
	}
	return kitrunner.Success
}

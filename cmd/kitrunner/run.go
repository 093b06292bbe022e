package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"fsmon/kitrunner"
	"fsmon/kitrunner/winsys"
)

// engine is an engine for plans; perform adds what it needs to run.
func (o *options) engine() *kitrunner.Engine {
	e := &kitrunner.Engine{
		Deadlines: o.deadlines, Native: o.native, PlainVolume: o.plainVolume,
		StateDir: o.stateDir, Wait: o.wait,
		Commands: map[string]string{},
	}
	for name, command := range o.commands {
		e.Commands[name] = *command
	}
	return e
}

// dirs are the directories of the commands. It is an error if one is needed and
// not set.
func (o *options) dirs(uses []kitrunner.Command) (kitrunner.Dirs, error) {
	lkbin := o.lkbin
	if lkbin == "" && o.lkroot != "" {
		lkbin = filepath.Join(o.lkroot, "Bin")
	}
	dirs := kitrunner.Dirs{}
	for _, d := range []struct {
		place         kitrunner.Place
		option, value string
	}{
		{kitrunner.System32, "--system32", o.system32},
		{kitrunner.LKBin, "--lkbin", lkbin},
		{kitrunner.LKRoot, "--lkroot", o.lkroot},
		{kitrunner.ExtMirrBase, "--extmirrbase", o.extmirrbase},
	} {
		if d.value == "" {
			for _, c := range uses {
				if c.Place == d.place {
					return nil, fmt.Errorf("%s: is missing "+
						"(the directory of %s; %s runs nothing)", d.option, c.Name, o.dryRun)
				}
			}
			continue
		}
		abs, err := filepath.Abs(d.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.option, err)
		}
		dirs[d.place] = abs
	}
	return dirs, nil
}

// runner is a Runner for the commands.
func (o *options) runner(dirs kitrunner.Dirs) kitrunner.Runner {
	return kitrunner.WithNative(dirs, winsys.NewAPI(o.trapDestination, o.trapCommunity))
}

// eventLog opens the event log of Windows and the file of --events, or stderr
// if there is neither. If one cannot be opened it complains and goes on: the
// action matters more than its record.
func (o *options) eventLog() (log kitrunner.EventLog, done func()) {
	var logs []kitrunner.EventLog
	var closers []io.Closer
	if runtime.GOOS == "windows" {
		system, warning, err := kitrunner.OpenSystemLog()
		if warning != nil {
			complain("event log: %v", warning)
		}
		if err != nil {
			complain("event log: %v", err)
		} else {
			logs, closers = append(logs, system), append(closers, system)
		}
	}
	if o.events != "" {
		f, err := os.OpenFile(o.events, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			complain("--events: %v", err)
		} else {
			logs, closers = append(logs, kitrunner.NewJSONLog(f)), append(closers, f)
		}
	}
	if len(logs) == 0 {
		logs = append(logs, kitrunner.NewJSONLog(os.Stderr))
	}
	return kitrunner.Logs(logs...), func() {
		for _, c := range closers {
			c.Close()
		}
	}
}

// untilSignal returns a context that a signal ends. A command that changes
// something is allowed to finish then. A second signal ends the program.
func untilSignal() (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// printJSON prints a value as JSON, on one line if indent is "".
func printJSON(w io.Writer, value any, indent string) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // EMCMD prints in angle brackets
	enc.SetIndent("", indent)
	if err := enc.Encode(value); err != nil {
		complain("%v", err)
	}
}

// printPlan prints an action's plan, as JSON with this indent.
func (o *options) printPlan(kit *kitrunner.Kit, action *kitrunner.Action, indent string) int {
	text, report := o.engine().Plan(kit, action, o.resource)
	if o.json {
		printJSON(os.Stdout, report, indent)
	} else {
		fmt.Print(text)
	}
	return kitrunner.Success
}

// run performs an action once and returns its exit code.
func (o *options) run(dirs kitrunner.Dirs, kit *kitrunner.Kit, action *kitrunner.Action) int {
	ctx, stop := untilSignal()
	defer stop()
	log, done := o.eventLog()
	defer done()
	o.pauseWatch(kit, action)
	report := o.perform(ctx, dirs, log, kit, action)
	if o.json {
		printJSON(os.Stdout, report, "  ")
	}
	return report.Code
}

// perform performs an action and shows it while it runs.
func (o *options) perform(ctx context.Context, dirs kitrunner.Dirs, log kitrunner.EventLog,
	kit *kitrunner.Kit, action *kitrunner.Action) kitrunner.Report {
	out := io.Writer(os.Stdout)
	if o.json {
		out = os.Stderr
	}
	e := o.engine()
	e.Runner, e.Log = o.runner(dirs), log
	e.Show = func(n kitrunner.Notice) { show(out, n) }
	report := e.Run(ctx, kit, action, o.resource)
	fmt.Fprintf(out, "%s %s %s: %s (exit code %d, %.1f s)\n",
		kit.Name, action.Name, o.resource.Tag, report.Outcome, report.Code, report.Seconds)
	for _, e := range report.LogErrors {
		complain("event log: %s", e)
	}
	return report
}

// show shows people what happens.
func show(w io.Writer, n kitrunner.Notice) {
	switch n.Kind {
	case kitrunner.StepBegins:
		fmt.Fprintf(w, "%s %s\n", n.Step, n.Text)
	case kitrunner.CommandBegins:
		fmt.Fprintf(w, "    > %s\n", n.Text)
	case kitrunner.EventLogged:
		fmt.Fprintf(w, "    event %s\n", n.Text)
	default:
		fmt.Fprintf(w, "    %s\n", n.Text)
	}
}

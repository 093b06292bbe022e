package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"fsmon/kitrunner"
	"fsmon/kitrunner/winsys"
)

const doctorUsage = `Look whether a kit can work with a resource on this system, and change nothing.

  kitrunner doctor KIT --resource FILE [options]    KIT: lanman, ip, volume; options as of its actions

Every command that the kit may need is looked for, and every one that only asks is asked once. For ip there
is a table of the network adapters with their GUIDs, to fill the resource's file in. A note tells the
resource's state, or what the kit can do without.

Exit codes: 0 no problem; 1 a problem; 64 wrong usage.
`

// doctor reads `kitrunner doctor` with the arguments after that word, and
// returns what performs it, see command.
func doctor(args []string) (perform func() int, err error) {
	if len(args) > 0 && (args[0] == "--help" || args[0] == "-h") {
		return prints(doctorUsage), nil
	}
	if len(args) == 0 || kitrunner.FindKit(args[0]) == nil {
		return nil, errors.New("doctor: no kit (lanman, ip or volume)")
	}
	kit := kitrunner.FindKit(args[0])
	o, err := parse(args[1:], true)
	if errors.Is(err, errHelp) {
		return prints(doctorUsage), nil
	}
	var dirs kitrunner.Dirs
	if err == nil {
		o.plan = true // what is missing is a finding
		err = o.check(kit, &kit.Actions[0])
	}
	if err == nil {
		dirs, err = o.dirs(nil)
	}
	if err != nil {
		return nil, fmt.Errorf("doctor: %w", err)
	}
	return func() int { return o.examine(dirs, kit) }, nil
}

// examine asks everything and prints it.
func (o *options) examine(dirs kitrunner.Dirs, kit *kitrunner.Kit) int {
	ctx, stop := untilSignal()
	defer stop()
	var report struct {
		Findings []kitrunner.Finding `json:"findings"`
		Adapters []winsys.Adapter    `json:"adapters,omitempty"`
	}
	problems := 0
	e := o.engine()
	e.Runner = o.runner(dirs)
	d := kitrunner.Doctor{Engine: e, Dirs: dirs, Tell: func(f kitrunner.Finding) {
		report.Findings = append(report.Findings, f)
		if f.Grade == kitrunner.Problem {
			problems++
		}
		if !o.json {
			fmt.Printf("%-8s %s: %s\n", f.Grade, f.About, f.Text)
		}
	}}
	d.Adapters = o.adapters(ctx)
	report.Adapters = d.Run(ctx, kit, o.resource)
	d.Tell(o.watchFinding(kit))
	switch {
	case ctx.Err() != nil:
		complain("doctor: not everything was asked (interrupted)")
		problems++
	case o.json:
		printJSON(os.Stdout, report, "  ")
	default:
		o.printAdapters(os.Stdout, report.Adapters)
		fmt.Printf("%s %s: %s\n", kit.Name, o.resource.Tag, counted(problems))
	}
	if problems > 0 {
		return kitrunner.Failure
	}
	return kitrunner.Success
}

func counted(problems int) string {
	switch problems {
	case 0:
		return "no problem was found"
	case 1:
		return "1 problem was found"
	}
	return fmt.Sprintf("%d problems were found", problems)
}

// adapters lists those of this system; nil where it cannot tell.
func (o *options) adapters(ctx context.Context) []winsys.Adapter {
	ctx, cancel := context.WithTimeout(ctx, o.deadlines.Query)
	defer cancel()
	list, err := winsys.NewAPI("", "").Adapters(ctx)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		complain("doctor: %v", err)
	}
	return list
}

// watchFinding tells whether the resource is watched.
func (o *options) watchFinding(kit *kitrunner.Kit) kitrunner.Finding {
	f := kitrunner.Finding{Grade: kitrunner.Note, About: "watch", Text: "there is none"}
	c := o.control(kit)
	known, err := c.Known()
	if err == nil && known {
		var s kitrunner.WatchState
		s, err = c.State()
		f.Text = stateOf(s)
	}
	if err != nil {
		f.Grade, f.Text = kitrunner.Problem, err.Error()
	}
	return f
}

// printAdapters prints the table to choose from.
func (o *options) printAdapters(out io.Writer, list []winsys.Adapter) {
	if len(list) == 0 {
		return
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NIC\tGUID\tADDRESSES\tUSED AS")
	for _, a := range list {
		var addresses []string
		for _, ip := range a.Addresses {
			addresses = append(addresses, ip.String())
		}
		name := a.Name
		use := ""
		switch {
		case strings.EqualFold(a.GUID, o.resource.GUID):
			use = "--nic"
		case strings.EqualFold(a.GUID, o.resource.BackupGUID):
			use = "--backup-nic"
		}
		if name == "" {
			name = "?"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", name, a.GUID, strings.Join(addresses, " "), use)
	}
	if err := w.Flush(); err != nil {
		complain("doctor: %v", err)
	}
}

// Command kitrunner performs the documented actions of three LifeKeeper
// recovery kits, watches a resource with them, and cleans up after a node's
// re-installation.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"fsmon/kitrunner"
)

// Exit codes besides those of an action (0 to 3), as sysexits.h has them.
const (
	exitUsage       = 64 // wrong usage
	exitUnsupported = 69 // the kit has no such action
)

// version is set by the linker.
var version = "devel"

func main() { os.Exit(dispatch(os.Args[1:])) }

// dispatch runs a command line and returns the exit code.
func dispatch(args []string) int {
	perform, err := command(args)
	if err != nil {
		complain("%v", err)
		reportService(err)
		return exitCode(err)
	}
	return perform()
}

// exitCode is the exit code of an error of command.
func exitCode(err error) int {
	if errors.Is(err, errUnsupported) {
		return exitUnsupported
	}
	return exitUsage
}

// errUnsupported means that the kit has no such action.
var errUnsupported = errors.New("its document says that there is none")

// command reads a command line and returns the function that performs it and
// returns the exit code. It runs nothing itself. Its errors mean wrong usage,
// or are errUnsupported.
func command(args []string) (perform func() int, err error) {
	if len(args) == 0 {
		return nil, errors.New("no kit and no action (kitrunner --help shows them)")
	}
	switch strings.ToLower(args[0]) {
	case "--help", "-h", "help":
		return prints(usage()), nil
	case "--version":
		return prints(fmt.Sprintf("kitrunner %s\n", version)), nil
	case "rejoin":
		return rejoin(args[1:])
	case "watch":
		return watch(args[1:])
	case "list", "pause", "continue", "stop":
		return steer(strings.ToLower(args[0]), args[1:])
	case "doctor":
		return doctor(args[1:])
	case "service":
		return service(args[1:])
	}
	kit := kitrunner.FindKit(args[0])
	if kit == nil {
		return nil, fmt.Errorf("%q is not a kit (lanman, ip or volume; or rejoin, watch, ... see --help)", args[0])
	}
	if len(args) == 1 {
		return nil, fmt.Errorf("%s: no action (quickCheck, deepCheck, restore, remove or recover)",
			kit.Name)
	}
	if args[1] == "--help" || args[1] == "-h" {
		return prints(usage()), nil
	}
	action := kit.Action(args[1])
	if action == nil && isAction(args[1]) {
		return nil, fmt.Errorf("%s has no %s (%w)", kit.Name, args[1], errUnsupported)
	}
	if action == nil {
		return nil, fmt.Errorf(
			"%q is not an action (quickCheck, deepCheck, restore, remove or recover)", args[1])
	}
	o, err := parse(args[2:], false)
	if errors.Is(err, errHelp) {
		return prints(usage()), nil
	}
	if err == nil {
		err = o.check(kit, action)
	}
	if err != nil {
		return nil, err
	}
	if o.plan {
		return func() int { return o.printPlan(kit, action, "  ") }, nil
	}
	dirs, err := o.dirs(o.engine().Uses(kit, action, o.resource))
	if err != nil {
		return nil, err
	}
	return func() int { return o.run(dirs, kit, action) }, nil
}

// prints is the function for a command line that only asks for a text.
func prints(text string) func() int {
	return func() int {
		fmt.Print(text)
		return kitrunner.Success
	}
}

// isAction tells whether some kit has the action.
func isAction(name string) bool {
	for _, k := range kitrunner.Kits() {
		if k.Action(name) != nil {
			return true
		}
	}
	return false
}

// complain says on stderr what went wrong.
func complain(format string, args ...any) {
	fmt.Fprintln(os.Stderr, complaint(format, args...))
}

// complaint is one line that is safe for a terminal, whatever the arguments and
// files hold that it quotes.
func complaint(format string, args ...any) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r) && r != utf8.RuneError:
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return '?'
	}, fmt.Sprintf("kitrunner: error: "+format, args...))
}

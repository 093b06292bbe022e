// Command kitrunner performs the documented actions of three LifeKeeper
// recovery kits, watches a resource with them, and cleans up after a node's
// re-installation.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

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
	if len(args) == 0 {
		return usageError("no kit and no action (kitrunner --help shows them)")
	}
	switch strings.ToLower(args[0]) {
	case "--help", "-h", "help":
		fmt.Print(usage())
		return kitrunner.Success
	case "--version":
		fmt.Printf("kitrunner %s\n", version)
		return kitrunner.Success
	case "rejoin":
		return rejoin(args[1:])
	case "watch":
		return watch(args[1:])
	}
	kit := kitrunner.FindKit(args[0])
	if kit == nil {
		return usageError("%q is not a kit (lanman, ip or volume; or rejoin, watch)", args[0])
	}
	if len(args) == 1 {
		return usageError("%s: no action (quickCheck, deepCheck, restore, remove or recover)", kit.Name)
	}
	if args[1] == "--help" || args[1] == "-h" {
		fmt.Print(usage())
		return kitrunner.Success
	}
	action := kit.Action(args[1])
	if action == nil && isAction(args[1]) {
		complain("%s has no %s (its document says that there is none)", kit.Name, args[1])
		return exitUnsupported
	}
	if action == nil {
		return usageError("%q is not an action (quickCheck, deepCheck, restore, remove or recover)", args[1])
	}
	o, err := parse(args[2:])
	if errors.Is(err, errHelp) {
		fmt.Print(usage())
		return kitrunner.Success
	}
	if err == nil {
		err = o.check(kit, action)
	}
	if err != nil {
		return usageError("%v", err)
	}
	if o.plan {
		if err := o.engine().Plan(os.Stdout, kit, action, o.resource); err != nil {
			complain("%v", err)
			return kitrunner.Failure
		}
		return kitrunner.Success
	}
	return o.run(kit, action)
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
	fmt.Fprintf(os.Stderr, "kitrunner: error: "+format+"\n", args...)
}

// usageError complains about wrong usage and returns its exit code.
func usageError(format string, args ...any) int {
	complain(format, args...)
	return exitUsage
}

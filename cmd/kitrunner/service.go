package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"fsmon/kitrunner"
	"fsmon/kitrunner/winsys"
)

const serviceUsage = `Run the watch of a resource as a service of Windows.

  kitrunner service install KIT --resource FILE [options of watch]
  kitrunner service remove KIT --resource FILE        or with --tag TAG

The service starts with the system, and again five minutes after a watch that gave up. It is called
kitrunner-KIT-TAG. install does not start it: sc start kitrunner-KIT-TAG. remove stops it first, and lets a
recover finish.

Exit codes: 0 success; 1 Windows refused it; 64 wrong usage.
`

// service reads `kitrunner service` with the arguments after that word, and
// returns what performs it, see command.
func service(args []string) (perform func() int, err error) {
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	switch {
	case verb == "--help" || verb == "-h":
		return prints(serviceUsage), nil
	case verb != "install" && verb != "remove":
		return nil, errors.New("service: no verb (install or remove)")
	case len(args) < 2 || kitrunner.FindKit(args[1]) == nil:
		return nil, errors.New("service: no kit (lanman, ip or volume)")
	}
	kit := kitrunner.FindKit(args[1])
	o, err := parse(args[2:], true)
	if errors.Is(err, errHelp) {
		return prints(serviceUsage), nil
	}
	if err == nil && o.resource.Tag == "" {
		err = errors.New("--tag: is missing")
	}
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", verb, err)
	}
	name := "kitrunner-" + winsys.FileName(kit.Name+"-"+o.resource.Tag)
	if verb == "remove" {
		return serviceCode(name+" is removed", func() error { return removeService(name) }), nil
	}
	args = append([]string{"watch"}, args[1:]...)
	if _, err := watch(args[1:]); err != nil { // what would fail at its start
		return nil, err
	}
	if err := wholePaths(o, args); err != nil {
		return nil, fmt.Errorf("service install: %w", err)
	}
	display := fmt.Sprintf("kitrunner watch %s %s", kit.Name, o.resource.Tag)
	return serviceCode(name+" is installed; start it with: sc start "+name,
		func() error { return installService(name, display, args) }), nil
}

func serviceCode(done string, do func() error) func() int {
	return func() int {
		if err := do(); err != nil {
			complain("service: %v", err)
			return kitrunner.Failure
		}
		fmt.Println(done)
		return kitrunner.Success
	}
}

// pathOptions are the options whose value is a path.
var pathOptions = []string{"--resource", "--events", "--state-dir", "--lkroot", "--lkbin",
	"--extmirrbase", "--system32"}

// wholePaths makes the paths of a command line absolute, since a service runs in
// a directory of its own. A resource's file must have whole paths already.
func wholePaths(o *options, args []string) error {
	given := map[string]bool{}
	for i := range args {
		name, value, joined := strings.Cut(args[i], "=")
		if !slices.Contains(pathOptions, name) || !joined && i+1 == len(args) {
			continue
		}
		given[name] = true
		at, prefix := &args[i], name+"="
		if !joined {
			at, value, prefix = &args[i+1], args[i+1], ""
		}
		whole, err := filepath.Abs(value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*at = prefix + whole
	}
	for name, value := range map[string]string{"--events": o.events, "--state-dir": o.stateDir,
		"--lkroot": o.lkroot, "--lkbin": o.lkbin, "--extmirrbase": o.extmirrbase,
		"--system32": o.system32} {
		if value != "" && !given[name] && !filepath.IsAbs(value) {
			return fmt.Errorf("%s: %q is not a whole path (a service runs in another directory)",
				strings.TrimPrefix(name, "--"), value)
		}
	}
	return nil
}

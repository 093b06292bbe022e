package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"fsmon/kitrunner"
)

// The plan in kitrunner/README.md is what its command prints, and the table of
// exit codes has the program's.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("../../kitrunner/README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := strings.ReplaceAll(string(b), "\r\n", "\n")
	shown := regexp.MustCompile(`(?m)^    kitrunner (.* --plan)$`).FindStringSubmatch(readme)
	if shown == nil {
		t.Fatal("no command with --plan")
	}
	args := strings.Fields(shown[1])
	kit := kitrunner.FindKit(args[0])
	action := kit.Action(args[1])
	o, err := parse(args[2:], false)
	if err == nil {
		err = o.check(kit, action)
	}
	if err != nil {
		t.Fatal(err)
	}
	plan, _ := o.engine().Plan(kit, action, o.resource)
	if !strings.Contains(readme, "```\n"+plan+"```\n") {
		t.Errorf("the plan is\n%s", plan)
	}
	for _, row := range []string{
		fmt.Sprintf("| %d | success |", kitrunner.Success),
		fmt.Sprintf("| %d, %d | failure", kitrunner.Failure, kitrunner.TimeIsUp),
		fmt.Sprintf("| %d | could not determine |", kitrunner.Undetermined),
		fmt.Sprintf("| %d | wrong usage", exitUsage),
		fmt.Sprintf("| %d | the kit has no such action |", exitUnsupported),
	} {
		if strings.Count(readme, row) != 1 {
			t.Errorf("the table of exit codes has no row %q", row)
		}
	}
}

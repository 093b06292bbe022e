package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fsmon/kitrunner"
)

// The plan in kitrunner/README.md is what its command prints, and the table of
// exit codes has the program's.
func TestReadme(t *testing.T) {
	readme := read(t, "../../kitrunner/README.md")
	shown := regexp.MustCompile(`(?m)^    kitrunner (.* --tag .* --plan)$`).FindStringSubmatch(readme)
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

// The lists of our own events have the catalogue's: in English with their text,
// in Japanese with their number and severity.
func TestReadmeListsOurEvents(t *testing.T) {
	var english, japanese []string
	for _, e := range kitrunner.Catalogue() {
		if e.Number > 20000 {
			japanese = append(japanese, fmt.Sprintf("| %d | %s |", e.Number, e.Severity))
			english = append(english, fmt.Sprintf("| %d | %s | %s |", e.Number, e.Severity, e.Text))
		}
	}
	for file, want := range map[string][]string{"README.md": english, "README.ja.md": japanese} {
		row := regexp.MustCompile(`(?m)^\| 2\d{4} \| \w+ \|.*`)
		if file == "README.ja.md" {
			row = regexp.MustCompile(`(?m)^\| 2\d{4} \| \w+ \|`)
		}
		got := row.FindAllString(read(t, "../../kitrunner/"+file), -1)
		if !slices.Equal(got, want) {
			t.Errorf("%s lists\n%s\nand the catalogue has\n%s", file, strings.Join(got, "\n"),
				strings.Join(want, "\n"))
		}
	}
}

// Every command of the documents is one that kitrunner accepts, with the files
// of templates/windows.
func TestDocumentedCommands(t *testing.T) {
	const templates = "../../templates/windows/"
	for _, variable := range []string{"LKROOT", "LKBIN", "ExtMirrBase"} {
		t.Setenv(variable, os.TempDir())
	}
	for file, most := range map[string]int{"../../kitrunner/README.md": 17,
		"../../kitrunner/README.ja.md": 15, templates + "README.txt": 4} {
		lines := regexp.MustCompile(`(?m)^ {4,}kitrunner (.*)$`).FindAllStringSubmatch(read(t, file),
			-1)
		if len(lines) < most {
			t.Errorf("%s shows %d commands", file, len(lines))
		}
		for _, line := range lines {
			args := regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(line[1], -1)
			for i, a := range args {
				if strings.HasSuffix(strings.Trim(a, `"`), ".toml") {
					a = strings.Trim(a, `"`)
					args[i] = templates + a[strings.LastIndexByte(a, '\\')+1:]
				}
			}
			if _, err := command(append(args, "--system32", os.TempDir())); err != nil {
				t.Errorf("%s: kitrunner %s: %v", file, line[1], err)
			}
		}
	}
}

// Every resource's file of the templates is whole: all actions take it.
func TestExampleResources(t *testing.T) {
	for kit, file := range map[string]string{"volume": "vol-e.toml", "lanman": "srv01.toml",
		"ip": "ip-192.0.2.50.toml"} {
		k := kitrunner.FindKit(kit)
		for i := range k.Actions {
			o, err := parse([]string{"--resource", "../../templates/windows/" + file}, false)
			if err == nil {
				err = o.check(k, &k.Actions[i])
			}
			if err != nil {
				t.Errorf("%s %s: %v", kit, k.Actions[i].Name, err)
			}
		}
	}
}

// read is a file's text with plain line ends.
func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

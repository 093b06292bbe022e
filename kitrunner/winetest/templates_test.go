//go:build linux

package winetest

import (
	"context"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fsmon/kitrunner/kitdouble"
)

const templates = "../../templates/windows"

// edited is a script of the templates, with the lines that a user edits set to
// a lab.
func edited(t *testing.T, l *lab, name, kit, resource string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(templates, name))
	if err != nil {
		t.Fatal(err)
	}
	script := string(b)
	if strings.Contains(strings.ReplaceAll(script, "\r\n", ""), "\n") {
		t.Errorf("%s has lines that do not end with CR LF, as cmd.exe wants them", name)
	}
	for variable, value := range map[string]string{"KIT": kit, "RESOURCE": resource,
		"KITRUNNER": windows(programs["windows"].kitrunner)} {
		re := regexp.MustCompile(`(?m)^set "` + variable + `=.*"`)
		if len(re.FindAllString(script, -1)) != 1 {
			t.Errorf("%s does not set %s once", name, variable)
		}
		script = re.ReplaceAllLiteralString(script, `set "`+variable+`=`+value+`"`)
	}
	file := filepath.Join(l.dir, name)
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// resource writes the resource's file, with the options that every run of a lab
// has.
func (l *lab) resource(t *testing.T, options []string) string {
	t.Helper()
	var b strings.Builder
	for all := append(slices.Clone(options), l.options()...); len(all) > 0; all = all[2:] {
		b.WriteString(strings.TrimPrefix(all[0], "--") + " = '" + all[1] + "'\n")
	}
	dir := filepath.Join(l.dir, "with blank (x86)")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "resource.toml"), []byte(b.String()),
		0o644); err != nil {
		t.Fatal(err)
	}
	return windows(filepath.Join(dir, "resource.toml"))
}

// script runs a script as LifeKeeper does, and returns its exit code and
// output.
func (l *lab) script(t *testing.T, file string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	defer slot(l.slots)()
	cmd := english.command(ctx, []string{"KITDOUBLE=" + windows(l.stateFile())},
		"cmd.exe", "/c", windows(file))
	out, err := runToFile(t, cmd)
	if cmd.ProcessState == nil || ctx.Err() != nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	need(t, "windows")
	l := newLab(t, english, cluster())
	if err := os.Link(programs["windows"].double, filepath.Join(prefix,
		"drive_c/windows/system32/eventcreate.exe")); err != nil { // Wine has none
		t.Fatal(err)
	}
	resource := l.resource(t, alias)
	scripts := map[string]string{}
	for _, name := range []string{"restore", "remove", "quickCheck", "deepCheck"} {
		scripts[name] = edited(t, l, name+".cmd", "lanman", resource)
	}
	expect := func(name string, want int) (output string) {
		t.Helper()
		code, out := l.script(t, scripts[name])
		if code != want {
			t.Errorf("%s: exit code %d, want %d\n%s", name, code, want, out)
		}
		return out
	}
	expect("quickCheck", 1)
	expect("restore", 0)
	if !slices.Contains(l.state().Nodes["NODEA"].Aliases, "SRV01") {
		t.Error("restore.cmd did not add the alias")
	}
	expect("quickCheck", 0)
	expect("deepCheck", 0)

	// What could not be determined is no failure of the resource, but no
	// success of restore and remove either.
	s := l.state()
	s.Faults["nbtstat.exe"] = &kitdouble.Fault{Mode: "garbage"}
	l.set(s)
	for _, name := range []string{"quickCheck", "deepCheck"} {
		if out := expect(name, 0); !strings.Contains(out,
			name+": exit code 3 of kitrunner is no failure of the resource") {
			t.Errorf("%s says\n%s", name, out)
		}
	}
	expect("restore", 3)
	expect("remove", 3)
	delete(s.Faults, "nbtstat.exe")
	l.set(s)
	expect("remove", 0)
	if slices.Contains(l.state().Nodes["NODEA"].Aliases, "SRV01") {
		t.Error("remove.cmd did not delete the alias")
	}

	// A resource that is not set up right.
	for name, file := range scripts {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for from, to := range map[string]string{"resource.toml": "nowhere.toml",
			"kitrunner.exe": "nowhere.exe"} {
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(b), from, to)),
				0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(l.stateFile() + ".log"); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			expect(name, map[string]int{"resource.toml": 64, "kitrunner.exe": 1}[from])
			var events []string
			for _, c := range readLines[kitdouble.Call](t, l.stateFile()+".log") {
				events = append(events, c.Name+" "+strings.Join(c.Args, " "))
			}
			check := strings.HasSuffix(name, "Check") // LifeKeeper shows the others' failure
			if check != (len(events) == 1) || check && !strings.HasPrefix(events[0],
				"eventcreate.exe /L APPLICATION /SO kitrunner-script /T ERROR /ID 100 /D "+
					name+" of ") {
				t.Errorf("%s without %s: events %q", name, from, events)
			}
		}
	}
}

// TestScheduledTask reads the task as the Task Scheduler does, and gives its
// command line to kitrunner.
func TestScheduledTask(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join(templates, "watch.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var task struct {
		XMLName xml.Name `xml:"http://schemas.microsoft.com/windows/2004/02/mit/task Task"`
		Policy  string   `xml:"Settings>MultipleInstancesPolicy"`
		Limit   string   `xml:"Settings>ExecutionTimeLimit"`
		User    string   `xml:"Principals>Principal>UserId"`
		Command string   `xml:"Actions>Exec>Command"`
		Args    string   `xml:"Actions>Exec>Arguments"`
	}
	if err := xml.Unmarshal(b, &task); err != nil {
		t.Fatal(err)
	}
	if task.Policy != "IgnoreNew" || task.Limit != "PT0S" || task.User != "S-1-5-18" ||
		!strings.HasSuffix(task.Command, `\kitrunner.exe`) {
		t.Errorf("%+v", task)
	}
	need(t, native.goos)
	l := newLab(t, native, cluster())
	args := regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(task.Args, -1)
	help, err := exec.CommandContext(t.Context(), programs[native.goos].kitrunner, args[0],
		"--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range args {
		args[i] = strings.Trim(a, `"`)
		if strings.HasPrefix(a, "--") && a != "--resource" &&
			!strings.Contains(string(help), a+" ") {
			t.Errorf("%s is not in the help of kitrunner watch:\n%s", a, help)
		}
	}
	i := slices.Index(args, "--resource")
	if i < 0 {
		t.Fatalf("no --resource: %q", args)
	}
	file := filepath.Join(l.dir, "srv01.toml")
	if err := os.WriteFile(file, []byte("tag = \"srv01\"\nid = \"SRV01\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	args[i+1] = file
	o := l.run(append(args, "--plan")...)
	if o.code != 0 || !strings.Contains(o.stdout, "nbtstat.exe -n") {
		t.Errorf("kitrunner %q: exit code %d\n%s%s", args, o.code, o.stdout, o.stderr)
	}
}
